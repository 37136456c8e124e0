"""Lesson 11, overfitting: checks, hints, quiz and cards."""

import itertools

import numpy as np

from coursekit.exercises import Lesson, Wrong, expect

check = Lesson("overfitting", "Why did validation loss turn up?")

NOISE = 0.4  # standard deviation


def _errors(degree: int, rows: int, noise: float = NOISE) -> tuple[float, float]:
    """Return bias squared and variance of a polynomial fitted to `rows` even places, exactly.

    A least-squares fit is linear in the targets, so both follow from its matrix.
    """

    def powers(x):
        return np.polynomial.legendre.legvander(x, degree)

    def truth(x):
        return np.sin(4 * x + 0.5)

    places, new = np.linspace(-1, 1, rows), np.linspace(-1, 1, 1001)
    fit = powers(new) @ np.linalg.pinv(powers(places))
    bias = fit @ truth(places) - truth(new)
    return float(np.mean(bias**2)), float(noise**2 * np.mean((fit**2).sum(axis=1)))


# E11.1 --------------------------------------------------------------------------------------------

_RNG = np.random.default_rng(11)
TABLES = [  # the first one is square, so that a wrong axis gives numbers and not an error
    (np.array([[1.0, 2.5, 2.0], [2.0, 1.0, 2.4], [1.8, 1.6, 1.3]]), np.array([1.0, 2.0, 3.0])),
    (
        np.array([[1.5, 2.0, 2.4], [1.9, 1.0, 2.0], [1.1, 3.0, 2.2], [1.7, 2.5, 2.8],
                  [1.3, 1.5, 2.6]]),
        np.array([1.0, 2.0, 3.0]),
    ),
    (_RNG.normal(1, 2, (6, 4)), _RNG.normal(size=4)),
]  # fmt: skip


@check.exercise(
    title="E11.1 Bias squared and variance of a table",
    messages={
        "pair": "your function should return two numbers, bias squared and variance; it returned "
        "{got}.",
        "swapped": "the two numbers are right and come in the other order. Bias squared first.",
        "axis": "your {part} is {got}, which averages along a row. A row is one model at all "
        "places; the refits of one place stand in a column.",
        "around_truth": "your variance is {got}: the mean square around the *truth*. That holds "
        "the bias too. Variance is around the mean of the refits, {wanted}.",
        "pooled": "your variance is {got}: that of all numbers in one heap. It counts that places "
        "differ from each other. Take it place by place, then the mean, {wanted}.",
        "root": "your variance is {got}, a standard deviation. The parts of a squared error are "
        "squares: {wanted}.",
        "not_squared": "your bias squared is {got}: the bias without its square. Square it at each "
        "place, then take the mean: {wanted}.",
        "places_first": "your bias squared is {got}. You averaged over places before squaring, so "
        "a bias above and one below cancelled. Square first: {wanted}.",
        "each_refit": "your bias squared is {got}: the mean square of single refits, which is the "
        "whole error. The bias belongs to their mean: {wanted}.",
        "bias": "for a table of {shape} your bias squared is {got}; expected {wanted}.",
        "variance": "for a table of {shape} your variance is {got}; expected {wanted}.",
    },
    hints=[
        "Work place by place, down the columns. What would the five models say on average? How far "
        "is that from the truth, and how far are they from it?",
        "`mean = predictions.mean(axis=0)` is one number for each place. The bias is "
        "`mean - truth`; the variance is the mean square of `predictions - mean`.",
        "`return np.mean((mean - truth) ** 2), np.mean((predictions - mean) ** 2)`",
    ],
    hints_for={
        "around_truth": "What do you subtract from `predictions` before you square?",
        "places_first": "Look at the brackets: does the square stand inside the mean over places?",
    },
    why="The bias is what all refits have in common, so it is measured on their mean. The variance "
    "is what they do not share, so the truth does not enter it at all.",
    alternative="`predictions.var(axis=0, ddof=1).mean()` is the unbiased variance; take a fifth of "
    "it off the bias squared of five refits, and that is unbiased too.",
)
def decompose(answer):  # noqa: D103
    expect.function(answer, "`decompose`")
    for p, truth in TABLES:
        returned = answer(p.copy(), truth.copy())
        found = expect.items(returned, at_most=3, what="the returned value")
        if len(found) != 2:
            raise Wrong("pair", got=returned)
        bias, variance = map(expect.number, found, ("bias squared", "the variance"))
        around, off = p - p.mean(axis=0), p.mean(axis=0) - truth
        biases = [np.mean(off**2), np.mean(off**2 - p.var(axis=0, ddof=1) / len(p))]
        variances = [p.var(axis=0, ddof=ddof).mean() for ddof in (0, 1)]
        whole = np.mean((p - truth) ** 2)
        if _any(variance, biases) and _any(bias, variances):
            raise Wrong("swapped")
        slips = {
            "around_truth": [whole, whole * len(p) / (len(p) - 1)],
            "pooled": [p.var(), p.var(ddof=1)],
            "root": [np.mean(p.std(axis=0, ddof=d)) for d in (0, 1)] + [np.sqrt(v) for v in variances],
        }
        _explain(variance, variances, slips, "variance", p.var(axis=1).mean(), p)
        slips = {
            "not_squared": [off.mean(), np.abs(off).mean(), -off.mean(), np.sqrt(biases[0])],
            "places_first": [off.mean() ** 2],
            "each_refit": [whole],
        }
        along = np.mean((p.mean(axis=1) - truth) ** 2) if len(p) == p.shape[1] else np.nan
        _explain(bias, biases, slips, "bias", along, p)
        del around


def _any(value, wanted) -> bool:
    return any(np.isclose(value, one, rtol=1e-3, atol=1e-6) for one in wanted)


def _explain(got, right, slips, part, along_rows, table) -> None:
    """Raise the message for a wrong part of the decomposition."""
    if _any(got, right):
        return
    if _any(got, [along_rows]):
        raise Wrong("axis", part={"bias": "bias squared"}.get(part, part), got=got)
    for key, values in slips.items():
        if _any(got, values):
            raise Wrong(key, got=got, wanted=float(right[0]))
    raise Wrong(part, shape=table.shape, got=got, wanted=float(right[0]))


# E11.4 --------------------------------------------------------------------------------------------

CURVES = [
    ([0.9, 0.7, 0.6, 0.62, 0.61, 0.63, 0.5], 3),
    ([0.5, 0.6, 0.4], 1),
    ([1.0, 0.9, 0.95, 0.8, 0.85, 0.9, 0.7], 2),
    ([0.5, 0.5, 0.5, 0.4], 2),
    ([0.9, 0.8, 0.7], 2),
    ([0.9, 0.5, 0.6], 5),
]


def keras_stop(losses, patience: int) -> tuple[int, int]:
    """Return after how many epochs Keras stops on these losses, and its best epoch, from 1."""
    import keras

    callback = keras.callbacks.EarlyStopping("val_loss", patience=patience, mode="min")
    callback.set_model(keras.Sequential())
    callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        if callback.model.stop_training:
            break
    return epoch + 1, callback.best_epoch + 1


def _stop(losses, patience, *, previous=False, keep=False, tie=False, late=0):
    """The same by hand, with the slips that learners make."""
    best, best_epoch, wait = losses[0], 1, 0
    for epoch, loss in enumerate(losses[1:], start=2):
        if loss < best or (tie and loss == best):
            best, best_epoch, wait = loss, epoch, wait if keep else 0
        else:
            wait += 1
        if previous:
            best = loss
        if wait >= patience + late:
            return epoch, best_epoch
    return len(losses), best_epoch


@check.exercise(
    title="E11.4 Where it stops, and what is best",
    messages={
        "pair": "your function should return two whole numbers, the epochs run and the best epoch; "
        "for {losses} it returned {got}.",
        "no_end": "for {losses} with patience {patience} your function gives {got}. Nothing stops "
        "this run: all its {epochs} epochs are run, and it has a best one all the same.",
        "swapped": "the two numbers come in the other order: epochs run first, then the best one.",
        "zero_based": "for {losses} you say {got}: your epochs count from 0. Here the first epoch "
        "is 1.",
        "early": "for {losses} with patience {patience} you stop after {got}, one epoch too early. "
        "Patience 3 sits through three epochs without a new best, and stops after the third.",
        "late": "for {losses} with patience {patience} you stop after {got}, an epoch too late. "
        "Training stops as soon as the count of epochs without a new best *reaches* the patience.",
        "previous": "for {losses} with patience {patience} you say {got}, Keras {wanted}. One way "
        "to get this: comparing each loss with the one *before* it. It is compared with the best "
        "so far: 0.61 after 0.62 is no new best while 0.6 stands.",
        "no_reset": "for {losses} with patience {patience} you stop after {got}, Keras after "
        "{wanted}. The count starts again at 0 with each new best.",
        "tie": "for {losses} with patience {patience} you say {got}, Keras {wanted}. An equal loss "
        "is no improvement.",
        "future": "for {losses} you name epoch {got} the best. Training had stopped after epoch "
        "{stop}: nobody saw that one.",
        "last": "for {losses} you name {got} the best epoch, which is the last one run. The best "
        "is where the loss was lowest, epoch {wanted}.",
        "other": "for {losses} with patience {patience} you say {got}; Keras's callback says "
        "{wanted}.",
    },
    hints=[
        "Keep three things while you go through the losses: the best one so far, its epoch, and how "
        "many epochs in a row have brought no better one.",
        "A loss below the best: new best, new epoch, count back to 0. Otherwise count one more, and "
        "stop when the count reaches `patience`.",
        "`for epoch, loss in enumerate(losses, start=1):` with `if loss < best:` ... `else: wait += "
        "1`, then `if wait >= patience: break`. After the loop `return epoch, best_epoch`.",
    ],
    hints_for={
        "previous": "Which earlier loss do you compare with: the last one, or the lowest one?",
        "future": "`min(losses)` also looks at losses after the stop.",
    },
    why="Patience counts epochs in a row without a new best. The run stops `patience` epochs after "
    "the best one it has seen; a better one that would have come later is never seen.",
    alternative="`np.minimum.accumulate(losses)` gives the best so far; the run stops at the first "
    "epoch that is `patience` after the last drop of it.",
)
def early_stop(answer):  # noqa: D103
    expect.function(answer, "`early_stop`")
    found = []
    for losses, patience in CURVES:
        returned = answer(list(losses), patience)
        seen = {"losses": losses, "patience": patience, "got": returned}
        ends = keras_stop(losses, patience)[0] == len(losses)
        if returned is None and ends and found:
            raise Wrong("no_end", epochs=len(losses), **seen)
        pair = expect.items(returned, at_most=3, what="the returned value")
        if len(pair) != 2:
            raise Wrong("pair", losses=losses, got=returned)
        if ends and (pair[0] is None or pair[1] is None):
            raise Wrong("no_end", epochs=len(losses), **seen)
        numbers = tuple(map(expect.number, pair, ("the epochs run", "the best epoch")))
        if any(n != int(n) for n in numbers):
            raise Wrong("pair", losses=losses, got=returned)
        found.append(tuple(map(int, numbers)))
    wanted = [keras_stop(losses, patience) for losses, patience in CURVES]
    if found == wanted:
        return
    k = next(k for k, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b)
    (losses, patience), got, right = CURVES[k], found[k], wanted[k]
    seen = {"losses": losses, "patience": patience, "got": got, "wanted": right}
    if found == [(b, a) for a, b in wanted]:
        raise Wrong("swapped")
    if found == [(a - 1, b - 1) for a, b in wanted]:
        raise Wrong("zero_based", **seen)
    ways = {"previous": {"previous": True}, "no_reset": {"keep": True}, "tie": {"tie": True},
            "late": {"late": 1}, "early": {"late": -1}}  # fmt: skip
    for key, slip in ways.items():
        if found == [_stop(*curve, **slip) for curve in CURVES]:
            raise Wrong(key, **seen)
    if got[0] == right[0] and got[1] == int(np.argmin(losses)) + 1 > right[0]:
        raise Wrong("future", losses=losses, got=got[1], stop=right[0])
    if got[0] == got[1] == right[0]:
        raise Wrong("last", losses=losses, got=got[1], wanted=right[1])
    raise Wrong("other", **seen)


# E11.5 --------------------------------------------------------------------------------------------

RUNS = [(0.1, 10), (0.1, 100), (0.02, 100), (0.5, 40)]


def _way(rate, steps, curvature):
    """Return how much of the way to the minimum descent has gone, along one direction."""
    return 1 - (1 - rate * curvature) ** steps


@check.exercise(
    title="E11.5 The L2 strength that stopping amounts to",
    messages={
        "negative": "for a rate of {rate} and {steps} steps you give {got}. A penalty has a "
        "positive strength; a negative one would reward large weights.",
        "grows": "at a rate of {rate} you give {few} for {less} steps and {many} for {more}. More "
        "steps let the weights go further, so the penalty that matches gets weaker.",
        "no_rate": "for {steps} steps you give {got} at a rate of {first} and of {second} alike. "
        "At a fifth of the rate, descent goes a fifth as far.",
        "no_steps": "at a rate of {rate} you give {got} for {less} steps and for {more} alike. How "
        "far descent has gone depends on the steps.",
        "strong": "for a rate of {rate} and {steps} steps, {got} is too strong. Along a curvature "
        "of {curvature} stopping has gone {wanted} of the way to the minimum, your penalty lets "
        "{here}.",
        "weak": "for a rate of {rate} and {steps} steps, {got} is too weak. Along a curvature of "
        "{curvature} stopping has gone {wanted} of the way to the minimum, your penalty lets "
        "{here}.",
    },
    hints=[
        "Look for the curvature at which each of the two goes about half of the way.",
        "The penalty goes half the way where $h = \\lambda$. Descent goes $1 - (1 - \\eta h)^t$, "
        "about $\\eta h t$ while that is small.",
        "`return 1 / (rate * ...)`",
    ],
    why="Descent leaves directions with a curvature below about 1 / (rate x steps) alone, and a "
    "penalty those below its strength. So the product of rate and steps is one over the strength.",
    alternative="a solver that makes the two agree at half of the way gives about "
    "0.7 / (rate * steps), which is as good.",
)
def strength(answer):  # noqa: D103
    expect.function(answer, "`strength`")
    found = {run: expect.number(answer(*run), "the returned strength") for run in RUNS}
    for (rate, steps), got in found.items():
        if got < 0:
            raise Wrong("negative", rate=rate, steps=steps, got=got)
    short, long, slow = (found[run] for run in RUNS[:3])
    ends = {"rate": RUNS[0][0], "less": RUNS[0][1], "more": RUNS[1][1]}
    if long > short * 1.001:
        raise Wrong("grows", few=short, many=long, **ends)
    if np.isclose(long, short):
        raise Wrong("no_steps", got=short, **ends)
    if np.isclose(long, slow):
        raise Wrong("no_rate", steps=RUNS[1][1], got=long, first=RUNS[1][0], second=RUNS[2][0])
    for (rate, steps), got in found.items():
        curvatures = np.geomspace(0.01, 20, 40) / (rate * steps)
        stopped = _way(rate, steps, curvatures)
        penalised = curvatures / (curvatures + got)
        off = np.abs(stopped - penalised)
        worst = int(off.argmax())
        if off[worst] > 0.3:
            key = "strong" if penalised[worst] < stopped[worst] else "weak"
            near = [float(np.round(values[worst], 2)) for values in (stopped, penalised)]
            raise Wrong(key, rate=rate, steps=steps, got=got, wanted=near[0], here=near[1],
                        curvature=float(f"{curvatures[worst]:.2g}"))  # fmt: skip
