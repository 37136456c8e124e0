"""A small world of 25 places: its rules, its values, and agents that learn in it, in NumPy."""

import numpy as np

MAP = (".....", ".....", "cS...", "...X.", "...G.")
REWARDS = {"G": 1.0, "c": 0.2, "X": -1.0}  # a goal, a coin, a pit
PLACES, ACTIONS, SLIP, GAMMA = 25, 4, 0.1, 0.9

# NEXT[s, a] is where a move leads from a place, GAIN[s] the reward of coming there, END[s] whether
# that ends the episode.
TEXT = "".join(MAP)
START = TEXT.index("S")
GAIN = np.array([REWARDS.get(sign, 0.0) for sign in TEXT])
END = np.array([sign in REWARDS for sign in TEXT])
STEPS = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])  # up, down, left, right
AT = np.stack(np.divmod(np.arange(PLACES), 5), axis=1)
NEXT = (AT[:, None] + STEPS).clip(0, 4) @ [5, 1]


def action_values(V: np.ndarray) -> np.ndarray:
    """Return the value of each move in each place, if `V` are the values of the places."""
    after = GAIN + GAMMA * V * ~END  # what it is worth to come to a place
    meant = after[NEXT]
    Q = (1 - SLIP) * meant + SLIP * meant.mean(axis=1, keepdims=True)
    return np.where(END[:, None], 0.0, Q)


def sweeps(count: int) -> list[np.ndarray]:
    """Return the values after 0, 1, ... sweeps of value iteration, from zeros."""
    found = [np.zeros(PLACES)]
    for _ in range(count):
        found.append(action_values(found[-1]).max(axis=1))
    return found


def value_of(moves: np.ndarray) -> float:
    """Return the exact value of the start for who always takes `moves[s]` in place s."""
    V = np.zeros(PLACES)
    for _ in range(300):
        V = action_values(V)[np.arange(PLACES), moves]
    return float(V[START])


def learn(epsilon, seeds, steps: int = 12_000, alpha: float = 0.2, longest: int = 60):
    """Let agents learn side by side by Q-learning, one for each epsilon and seed.

    Returns:
        The reward of an episode, the mean of the last third of all steps, and the exact value of
        the moves that each agent thinks best in the end; both of shape (epsilons, seeds).
    """
    eps = np.repeat(np.asarray(epsilon, float), len(seeds))
    rngs = [np.random.default_rng(seed) for seed in seeds] * len(epsilon)
    drawn = np.stack([rng.random((steps, 3 + ACTIONS)) for rng in rngs], axis=1)
    n = len(eps)
    Q, s, age = np.zeros((n, PLACES, ACTIONS)), np.full(n, START), np.zeros(n, int)
    every, gained, ended = np.arange(n), np.zeros(n), np.zeros(n)
    for t in range(steps):
        tries, random_move, slips, *ties = drawn[t].T
        best = (Q[every, s] + 1e-9 * np.stack(ties, axis=1)).argmax(axis=1)  # ties at random
        a = np.where(tries < eps, (random_move * ACTIONS).astype(int), best)
        moved = np.where(slips < SLIP, (slips / SLIP * ACTIONS).astype(int), a)
        there = NEXT[s, moved]
        target = GAIN[there] + GAMMA * Q[every, there].max(axis=1) * ~END[there]
        Q[every, s, a] += alpha * (target - Q[every, s, a])
        age += 1
        over = END[there] | (age >= longest)
        if t >= 2 * steps // 3:
            gained, ended = gained + GAIN[there], ended + over
        s, age = np.where(over, START, there), np.where(over, 0, age)
    worth = np.array([value_of(q.argmax(axis=1)) for q in Q])
    shape = (len(epsilon), len(seeds))
    return (gained / np.maximum(ended, 1)).reshape(shape), worth.reshape(shape)
