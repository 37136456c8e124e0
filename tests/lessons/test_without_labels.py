"""Right answers of several kinds, and what each wrong one is told."""

import itertools

import keras
import numpy as np
import pytest
from answers import row
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances_argmin

from coursekit.lessons import _without_labels as parts

pytestmark = pytest.mark.any_backend

# k_means


def k_means(
    labels=lambda x, c: ((x[:, None] - c) ** 2).sum(axis=2).argmin(axis=1),
    middle=np.mean, again=False, to="new", total=lambda s: s.sum(), empty=True,
):  # fmt: skip
    def answer(x, centres):
        mine = labels(x, centres)
        new = np.array([
            middle(x[mine == k], axis=0) if not empty or (mine == k).any() else old
            for k, old in enumerate(centres)
        ])  # fmt: skip
        mine = labels(x, new) if again else mine
        squares = ((x - (new if to == "new" else centres)[mine]) ** 2).sum(axis=1)
        return mine, new, total(squares)

    return answer


def k_means_in_a_loop(x, centres):
    table = [[np.linalg.norm(row - centre) for centre in centres] for row in x]
    labels = [distances.index(min(distances)) for distances in table]
    moved = [list(centre) for centre in centres]
    for k in set(labels):
        mine = [row for row, label in zip(x, labels, strict=True) if label == k]
        moved[k] = sum(mine) / len(mine)
    return labels, moved, sum(sum((x[n] - moved[k]) ** 2) for n, k in enumerate(labels))


def k_means_by_keras(x, centres):
    ops = keras.ops
    x, centres = ops.cast(x, "float32"), ops.cast(centres, "float32")
    labels = ops.argmin(ops.sum((x[:, None] - centres) ** 2, axis=2), axis=1)
    one_hot = ops.one_hot(labels, centres.shape[0])
    counts = ops.sum(one_hot, axis=0)[:, None]
    means = ops.matmul(ops.transpose(one_hot), x) / ops.maximum(counts, 1)
    moved = ops.where(counts > 0, means, centres)
    return labels, moved, ops.sum((x - ops.take(moved, labels, axis=0)) ** 2)


def k_means_by_products(x, centres):
    """The squares multiplied out: a tie would go by rounding."""
    table = (x**2).sum(axis=1)[:, None] - 2 * x @ centres.T + (centres**2).sum(axis=1)
    return k_means(labels=lambda *_: table.argmin(axis=1))(x, centres)


def k_means_last(x, centres):
    """The last of equally near centres."""
    table = ((x[:, None] - centres[::-1]) ** 2).sum(axis=2)
    return k_means(labels=lambda *_: len(centres) - 1 - table.argmin(axis=1))(x, centres)


def more_rounds(number):
    def answer(x, centres):
        for _ in range(number):
            labels, centres, inertia = k_means()(x, centres)
        return labels, centres, inertia

    return answer


def drop_empty(x, centres):
    labels = pairwise_distances_argmin(x, centres)
    moved = np.array([x[labels == k].mean(axis=0) for k in np.unique(labels)])
    return labels, moved, ((x - moved[np.unique(labels, return_inverse=True)[1]]) ** 2).sum()


def manhattan(x, centres):
    return np.abs(x[:, None] - centres).sum(axis=2).argmin(axis=1)


def farthest(x, centres):
    return ((x[:, None] - centres) ** 2).sum(axis=2).argmax(axis=1)


def changed(change, answer=None):
    return lambda *given: change(*(answer or k_means())(*given))


# kl, clean


def kl(take=lambda m, s: np.exp(s) + m**2 - 1 - s, times=0.5, total=np.sum, axis=1):
    return lambda mean, log: times * total(take(mean, log), axis=axis)


def kl_by_keras(mean, log_variance):
    ops = keras.ops
    return -0.5 * ops.sum(1 + log_variance - mean**2 - ops.exp(log_variance), axis=-1)


def kl_by_loop(mean, log_variance):
    pairs = zip(mean, np.exp(log_variance), strict=True)
    return [[sum((v + m * m - 1 - np.log(v)) / 2 for m, v in zip(*p, strict=True))] for p in pairs]


def clean(a=np.sqrt, b=np.sqrt, sign=-1):
    return lambda noisy, noise, kept: (noisy + sign * b(1 - kept) * noise) / a(kept)


def solved(noisy, noise, kept):
    return noisy / kept**0.5 - (1 / kept - 1) ** 0.5 * noise


ANSWERS = [
    row("k_means", "ok", k_means()),
    row("k_means", "alternative", k_means(labels=pairwise_distances_argmin)),
    row("k_means", "alternative", k_means_in_a_loop),
    row("k_means", "alternative", k_means_by_keras),
    row("k_means", "alternative", k_means_by_products),
    row("k_means", "alternative", k_means_last),
    row("k_means", "todo", ...),
    row("k_means", "rounds", more_rounds(2)),
    row("k_means", "rounds", more_rounds(50)),
    row("k_means", "order", lambda x, c: k_means()(x, c)[::-1]),
    row("k_means", "count", lambda x, c: k_means()(x, c)[:2]),
    row("k_means", "from_one", changed(lambda a, b, c: (a + 1, b, c))),
    row("k_means", "whole", changed(lambda a, b, c: (a - 5, b, c))),
    row("k_means", "empty", drop_empty),
    row("k_means", "empty", k_means(empty=False)),
    row("k_means", "empty", changed(lambda a, b, c: (a, np.where(abs(b) > 9, 0, b), c))),
    row("k_means", "one", k_means(again=True)),
    row("k_means", "one", k_means(to="old")),
    row("k_means", "one", k_means(labels=manhattan)),
    row("k_means", "one", k_means(labels=farthest)),
    row("k_means", "one", k_means(middle=np.median)),
    row("k_means", "one", k_means(total=lambda s: s.mean())),
    row("k_means", "one", k_means(total=lambda s: np.sqrt(s).sum())),
    row("k_means", "one", k_means(total=lambda s: np.sqrt(s.sum()))),
    row("k_means", "one", lambda x, c: (k_means()(x, c)[0], c, k_means(to="old")(x, c)[2])),
    row("k_means", "order", changed(lambda a, b, c: (b, a, c))),
    row("k_means", "slip", changed(lambda a, b, c: (a, b, c / 2))),
    row("k_means", "slip", changed(lambda a, b, c: (a, b, -c))),
    row("k_means", "several", k_means(to="old", total=lambda s: s.mean())),
    row("k_means", "several", k_means(middle=np.median, total=lambda s: np.sqrt(s).sum())),
    row("k_means", "parts", changed(lambda a, b, c: (a, b, 3 * c))),
    row("k_means", "parts", changed(lambda a, b, c: (a, b[::-1], c))),
    row("k_means", "wrong", changed(lambda a, b, c: (0 * a, 0 * b, 1.0))),
    row("k_means", "shape", changed(lambda a, b, c: (a, b.T, c))),
    row("agree", "ok", 0.4, "BC"),
    row("agree", "alternative", "2/5", ["c", "b"]),
    row("agree", "alternative", np.float32(0.4), "B and C"),
    row("agree", "todo", ..., ...),
    row("agree", "dropped", 2, "BC"),
    row("agree", "kept", 8, "BC"),
    row("agree", "kept_mean", 1.6, "BC"),
    row("agree", "share", 0.2, "BC"),
    row("agree", "share", "20 %", "BC"),
    row("agree", "kept_share", 0.8, "BC"),
    row("agree", "rooted", 0.632, "BC"),
    row("agree", "three", 0.667, "BC"),
    row("agree", "two", 1, "BC"),
    row("agree", "slip", 0.16, "BC"),
    row("agree", "slip", -0.4, "BC"),
    row("agree", "lost", 0.5, "BC"),
    row("agree", "extra", 0.4, "ABC"),
    row("agree", "extra", 0.4, "all"),
    row("agree", "extra", 0.4, "BCD"),
    row("agree", "missing", 0.4, "B"),
    row("agree", "missing", 0.4, "none"),
    row("kl", "ok", kl()),
    row("kl", "alternative", kl_by_keras),
    row("kl", "alternative", kl_by_loop),
    row("kl", "todo", ...),
    row("kl", "total", kl(axis=None)),
    row("kl", "each", kl(total=lambda v, axis: v)),
    row("kl", "columns", kl(axis=0)),
    row("kl", "one", kl(times=-0.5)),
    row("kl", "one", kl(times=1)),
    row("kl", "one", kl(times=0.25)),
    row("kl", "one", kl(total=np.mean)),
    row("kl", "one", kl(lambda m, s: np.exp(s) + m**2 - s)),
    row("kl", "one", kl(lambda m, s: np.exp(s) - 1 - s)),
    row("kl", "one", kl(lambda m, s: np.exp(s) + m - 1 - s)),
    row("kl", "one", kl(lambda m, s: np.exp(s) + m**2 - 1)),
    row("kl", "one", kl(lambda m, s: np.exp(s) + m**2 - 1 + s)),
    row("kl", "one", kl(lambda m, s: np.exp(s / 2) + m**2 - 1 - s)),
    row("kl", "one", kl(lambda m, s: np.exp(2 * s) + m**2 - 1 - 2 * s)),
    row("kl", "one", lambda m, s: kl()(s, m)),
    row("kl", "slip", lambda m, s: kl()(m, s) ** 2),
    row("kl", "slip", lambda m, s: kl()(m, s) / len(m)),
    row("kl", "several", kl(lambda m, s: np.exp(s) + m**2 - s, times=1)),
    row("kl", "several", kl(times=-1, total=np.mean)),
    row("kl", "wrong", lambda m, s: 0 * m.sum(axis=1)),
    row("kl", "wrong", kl(lambda m, s: np.exp(s) + abs(m) - 1 - s)),
    row("kl", "one", kl(lambda m, s: s + m**2 - 1 - np.log(s))),
    row("kl", "one", kl(lambda m, s: s**2 + m**2 - 1 - np.log(s**2))),
    row("kl", "nan", kl(lambda m, s: s + m**2 - 1 - 2 * np.log(s))),
    row("game", "ok", 0.75, 0.5, -1.386),
    row("game", "alternative", "3/4", "1/2", -np.log(4)),
    row("game", "alternative", np.float32(0.75), 0.5, -1.39),
    row("game", "todo", ..., ..., ...),
    row("game", "generated", 0.25, 0.5, -1.386),
    row("game", "odds", 3, 0.5, -1.386),
    row("game", "odds_back", 0.333, 0.5, -1.386),
    row("game", "only_p", 0.6, 0.5, -1.386),
    row("game", "difference", 0.4, 0.5, -1.386),
    row("game", "sum", 0.8, 0.5, -1.386),
    row("game", "half_here", 0.5, 0.5, -1.386),
    row("game", "slip", 75, 0.5, -1.386),
    row("game", "slip", -0.75, 0.5, -1.386),
    row("game", "here", 0.9, 0.5, -1.386),
    row("game", "sure", 0.75, 1, -1.386),
    row("game", "never", 0.75, 0, -1.386),
    row("game", "still_here", 0.75, 0.75, -1.386),
    row("game", "its_rest", 0.75, 0.25, -1.386),
    row("game", "slip", 0.75, -0.5, -1.386),
    row("game", "end", 0.75, 0.7, -1.386),
    row("game", "one_term", 0.75, 0.5, -0.693),
    row("game", "perfect", 0.75, 0.5, 0),
    row("game", "product", 0.75, 0.5, 0.25),
    row("game", "halves", 0.75, 0.5, 1),
    row("game", "two_bits", 0.75, 0.5, -2),
    row("game", "ten", 0.75, 0.5, -0.602),
    row("game", "at_here", 0.75, 0.5, -1.674),
    row("game", "half", 0.75, 0.5, 0.5),
    row("game", "slip", 0.75, 0.5, 1.386),
    row("game", "slip", 0.75, 0.5, -2.77),
    row("game", "v", 0.75, 0.5, 5.5),
    row("clean", "ok", clean()),
    row("clean", "alternative", solved),
    row("clean", "alternative", lambda a, e, k: list((a - (1 - k) ** 0.5 * e) / k**0.5)),
    row("clean", "todo", ...),
    row("clean", "one", clean(a=lambda k: k, b=lambda k: k)),
    row("clean", "one", clean(sign=1)),
    row("clean", "one", clean(a=lambda k: 1)),
    row("clean", "one", clean(a=lambda k: 1 / np.sqrt(k))),
    row("clean", "one", clean(a=lambda k: k)),
    row("clean", "one", clean(b=lambda k: 1)),
    row("clean", "one", clean(b=lambda k: 0)),
    row("clean", "one", lambda a, e, k: clean()(a, e, 1 - k)),
    row("clean", "one", lambda a, e, k: a / np.sqrt(k) - np.sqrt(1 - k) * e),
    row("clean", "one", clean(b=lambda k: k)),
    row("clean", "one", lambda a, e, k: np.sqrt(k) * a + np.sqrt(1 - k) * e),
    row("clean", "one", lambda a, e, k: a - np.sqrt(1 - k) * e / np.sqrt(k)),
    row("clean", "several", lambda a, e, k: a),
    row("clean", "slip", lambda a, e, k: -clean()(a, e, k)),
    row("clean", "slip", lambda a, e, k: 2 * clean()(a, e, k)),
    row("clean", "several", clean(a=lambda k: 1, sign=1)),
    row("clean", "several", clean(a=lambda k: k, b=lambda k: k, sign=1)),
    row("clean", "wrong", lambda a, e, k: a + e),
    row("clean", "shape", lambda a, e, k: clean()(a, e, k)[0]),
]  # fmt: skip


def test_answer(answer):
    answer.holds()


def test_the_walk_is_k_means():
    """It ends where scikit-learn ends from the same start, and never goes up."""
    points = np.random.default_rng(0).normal(size=(60, 2))
    steps = parts.walk(points, points[:3], 20)
    theirs = KMeans(3, init=points[:3], n_init=1, tol=0).fit(points)
    np.testing.assert_allclose(steps[-1][2], theirs.cluster_centers_, atol=1e-9)
    sums = [inertia for *_, inertia in steps[1:]]
    assert all(after <= before + 1e-9 for before, after in itertools.pairwise(sums))


def test_the_vae_has_the_two_terms_of_its_loss():
    """Measured without noise: binary cross-entropy, and the KL divergence over 784."""
    x = np.random.default_rng(0).uniform(size=(6, 784)).astype("float32")
    model = parts.vae(0)
    model.encoder.layers[-1].bias.assign([0.5, -1.0, 0.3, -0.4])
    mean, log = np.split(np.asarray(model.encoder(x), "float64"), 2, axis=1)
    p = parts.pixels(np.asarray(model.decoder(mean), "float64"))
    rebuilt = -np.mean(x * np.log(p) + (1 - x) * np.log(1 - p))
    wanted = rebuilt + np.mean(kl()(mean, log)) / 784
    assert model.evaluate(x, x, verbose=0) == pytest.approx(wanted, rel=1e-4)


def test_modes_are_counted():
    on_four = np.repeat(parts.CENTRES[:4], 50, axis=0)
    off = np.full((200, 2), 9.0)
    assert parts.modes(on_four) == (4, 1.0)
    assert parts.modes(np.concatenate([on_four, off])) == (4, 0.5)
    assert parts.modes(off) == (1, 0.0)
    assert parts.modes(2 * parts.CENTRES) == (8, 0.0)
    assert parts.modes(parts.ring(2000)) == (8, 1.0)


def test_the_walk_back_with_the_right_noise_ends_on_the_point():
    """If the denoiser knows that all data are one point, every path ends there."""
    target = np.array([1.0, -0.5])

    def denoiser(inputs):
        step = np.round(inputs[:, 2] * parts.STEPS).astype(int)
        kept = parts.KEPT[step][:, None]
        return (inputs[:, :2] - np.sqrt(kept) * target) / np.sqrt(1 - kept)

    path = parts.walk_back(denoiser, rows=20)
    np.testing.assert_allclose(path[0], np.tile(target * parts.SCALE, (20, 1)), atol=1e-3)
    assert path[parts.STEPS].std() > 0.5


def test_noise_is_mixed_in_by_its_share():
    """Points keep a variance of one, whatever the step, and the noise is what was mixed in."""
    inputs, noise = parts.noised(40_000)
    step = np.round(inputs[:, 2] * parts.STEPS).astype(int)
    assert inputs[:, :2].std() == pytest.approx(1.0, abs=0.02)
    kept = parts.KEPT[step][:, None]
    x = (inputs[:, :2] - np.sqrt(1 - kept) * noise) / np.sqrt(kept) * parts.SCALE
    assert parts.modes(x[step < 40])[1] == pytest.approx(1.0)
    assert all(parts.modes(x[step == k])[0] == 8 for k in range(1, 40))  # heap and step are apart
    assert abs(np.corrcoef(noise[:, 0], x[:, 0])[0, 1]) < 0.05
