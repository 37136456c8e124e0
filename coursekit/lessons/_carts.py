"""A pole on a cart, and four ways to learn its balance; all seeds side by side, in NumPy.

The cart is that of Barto, Sutton and Anderson (1983), with the constants that everyone uses. A run
of Keras pays for a call at each step of the cart; here the nets of all seeds take their steps
together. A test holds the steps against those of Keras.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LONGEST = 200  # steps of an episode at most
SCALE = np.array([1 / 2.4, 1 / 2.0, 1 / 0.21, 1 / 2.0])
POLICY, CRITIC, QUALITY = (4, 16, 2), (4, 32, 1), (4, 64, 2)


def push(s: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the states 0.02 s later: position, speed, angle and its speed, (..., 4) each."""
    _, v, angle, turn = np.moveaxis(s, -1, 0)
    cos, sin = np.cos(angle), np.sin(angle)
    pull = (np.where(right, 10.0, -10.0) + 0.05 * turn**2 * sin) / 1.1
    falls = (9.8 * sin - cos * pull) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
    speeds_up = pull - 0.05 * falls * cos / 1.1
    return s + 0.02 * np.stack([v, speeds_up, turn, falls], axis=-1)


def fell(s: np.ndarray) -> np.ndarray:
    """Say which carts have left their track, or dropped the pole below 12 degrees."""
    return (np.abs(s[..., 0]) > 2.4) | (np.abs(s[..., 2]) > 0.2095)


def softmax(z: np.ndarray) -> np.ndarray:
    """Return the probabilities of scores, along the last axis."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# Nets ---------------------------------------------------------------------------------------------


def first_weights(rng, sizes: Sequence[int]) -> list[np.ndarray]:
    """Return kernels and biases of two layers; the second starts near 0."""
    inputs, hidden, outputs = sizes
    return [rng.normal(0, inputs**-0.5, (inputs, hidden)), np.zeros(hidden),
            rng.normal(0, 0.01, (hidden, outputs)), np.zeros(outputs)]  # fmt: skip


def scores(weights: Sequence[np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return what a net of two layers says, tanh between; or many nets, weights stacked."""
    W1, b1, W2, b2 = weights
    return np.tanh(x @ W1 + b1) @ W2 + b2


class Nets:
    """A net of two layers (tanh between) for each generator, and Adam as Keras has it."""

    def __init__(self, rngs, sizes: Sequence[int], rate: float):
        each = [first_weights(rng, sizes) for rng in rngs]
        self.weights = [np.stack(parts) for parts in zip(*each, strict=True)]
        self.weights[1::2] = [bias[:, None] for bias in self.weights[1::2]]
        self.moments = [(np.zeros_like(w), np.zeros_like(w)) for w in self.weights]
        self.rate, self.steps = rate, 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs for `x` of shape (nets, rows, inputs)."""
        self.read, self.hidden = x, np.tanh(x @ self.weights[0] + self.weights[1])
        return self.hidden @ self.weights[2] + self.weights[3]

    def step(self, dz: np.ndarray) -> list[np.ndarray]:
        """Go one step of Adam, with the gradient `dz` of what the last call returned."""
        h = self.hidden
        da = dz @ self.weights[2].swapaxes(1, 2) * (1 - h**2)
        found = [self.read.swapaxes(1, 2) @ da, da.sum(axis=1, keepdims=True),
                 h.swapaxes(1, 2) @ dz, dz.sum(axis=1, keepdims=True)]  # fmt: skip
        self.steps += 1
        scale = self.rate * np.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps)
        for w, g, (m, v) in zip(self.weights, found, self.moments, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            w -= scale * m / (np.sqrt(v) + 1e-7)
        return found


# Whole episodes -----------------------------------------------------------------------------------


class Played(NamedTuple):
    """Episodes: states (nets, steps, carts, 4) as nets read them, actions, and who was upright."""

    states: np.ndarray
    actions: np.ndarray
    upright: np.ndarray


def play(net, rngs, carts: int = 4) -> Played:
    """Let carts go until all have fallen, or 200 steps; each move is drawn from the policy.

    Args:
        net: scores of both moves for states of shape (nets, carts, 4).
        rngs: a generator for each net.
        carts: for each net.
    """
    s = np.stack([rng.uniform(-0.05, 0.05, (carts, 4)) for rng in rngs])
    drawn = np.stack([rng.random((LONGEST, carts)) for rng in rngs])
    up, found = np.ones(s.shape[:2], bool), []
    for t in range(LONGEST):
        right = drawn[:, t] < softmax(net(s * SCALE))[..., 1]
        found.append((s * SCALE, right, up))
        s = np.where(up[..., None], push(s, right), s)
        up = up & ~fell(s)
        if not up.any():
            break
    states, actions, upright = (np.stack(part, axis=1) for part in zip(*found, strict=True))
    return Played(states, actions.astype(int), upright)


def episodes(weights: Sequence[np.ndarray], rng, carts: int = 4):
    """Play with the weights of a Keras policy (tanh between two Dense layers).

    Returns:
        The states, actions and discounted returns of all steps, and the mean length of an episode.
    """
    played = play(lambda s: scores(weights, s), [rng], carts)
    up = played.upright
    returns = rewards_to_come(up)[up]
    return played.states[up], played.actions[up], returns, up.sum() / carts


def filled(states: np.ndarray, actions: np.ndarray, counts: np.ndarray, rows: int = 4 * LONGEST):
    """Return a batch of always the same shape: rows that count 0 are added, the mean stays."""
    more = rows - len(states)
    scaled = np.pad(counts * rows / len(counts), (0, more)).astype("float32")
    return np.pad(states, ((0, more), (0, 0))), np.pad(actions, (0, more)), scaled


def rewards_to_come(upright: np.ndarray, gamma: float = 0.99) -> np.ndarray:
    """Return the discounted return from each step on, where each step upright pays 1."""
    G, later = np.zeros(upright.shape), np.zeros(upright[:, 0].shape)
    for t in reversed(range(upright.shape[1])):
        G[:, t] = later = upright[:, t] * (1 + gamma * later)
    return G


def weights_of_steps(played: Played, baseline: bool) -> np.ndarray:
    """Return what each step counts: its return, less the mean of all if there is a baseline."""
    G, up = rewards_to_come(played.upright), played.upright
    if baseline:
        G = G - (G * up).sum(axis=(1, 2), keepdims=True) / up.sum(axis=(1, 2), keepdims=True)
    return G * up


def push_towards(net: Nets, played: Played, weight: np.ndarray) -> list[np.ndarray]:
    """Go a step of the policy gradient; the loss is the mean weighted cross-entropy."""
    flat = (len(weight), -1)
    p = softmax(net(played.states.reshape(*flat, 4)))
    a, w = played.actions.reshape(flat), weight.reshape(flat)
    rows = played.upright.sum(axis=(1, 2))[:, None, None]
    return net.step((p - np.eye(2)[a]) * w[..., None] / rows)


def directions(draws: int, baseline: bool, seed: int = 0) -> np.ndarray:
    """Return policy gradients of one new policy, a row for each batch of four episodes."""
    net = Nets([np.random.default_rng(seed) for _ in range(draws)], POLICY, 0.01)
    played = play(net, [np.random.default_rng(draw) for draw in range(draws)])
    found = push_towards(net, played, weights_of_steps(played, baseline))
    return -np.concatenate([part.reshape(draws, -1) for part in found], axis=1)


def reinforce(seeds, baseline: bool, updates: int = 60, rate: float = 0.01) -> np.ndarray:
    """Learn by policy gradients; return the mean length of the episodes, (seeds, updates)."""
    rngs = [np.random.default_rng(seed) for seed in seeds]
    net, lengths = Nets(rngs, POLICY, rate), []
    for _ in range(updates):
        played = play(net, rngs)
        lengths.append(played.upright.sum(axis=1).mean(axis=-1))
        push_towards(net, played, weights_of_steps(played, baseline))
    return np.stack(lengths, axis=1)


# Step by step -------------------------------------------------------------------------------------


class Carts:
    """Carts that never end: who falls, or has been up for 200 steps, starts anew."""

    def __init__(self, rngs, carts: int):
        self.rngs, self.last = rngs, [[] for _ in rngs]
        self.s = np.stack([rng.uniform(-0.05, 0.05, (carts, 4)) for rng in rngs])
        self.age = np.zeros(self.s.shape[:2], int)

    def step(self, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take a move each; return the next states as nets read them, and who fell."""
        s = push(self.s, right)
        self.age += 1
        down = fell(s)
        over = down | (self.age >= LONGEST)
        for k, rng in enumerate(self.rngs):
            new = rng.uniform(-0.05, 0.05, self.s.shape[1:])
            self.last[k] = [*self.last[k], *self.age[k][over[k]]][-20:]
            self.s[k] = np.where(over[k][:, None], new, s[k])
        self.age[over] = 0
        return s * SCALE, down

    def lengths(self) -> list[float]:
        """Return the mean length of the last 20 episodes of each net."""
        return [float(np.mean(last)) if last else 0.0 for last in self.last]


def actor_critic(seeds, steps: int = 1500, carts: int = 16, rate: float = 0.005) -> np.ndarray:
    """Learn at every step, from a critic's surprise; return lengths, (seeds, steps).

    The critic's values come to about 100 / 50, so that they are near 1.
    """
    rngs = [np.random.default_rng(seed) for seed in seeds]
    actor, critic = Nets(rngs, POLICY, rate), Nets(rngs, CRITIC, 2 * rate)
    world, found = Carts(rngs, carts), []
    for _ in range(steps):
        s = world.s * SCALE
        p = softmax(actor(s))
        right = np.stack([rng.random(carts) for rng in rngs]) < p[..., 1]
        after, down = world.step(right)
        target = 0.02 + 0.99 * critic(after)[..., 0] * ~down
        surprise = target - critic(s)[..., 0]
        critic.step(-surprise[..., None] / carts)
        actor.step((p - np.eye(2)[right.astype(int)]) * surprise[..., None] / carts)
        found.append(world.lengths())
    return np.array(found).T


def q_learning(seeds, replay: bool = True, renewed: int = 0, steps: int = 3000) -> np.ndarray:
    """Learn a net of move values with two carts; return how long its best moves last.

    Random moves fall from all to one in twenty. Each step learns from 32 rows.

    Args:
        seeds: of the runs.
        replay: draw the rows from the last 10,000; or take the 32 newest.
        renewed: after how many steps a target network is renewed; 0 for none.
        steps: the number of steps.
    """
    rngs = [np.random.default_rng(seed) for seed in seeds]
    net, world, size, rows = Nets(rngs, QUALITY, 2e-3), Carts(rngs, 2), 10_000, 32
    frozen, every = net.weights, np.arange(len(rngs))[:, None]
    states, after = (np.zeros((len(rngs), size, 4)) for _ in range(2))
    moves, down = (np.zeros((len(rngs), size), int) for _ in range(2))
    for t in range(steps):
        s, epsilon, last = world.s * SCALE, max(0.05, 1 - t / (0.3 * steps)), 2 * t + 2
        tries, coin = np.stack([rng.random((2, 2)) for rng in rngs], axis=1)
        move = np.where(tries < epsilon, coin < 0.5, net(s).argmax(axis=-1))
        now = np.arange(last - 2, last) % size
        states[:, now], moves[:, now] = s, move
        after[:, now], down[:, now] = world.step(move)
        if last <= 500:
            continue
        if renewed and t % renewed == 0:
            frozen = [w.copy() for w in net.weights]
        known = [rng.integers(0, min(last, size), rows) for rng in rngs]
        chosen = np.stack(known) if replay else np.arange(last - rows, last)[None] % size
        later = scores(frozen if renewed else net.weights, after[every, chosen]).max(axis=-1)
        target = 0.02 + 0.99 * later * (1 - down[every, chosen])
        q, took = net(states[every, chosen]), np.eye(2)[moves[every, chosen]]
        error = ((q * took).sum(axis=-1) - target).clip(-1, 1)
        net.step(took * error[..., None] / rows)
    return greedy_lengths(net)


def greedy_lengths(net, carts: int = 20) -> np.ndarray:
    """Return how long carts stay up on average by the moves that each net thinks best."""
    s = np.random.default_rng(99).uniform(-0.05, 0.05, (carts, 4))
    s = np.repeat(s[None], len(net.weights[0]), axis=0)
    up, length = np.ones(s.shape[:2], bool), np.zeros(s.shape[:2])
    for _ in range(LONGEST):
        length += up
        s = push(s, net(s * SCALE).argmax(axis=-1))
        up = up & ~fell(s)
    return length.mean(axis=1)
