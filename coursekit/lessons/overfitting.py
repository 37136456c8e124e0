"""Overfitting: checks, hints, quiz and cards."""

import re

import numpy as np

from coursekit.exercises import Lesson, Wrong, expect
from coursekit.lessons._combined import Several, slips_found

check = Lesson("overfitting", "Why did validation loss turn up?")

NOISE = 0.3  # standard deviation


def _parts(degree: int, rows: int, noise: float = NOISE) -> tuple[float, float, float]:
    """Return bias squared, variance and noise of a polynomial through `rows` even places, exactly.

    A least-squares fit is linear in the targets, so all of it follows from its matrix.
    """

    def powers(x):
        return np.polynomial.legendre.legvander(x, degree)

    def truth(x):
        return 3 * np.abs(x - 0.2) - 1.5

    places, new = np.linspace(-1, 1, rows), np.linspace(-1, 1, 1001)
    fit = powers(new) @ np.linalg.pinv(powers(places))
    bias = fit @ truth(places) - truth(new)
    return float(np.mean(bias**2)), float(noise**2 * np.mean((fit**2).sum(axis=1))), noise**2


# --------------------------------------------------------------------------------------------------

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


PART_MESSAGES = {
    "bias_axis": "your bias squared is {bias}, which averages along a row. A row is one model at "
    "all places; the refits of one place stand in a column.",
    "bias_root": "your bias squared is {bias}: a root has been taken. The parts of a squared error "
    "are squares.",
    "bias_not_squared": "your bias squared is {bias}: a mean of deviations that were not squared.",
    "places_first": "your bias squared is {bias}. You averaged over places before squaring, so a "
    "bias above and one below cancelled.",
    "each_refit": "your bias squared is {bias}: the mean square of single refits, which is the "
    "whole error. The bias belongs to their mean.",
    "first_refit": "your bias squared is {bias}: that of the first refit alone.",
    "bias_sum": "your bias squared is {bias}: a sum over the places. Their mean is asked for.",
    "bias_median": "your bias squared is {bias}: measured from the medians. On average means the "
    "mean.",
    "bias_place": "your bias squared is {bias}: that of the first place alone. Its mean over all "
    "places is asked for.",
    "bias": "for the predictions {table} and the truth {truth} your bias squared is {bias}. Do the "
    "first column on paper: what do its refits say on average, and how far off is that?",
    "variance_axis": "your variance is {variance}, which averages along a row. A row is one model "
    "at all places; the refits of one place stand in a column.",
    "around_truth": "your variance is {variance}: the mean square around the *truth*. That holds "
    "the bias too. Variance is around the mean of the refits.",
    "pooled": "your variance is {variance}: that of all numbers in one heap. It counts that places "
    "differ from each other. Take it place by place, then the mean.",
    "variance_root": "your variance is {variance}: a root has been taken. The parts of a squared "
    "error are squares.",
    "variance_not_squared": "your variance is {variance}: a mean of deviations that were not "
    "squared.",
    "variance_sum": "your variance is {variance}: a sum where a mean is asked for, over the places "
    "or over the refits.",
    "variance_of_means": "your variance is {variance}: how far the places' means lie apart. The "
    "refits of one place are to be compared.",
    "variance_divided": "your variance is {variance}: divided by the number of refits once more. "
    "That is the variance of their mean.",
    "variance_place": "your variance is {variance}: that of the first place alone. Its mean over "
    "all places is asked for.",
    "variance": "for the predictions {table} your variance is {variance}. Do the first column on "
    "paper: how far do its refits lie from their own mean?",
}


@check.exercise(
    title="Bias squared and variance of a table",
    messages={
        "pair": "your function should return two numbers, bias squared and variance; it returned "
        "{got}.",
        "swapped": "the two numbers are right and come in the other order. Bias squared first.",
        **PART_MESSAGES,
        "several": "both numbers are off.",
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
    why="The bias is what all refits have in common, so it is measured on their mean. The "
    "variance is what they do not share, so the truth does not enter it at all.",
    alternative="`predictions.var(axis=0, ddof=1).mean()` is the unbiased variance; take a fifth "
    "of it off the bias squared of five refits, and that is unbiased too.",
)
def decompose(answer):
    expect.function(answer, "`decompose`")
    for p, truth in TABLES:
        returned = answer(p.copy(), truth.copy())
        found = _pair(returned)
        bias, variance = map(expect.number, found, ("bias squared", "the variance"))
        off = p.mean(axis=0) - truth
        biases = [np.mean(off**2), np.mean(off**2 - p.var(axis=0, ddof=1) / len(p))]
        variances = [p.var(axis=0, ddof=ddof).mean() for ddof in (0, 1)]
        whole = np.mean((p - truth) ** 2)
        if _any(variance, biases) and _any(bias, variances):
            raise Wrong("swapped")
        centre = p.mean(axis=0)
        square = len(p) == p.shape[1]
        slips = {
            "bias_axis": [np.mean((p.mean(axis=1) - truth) ** 2) if square else np.nan],
            "bias_not_squared": [off.mean(), np.abs(off).mean(), -off.mean()],
            "bias_root": [np.sqrt(biases[0])],
            "places_first": [off.mean() ** 2],
            "each_refit": [whole],
            "first_refit": [np.mean((p[0] - truth) ** 2)],
            "bias_sum": [np.sum(off**2)],
            "bias_place": [off[0] ** 2],
            "bias_median": [np.mean((np.median(p, axis=0) - truth) ** 2)],
        }
        found = _slip(bias, biases, slips, "bias")
        slips = {
            "variance_axis": [p.var(axis=1).mean(), p.var(axis=1, ddof=1).mean()],
            "around_truth": [whole, whole * len(p) / (len(p) - 1)],
            "pooled": [p.var(), p.var(ddof=1)],
            "variance_root": [np.mean(p.std(axis=0, ddof=d)) for d in (0, 1)]
            + [np.sqrt(v) for v in variances],
            "variance_not_squared": [0.0, np.abs(p - centre).mean()],
            "variance_sum": [p.var(axis=0).sum(), np.sum((p - centre) ** 2),
                             p.var(axis=0, ddof=1).sum(), len(p) * variances[0]],
            "variance_place": [p[:, 0].var(ddof=d) for d in (0, 1)],
            "variance_of_means": [centre.var(), centre.var(ddof=1)],
            "variance_divided": [v / len(p) for v in variances],
        }  # fmt: skip
        found += _slip(variance, variances, slips, "variance")
        if found == ["bias"]:
            expect.no_slips(bias, biases[0], "bias squared")
        if found == ["variance"]:
            expect.no_slips(variance, variances[0], "the variance")
        if found:
            seen = {"bias": bias, "variance": variance, "table": p, "truth": truth}
            raise slips_found(found, PART_MESSAGES, **seen)


def _pair(returned, **seen) -> list:
    """Return the two values that an answer returned, in whatever holds them in order."""
    try:
        found = expect.items(returned, at_most=3, what="the returned value")
    except Wrong as wrong:
        if wrong.key == "none":
            raise
        found = []  # one number, or a text
    if len(found) != 2 or isinstance(returned, dict | set):
        got = repr(returned) if isinstance(returned, str) else returned
        raise Wrong("pair", got=got, **seen)
    return found


def _any(value, wanted) -> bool:
    return any(np.isclose(value, one, rtol=1e-3, atol=1e-6) for one in wanted)


def _slip(got, right, slips, otherwise) -> list[str]:
    """Return the key of what is wrong with a part, or nothing if it is right."""
    if _any(got, right):
        return []
    return [next((key for key, values in slips.items() if _any(got, values)), otherwise)]


# --------------------------------------------------------------------------------------------------

BEST = {12: 5, 1000: 14}  # the test computes them
ROOM = 1.4  # 30 % are allowed; `measure` draws at random and may be off by some of the rest


DEGREE_MESSAGES = {
    "stiff": "degree {degree} for {rows} points is too stiff. Of its error beyond the noise, "
    "{error}, bias squared is {bias} and the variance {variance}; another degree reaches {best}. "
    "These points can pay for more capacity.",
    "wild": "degree {degree} for {rows} points is too wild. Of its error beyond the noise, "
    "{error}, the variance is {variance} and bias squared {bias}; another degree reaches {best}. "
    "These points cannot hold so many parameters down.",
}


@check.exercise(
    title="A degree for 12 points, and one for 1,000",
    messages={
        "keys": "`degree` should be a dict with a degree for 12 and one for 1000; it is {got}.",
        "range": "{got} is no degree for {rows} points: choose a whole number from 0 to {most}.",
        **DEGREE_MESSAGES,
        "several": "neither degree fits.",
    },
    hints=[
        "Bias depends on the degree, hardly on the number of points. Variance grows with the "
        "degree and falls with the number of points. Where is their sum lowest?",
        "`measure(degree, 12)` prints both. Try a few degrees, then do the same with 1000 points.",
        "`degree = {12: ..., 1000: ...}`: a degree of one digit for the one, of two for the other.",
    ],
    why="With 12 points each further parameter costs much variance; with 1,000 it costs 80 times "
    "less, so smaller biases become worth removing. The sweet spot belongs to model and data.",
    alternative="4, 5 or 6 for 12 points; every degree from 11 to 24 for 1,000.",
)
def degree(answer):
    if isinstance(answer, dict):  # "12" is as good a key
        answer = {int(k) if str(k).strip().isdecimal() else k: v for k, v in answer.items()}
    if not isinstance(answer, dict) or not set(BEST) <= set(answer):
        raise Wrong("keys", got=answer)
    found = []
    for rows, best_degree in BEST.items():
        number = expect.numeral(answer[rows], f"the degree for {rows} points")
        if number != int(number) or not 0 <= number < rows:
            raise Wrong("range", got=answer[rows], rows=rows, most=rows - 1)
        bias, variance, _ = _parts(int(number), rows)
        best = sum(_parts(best_degree, rows)[:2])
        if not bias + variance <= ROOM * best:
            key = "stiff" if number < best_degree else "wild"
            values = {"bias": bias, "variance": variance, "error": bias + variance, "best": best}
            values = {name: float(f"{value:.2g}") for name, value in values.items()}
            found.append((key, {"degree": int(number), "rows": rows, **values}))
    _raise_all(found, DEGREE_MESSAGES)


def _raise_all(found, messages) -> None:
    """Raise the message of what is wrong; of several, each with its own values."""
    if len(found) == 1:
        raise Wrong(found[0][0], **found[0][1])
    if found:
        raise Several([Wrong(key, **values).sentence(messages) for key, values in found])


# --------------------------------------------------------------------------------------------------

PATIENTS = {"A": (1, 300), "B": (12, 15), "C": (9, 1000)}  # degree, rows


def _treated(degree: int, rows: int) -> dict[str, float]:
    """Return the error on new rows after each remedy."""
    return {
        "higher degree": sum(_parts(min(degree + 4, rows - 1), rows)),
        "more rows": sum(_parts(degree, 10 * rows)),
        "better instruments": sum(_parts(degree, rows, NOISE / 2)),
    }


REMEDY_MESSAGES = {
    "higher_degree": "a higher degree for {name} brings its error from {before} to {after}; "
    "another remedy reaches {best}. A higher degree lowers the bias and raises the variance. "
    "Bias squared is {bias} here, the variance {variance}, the noise {noise}.",
    "more_rows": "ten times the rows bring the error of {name} from {before} to {after}; another "
    "remedy reaches {best}. Rows lower the variance alone. That is {variance} here, bias squared "
    "{bias}, the noise {noise}.",
    "better_instruments": "better instruments bring the error of {name} from {before} to {after}; "
    "another remedy reaches {best}. They lower the noise, and what the fit makes of it. The noise "
    "is {noise} here, bias squared {bias}, the variance {variance}.",
}


@check.exercise(
    title="Three patients",
    messages={
        "keys": "`remedy` should be a dict with one remedy for each of A, B and C; it is {got}.",
        **REMEDY_MESSAGES,
        "several": "more than one of them gets a remedy that helps less than another.",
    },
    hints=[
        "Find the largest of the three parts of each patient.",
        "Each remedy aims at one part: the degree at the bias, rows at the variance, instruments "
        "at the noise.",
        '`remedy = {"A": "higher degree", "B": ..., "C": ...}`',
    ],
    why="A line has bias, and 300 rows have left it no variance to remove. Degree 12 on 15 rows is "
    "all variance. With 1,000 rows only the noise is left, and no model predicts that.",
    alternative="B could take a lower degree instead: less variance for a little bias.",
)
def remedy(answer):
    if isinstance(answer, dict):
        answer = {str(k).strip().upper(): v for k, v in answer.items()}
    if not isinstance(answer, dict) or not set(PATIENTS) <= set(answer):
        raise Wrong("keys", got=answer)
    found = []
    for name, recipe in PATIENTS.items():
        after = _treated(*recipe)
        given = answer[name]
        given = re.sub(r"[\s_-]+", " ", given) if isinstance(given, str) else given
        chosen = expect.choice(given, after, f"the remedy for {name}")
        if after[chosen] > min(after.values()):
            bias, variance, noise = _parts(*recipe)
            values = {"bias": bias, "variance": variance, "noise": noise,
                      "before": bias + variance + noise, "after": after[chosen],
                      "best": min(after.values())}  # fmt: skip
            values = {key: float(f"{value:.2g}") for key, value in values.items()}
            found.append((chosen.replace(" ", "_"), {"name": name, **values}))
    _raise_all(found, REMEDY_MESSAGES)


# --------------------------------------------------------------------------------------------------

CURVES = [
    ([0.9, 0.7, 0.6, 0.62, 0.61, 0.63, 0.5], 3),
    ([0.5, 0.6, 0.4], 1),
    ([1.0, 0.9, 0.95, 0.8, 0.85, 0.9, 0.7], 2),
    ([0.5, 0.5, 0.5, 0.4], 2),
    ([0.9, 0.8, 0.7], 2),
    ([0.9, 0.5, 0.6], 5),
    ([0.6, 0.5, 0.55, 0.7, 0.65, 0.66, 0.7, 0.4], 3),
    ([0.7, 0.699, 0.698, 0.7, 0.7, 0.6], 2),
    ([0.1, 0.4, 0.3, 0.2], 3),
]


def keras_stop(losses, patience: int) -> tuple[int, int]:
    """Return after how many epochs Keras stops on these losses, and its best epoch, from 1."""
    import keras

    callback = keras.callbacks.EarlyStopping("val_loss", patience=patience, mode="min")
    model = keras.Sequential()
    model.stop_training = False  # as `fit` does
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        if model.stop_training:
            break
    return epoch + 1, callback.best_epoch + 1


def _stop(losses, patience, *, previous=False, keep=False, tie=False, first=False, late=0):
    """The same by hand, with the slips that learners make."""
    best, best_epoch, wait = losses[0], 1, 0
    for epoch, loss in list(enumerate(losses, start=1))[0 if first else 1 :]:
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
    title="Where it stops, and what is best",
    messages={
        "pair": "your function should return two whole numbers, the epochs run and the best epoch; "
        "for {losses} it returned {got}.",
        "no_end": "for {losses} with patience {patience} your function gives {got}. Nothing stops "
        "this run: all its {epochs} epochs are run, and it has a best one all the same.",
        "swapped": "the two numbers come in the other order: epochs run first, then the best one.",
        "zero_based": "for {losses} with patience {patience} you say {got}. "
        "Counting from 0 gives this; here the first epoch is 1, in both numbers.",
        "too_many": "for {losses} with patience {patience} you say that {run} epochs are run. "
        "There are only {epochs}: where nothing stops the run, all of them are run, and no more.",
        "never": "for {losses} with patience {patience} you say {got}, all epochs and the lowest "
        "loss of them. Did {patience} in a row bring no new best before that?",
        "minus": "for {losses} with patience {patience} you say {got}. One way to "
        "get this: the epochs run minus the patience. That is the best epoch only where the "
        "patience ended the run.",
        "counts_first": "for {losses} with patience {patience} you stop after {run}. "
        "One way to get this: the first loss is taken as the best, and then counted as an "
        "epoch without a new best.",
        "early": "for {losses} with patience {patience} you stop after {run}, one epoch too early. "
        "Patience 3 sits through three epochs without a new best, and stops after the third.",
        "late": "for {losses} with patience {patience} you stop after {run}, an epoch too late. "
        "Training stops as soon as the count of epochs without a new best *reaches* the patience.",
        "previous": "for {losses} with patience {patience} you say {got}. One way "
        "to get this: comparing each loss with the one *before* it. It is compared with the best "
        "so far: 0.61 after 0.62 is no new best while 0.6 stands.",
        "no_reset": "for {losses} with patience {patience} you stop after {run}. "
        "The count starts again at 0 with each new best.",
        "tie": "for {losses} with patience {patience} you say {got}. An equal loss "
        "is no improvement.",
        "future": "for {losses} with patience {patience} you say {got}. Training had stopped "
        "before that best epoch: nobody saw it.",
        "last": "for {losses} with patience {patience} you say {got}: the best epoch is the last "
        "one run. The best is where the loss was lowest.",
        "twice": "for {losses} with patience {patience} you say {got}: the best epoch twice. The "
        "run goes on after it, until patience ends.",
        "with_first": "for {losses} with patience {patience} you say {got}. One way to get this: "
        "each loss is compared with the first one. It is compared with the best so far.",
        "with_mean": "for {losses} with patience {patience} you say {got}. One way to get this: a "
        "loss is compared with the mean of the last ones. It is compared with the best so far.",
        "highest": "for {losses} with patience {patience} you say {got}: as if a higher loss were "
        "better.",
        "since_best": "for {losses} with patience {patience} you say {got}. One way to get this: "
        "for the best epoch, how long ago it was.",
        "rounded": "for {losses} with patience {patience} you say {got}. One way to get this: "
        "small improvements do not count. Every loss below the best does.",
        "one_patience": "for {losses} with patience {patience} you say {got}. One way to get this: "
        "the patience is a fixed number, whatever `patience` says.",
        "runs_on": "for {losses} with patience {patience} you say that {run} epochs are run, which "
        "is all of them. Patience ends a run before that.",
        "best_wrong": "for {losses} with patience {patience} you say {got}: the epochs run are "
        "right, the best epoch is not.",
        "run_wrong": "for {losses} with patience {patience} you say {got}: the best epoch is "
        "right, the epochs run are not.",
        "other": "for {losses} with patience {patience} you say {got}, and Keras's callback says "
        "something else, in both numbers. Note beside each loss the best so far, and how many "
        "epochs have brought no better one.",
    },
    hints=[
        "Keep three things while you go through the losses: the best one so far, its epoch, and "
        "how many epochs in a row have brought no better one.",
        "A loss below the best: new best, new epoch, count back to 0. Otherwise count one more, "
        "and stop when the count reaches `patience`.",
        "`for epoch, loss in enumerate(losses, start=1):` with `if loss < best:` ... `else: wait "
        "+= 1`, then `if wait >= patience: break`. After the loop `return epoch, best_epoch`.",
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
def early_stop(answer):
    expect.function(answer, "`early_stop`")
    found = []
    for losses, patience in CURVES:
        returned = answer(list(losses), patience)
        seen = {"losses": losses, "patience": patience, "got": returned}
        ends = keras_stop(losses, patience)[0] == len(losses)
        if returned is None and ends and found:
            raise Wrong("no_end", epochs=len(losses), **seen)
        pair = _pair(returned, losses=losses)
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
    seen = {"losses": losses, "patience": patience, "got": got, "wanted": right,
            "run": got[0], "keras": right[0]}  # fmt: skip
    if found == [(b, a) for a, b in wanted]:
        raise Wrong("swapped")
    for key, ways in _slips(wanted).items():
        if found in ways:
            raise Wrong(key, **seen)
    for (curve, wait), (run, _) in zip(CURVES, found, strict=True):
        if run > len(curve):
            raise Wrong("too_many", losses=curve, patience=wait, run=run, epochs=len(curve))
    if got[0] == right[0] and got[1] == int(np.argmin(losses)) + 1 > right[0]:
        raise Wrong("future", **seen)
    if got[0] == got[1] == right[0]:
        raise Wrong("last", **seen)
    if got[0] == right[0]:
        raise Wrong("best_wrong", **seen)
    raise Wrong("run_wrong" if got[1] == right[1] else "other", **seen)


def _slips(wanted) -> dict[str, list]:
    """Return what wrong ways to count, by the key of their message, give for all `CURVES`."""

    def by_hand(**slip):
        return [_stop(*curve, **slip) for curve in CURVES]

    def lowest(runs):
        return [(n, int(np.argmin(c[:n])) + 1) for n, (c, _) in zip(runs, CURVES, strict=True)]

    def moved(by):
        """Stop `by` epochs later, and find the same best epoch."""
        ends = [len(losses) for losses, _ in CURVES]
        return [(a if a == n else a + by, b) for (a, b), n in zip(wanted, ends, strict=True)]

    rises = [[run for run, _ in by_hand(previous=True, tie=tie)] for tie in (False, True)]
    last_lowest = [
        (a, max(k for k in range(1, a + 1) if losses[k - 1] == losses[b - 1]))
        for (a, b), (losses, _) in zip(wanted, CURVES, strict=True)
    ]

    def against(of, least=0.0):
        """Compare each loss with some other value than the best."""
        found = []
        for losses, patience in CURVES:
            wait = run = 0
            for run in range(1, len(losses) + 1):
                low = run == 1 or losses[run - 1] < of(losses[: run - 1], patience) - least
                wait = 0 if low else wait + 1
                if wait >= patience:
                    break
            found.append(run)
        return found

    turned = [_stop([-loss for loss in losses], patience) for losses, patience in CURVES]
    return {
        "twice": [[(b, b) for _, b in wanted]],
        "runs_on": [[(len(c), b) for (c, _), (_, b) in zip(CURVES, wanted, strict=True)]],
        "with_first": [lowest(against(lambda before, _: before[0]))],
        "with_mean": [lowest(against(lambda before, n: np.mean(before[-n:])))],
        "highest": [turned],
        "since_best": [[(a, a - b) for a, b in wanted]],
        "rounded": [_rounded(digits) for digits in (1, 2)]
        + [lowest(against(lambda before, _: min(before), least)) for least in (0.01, 0.05)],
        "zero_based": [[(a - i, b - j) for a, b in wanted] for i, j in ((1, 1), (0, 1), (1, 0))],
        "previous": [by_hand(previous=True), *map(lowest, rises)],
        "no_reset": [by_hand(keep=True)],
        "tie": [by_hand(tie=True), last_lowest],
        "counts_first": [by_hand(first=True)],
        "never": [lowest([len(losses) for losses, _ in CURVES])],
        "minus": [[(a, a - p) for (a, _), (_, p) in zip(wanted, CURVES, strict=True)]],
        "late": [by_hand(late=1), moved(1)],
        "early": [by_hand(late=-1), moved(-1)],
        "one_patience": [[_stop(losses, n) for losses, _ in CURVES] for n in (1, 2, 3)],
    }


def _rounded(digits: int) -> list[tuple[int, int]]:
    return [_stop([round(loss, digits) for loss in losses], wait) for losses, wait in CURVES]


# --------------------------------------------------------------------------------------------------

RUNS = [(0.1, 10), (0.1, 100), (0.02, 100), (0.5, 40)]


def _way(rate, steps, curvature):
    """Return how much of the way to the minimum descent has gone, along one direction."""
    return 1 - (1 - rate * curvature) ** steps


@check.exercise(
    title="The L2 strength that stopping amounts to",
    messages={
        "negative": "for a rate of {rate} and {steps} steps you give {got}. A penalty has a "
        "positive strength; a negative one would reward large weights.",
        "grows": "at a rate of {rate} you give {few} for {less} steps and {many} for {more}. More "
        "steps let the weights go further, so the penalty that matches gets weaker.",
        "no_rate": "for {steps} steps you give {got} at a rate of {first} and of {second} alike. "
        "At a fifth of the rate, each step goes a fifth as far.",
        "no_steps": "at a rate of {rate} you give {got} for {less} steps and for {more} alike. How "
        "far descent has gone depends on the steps.",
        "power": "twice the steps change your strength by a factor of {by_steps}, and a fifth of "
        "the rate by {by_rate}. Look again: steps and rate act together, as the way that descent "
        "can go.",
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
def strength(answer):
    expect.function(answer, "`strength`")
    found = {run: expect.number(answer(*run), "the returned strength") for run in RUNS}
    for (rate, steps), got in found.items():
        if got < 0:
            raise Wrong("negative", rate=rate, steps=steps, got=got)
    short, long, slow = (found[run] for run in RUNS[:3])
    ends = {"rate": RUNS[0][0], "less": RUNS[0][1], "more": RUNS[1][1]}
    if long > short * 1.001:
        raise Wrong("grows", few=short, many=long, **ends)
    if np.isclose(long, short, atol=0):
        raise Wrong("no_steps", got=short, **ends)
    if np.isclose(long, slow, atol=0):
        raise Wrong("no_rate", steps=RUNS[1][1], got=long, first=RUNS[1][0], second=RUNS[2][0])
    if min(found.values()) > 0:
        logs = np.log([[*run, got] for run, got in found.items()])
        ways = np.column_stack([logs[:, :2], np.ones(len(logs))])
        powers = np.linalg.lstsq(ways, logs[:, 2])[0]
        by_rate, by_steps, _ = powers
        is_power = np.abs(ways @ powers - logs[:, 2]).max() < 0.02
        if is_power and max(abs(by_rate + 1), abs(by_steps + 1)) > 0.15:
            seen = {"by_steps": f"{2**by_steps:.3g}", "by_rate": f"{0.2**by_rate:.3g}"}
            raise Wrong("power", **seen)
    for (rate, steps), got in found.items():
        # Up to where a step of descent overshoots.
        curvatures = np.geomspace(0.01, min(20, 0.9 * steps), 40) / (rate * steps)
        stopped = _way(rate, steps, curvatures)
        penalised = curvatures / (curvatures + got)
        off = np.abs(stopped - penalised)
        worst = int(off.argmax())
        if off[worst] > 0.3:
            key = "strong" if penalised[worst] < stopped[worst] else "weak"
            near = [float(np.round(values[worst], 2)) for values in (stopped, penalised)]
            raise Wrong(key, rate=rate, steps=steps, got=got, wanted=near[0], here=near[1],
                        curvature=float(f"{curvatures[worst]:.2g}"))  # fmt: skip


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_rows",
    reasons={
        "a": "More points hold a wild curve down. They do not bend a straight line: what it cannot "
        "express stays, however well it is fitted.",
        "b": "Points lower the variance. The line had hardly any; its error is bias, and no point "
        "changes that.",
        "c": "The line was held down by 20 points already. What it lacks is capacity.",
    },
    answer="b",
)
check.prediction(
    "predict_width",
    reasons={
        "a": "So says the classical picture, up to 40 units. Beyond them many weights fit exactly, "
        "and the smallest ones are taken: more units make those smaller still.",
        "b": "The peak stands where there is exactly one way through all points. With more units "
        "there are many ways, and the calmest of them is taken.",
        "c": "Double descent: the classical fall and rise, a peak where the fit becomes exact, and "
        "a second fall beyond.",
    },
    answer="c",
)
check.prediction(
    "predict_accuracy",
    reasons={
        "a": "The classes on top hardly change. The model gets surer of all its answers, also of "
        "the wrong ones, and the loss charges for those.",
        "b": "Accuracy counts which class is on top. The loss also counts how sure the model was, "
        "and that is what gets worse.",
        "c": "By then the training rows are right already: what still moves makes the net surer, "
        "and hardly wiser.",
    },
    answer="a",
)
check.question(
    "quiz_1",
    "Training error 0.40, validation error 0.42; you had hoped for 0.10. What helps?",
    options={
        "a": ("more rows", "The gap is small: variance is not the trouble."),
        "b": ("early stopping", "It would lower the variance, and there is hardly any."),
        "c": (
            "more capacity or better inputs",
            "Both errors are high and alike: bias, or noise. Capacity lowers bias; if nothing "
            "changes, it was noise.",
        ),
    },
    answer="c",
)
check.question(
    "quiz_2",
    "`EarlyStopping(patience=5)` with its other defaults. After the stop the model holds ...",
    options={
        "a": ("the mean of the last five epochs", "No averaging takes place."),
        "b": ("the weights of the best epoch", "Only with `restore_best_weights=True`."),
        "c": (
            "the weights of the last epoch",
            "`restore_best_weights` is False by default: the model has five epochs too many.",
        ),
    },
    answer="c",
)
check.question(
    "quiz_3",
    "On real data, without the true function, what can repeated training tell apart?",
    options={
        "a": (
            "variance, and bias and noise as one sum",
            "The spread of the refits is seen directly. How far their mean is from the measured "
            "targets holds bias and noise together.",
        ),
        "b": ("bias, variance and noise", "For that you would need to know the truth."),
        "c": ("nothing", "The variance needs no truth: it is how refits differ from each other."),
    },
    answer="a",
)
check.question(
    "quiz_4",
    "From the training loop: 1,000 rows in batches of 32. How many updates make three epochs?",
    options={
        "a": ("93", "31 full batches and one of 8 rows make 32 updates an epoch."),
        "b": ("96", "32 updates an epoch, since the last batch, of 8 rows, counts too."),
        "c": ("3", "That would be one update an epoch: the whole set as one batch."),
    },
    answer="b",
)
check.question(
    "quiz_5",
    "From gradient descent: a direction has curvature $h$. Below which rate does descent converge "
    "along it?",
    options={
        "a": ("2 / h", "Each step multiplies the distance by 1 - rate x h, which must stay within "
              "-1 and 1."),
        "b": ("1 / h", "At 1 / h a single step arrives. Up to twice that it still converges."),
        "c": ("h", "The steeper the curve, the smaller the rate must be."),
    },
    answer="a",
)  # fmt: skip
check.card(
    "What are the three parts of the expected squared error?",
    "Bias squared (how far the mean of endlessly many refits is from the truth), variance (how far "
    "single refits are from that mean) and noise (which no model predicts).",
)
check.card(
    "Which part does capacity lower, which do more rows lower?",
    "Capacity lowers bias and mostly raises variance. Rows lower variance. Neither touches noise.",
)
check.card(
    "Four signs of overfitting?",
    "Validation loss rises while training loss falls; near-perfect training accuracy, much lower "
    "validation accuracy; predictions that jump when inputs change a little; reliance on features "
    "that only the training set has, such as a watermark.",
)
check.card(
    "What is double descent?",
    "Beyond the capacity that fits the training rows exactly, the error can fall a second time. A "
    "penalty or early stopping flattens the peak between.",
)
check.card(
    "Which two defaults of Keras's EarlyStopping do you change?",
    "`patience=0`, which stops at the first epoch without a new best, and "
    "`restore_best_weights=False`, which keeps the last weights.",
)
check.card(
    "Why does early stopping regularize?",
    "After t steps of rate r, directions of curvature below 1 / (r t) have hardly been learned: "
    "much as under an L2 penalty of that strength.",
)
check.card(
    "What is regularization?",
    "Whatever constrains or penalises complexity so that a model generalises better: penalties, "
    "dropout, augmentation, stopping early.",
)
