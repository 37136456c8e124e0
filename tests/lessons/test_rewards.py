"""Right answers of several kinds, and what each wrong one is told."""

import keras
import numpy as np
import pytest
from answers import row

from coursekit.exercises import brief
from coursekit.lessons import rewards as lesson
from coursekit.training import value_and_gradients

pytestmark = pytest.mark.any_backend
carts, grid, parts = lesson.carts, lesson.grid, lesson.parts

# returns


def back(rewards, gamma):
    found, later = [], 0
    for reward in reversed(rewards):
        later = reward + gamma * later
        found.insert(0, later)
    return found


def by_sums(rewards, gamma):
    r = np.array(rewards)
    return [float(r[t:] @ gamma ** np.arange(len(r) - t)) for t in range(len(r))]


def by_library(rewards, gamma):
    steps = np.subtract.outer(np.arange(len(rewards)), np.arange(len(rewards)))
    table = np.where(steps <= 0, float(gamma) ** np.abs(steps), 0.0).astype("float32")
    return keras.ops.matmul(table, np.array(rewards, "float32"))


def in_place(rewards, gamma):
    for t in reversed(range(len(rewards) - 1)):
        rewards[t] += gamma * rewards[t + 1]
    return rewards


def wrongly(*faults):
    return lambda rewards, gamma: lesson._returns(rewards, gamma, faults)


ONE_RETURN = [fault for fault in lesson.RETURNS if fault != "no_sum"]  # these are the rewards


def forwards(rewards, gamma):
    found, so_far = [], 0
    for reward in rewards:
        so_far = reward + gamma * so_far
        found.append(so_far)
    return found


# q_update, policy_gradient, dpo_loss


def q_by_shares(q, reward, best_next, ended, alpha, gamma):
    return (1 - alpha) * q + alpha * (reward + gamma * best_next * (not ended))


def q_of_numpy(q, reward, best_next, ended, alpha, gamma):
    return np.array([q + alpha * (reward + gamma * best_next * (1 - ended) - q)], "float32")


def update(*faults):
    return lambda *case: lesson._update(*case, faults)


def push(*faults):
    return lambda *case: lesson._push(*case, faults)


def gain(scores, action, reward, baseline):
    return (reward - baseline) * np.log(carts.softmax(scores)[action])


def reward_less_push(scores, action, reward, baseline):
    return reward - baseline * (np.eye(len(scores))[action] - carts.softmax(scores))


def push_by_library(scores, action, reward, baseline):
    def gain(z):
        return (reward - baseline) * keras.ops.log_softmax(z)[action]

    return value_and_gradients(gain, [scores.astype("float32")]).gradients["0"]


def push_entry_by_entry(scores, action, reward, baseline):
    p = [np.exp(s) / sum(np.exp(scores)) for s in scores]
    return [(reward - baseline) * ((k == action) - p[k]) for k in range(len(p))]


def dpo(*faults):
    return lambda *case: lesson._dpo(*case, faults)


def dpo_by_keras(better, worse, better_ref, worse_ref, beta):
    margin = beta * ((better - worse) - (better_ref - worse_ref))
    ones = np.ones((len(margin), 1))
    return keras.losses.BinaryCrossentropy(from_logits=True)(ones, margin[:, None])


def dpo_by_softplus(b, w, b_ref, w_ref, beta):
    return np.logaddexp(0, beta * (w - w_ref - b + b_ref)).mean()


def dpo_rows(b, w, b_ref, w_ref, beta):
    return np.logaddexp(0, beta * (w - w_ref - b + b_ref))


ANSWERS = [
    row("returns", "ok", back),
    row("returns", "alternative", by_sums),
    row("returns", "alternative", by_library),
    row("returns", "alternative", lambda rewards, gamma: np.array(back(rewards, gamma))),
    row("returns", "todo", ...),
    row("returns", "todo", lambda rewards, gamma: [...]),
    *(row("returns", "one", wrongly(fault)) for fault in ONE_RETURN),
    row("returns", "several", wrongly("no_sum", "from_start")),
    row("returns", "one", forwards),
    row("returns", "several", lambda rewards, gamma: np.cumsum(rewards)),
    row("returns", "several", wrongly("own_missing", "turned")),
    row("returns", "only_first", lambda rewards, gamma: by_sums(rewards, gamma)[0]),
    row("returns", "rewards_back", lambda rewards, gamma: list(rewards)),
    row("returns", "mutated", in_place),
    row("returns", "wrong", lambda rewards, gamma: 3 * np.array(back(rewards, gamma))),
    row("returns", "shape", lambda rewards, gamma: [*back(rewards, gamma), 0.0]),
    row("q_update", "ok", update()),
    row("q_update", "alternative", q_by_shares),
    row("q_update", "alternative", q_of_numpy),
    row("q_update", "todo", ...),
    *(row("q_update", "one", update(fault)) for fault in lesson.UPDATES),
    row("q_update", "several", update("no_old", "ended")),
    row("q_update", "several", update("whole", "no_gamma")),
    row("q_update", "several", update("shares", "ended", "gamma_all")),
    row("q_update", "several", update("exchanged", "ended")),
    row("q_update", "several", update("minus", "whole", "ended")),
    row("q_update", "several", update("reward_share", "no_old")),
    row("q_update", "one", lambda q, r, m, end, a, g: q + a * r + g * m * (not end) - q),
    row("q_update", "one", lambda q, r, m, end, a, g: q + a * ((r if end else g * m) - q)),
    row("q_update", "same", lambda q, *rest: q),
    row("q_update", "wrong", lambda q, r, m, end, a, g: 17.0),
    row("policy_gradient", "ok", push()),
    row("policy_gradient", "alternative", push_by_library),
    row("policy_gradient", "alternative", push_entry_by_entry),
    row("policy_gradient", "todo", ...),
    *(row("policy_gradient", "one", push(fault)) for fault in lesson.PUSHES),
    row("policy_gradient", "one", reward_less_push),
    row("policy_gradient", "no_gradient", gain),
    row("policy_gradient", "no_gradient", lambda *case: -gain(*case)),
    row("policy_gradient", "shape", lambda *case: 3 * gain(*case)),
    row("policy_gradient", "several", push("label_off", "halved")),
    row("policy_gradient", "several", push("downhill", "baseline_missing")),
    row("policy_gradient", "several", push("no_label", "baseline_added")),
    row("policy_gradient", "several", push("downhill", "raw", "mean")),
    row("policy_gradient", "wrong", lambda scores, *rest: 0 * scores + 9),
    row("policy_gradient", "shape", lambda *case: push()(*case)[None]),
    row("quiet", "ok", -0.25, 10.5, "ABC"),
    row("quiet", "alternative", "-1/4", "10.5", ["a", "B", "c"]),
    row("quiet", "alternative", np.float32(-0.25), 21 / 2, "A, B and C"),
    row("quiet", "todo", ..., ..., ...),
    row("quiet", "sum", -0.5, 10.5, "ABC"),
    row("quiet", "chance", 0.5, 10.5, "ABC"),
    *(row("quiet", "rewards", number, 10.5, "ABC") for number in (10, 10.5, 11, 21)),
    row("quiet", "unsigned", -5.25, 10.5, "ABC"),
    row("quiet", "first", 5, 10.5, "ABC"),
    row("quiet", "second", -5.5, 10.5, "ABC"),
    row("quiet", "unsigned", 5.25, 10.5, "ABC"),
    row("quiet", "turned", 0.25, 10.5, "ABC"),
    row("quiet", "difference", -1, 10.5, "ABC"),
    row("quiet", "nothing", 0, 10.5, "ABC"),
    row("quiet", "average", 3, 10.5, "ABC"),
    row("quiet", "slip", -0.125, 10.5, "ABC"),
    row("quiet", "slip", -0.25, 5.25, "ABC"),
    row("quiet", "of_one", -0.25, 10, "ABC"),
    row("quiet", "of_one", -0.25, 11, "ABC"),
    row("quiet", "both_sum", -0.25, 21, "ABC"),
    row("quiet", "zero_baseline", -0.25, 0, "ABC"),
    row("quiet", "quiet", -0.25, 100, "ABC"),
    row("quiet", "missing", -0.25, 10.5, "BC"),
    row("quiet", "missing", -0.25, 10.5, "C"),
    row("quiet", "extra", -0.25, 10.5, "ABCD"),
    row("dpo_loss", "ok", dpo()),
    row("dpo_loss", "alternative", dpo_by_keras),
    row("dpo_loss", "alternative", dpo_by_softplus),
    row("dpo_loss", "todo", ...),
    *(row("dpo_loss", "one", dpo(fault)) for fault in lesson.PAIRS),
    row("dpo_loss", "several", dpo("swapped", "no_reference")),
    row("dpo_loss", "several", dpo("no_beta", "gain")),
    row("dpo_loss", "several", dpo("share", "sum", "doubled")),
    row("dpo_loss", "rows", dpo_rows),
    row("dpo_loss", "wrong", lambda *case: 0.37),
]  # fmt: skip


def test_answer(answer):
    answer.holds()


@pytest.mark.parametrize("faults", ["RETURNS", "UPDATES", "PUSHES", "PAIRS"])
def test_what_is_said_of_a_fault_is_said_whole(faults):
    """Long values are cut in the middle of a message; these are not that long."""
    for text in getattr(lesson, faults).values():
        assert brief(text) == text and text[-1] not in ".?" and "{" not in text


def test_two_faults_are_both_said_whole():
    message = lesson.check.verdict("returns", wrongly("no_sum", "from_start")).message
    assert "the step that you ask about. There is one reward in each entry" in message


@pytest.mark.slow
def test_a_baseline_keeps_the_direction_and_shrinks_its_noise():
    """At the first policy, on other seeds than the lesson's."""
    for seed in range(1, 4):
        plain, less = (carts.directions(400, baseline, seed) for baseline in (False, True))
        means = plain.mean(axis=0), less.mean(axis=0)
        assert np.dot(*means) > 0.99 * np.linalg.norm(means[0]) * np.linalg.norm(means[1])
        assert less.std(axis=0).mean() < 0.85 * plain.std(axis=0).mean()


def test_the_values_are_those_of_the_best_moves():
    """Value iteration, an exact policy evaluation and a long simulation agree."""
    V = grid.sweeps(200)[-1]
    moves = grid.action_values(V).argmax(axis=1)
    assert V[grid.START] == pytest.approx(grid.value_of(moves), abs=1e-9)
    rng, found = np.random.default_rng(0), []
    for _ in range(2000):
        s, worth, gained = grid.START, 1.0, 0.0
        while not grid.END[s] and worth > 1e-6:
            a = rng.integers(4) if rng.random() < grid.SLIP else moves[s]
            s = grid.NEXT[s, a]
            gained, worth = gained + worth * grid.GAIN[s], worth * grid.GAMMA
        found.append(gained)
    assert np.mean(found) == pytest.approx(V[grid.START], abs=4 * np.std(found) / 2000**0.5)


def test_some_random_moves_earn_most():
    """On other seeds than the lesson's: without any the coin is kept, with nothing else lost."""
    earned, worth = grid.learn([0, 0.3, 1], seeds=range(100, 110))
    assert np.sum(worth[0] > 0.5) <= 2 and np.all(worth[1:].mean(axis=1) > 0.5)
    assert earned[1].mean() > 0.5 > 0.35 > earned[0].mean() > 0.1 > earned[2].max()


@pytest.fixture
def pair():
    """Return a Keras policy, and a net in NumPy with the same weights."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(16, "tanh"), keras.layers.Dense(2)]
    policy = keras.Sequential([keras.Input((4,)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    policy.compile(keras.optimizers.Adam(0.01), loss)
    net = carts.Nets([np.random.default_rng(0)], carts.POLICY, 0.01)
    shapes = [w.shape for w in net.weights]
    weights = zip(policy.get_weights(), shapes, strict=True)
    net.weights = [np.float64(w).reshape(shape) for w, shape in weights]
    return policy, net


@pytest.mark.parametrize("baseline", [False, True])
def test_policy_gradients_take_the_steps_of_keras(pair, baseline):
    policy, net = pair
    for seed in range(3):
        played = carts.play(net, [np.random.default_rng(seed)])
        own = carts.weights_of_steps(played, baseline)
        s, a, G, length = carts.episodes(policy.get_weights(), np.random.default_rng(seed))
        assert length == played.upright.sum() / 4
        policy.train_on_batch(*carts.filled(s, a, G - G.mean() * baseline))
        carts.push_towards(net, played, own)
        for ours, theirs in zip(net.weights, policy.get_weights(), strict=True):
            np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, atol=2e-5)


@pytest.mark.slow
def test_what_the_lesson_says_of_the_cart_holds_at_other_seeds():
    """A baseline is ahead half-way, replay holds the pole, a target network is no help."""
    seeds = range(10, 20)
    plain, less = (carts.reinforce(seeds, b)[:, 25:35].mean(axis=1) for b in (False, True))
    assert less.mean() > plain.mean() + 10 and less.min() > plain.min()
    newest, replay = carts.q_learning(seeds, replay=False), carts.q_learning(seeds)
    frozen = carts.q_learning(seeds, renewed=100)
    assert replay.min() > 150 and newest.min() < 120 and newest.mean() < replay.mean() - 20
    assert frozen.mean() < replay.mean() + 5


def test_dpo_finds_the_best_policy_for_the_scores():
    """At other pairs; its loss, by the right answer, is least there."""
    better, worse = parts.judged(pairs=300, seed=5)
    for beta in (0.3, 1.0):
        best = parts.REFERENCE * np.exp(parts.scores_from(better, worse) / beta)
        found = parts.by_pairs(better, worse, beta)
        np.testing.assert_allclose(found, best / best.sum(), atol=2e-3)

        def loss(policy, beta=beta):
            logs, ref = np.log(policy), np.log(parts.REFERENCE)
            return lesson._dpo(logs[better], logs[worse], ref[better], ref[worse], beta)

        moved = [carts.softmax(np.log(found) + 0.1 * one) for one in np.eye(6)]
        assert loss(found) < min(loss(policy) for policy in moved)


def test_a_constant_disturbs_only_plain_reinforce():
    scores = parts.scores_from(*parts.judged(pairs=300, seed=5))
    best = parts.REFERENCE * np.exp(scores / 0.5)
    for seed in range(3):
        off = [np.abs(parts.by_reward(scores + 3, 0.5, group, seed) - best / best.sum()).max()
               for group in (False, True)]  # fmt: skip
        assert off[1] < 0.05 < off[0]
