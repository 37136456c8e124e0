"""Gradient descent: checks, hints, quiz and cards."""

import functools
import re
import time

import numpy as np

from coursekit.exercises import Lesson, NotDone, Wrong, expect, has_dots, with_article

check = Lesson("gradient_descent", "How big a step, on how much data?")


# --------------------------------------------------------------------------------------------------

RATES = (-0.5, -0.01, 0.0, 0.02, 0.05, 0.3, 0.5, 0.6, 0.9, 0.98, 1.0, 1.01, 1.1, 1.7, 2.0, 3.0)


@check.exercise(
    title="Which rates arrive?",
    messages={
        "not_bool": "`converges({rate})` gives {got}. Return `True` or `False`.",
        "curvature": "you say that a rate of {rate} converges. From w = 1 it goes {path}. One way "
        "to "
        "get this edge is the derivative: that of w**2 is not w.",
        "small_edge": "you say that a rate of {rate} does not converge. From w = 1 it goes {path}. "
        "One way to get this edge is a curvature that is twice too large.",
        "reversed": "you say that {rate} does not converge, and that 3 does. From w = 1, with a "
        "rate "
        "of {rate}, it goes {path}. Is the answer turned round?",
        "always": "you say {got} for every rate. From w = 1 a rate of {rate} goes {path}.",
        "edge": "you say that a rate of 1 converges. From w = 1 it goes {path}: it swings for "
        "ever, and comes no closer.",
        "swing": "you say that a rate of {rate} does not converge. From w = 1 it goes {path}: it "
        "swings from side to side, and comes closer each time.",
        "zero": "you say that a rate of 0 converges. It takes no step at all: w stays where it is.",
        "negative": "you say that a rate of {rate} converges. From w = 1 it goes {path}: uphill.",
        "slow": "you say that a rate of {rate} does not converge. From w = 1 it goes {path}: "
        "slowly, but it arrives.",
        "too_large": "you say that a rate of {rate} converges. From w = 1 it goes {path}: each "
        "step overshoots by more than the one before.",
    },
    hints=[
        "Write one step out: w - rate * 2 * w. By which factor does it multiply w?",
        "The factor is 1 - 2 * rate. Repeated, it shrinks w if it lies between -1 and 1.",
        "`return abs(1 - 2 * rate) < 1`",
    ],
    hints_for={
        "curvature": "What is f'(1) for f(w) = w**2?",
        "edge": "Put rate = 1 into w - rate * 2 * w.",
    },
    why="Each step multiplies w by 1 - 2 * rate. That goes to 0 exactly if the factor lies between "
    "-1 and 1, so for 0 < rate < 1. In general the edge is 2 / beta; here the curvature beta is 2.",
    alternative="`abs(1 - 2 * rate) < 1` says the same; so does taking 2,000 steps and looking.",
)
def converges(answer):
    expect.function(answer, "`converges`")
    says = {rate: _truth(answer(rate), rate) for rate in RATES}
    told = {rate: {"rate": rate, "path": _path(rate)} for rate in RATES}
    if len(set(says.values())) == 1:
        raise Wrong("always", got=says[0.3], **told[3.0 if says[0.3] else 0.3])
    if not says[0.3] and not says[0.05] and says[3.0]:
        raise Wrong("reversed", **told[0.3])
    if says[1.1] and says[1.7] and not says[3.0]:
        raise Wrong("curvature", **told[1.7])
    if says[0.3] and not says[0.5] and not says[0.6] and not says[1.0]:
        raise Wrong("small_edge", **told[0.6])
    if says[1.7] and says[3.0]:
        raise Wrong("too_large", **told[1.7])
    if says[1.0]:
        raise Wrong("edge", **told[1.0])
    for rate in (1.01, 1.1, 1.7, 2.0, 3.0):
        if says[rate]:
            raise Wrong("too_large", **told[rate])
    for rate in (-0.5, -0.01):
        if says[rate]:
            raise Wrong("negative", **told[rate])
    if says[0.0]:
        raise Wrong("zero", **told[0.0])
    for rate in (0.6, 0.9, 0.98):
        if not says[rate]:
            raise Wrong("swing", **told[rate])
    for rate in (0.05, 0.3, 0.5, 0.02):
        if not says[rate]:
            raise Wrong("slow", **told[rate])


def _truth(got, rate) -> bool:
    """Read True or False, of Python, NumPy or a tensor; 0 and 1 pass too."""
    try:
        return {0.0: False, 1.0: True}[float(np.asarray(got, "float64").reshape(()))]
    except (TypeError, ValueError, KeyError):
        raise Wrong("not_bool", rate=rate, got=repr(got) if isinstance(got, str) else got) from None


def _path(rate) -> str:
    w = [(1 - 2 * rate) ** step for step in range(4)]
    return ", ".join(f"{value:.3g}" for value in w) + ", ..."


# --------------------------------------------------------------------------------------------------

EPOCHS, ROWS = 20, 640
PATIENTS = {  # rate, batch size, first bias of the hidden units
    "A": (0.001, 32, 0.0),
    "B": (0.1, 32, -10.0),
    "C": (3.0, 32, 0.0),
    "D": (0.2, 1, 0.0),
    "E": (1.5, 128, 0.0),
}
CHANGES = {
    None: lambda rate, batch, bias: (rate, batch, bias),
    "higher rate": lambda rate, batch, bias: (100 * rate, batch, bias),
    "lower rate": lambda rate, batch, bias: (rate / 100, batch, bias),
    "larger batch": lambda rate, batch, bias: (rate, min(20 * batch, ROWS), bias),
    "new weights": lambda rate, batch, bias: (rate, batch, 0.0),
}


def clinic(patient: str, change: str | None = None) -> list[float]:
    """Train one of the patients A to E, with one change or none; return its loss by epoch."""
    for what, given, known in (("patient", patient, PATIENTS), ("change", change, CHANGES)):
        if given not in known:
            names = ", ".join(repr(name) for name in known if name)
            raise ValueError(f"`{what}` must be one of {names}. Received: {what}={given!r}")
    return _train(*CHANGES[change](*PATIENTS[patient]), seed=1 if change == "new weights" else 0)


@functools.cache
def _train(rate, batch, bias, seed):
    import keras

    from coursekit import datasets
    from coursekit.training import fit_many

    rows = datasets.load_digits().train
    start = keras.initializers.GlorotUniform(seed=seed)
    first = keras.initializers.Constant(bias)
    dense = functools.partial(keras.layers.Dense, kernel_initializer=start)
    hidden = dense(32, activation="relu", bias_initializer=first)
    net = keras.Sequential([keras.Input((8, 8)), keras.layers.Flatten(), hidden, dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.SGD(rate), loss)
    data = rows.x[:ROWS], rows.y[:ROWS]
    log = fit_many([net], *data, epochs=EPOCHS, batch_size=batch, seed=seed, verbose=0)[0]
    return log.history["loss"]


def stopwatch():
    """Return a callback whose `stamps` are the times at which epochs ended, in seconds."""
    import keras

    def stop(epoch, logs):
        watch.stamps.append(time.perf_counter())

    watch = keras.callbacks.LambdaCallback(on_epoch_end=stop)
    watch.stamps = []
    return watch


def gradients_of_rows(x, y) -> np.ndarray:
    """Return the gradient of each row's loss, of a linear classifier at its start."""
    features = x.reshape(len(x), -1)
    scores = features @ np.random.default_rng(0).normal(0, 0.1, (features.shape[1], 10))
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    errors = chances - np.eye(10)[y]
    return (features[:, :, None] * errors[:, None, :]).reshape(len(x), -1)


def sharpness(net, x, y, draws: int = 5) -> float:
    """Return the mean rise of a network's loss under random moves of its weights.

    Each weight moves by a tenth of its layer's root mean square, times a normal number. The network
    gets its weights back.
    """
    import keras

    rng, kept, loss = np.random.default_rng(0), net.get_weights(), keras.losses.get(net.loss)
    before, after = float(loss(y, net(x))), []
    for _ in range(draws):
        net.set_weights([w + 0.1 * np.sqrt(np.mean(w**2)) * rng.normal(size=w.shape) for w in kept])
        after.append(float(loss(y, net(x))))
    net.set_weights(kept)
    return float(np.mean(after) - before)


CAUSES = ("low rate", "high rate", "dead units", "batch of one")
RIGHT = {
    "A": ("low rate", "higher rate"),
    "B": ("dead units", "new weights"),
    "C": ("high rate", "lower rate"),
    "D": ("batch of one", "larger batch"),
    "E": ("high rate", "larger batch"),
}
PROOFS = {name: {run} for name, (_, run) in RIGHT.items()} | {"C": {"lower rate", "larger batch"}}
# After another run two patients still look alike (a lower rate calms D and E).
ALIKE = {
    "A": {"lower rate": "B", "larger batch": "B", "new weights": "C"},
    "B": {"higher rate": "C", "lower rate": "A", "larger batch": "A"},
    "C": {"higher rate": "B", "new weights": "A"},
    "D": {"higher rate": "E", "new weights": "E"},
    "E": {"higher rate": "D", "new weights": "D"},
}


@check.exercise(
    title="Five patients",
    messages={
        "keys": "the answer needs the keys A, B, C, D and E; yours has {got}.",
        "pair": 'for {name} you wrote {got}; write a pair, as in `("low rate", "higher rate")`.',
        "cause": "for {name} the cause, the first of the pair, is {got}; choose one of {wanted}.",
        "run": "for {name} the run, the second of the pair, is {got}; choose one of {wanted}.",
        "flat_is_low": "you call A, B and C all a low rate. They look alike and differ: only one "
        "of them learns with a higher rate. Order that run for all three.",
        "wild_is_high": "you call D and E both a high rate. A lower rate calms both, so that run "
        "cannot tell. One of them is calm at the same rate with a larger batch.",
        "not_wild": "you call {name} a case of {got}. Its curve is flat; single rows would make "
        "it jump up and down.",
        "not_flat": "you call {name} a case of {got}. Its curve jumps up and down; that cause "
        "makes a curve lie flat.",
        "A": "A is not a case of {got}: with a hundred times the rate it learns. Neither dead "
        "units nor a rate that is too high already would do that.",
        "B": "B is not a case of {got}: it learns with neither a higher nor a lower rate, and "
        "from another random start it does, at the same rate.",
        "C": "C is not a case of {got}: with a hundredth of the rate it learns, and with a "
        "hundred times the rate its loss leaves the picture.",
        "C_dead": "you call C a case of dead units. They are dead, but as an effect: from another "
        "random start they die again, and with a hundredth of the rate C learns. What kills them?",
        "D": "D is not a case of {got}: at the same rate, with 20 rows an update, it is calm.",
        "E": "E is not a case of {got}: with all rows in each update it still jumps. So its batch "
        "is not the cause.",
        "calms_both": "the causes are right, but a lower rate does not show it: for {name} it "
        "calms a batch of one and a high rate alike. Which run calms only one of the two?",
        "no_proof": "the causes are right, but for {name} the run `{run}` does not show it: after "
        "it {name} and {other} {seen}, and their causes differ.",
    },
    hints=[
        "Three curves are flat, two are wild. Ask of each cause: what would cure it, and nothing "
        "else?",
        "Flat: a higher rate cures only one cause, a lower rate only one, a new start only one. "
        "Wild: a larger batch cures only one of the two.",
        'Order `draw("A", "higher rate")`, `draw("B", "new weights")`, `draw("C", "lower rate")` '
        'and `draw("DE", "larger batch")`, and look.',
    ],
    hints_for={
        "flat_is_low": 'Run `draw("ABC", "higher rate")`.',
        "C_dead": 'Compare `draw("BC", "new weights")` with `draw("BC", "lower rate")`.',
        "no_proof": "Draw that run for both patients. Which order would help one of them only?",
        "wild_is_high": 'Run `draw("DE", "larger batch")`.',
        "calms_both": "The batch is the other thing that can make a curve wild: change that.",
    },
    why="A picture fits several causes. A run discriminates if its outcome differs between them: A "
    "alone learns with a higher rate, B alone from new weights, C alone with a lower rate, D "
    "alone is calm with a larger batch, and E stays wild with it.",
    alternative="for C the larger batch tells too: with it the loss of C jumps, and A and B stay "
    "flat. For the others there is one run.",
    seconds=120,
)
def diagnosis(answer):
    if not isinstance(answer, dict):
        raise Wrong("type", what="`diagnosis`", wanted="a dict", got=with_article(answer))
    given = {str(key).strip().upper(): value for key, value in answer.items()}
    if set(given) != set(PATIENTS):
        raise Wrong("keys", got=", ".join(map(str, answer)) or "none")
    pairs = {name: _pair(name, given[name]) for name in PATIENTS}
    causes = {name: pair[0] for name, pair in pairs.items()}
    if {causes[name] for name in "ABC"} == {"low rate"}:
        raise Wrong("flat_is_low")
    if {causes[name] for name in "DE"} == {"high rate"}:
        raise Wrong("wild_is_high")
    for name, (cause, _) in RIGHT.items():
        got = causes[name]
        if got == cause:
            continue
        if name in "ABC" and got == "batch of one":
            raise Wrong("not_wild", name=name, got=got)
        if name in "DE" and got in ("low rate", "dead units"):
            raise Wrong("not_flat", name=name, got=got)
        raise Wrong("C_dead" if (name, got) == ("C", "dead units") else name, got=got)
    for name, (_, run) in pairs.items():
        if run in PROOFS[name]:
            continue
        if name in "DE" and run == "lower rate":
            raise Wrong("calms_both", name=name)
        seen = "both jump" if name in "DE" else "both fail to learn"
        raise Wrong("no_proof", name=name, run=run, other=ALIKE[name][run], seen=seen)


def _pair(name: str, given) -> tuple[str, str]:
    if has_dots(given):
        raise NotDone
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise Wrong("pair", name=name, got=given)
    changes = [change for change in CHANGES if change]
    found = []
    for key, part, options in (("cause", given[0], CAUSES), ("run", given[1], changes)):
        plain = re.sub(r"^an? |[^a-z]", "", str(part).lower())
        same = [option for option in options if plain == option.replace(" ", "")]
        if not same:
            raise Wrong(key, name=name, got=part, wanted=", ".join(options))
        found += same
    return found[0], found[1]


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Four times the rows",
    messages={
        "variance": "{got} is the factor of the variance. The standard deviation is its root.",
        "unchanged": "you say that the noise stays. But 128 rows average out more than 32: the "
        "mean of many is steadier than the mean of few.",
        "inverse": "{got} says that the noise grows. With more rows the mean is steadier: turn it "
        "round.",
        "exponent": "{got} is an exponent: the noise goes with a power of B. What does that make "
        "of "
        "a B four times as large?",
        "root_of_two": "{got} is 1 / sqrt(2), the factor of twice the rows. Here they are four "
        "times "
        "as many.",
        "twice": "{got} is the square of the factor of the variance. The variance falls like 1 / "
        "B; "
        "the standard deviation is its root, not its square.",
        "one_batch": "{got} is 1 / sqrt({rows}): the noise of a batch of {rows}, measured by that "
        "of "
        "one row. The question is about two batches.",
        "lost": "{got} is the share that goes away, if the variance were meant: which share stays?",
        "sign": "{got} is negative. A factor between two spreads is positive.",
        "other": "{got} does not fit. The standard deviation of a mean of B independent rows is "
        "that of one row divided by the root of B.",
    },
    hints=[
        "A gradient of a batch is a mean over its rows. How does the spread of a mean depend on "
        "the number of rows?",
        "It falls like 1 / sqrt(B). Compare B = 32 with B = 128.",
        "sqrt(32 / 128)",
    ],
    why="The variance of a mean of B rows is 1/B of that of one row, so the standard deviation is "
    "1/sqrt(B): a quarter of the variance, half the noise.",
    alternative="`(128 / 32) ** -0.5`, or a measured one.",
)
def noise(answer):
    got = expect.numeral(answer, "`noise`")
    keys = {0.25: "variance", 1: "unchanged", 2: "inverse", 4: "inverse", 16: "inverse",
            2**0.5: "inverse", -0.5: "exponent", 0.5**0.5: "root_of_two", 0.0625: "twice",
            0.75: "lost", 32**-0.5: "one_batch", 128**-0.5: "one_batch"}  # fmt: skip
    for value, key in keys.items():
        if expect.is_rounded(got, value):
            raise Wrong(key, got=got, rows=32 if got > 0.1 else 128)
    if got < 0:
        raise Wrong("sign", got=got)
    if not np.isclose(got, 0.5, rtol=0.1):  # measured ones too
        raise Wrong("other", got=got)


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title='"Small batches converge faster"',
    messages={
        "keys": "the answer needs the keys epochs, updates and seconds; yours has {got}.",
        "winner": 'for {axis} you wrote {got}; write 8, 256 or `"depends"`.',
        "article": "8 on every axis, as the article says. Look at the middle picture: after the "
        "same number of updates, is the batch of 8 ahead?",
        "always_large": "256 on every axis. Look at the left picture: after the same number of "
        "epochs the batch of 8 is ahead: it makes 161 updates an epoch, the batch of 256 makes 6.",
        "epochs": "for epochs you say {got}. Look at the left picture, or at the losses printed "
        "for 1 epoch: in each epoch the batch of 8 makes 161 updates, the batch of 256 makes 6.",
        "updates": "for updates you say {got}. Compare the losses printed for some 162 updates: is "
        "the batch of 8 ahead?",
        "seconds": "for seconds you say {got}. That may be so on your machine, with this small "
        "network. On a GPU 256 rows take hardly longer than 8: neither wins on every machine.",
    },
    hints=[
        "Read the three pictures one by one: is one curve clearly left of the others?",
        "Epochs count rows, updates count steps, seconds count what your hardware makes of it.",
        '`{"epochs": 8, "updates": ..., "seconds": "depends"}`',
    ],
    why="In one epoch the batch of 8 makes 161 updates, that of 256 makes 6. Each small one is "
    "noisier, and not better. What an update costs in seconds is a matter of hardware.",
    alternative="256 for updates is accepted: its updates are never noisier.",
)
def faster(answer):
    if not isinstance(answer, dict):
        raise Wrong("type", what="`faster`", wanted="a dict", got=with_article(answer))
    given = {str(key).strip().lower(): value for key, value in answer.items()}
    if set(given) != {"epochs", "updates", "seconds"}:
        raise Wrong("keys", got=", ".join(map(str, answer)) or "none")
    axes = {axis: _batch(axis, given[axis]) for axis in ("epochs", "updates", "seconds")}
    if set(axes.values()) == {"8"}:
        raise Wrong("article")
    if set(axes.values()) == {"256"}:
        raise Wrong("always_large")
    right = {"epochs": ["8"], "updates": ["256", "depends"], "seconds": ["depends"]}
    for axis in axes:
        if axes[axis] not in right[axis]:
            raise Wrong(axis, got=axes[axis])


def _batch(axis: str, given) -> str:
    if isinstance(given, np.ndarray) and given.size == 1:
        given = given.item()
    plain = re.sub(r"^(batch(es)?( size)?( of)?|b)\s*=?\s*|\.0$|\s*rows?$", "",
                   str(given).strip().lower())  # fmt: skip
    if re.search("depend|neither|none|no one|equal|same|tie", plain):
        return "depends"
    if isinstance(given, bool) or plain not in ("8", "256"):
        raise Wrong("winner", axis=axis, got=given)
    return plain


# --------------------------------------------------------------------------------------------------

NAMES = {"batch": 1, "stochastic": 1000, "mini-batch of 32": 32}


@check.exercise(
    title="Three variants",
    messages={
        "keys": "`updates` needs the keys batch, stochastic and mini-batch of 32; yours has {got}.",
        "swapped": "you give batch gradient descent 1,000 updates and stochastic 1. It is the "
        "other way round: batch means *all* rows in one update.",
        "batch_is_mini": "you give batch gradient descent {got} updates an epoch. Its batch is the "
        "whole set, all 1,000 rows: what is cut into batches of 32 is called mini-batch.",
        "batch": "you give batch gradient descent {got} updates an epoch. How many rows does one "
        "of "
        "its updates use?",
        "stochastic": "you give stochastic gradient descent {got} updates an epoch. How many rows "
        "does one of its updates use?",
        "rest": "you give the mini-batches {got} updates an epoch. 31 batches of 32 hold 992 rows; "
        "the last 8 make a batch too.",
        "part": "you give the mini-batches {got} updates an epoch. An update is made or not: the "
        "rest "
        "of the rows makes a whole one.",
        "size": "{got} is the number of rows. How many updates do they make, 32 rows at a time?",
        "mini": "you give the mini-batches {got} updates an epoch. Divide the rows of an epoch by "
        "those of an update; a rest makes an update too.",
        "one_too_many": "you give the mini-batches {got} updates an epoch, one more than there are "
        "rows for.",
        "name": "`by_default` is {got}; choose one of {wanted}.",
        "sgd_name": "you say that `fit` with SGD is stochastic, one row an update. The name says "
        "so, but the optimizer does not choose the rows: `fit` does, and takes 32.",
        "not_all": "you say that `fit` uses all rows for one update. Without `batch_size` it takes "
        "32.",
    },
    hints=[
        "Divide the rows of an epoch by the rows of one update, and round up.",
        "Batch: 1,000 rows an update. Stochastic: one. Mini-batch: 32, and a smaller last one.",
        '`{"batch": 1, "stochastic": ..., "mini-batch of 32": 32}`; `fit` takes 32 rows.',
    ],
    why="Updates an epoch are rows divided by rows an update, rounded up. SGD is the name of the "
    "update rule; the batch size of `fit` is 32 by default.",
    alternative="`-(-1000 // size)` for the sizes 1000, 1 and 32.",
)
def variants(updates, by_default):
    if not isinstance(updates, dict):
        raise Wrong("type", what="`updates`", wanted="a dict", got=with_article(updates))
    given = {str(name).strip().lower(): value for name, value in updates.items()}
    if set(given) != set(NAMES):
        raise Wrong("keys", got=", ".join(map(str, updates)) or "none")
    got = {name: expect.number(value, f"`{name}`") for name, value in given.items()}
    batch, stochastic, mini = (got[name] for name in NAMES)
    if (batch, stochastic) == (1000, 1):
        raise Wrong("swapped")
    if batch in (31, 31.25, 32):
        raise Wrong("batch_is_mini", got=batch)
    if batch != 1:
        raise Wrong("batch", got=batch)
    if stochastic != 1000:
        raise Wrong("stochastic", got=stochastic)
    if mini != 32:
        named = {31: "rest", 31.25: "part", 33: "one_too_many", 1000: "size"}
        raise Wrong(named.get(mini, "mini"), got=mini)
    plain = re.sub(r"[^a-z]|gradientdescent|the|variant", "", str(by_default).lower())
    plain = re.sub(r"gradientdescent|variant", "", plain)
    if plain in ("sgd", "stochastic", "stochasticsgd"):
        raise Wrong("sgd_name")
    if plain in ("batch", "vanilla", "full", "fullbatch", "batchvanilla"):
        raise Wrong("not_all")
    if not plain.startswith("minibatch"):
        raise Wrong("name", got=by_default, wanted=", ".join(NAMES))


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_arrow",
    reasons={
        "a": "Along the ring the loss does not change, so the steepest way is at a right angle to "
        "it.",
        "b": "Only from places on the two axes of this valley, or in a round bowl. The gradient "
        "knows the slope underfoot; it does not know where the minimum is.",
        "c": "Along the valley the loss falls slowly. The steepest way leads across it.",
    },
    answer="a",
)
check.prediction(
    "predict_high",
    reasons={
        "a": "The first steps are so long that the units die. What is left is guessing, whose loss "
        "is about ln 10.",
        "b": "The rate of 1.25 does that. At 3.0 the units die in the first steps, and a network "
        "of dead units can only guess.",
        "c": "A straight line model does that. Here the first steps kill the ReLU units; a dead "
        "unit passes no gradient, and nothing is left that could grow.",
    },
    answer="a",
)
check.prediction(
    "predict_minima",
    reasons={
        "a": "With 32 units, some are well placed from the start, whatever the seed.",
        "b": "Two units must both be lucky; of 32 it is enough that some are.",
        "c": "More parameters make more minima, but not more bad ones: there are more ways down.",
    },
    answer="b",
)
check.question(
    "quiz_1",
    "A loss curve is flat from the first epoch on. What do you do?",
    options={
        "a": ("raise the rate, for it is too low", "That is one cause of several."),
        "b": ("train for longer", "That helps in one case of several, and costs most."),
        "c": (
            "change one thing, such as the rate, and compare the two curves",
            "A flat curve fits a low rate, a far too high one, dead units and more. One run more "
            "tells them apart.",
        ),
    },
    answer="c",
)
check.question(
    "quiz_2",
    "A convex loss has the largest curvature beta = 4. For which rates does gradient descent "
    "arrive?",
    options={
        "a": ("every rate: it is convex", "Convex alone is not enough: long steps diverge."),
        "b": ("above 0 and below 0.5", "The edges are 0 and 2 / beta = 2 / 4."),
        "c": ("below 2", "2 / beta is an edge, and beta is 4. There is another one."),
    },
    answer="b",
)
check.question(
    "quiz_3",
    "Very large batches generalise worse. What is known?",
    options={
        "a": (
            "it was measured, and is contested: with more updates or a scaled rate the gap largely "
            "closes",
            "Keskar measured it; Hoffer and Goyal largely closed the gap.",
        ),
        "b": ("it is proved: they reach sharp minima", "Sharpness depends on how it is written."),
        "c": ("it is wrong", "At equal epochs and an untouched rate it was measured repeatedly."),
    },
    answer="a",
)
check.question(
    "quiz_4",
    "From the lesson on the training loop: 1,287 rows in batches of 256. How many updates has an "
    "epoch?",
    options={
        "a": ("6", "1287 / 256, rounded up."),
        "b": ("5", "Five batches hold 1,280 rows. The last 7 make a batch too."),
        "c": ("256", "That is the number of rows of one update."),
    },
    answer="a",
)
check.question(
    "quiz_5",
    "From the training loop: what does `fit` report as the loss of an epoch?",
    options={
        "a": ("the loss of the last batch", "That is what some custom steps report by mistake."),
        "b": (
            "the mean over its rows, each batch measured before its update",
            "So the first epoch's number is a mean over a moving target.",
        ),
        "c": ("the loss after the last update", "`evaluate` on the training rows gives that one."),
    },
    answer="b",
)
check.card(
    "What are the three main variants of gradient descent?",
    "Batch: the full data set for each update; exact, one update an epoch. Stochastic: one row; "
    "cheap "
    "updates, noisy. Mini-batch: a few rows; less noise, suits the hardware, and the default.",
)
check.card(
    "For which rates does gradient descent converge on a convex loss?",
    "Above 0 and below 2 / beta, where beta is the largest curvature. For w**2 that is below 1.",
)
check.card(
    "Where does the gradient point?",
    "Where the loss rises fastest: at a right angle to the ring of equal loss. Its opposite need "
    "not point at the minimum.",
)
check.card(
    "Name four causes of a flat loss curve.",
    "A rate too low; a rate far too high; dead units or a bad start; unscaled inputs or wrong "
    "labels.",
)
check.card(
    "How does the noise of a gradient depend on the batch size?",
    "Its standard deviation falls like 1 / sqrt(B): four times the rows, half the noise.",
)
check.card(
    "What is the gradient noise scale?",
    "The batch size at which the noise of the gradient is as large as the gradient: its variance "
    "over "
    "rows, summed over the weights, by its squared length. Far above it larger batches hardly "
    "help.",
)
check.card(
    "Someone says SGD. What do they mean?",
    "In practice mini-batches drawn at random. Strictly it is one row an update. In Keras, `SGD` "
    "is the update rule; `fit` chooses the rows, 32 by default.",
)
