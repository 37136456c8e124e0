"""What the review measures: four sick runs, sentences put to the test, what a score says."""

import warnings
from dataclasses import dataclass, field
from math import comb
from typing import Any

import numpy as np

from coursekit import datasets, plots
from coursekit.lessons import _without_labels as ring

# What a score says --------------------------------------------------------------------------------

ASKED, OPTIONS = 25, 3


def chances(known: int) -> np.ndarray:
    """Return the chance of each score, 0 to 25, of who knows so many and guesses the rest."""
    guessed, p = ASKED - known, 1 / OPTIONS
    by_luck = [comb(guessed, k) * p**k * (1 - p) ** (guessed - k) for k in range(guessed + 1)]
    return np.array([0.0] * known + by_luck)


def guessing() -> None:
    """Show, with a slider, the scores of who knows some of 25 answers and guesses the rest."""

    def draw(known):
        fig, ax = plots.figure("25 questions with three options", "score", "chance of this score")
        ax.bar(range(ASKED + 1), chances(known), color=plots.TRAIN.color, zorder=2)
        ax.axvline(known, color=plots.VALIDATION.color, ls="--", label="really known")
        ax.set(xlim=(-0.7, ASKED + 0.7), ylim=(0, 0.4))
        ax.legend(loc="upper left")
        return fig

    def caption(known):
        p = chances(known)
        below = np.cumsum(p)
        low, high = (int(np.argmax(below >= share)) for share in (0.05, 0.95))
        return (
            f"Who knows {known} and guesses the rest scores {p @ np.arange(ASKED + 1):.1f} in the "
            f"mean; nine of ten such people score {low} to {high}."
        )

    plots.explore(draw, [0, 5, 10, 15, 20], caption, "answers really known")


# Four runs that went wrong ------------------------------------------------------------------------

EPOCHS, SEEDS = 8, range(3)


@dataclass
class Runs:
    """Numbers of three seeds each, by run and by what was measured."""

    sick: dict[str, dict[str, Any]] = field(default_factory=dict)
    treated: dict[str, dict[str, Any]] = field(default_factory=dict)

    def told(self, treated: bool = False) -> None:
        """Print them, a line for each thing that was measured."""
        for name, measured in (self.treated if treated else self.sick).items():
            for k, (what, values) in enumerate(measured.items()):
                start = f"run {name}" if k == 0 else ""
                print(f"{start:6} {what:36}", ", ".join(_written(value) for value in values))

    def hold(self) -> None:
        """Assert what the text says of them, at each seed."""
        a, b, c, d = (self.sick[name] for name in "ABCD")
        assert max(a[FIRST]) < min(a[LAST]) / 1e3 and min(b[FIRST]) > min(b[LAST]) / 100
        assert max(c[HEAPS]) < min(self.treated["C"][HEAPS]) and max(d[OLD_AFTER]) < 0.2
        for name in "AB":
            assert min(self.treated[name][SCORE]) > max(self.sick[name][SCORE]) + 0.2
        assert min(self.treated["D"][OLD_AFTER]) > 0.4


LOSSES, SCORE = ("training loss, first and last epoch", "validation accuracy")
FIRST, LAST = "norm of the first kernel's gradient", "norm of the last kernel's gradient"
HEAPS, OF_D = "heaps of 8 that are hit", "loss of the discriminator"
OLD, OLD_AFTER, NEW = "old task, before the new one", "old task, after it", "new task"


def _written(value) -> str:
    if isinstance(value, tuple):
        return " -> ".join(f"{one:.2f}" for one in value)
    if isinstance(value, int):
        return str(value)
    return f"{value:.2f}" if value > 0.005 or value == 0 else f"{value:.0e}"


def four_runs() -> Runs:
    """Train the four sick runs, and the same four with a remedy each."""
    runs = Runs()
    deep = {name: [_net(seed, 8, *how) for seed in SEEDS] for name, how in
            {"sick": ("sigmoid",), "treated": ("relu", "he_normal")}.items()}  # fmt: skip
    runs.sick["A"] = _supervised(deep["sick"], [0.02] * 3)[0]
    runs.treated["A"] = _supervised(deep["treated"], [0.02] * 3)[0]
    shallow = [_net(seed, 1, "relu") for _ in range(2) for seed in SEEDS]
    runs.sick["B"], runs.treated["B"] = _supervised(shallow, [1e-4] * 3 + [0.1] * 3)
    runs.sick["C"], runs.treated["C"] = _gans()
    runs.sick["D"], runs.treated["D"] = _two_tasks()
    return runs


def _digits():
    data = datasets.load_digits()
    return [(part.x.reshape(-1, 64).astype("float32"), part.y) for part in
            (data.train, data.validation)]  # fmt: skip


def _net(seed: int, depth: int, activation: str, start: str = "glorot_uniform") -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    dense = keras.layers.Dense
    hidden = [dense(32, activation, kernel_initializer=start) for _ in range(depth)]
    return keras.Sequential([keras.Input((64,)), *hidden, dense(10)])


def _compile(net: Any, optimizer: Any) -> None:
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(optimizer, loss, metrics=["accuracy"])


def _score(net: Any, x: np.ndarray, y: np.ndarray) -> float:
    return float((np.asarray(net(x)).argmax(axis=1) == y).mean())


def _supervised(nets: list, rates: list[float]) -> list[dict[str, Any]]:
    """Train nets of one shape side by side; return what is measured, for each three."""
    import keras

    from coursekit.training import fit_many, value_and_gradients

    (x, y), unseen = _digits()
    for net, rate in zip(nets, rates, strict=True):
        _compile(net, keras.optimizers.SGD(rate, momentum=0.9))
    pairs = []  # of the first and the last kernel, before training
    for net in nets:
        kernels = [g for g in value_and_gradients(net, x[:256], y[:256]).gradients.values()
                   if np.ndim(g) == 2]  # fmt: skip
        pairs.append([float(np.linalg.norm(kernels[k])) for k in (0, -1)])
    histories = fit_many(nets, x, y, epochs=EPOCHS, batch_size=64, verbose=0)
    rows = [
        ((run.history["loss"][0], run.history["loss"][-1]), _score(net, *unseen), *pair)
        for net, run, pair in zip(nets, histories, pairs, strict=True)
    ]
    threes = [rows[k : k + 3] for k in range(0, len(rows), 3)]
    names = (LOSSES, SCORE, FIRST, LAST)
    return [dict(zip(names, zip(*three, strict=True), strict=True)) for three in threes]


def _gans() -> list[dict[str, Any]]:
    """Train GANs on a ring of eight heaps: three with a slow discriminator, three without."""
    import keras

    from coursekit.training import GAN, fit_many

    gans = []
    for rate in (1e-4, 1e-3):
        for seed in SEEDS:
            gan = GAN(ring.mlp(2, 2, seed), ring.mlp(2, 1))
            gan.compile(*[keras.optimizers.Adam(r, beta_1=0.5) for r in (1e-3, rate)])
            gans.append(gan)
    runs = fit_many(gans, ring.ring(1000 * 128), batch_size=128, verbose=0)
    heaps = [ring.modes(np.asarray(gan.generator(ring.noise(2000))))[0] for gan in gans]
    losses = [run.history["discriminator_loss"][0] for run in runs]
    return [{HEAPS: heaps[:3], OF_D: losses[:3]}, {HEAPS: heaps[3:], OF_D: losses[3:]}]


def _two_tasks() -> list[dict[str, Any]]:
    """Teach digits 0 to 4, then 5 to 9: without any old row, and with 100 of them."""
    import keras

    from coursekit.training import fit_many

    (x, y), (x_new, y_new) = _digits()
    old, old_unseen = y < 5, y_new < 5
    kept = np.flatnonzero(old)[:100]
    new = np.flatnonzero(~old)
    nets = [_net(seed, 1, "relu") for _ in range(2) for seed in SEEDS]
    found: list[dict[str, Any]] = [{}, {}]
    for which in (np.flatnonzero(old), None):  # the old task, then the new one
        for net in nets:
            _compile(net, keras.optimizers.Adam(3e-3))
        rows = (
            [which] * 6 if which is not None else [new] * 3 + [np.append(new, np.tile(kept, 4))] * 3
        )
        fit_many(nets, x, y, rows=rows, epochs=EPOCHS, batch_size=64, verbose=0)
        first, second = ([_score(n, x_new[m], y_new[m]) for n in nets]
                         for m in (old_unseen, ~old_unseen))  # fmt: skip
        for k, measured in enumerate(found):
            measured[OLD if which is not None else OLD_AFTER] = first[3 * k : 3 * k + 3]
            if which is None:
                measured[NEW] = second[3 * k : 3 * k + 3]
    return found


# Two sentences put to the test --------------------------------------------------------------------


def through_dropout(rate: float, level: float = 1.0, units: int = 100_000) -> tuple[float, float]:
    """Return the mean of units behind Keras's `Dropout`, in training and at prediction."""
    import keras

    layer, ones = keras.layers.Dropout(rate, seed=0), np.full((1, units), level, "float32")
    learning, predicting = (np.asarray(layer(ones, training=t)) for t in (True, False))
    return float(learning.mean()), float(predicting.mean())


def worker_table(workers: int = 4, steps: int = 3) -> None:
    """Train one layer in three ways of sharing it, and print what each worker had to do with."""
    x, y = _digits()[0]
    x, target = x[:64], np.eye(16, dtype="float32")[y[:64]]
    alone, _ = shared("alone", x, target, 1, steps)
    print(f"{'':18} rows of 64   weights of 1,024   Adam's moments   as one worker does")
    for way in ("data parallelism", "ZeRO, stage 1", "model parallelism"):
        weights, (rows, used, kept) = shared(way, x, target, workers, steps)
        same = np.allclose(weights, alone, atol=1e-5)
        print(f"{way:18} {rows:10} {used:18,} {kept:16,}   {same}")


def shared(way: str, x: np.ndarray, target: np.ndarray, workers: int, steps: int):
    """Train a layer of 64 x 16 weights; return them, and what one worker reads, uses and keeps."""
    import keras
    from keras import ops

    from coursekit.training import value_and_gradients

    weights = np.random.default_rng(0).normal(0, 0.1, (64, 16)).astype("float32")
    by_columns = way == "model parallelism"
    batches = [(x, t) for t in np.split(target, workers, axis=1)] if by_columns else list(
        zip(np.split(x, workers), np.split(target, workers), strict=True))  # fmt: skip
    keepers = workers if by_columns or way == "ZeRO, stage 1" else 1
    axis = 1 if by_columns else 0
    parts = [keras.Variable(part) for part in np.split(weights, keepers, axis=axis)]
    adams = [keras.optimizers.Adam(0.01) for _ in parts]
    for _ in range(steps):
        whole = np.concatenate([np.asarray(part) for part in parts], axis=axis)
        held = np.split(whole, workers, axis=1) if by_columns else [whole] * workers
        blames = []
        for (rows, wanted), own in zip(batches, held, strict=True):

            def loss(own, rows=rows, wanted=wanted):
                share = 16 * len(rows)  # the mean over rows and all 16 columns
                return ops.sum(ops.square(ops.matmul(rows, own) - wanted)) / share

            blames.append(np.asarray(value_and_gradients(loss, {"own": own}).gradients["own"]))
        mean = np.concatenate(blames, axis=1) if by_columns else np.mean(blames, axis=0)
        for adam, part, blame in zip(adams, parts, np.split(mean, keepers, axis=axis), strict=True):
            adam.apply([ops.convert_to_tensor(blame)], [part])
    kept = sum(int(np.prod(v.shape)) for v in adams[0].variables if len(v.shape) == 2)
    result = np.concatenate([np.asarray(part) for part in parts], axis=axis)
    return result, (len(batches[0][0]), held[0].size, kept)


# Statements, decided ------------------------------------------------------------------------------


def decided() -> dict[str, tuple[float, ...]]:
    """Run what decides six statements of the course; each by its number and in words."""
    import keras
    from keras import ops

    from coursekit.training import value_and_gradients

    (x, y), _ = _digits()
    x, y = x[:256], y[:256]
    found: dict[str, tuple[float, ...]] = {}

    def one_unit(scores):
        p = ops.sigmoid(scores)
        with warnings.catch_warnings(action="ignore"):  # Keras warns of what is shown here
            return ops.mean(keras.losses.categorical_crossentropy(ops.ones((4, 1)), p))

    wrong = np.full((4, 1), -3.0, "float32")  # the unit says 0.05 where it should say 1
    one = value_and_gradients(one_unit, {"scores": wrong})
    found["1: loss and largest slope of one unit"] = (
        float(one.loss), float(np.abs(one.gradients["scores"]).max()))  # fmt: skip
    cosine = keras.optimizers.schedules.CosineDecay(0.1, 100)
    again = keras.optimizers.schedules.CosineDecayRestarts(0.1, 25)
    steps = [ops.convert_to_tensor(float(step)) for step in range(0, 101, 5)]
    rises = [sum(np.diff([float(s(step)) for step in steps]) > 1e-6) for s in (cosine, again)]
    found["2: how often the rate rises, plain and with restarts"] = tuple(map(int, rises))
    net = _net(0, 1, "relu")
    _compile(net, keras.optimizers.SGD(0.1))
    runs = [net.fit(x, y, epochs=5, batch_size=32, verbose=0).history["loss"] for _ in range(2)]
    found["4: loss of the first epoch, first and second fit"] = runs[0][0], runs[1][0]
    before = net.get_weights()
    _compile(net, keras.optimizers.SGD(0.1))
    moved = max(np.abs(a - b).max() for a, b in zip(before, net.get_weights(), strict=True))
    found["5: largest change of a weight by `compile`"] = (float(moved),)
    slope = np.array([1.0, 100.0])  # of (w1^2 + 100 w2^2) / 2 at (1, 1); the minimum is (0, 0)
    cosine_of = slope.sum() / np.linalg.norm(slope) / np.sqrt(2)
    found["6: degrees between the downhill step and the minimum"] = (
        float(np.degrees(np.arccos(cosine_of))),)  # fmt: skip
    knob = keras.Variable([0.0])
    keras.optimizers.SGD(1.0, global_clipnorm=1.0).apply([ops.convert_to_tensor([1e-9])], [knob])
    found["9: a gradient of 1e-9, after clipping at 1"] = (-float(np.asarray(knob)[0]),)
    return found


def decide() -> None:
    """Print what decides the statements, and assert the side that it falls on."""
    found = decided()
    for what, values in found.items():
        print(f"{what:58}", *(f"{value:.2g}" for value in values))
    unit, cosine, fits, compiled, angle, clipped = found.values()
    assert unit[1] < 1e-5 and cosine[0] == 0 < cosine[1] and fits[1] < fits[0]
    assert compiled[0] == 0 and angle[0] > 40 and abs(clipped[0] - 1e-9) < 1e-12
