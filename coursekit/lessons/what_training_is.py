"""What a model does when it trains: checks, hints, quiz and cards."""

import itertools
import re

import numpy as np

from coursekit.exercises import Lesson, NotDone, Wrong, brief, expect, has_dots, lesson
from coursekit.lessons import _what_training_is as parts

__all__ = ["check", "parts"]

check = Lesson("what_training_is", "What is a model doing when it trains?")


# --------------------------------------------------------------------------------------------------

LINES = ((2.0, -1.0), (-1.5, 0.5), (0.0, 3.0))  # slope and intercept
STARTS = ((0.0, 0.0), (4.0, -5.0), (-3.0, 2.0))


@check.exercise(
    title="Find the line",
    messages={
        "not_two": "for the line {line} you return {got}. Return two numbers: `w` and `b`.",
        "start": "for the line {line}, begun at w = {w0}, b = {b0}, you return just these two. Do "
        "the turned knobs leave the function?",
        "one_step": "for the line {line}, begun at w = {w0}, b = {b0}, you end at w = {w}, b = "
        "{b}: straight along the first gradient. One way to get this is a single step, such as by "
        "a `return` inside the loop; others, very short steps, or a gradient computed only once, "
        "before it.",
        "no_b": "for the line {line} you end at w = {w}, and `b` is still where it began, at {b0}. "
        "Both are turned.",
        "no_w": "for the line {line} you end at b = {b}, and `w` is still where it began, at {w0}. "
        "Both are turned.",
        "swapped": "for the line {line} you return w = {w} and b = {b}: the right two numbers, in "
        "the other order.",
        "sign": "for the line {line}, begun at w = {w0}, b = {b0}, you end at w = {w}, b = {b}, "
        "farther from the line than you began. The gradient points uphill: which way do you go?",
        "too_far": "for the line {line} the numbers grow without end: w = {w}. One way to get this "
        "is a rate so large that each step jumps over the valley and lands higher; another, steps "
        "that go uphill.",
        "always_one": "right for the line {first}, and for the line {line} you return the same "
        "numbers. Are they computed from `x` and `y`?",
        "slow": "for the line {line}, begun at w = {w0}, b = {b0}, you end at w = {w}, b = {b}: "
        "nearer, and not within 0.05. What would a larger rate do, or more steps?",
        "off": "for the line {line}, begun at w = {w0}, b = {b0}, you end at w = {w}, b = {b}. "
        "Print both in each round: which one goes astray, and what is returned?",
    },
    hints=[
        "Each round: compute both gradients where you are, then subtract `rate` times each.",
        "`w = w - rate * grad_w`, and the same for `b`, inside the loop; `return` after it.",
        "A rate of 0.1 is safe on these points. How many steps does the far start need? Print `w` "
        "and `b` after 10, 100 and 1,000.",
    ],
    hints_for={"too_far": "Check the sign of each step, then try a tenth of your rate."},
    why="The gradient of the mean squared error is 2 mean(e x) for w and 2 mean(e) for b, with e = "
    "wx + b - y. Against it the loss falls, and for a line there is one lowest point to fall to.",
    alternative="`np.polyfit(x, y, 1)` knows a formula for lines and needs no steps.",
    seconds=120,  # 150 epochs of Keras's `fit` for each of three lines take 20 s
)
def fit_line(answer):
    expect.function(answer, "`fit_line`")
    rng = np.random.default_rng(0)
    for number, ((slope, height), (w0, b0)) in enumerate(zip(LINES, STARTS, strict=True)):
        x = rng.uniform(-2, 2, 40)
        with np.errstate(all="ignore"):
            got = answer(x.copy(), slope * x + height, w0, b0)
        told = {"line": f"y = {slope:g}x {'+-'[height < 0]} {abs(height):g}", "w0": w0, "b0": b0}
        w, b = _two_numbers(got, told)
        if abs(w - slope) > 0.05 or abs(b - height) > 0.05:
            error = w0 * x + b0 - slope * x - height
            downhill = -np.array([np.mean(error * x), np.mean(error)])
            raise _off_the_line((w, b), (slope, height), (w0, b0), downhill, told, number)


def _two_numbers(got, told) -> tuple[float, float]:
    try:
        pair = [np.asarray(v, "float64") for v in expect.items(got, at_most=2)]
    except (TypeError, ValueError, Wrong):
        raise Wrong("not_two", got=brief(got), **told) from None
    if len(pair) != 2 or any(v.size != 1 for v in pair):
        raise Wrong("not_two", got=brief(got), **told)
    w, b = (float(v.reshape(())) for v in pair)
    if not np.isfinite([w, b]).all() or max(abs(w), abs(b)) > 1e4:
        raise Wrong("too_far", w=w, **told)
    return w, b


def _off_the_line(got, right, start, downhill, told, number) -> Wrong:
    got, right, start = map(np.array, (got, right, start))
    moved, off = np.abs(got - start), np.abs(got - right)
    told = {**told, "w": f"{got[0]:.3g}", "b": f"{got[1]:.3g}"}
    if (off[::-1] == 0).all() or np.allclose(got[::-1], right, atol=0.05):
        return Wrong("swapped", **told)
    if not moved.any():
        return Wrong("start", **told)
    if number and np.allclose(got, LINES[0], atol=0.05):
        slope, height = LINES[0]
        first = f"y = {slope:g}x {'+-'[height < 0]} {abs(height):g}"
        return Wrong("always_one", first=first, **told)
    if moved[1] == 0:
        return Wrong("no_b", **told)
    if moved[0] == 0 and start[0] != right[0]:
        return Wrong("no_w", **told)
    before, now = np.linalg.norm(start - right), np.linalg.norm(got - right)
    lengths = np.linalg.norm(got - start) * np.linalg.norm(downhill)
    if (got - start) @ downhill > 0.9999 * lengths:
        return Wrong("one_step", **told)
    if now > 1.2 * before and (got - start) @ downhill < 0:
        return Wrong("sign", **told)
    return Wrong("slow" if now < 0.8 * before else "off", **told)


# --------------------------------------------------------------------------------------------------

BENDS = {
    "relu": lambda z: np.maximum(0, z),
    "no_relu": lambda z: z,
    "absolute": np.abs,
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "leaky": lambda z: np.where(z > 0, z, 0.01 * z),
    "cut_above": lambda z: np.minimum(0, z),
    "step": lambda z: (z > 0) * 1.0,
    "softplus": lambda z: np.log1p(np.exp(z)),
    "swish": lambda z: z / (1 + np.exp(-z)),
}
FAULTS = {
    "no_b1": "`b1` is missing",
    "no_b2": "`b2` is missing",
    "minus_b1": "`b1` is subtracted",
    "minus_b2": "`b2` is subtracted",
    "early": "relu is applied to `x`, before the first layer",
    "late_b1": "`b1` is added after relu, not before",
    "outer": "relu is applied to the output too, which sets negative answers to 0",
}
BEND_WORDS = {
    "no_relu": "nothing bends between the layers, so that both together are one straight layer",
    "absolute": "negative numbers come back positive; relu sets them to 0",
    "tanh": "the bend is tanh",
    "sigmoid": "the bend is a sigmoid",
    "leaky": "negative numbers come through, made small; relu sets them to 0",
    "cut_above": "the positive numbers are set to 0, and the negative ones stay",
    "step": "positive numbers become 1; relu leaves them as they are",
    "softplus": "the bend is a softplus",
    "swish": "the bend is a swish",
}


@check.exercise(
    title="Two layers by hand",
    messages={
        "outputs": "for {rows} rows, {hidden} hidden units and {outputs} outputs you return the "
        "shape {got}. Wanted is one row of outputs for each row of x: {wanted}.",
        "one": "{fault}.",
        "several": "several things at once: {faults}.",
        "row": "right for several rows, not for a single one.",
        "wrong": "for x = {x}, W1 = {W1}, b1 = {b1}, W2 = {W2}, b2 = {b2} you get {got}. Compute "
        "the hidden numbers first, and look at them.",
    },
    hints=[
        "Three lines: the first layer, the bend, the second layer.",
        "A layer is `x @ W + b`; relu is `np.maximum(0, h)`.",
        "`h = np.maximum(0, x @ W1 + b1)`, then the second layer takes `h` in place of `x`.",
    ],
    why="Each row of x becomes a row of hidden numbers, `x @ W1 + b1`; relu sets the negative ones "
    "to 0; the second layer mixes what is left. Its output may be negative: nothing bends it.",
    alternative="`h * (h > 0)`, `np.clip(h, 0, None)` and `np.where(h > 0, h, 0)` are relu too.",
)
def forward(answer):
    expect.function(answer, "`forward`")
    cases = [_layers(*sizes) for sizes in ((5, 3, 4, 2), (1, 2, 3, 1), (4, 1, 6, 3))]
    made = [_output(answer, *case) for case in cases]
    fits = [np.allclose(got, _two_layers(*case), atol=1e-4)
            for got, case in zip(made, cases, strict=True)]  # fmt: skip
    if all(fits):
        return
    if fits[0] and fits[2]:
        raise Wrong("row")
    few = itertools.chain.from_iterable(itertools.combinations(FAULTS, k) for k in range(3))
    for faults, bend in itertools.product(list(few), BENDS):
        theirs = [_two_layers(*case, bend, faults) for case in cases]
        if all(np.allclose(a, b, atol=1e-4) for a, b in zip(made, theirs, strict=True)):
            words = [FAULTS[f] for f in faults] + [BEND_WORDS[b] for b in (bend,) if b != "relu"]
            if len(words) == 1:
                raise Wrong("one", fault=words[0])
            raise Wrong("several", faults="; ".join(words))
    shown = next(k for k in (1, 2, 0) if not fits[k])  # the smallest that is off
    x, W1, b1, W2, b2 = cases[shown]
    raise Wrong("wrong", x=x, W1=W1, b1=b1, W2=W2, b2=b2, got=made[shown])


def _layers(rows, inputs, hidden, outputs):
    rng = np.random.default_rng(rows)
    shapes = ((rows, inputs), (inputs, hidden), (hidden,), (hidden, outputs), (outputs,))
    return [np.round(rng.normal(0, 1, shape), 1) for shape in shapes]


def _two_layers(x, W1, b1, W2, b2, bend="relu", faults=()):
    late = b1 if "late_b1" in faults else 0
    before = 0 if {"no_b1", "late_b1"} & set(faults) else -b1 if "minus_b1" in faults else b1
    last = 0 if "no_b2" in faults else -b2 if "minus_b2" in faults else b2
    x = BENDS["relu"](x) if "early" in faults else x
    out = (BENDS[bend](x @ W1 + before) + late) @ W2 + last
    return BENDS["relu"](out) if "outer" in faults else out


def _output(answer, *case) -> np.ndarray:
    got, wanted = expect.array(answer(*(array.copy() for array in case))), _two_layers(*case)
    if got.size != wanted.size or (got.ndim > 1 and got.shape != wanted.shape):
        rows, hidden, outputs = len(case[0]), case[1].shape[1], case[3].shape[1]
        raise Wrong("outputs", rows=rows, hidden=hidden, outputs=outputs, got=got.shape,
                    wanted=wanted.shape)  # fmt: skip
    return got.reshape(wanted.shape)


# --------------------------------------------------------------------------------------------------

COUNTS = {
    "no_biases": 3 * 4 + 4, "no_last_bias": 3 * 4 + 4 + 4, "no_first_biases": 3 * 4 + 4 + 1,
    "units": 3 + 4 + 1, "second_only": 4 + 1, "inputs_too": 21 + 3,
}  # fmt: skip


@check.exercise(
    title="How many knobs?",
    messages={
        "no_biases": "{got} are the weights of both layers, or all parameters of the first one. "
        "The net has two layers, and each unit has a bias.",
        "no_last_bias": "{got} is one short: the last unit has a bias as well.",
        "no_first_biases": "{got} leaves out the biases of the first layer.",
        "units": "{got} counts the places where numbers stand. Parameters belong to the ways "
        "between them: one for each pair, and a bias for each unit.",
        "second_only": "{got} is what the second layer has. The first one has some too.",
        "inputs_too": "{got} gives the inputs biases. They are data, and no layer computes them.",
        "small": "`small` is not {got}. Count layer by layer: how large is `W`, how large is `b`?",
        "whole": "`widest` is {got}, and a layer has a whole number of units.",
        "over": "`small` is right. With `widest` = {got} the net has {count} parameters: too many.",
        "under": "`small` is right. With `widest` = {got} there is room: one more unit is still "
        "within 50,000.",
    },
    hints=[
        "A layer with n inputs and m units has an `n` by `m` matrix `W` and `m` biases.",
        "Dense(4) on three inputs: 3 x 4 + 4. Then the layer behind it has four inputs.",
        "With h hidden units: 784 h + h, and then 10 h + 10. For which h is that 50,000?",
    ],
    why="3 x 4 + 4 + 4 x 1 + 1 = 21. With h hidden units, 784 h + h + 10 h + 10 = 795 h + 10: 62 "
    "units have 49,300 parameters, 63 have 50,095.",
    alternative="build it and ask `model.count_params()`; for `widest`, in a loop over h.",
)
def count_knobs(small, widest):
    got = expect.numeral(small, "`small`")
    if got != 21:
        key = next((k for k, v in COUNTS.items() if v == got), "small")
        raise Wrong(key, got=f"{got:g}")
    units = expect.numeral(widest, "`widest`")
    if units != int(units):
        raise Wrong("whole", got=f"{units:g}")
    count = f"{int(795 * units + 10):,}"
    if units != 62:
        raise Wrong("over" if units > 62 else "under", got=f"{units:,g}", count=count)


# --------------------------------------------------------------------------------------------------

ENDS = {
    "house": "a number",
    "spam": "a yes or no",
    "digit": "one of ten",
    "topics": "five yes or no at once",
}
ACTIVATIONS = {"none": ["linear", "identity", "no activation"], "sigmoid": ["logistic"],
               "softmax": [], "relu": [], "tanh": [], "softplus": [],
               "exponential": ["exp"]}  # fmt: skip
LOSSES = {
    "squares": ["mse", "mean_squared_error", "MeanSquaredError", "squared error", "l2"],
    "robust": ["mae", "mean_absolute_error", "MeanAbsoluteError", "huber", "log_cosh", "LogCosh",
               "msle", "mean_squared_logarithmic_error", "MeanSquaredLogarithmicError",
               "mape", "mean_absolute_percentage_error", "MeanAbsolutePercentageError",
               "absolute error"],
    "binary": ["binary_crossentropy", "BinaryCrossentropy", "bce", "log loss",
               "binary cross-entropy", "binary_focal_crossentropy", "BinaryFocalCrossentropy"],
    "sparse": ["sparse_categorical_crossentropy", "SparseCategoricalCrossentropy", "scce",
               "sparse categorical cross-entropy"],
    "categorical": ["categorical_crossentropy", "CategoricalCrossentropy", "cce",
                    "categorical cross-entropy", "crossentropy", "categorical_focal_crossentropy",
                    "CategoricalFocalCrossentropy"],
}  # fmt: skip


@check.exercise(
    title="Four endings",
    messages={
        "not_dict": "`endings` should be a dict from task to (units, activation, loss), but it is "
        "{got}.",
        "missing": "`endings` has no entry for {task}.",
        "triple": "{task}: an ending is (units, activation, loss), with a number of units, and you "
        "give {got}.",
        "units": "{task}: {got} unit(s) for {kind}. How many numbers must come out for one row?",
        "two_units": "{task}: {got} units, one for each answer, go with softmax. With {activation} "
        "one unit is enough: the other answer has the rest of the probability.",
        "one_softmax": "{task}: a softmax of one unit is always 1. It shares 1 among the units.",
        "activation": "{task}: we do not know the activation {got}. Here are none (`None`), "
        '"sigmoid" and "softmax".',
        "bounded": "{task}: after {activation} no answer lies outside {range}; the target does.",
        "no_probability": "{task}: without an activation the outputs are scores, any numbers. "
        "This loss wants probabilities, unless it is an object with `from_logits=True`.",
        "squashed_twice": "{task}: the loss has `from_logits=True` and squashes the scores itself; "
        "{activation} before it does so a second time.",
        "exclusive": "{task}: softmax shares 1 among the five, so that two topics cannot both be "
        "likely. Here each is a question of its own.",
        "independent": "{task}: ten sigmoids are ten questions. One and only one of the ten is "
        "right: their probabilities should sum to 1.",
        "not_probability": "{task}: {activation} gives no probabilities.",
        "loss": "{task}: we do not know the loss {got}. Use the names of the table.",
        "number_loss": "{task}: {got} compares probabilities, and the target is {kind}.",
        "class_loss": "{task}: {got} measures a distance between numbers. For probabilities the "
        "table has another one.",
        "one_hot": "{task}: {got} wants each label as a row of zeros with a 1. Here labels are "
        "class numbers.",
        "which_crossentropy": "{task}: {got} does not fit {units} output(s) with {activation}.",
    },
    hints=[
        "Ask of each: how many numbers come out for a row? Which values may they have? Must they "
        "sum to 1?",
        "Only one of the four is exclusive; there softmax shares 1 among the units. In `topics` "
        "several may be true.",
        "A number: one unit, no activation, squared error. A yes or no: one unit, sigmoid, binary "
        "cross-entropy; several: as many of the same.",
    ],
    why="The ending says what an answer can be. A price is any number; a yes or no is one "
    "probability; one of ten is ten that sum to 1; five topics are five yes or no.",
    alternative="for `spam`, two units, softmax and the sparse loss; no activation with a loss "
    "that has `from_logits=True`; for `house`, an absolute error, or relu or softplus, since "
    "prices are not negative.",
)
def endings(answer):
    if not isinstance(answer, dict):
        raise Wrong("not_dict", got=brief(answer))
    for task in ENDS:
        if task not in answer:
            raise Wrong("missing", task=task)
        if has_dots(answer[task]):
            raise NotDone
        _judge_ending(task, *_ending(task, answer[task]))


def _ending(task, given):
    try:
        units, activation, loss = given
        number = expect.numeral(units, f"the units of {task}")
    except (TypeError, ValueError, Wrong):
        raise Wrong("triple", task=task, got=brief(given)) from None
    return number, _activation(task, activation), _loss(task, loss)


def _activation(task, given) -> str:
    text = given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)
    try:
        return expect.name("none" if given is None else text, ACTIVATIONS)
    except Wrong:
        got = repr(given) if isinstance(given, str) else brief(given)
        raise Wrong("activation", task=task, got=got) from None


def _loss(task, given) -> tuple[str, str, bool]:
    """Return what a loss is, how it is called, and whether it takes scores."""
    text = given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)
    logits = False
    if not isinstance(given, (str, type)) and hasattr(given, "get_config"):
        logits = bool(given.get_config().get("from_logits", False))
    try:
        return expect.name(text, LOSSES), text, logits
    except Wrong:
        raise Wrong("loss", task=task, got=brief(given)) from None


def _judge_ending(task, units, activation, loss):
    kind, text, logits = loss
    told = {"task": task, "kind": ENDS[task], "got": text, "activation": activation,
            "units": f"{units:g}"}  # fmt: skip
    if task == "house":
        if units != 1:
            raise Wrong("units", **{**told, "got": f"{units:g}"})
        if activation in ("sigmoid", "softmax", "tanh"):
            limits = {"sigmoid": "0 to 1", "softmax": "0 to 1", "tanh": "-1 to 1"}[activation]
            raise Wrong("bounded", range=limits, **told)
        if kind not in ("squares", "robust"):
            raise Wrong("number_loss", **told)
        return
    allowed = {"spam": (1, 2), "digit": (10,), "topics": (5,)}[task]
    if units not in allowed:
        raise Wrong("units", **{**told, "got": f"{units:g}"})
    if kind in ("squares", "robust"):
        raise Wrong("class_loss", **told)
    if activation in ("relu", "tanh", "softplus", "exponential"):
        raise Wrong("not_probability", **told)
    if activation == "none" and not logits:
        raise Wrong("no_probability", **told)
    if activation != "none" and logits:
        raise Wrong("squashed_twice", **told)
    shared = task == "digit" or units == 2
    squash = activation if activation != "none" else ("sigmoid" if kind == "binary" else "softmax")
    if task == "spam" and units == 2 and squash == "sigmoid":
        raise Wrong("two_units", **{**told, "got": "2", "activation": squash})
    if task == "spam" and units == 1 and squash == "softmax":
        raise Wrong("one_softmax", **told)
    if not shared and squash == "softmax":
        raise Wrong("exclusive", **told)
    if shared and squash == "sigmoid":
        raise Wrong("independent", **told)
    if shared and kind == "categorical" and task == "digit":
        raise Wrong("one_hot", **told)
    if (kind == "binary") == shared:
        raise Wrong("which_crossentropy", **told)


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="What the theorem promises",
    messages={
        "missing": "{letter} is missing. {why}",
        "extra": "{letter} does not follow. {why}",
    },
    hints=[
        "The theorem says that weights *exist*. Which of the five statements need no more?",
        "Training, time, new data and other places than the interval are not in it.",
        "What bends? The theorem asks for an activation that is no polynomial. relu is none; a "
        "straight line is one.",
    ],
    why="A and D are the theorem. Whether training finds the weights (B) is another matter, as "
    "your picture shows. Outside the interval (C) it says nothing. Layers without a bend (E) stay "
    "a line.",
    alternative="any spelling of the letters counts.",
)
def theorem(answer):
    reasons = {
        "A": "This is the theorem: however small an error you allow, some width can do it.",
        "B": "It says that the weights exist, and not how to find them: look at the right picture.",
        "C": "It is about a closed interval, and nothing was said of what lies outside.",
        "D": "relu is continuous and no polynomial; no more is asked of an activation.",
        "E": "Straight layers in a row are one straight layer, however many units they have.",
    }
    letters = expect.letters(answer, "ABCDE")
    for letter in "ABCDE":
        if letter in letters and letter not in "AD":
            raise Wrong("extra", letter=letter, why=reasons[letter])
    for letter in "AD":
        if letter not in letters:
            raise Wrong("missing", letter=letter, why=reasons[letter])


# --------------------------------------------------------------------------------------------------

KINDS = {
    "supervised": ["supervised learning", "labelled", "s"],
    "unsupervised": ["unsupervised learning", "u"],
    "self-supervised": ["self supervised", "selfsupervised", "self-supervised learning"],
    "reinforcement": ["reinforcement learning", "rl", "rewards", "r"],
}
TASKS = {
    "house prices from past sales": ("supervised", ""),
    "customers in groups nobody has named": ("unsupervised", ""),
    "the next word of a text": (
        "self-supervised",
        "Nobody labelled anything: the text itself hides the word, then shows it.",
    ),
    "a walking robot that is told how far it came": ("reinforcement", ""),
    "X-rays with a doctor's finding": ("supervised", ""),
    "a picture with a hole, to be filled in": (
        "self-supervised",
        "The picture itself is question and answer; nobody labelled it.",
    ),
    "20 measurements squeezed into 2": ("unsupervised", ""),
    "chess, with a win or a loss at the end": ("reinforcement", ""),
    "spam, from mails that users marked": ("supervised", ""),
    "tomorrow's temperature from years of weather reports": ("supervised", ""),
}
GIVEN = {
    "supervised": "That needs a right answer from somebody for each row",
    "unsupervised": "That is for rows without any answer, in which one looks for structure",
    "self-supervised": "There a part of the data is hidden, and is the answer",
    "reinforcement": "There is a reward for what was done, and no right answer for each step",
}


@check.exercise(
    title="Ten tasks, four kinds",
    messages={
        "count": "there are ten tasks, and you sort {got}.",
        "unknown": "task {number}: {got} is none of the four kinds: supervised, unsupervised, "
        "self-supervised, reinforcement.",
        "kind": 'task {number}, "{task}", is not {got} learning. {given}. What does the model get '
        "here, besides its inputs?",
        "hidden": 'task {number}, "{task}", is not {got} learning. {why}',
    },
    hints=[
        "Ask: who says what would have been right? A label, a reward, the data itself, nobody?",
        "Four tasks have labels or measured outcomes. In two the data hide a part of themselves.",
        "Tasks 4 and 8 have rewards; 2 and 7 have nobody who says what is right.",
    ],
    why='The kinds differ in what says "wrong": a label, a hidden part of the data, a reward, or '
    "nothing but the shape of the data.",
    alternative="task 10 is accepted as self-supervised too: tomorrow is in the next report.",
)
def kinds(answer):
    given = re.split(r"[,;\t\n]", answer.strip(" ,;\t\n")) if isinstance(answer, str) else answer
    given = list(given.values()) if isinstance(given, dict) else given
    found = expect.items(given, at_most=20, what="`kinds`")
    if len(found) != len(TASKS):
        raise Wrong("count", got=len(found))
    for number, (one, (task, (right, why))) in enumerate(zip(found, TASKS.items(), strict=True), 1):
        plain = re.sub(r"(?i)\blearning\b", "", one) if isinstance(one, str) else one
        try:
            kind = expect.name(plain, KINDS)
        except Wrong:
            raise Wrong("unknown", number=number, got=brief(one)) from None
        if kind == right or (number == 10 and kind == "self-supervised"):
            continue
        told = {"number": number, "task": task, "got": kind}
        if why:
            raise Wrong("hidden", why=why, **told)
        raise Wrong("kind", given=GIVEN[kind], **told)


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_outside",
    reasons={
        "a": "Outside, the spread units are flat: the net stays near where it left the interval. "
        "No row told it that the wave goes on.",
        "b": "The theorem speaks of the interval, and of nothing outside. No row told the net that "
        "the wave goes on.",
        "c": "A net gives a number for any number, with the same air of certainty.",
    },
    answer="a",
)
check.prediction(
    "predict_lowest",
    reasons={
        "a": "The curve follows the noise of twelve points. The line had no room for that.",
        "b": "Its loss is lower on the rows that it was fitted to, because it follows their noise. "
        "New rows have other noise.",
        "c": "They differ by a lot, at each draw: compare the losses on new points.",
    },
    answer="a",
)
check.question(
    "quiz_1",
    "You train a model for 100 steps, and call `train` again for 100. What happens?",
    options={
        "a": ("it goes on from where it was", "Training turns the knobs that the model has."),
        "b": (
            "it starts afresh",
            "The model keeps its parameters; only a new model starts afresh.",
        ),
        "c": ("an error: it is trained already", "There is no such state as trained."),
    },
    answer="a",
)
check.question(
    "quiz_2",
    "What becomes of two Dense layers with no activation between them?",
    options={
        "a": ("no more than one Dense layer can do", "(xW + b)V + c is xU + d, with U = WV."),
        "b": ("twice as much", "More parameters, and the same functions."),
        "c": ("an error", "It runs, and bends nowhere."),
    },
    answer="a",
)
check.question(
    "quiz_3",
    "A net gives the true class a probability of 1/e. What is its cross-entropy on this row?",
    options={
        "a": ("0", "That is what a probability of 1 costs."),
        "b": ("1", "-log(1/e) = 1."),
        "c": ("1/e", "It is minus the logarithm of that."),
    },
    answer="b",
)
check.question(
    "quiz_4",
    f"From {lesson('start_here')}: what does gradient descent know at each step?",
    options={
        "a": ("where the lowest point is", "It would go there at once."),
        "b": ("the loss of all lines", "We drew those for you; it never saw them."),
        "c": ("which way is downhill from where it stands", "And nothing else."),
    },
    answer="c",
)
check.question(
    "quiz_5",
    f"From {lesson('start_here')}: 95 of 100 mails are no spam, and a model is right 95 times. "
    "What is that?",
    options={
        "a": ("impressive", "So is a model that never says spam."),
        "b": ("no news: always saying no does that too", "Compare with the lazy answer first."),
        "c": ("too good to be true", "It takes no model at all."),
    },
    answer="b",
)
check.card(
    "What is training?",
    "Turning a function's parameters, step by step against the gradient of a loss, until its "
    "answers are less wrong. The goal is new data, not the lowest loss.",
)
check.card(
    "How many parameters has Dense(m) on n inputs?",
    "n m weights and m biases: `x @ W + b`.",
)
check.card(
    "Which ending for a number, a yes or no, one of K, several yes or no?",
    "One unit and squared error; one sigmoid and binary cross-entropy; K units, softmax and "
    "categorical cross-entropy (sparse, if labels are class numbers); K sigmoids and binary "
    "cross-entropy.",
)
check.card(
    "What does the universal approximation theorem say, and what not?",
    "One hidden layer with enough units of an activation that is no polynomial comes as near as "
    "one likes to a continuous function on a closed, bounded region. Not: that training finds it, "
    "nor anything about outside.",
)
check.card(
    "Which algorithms train without this loop?",
    "Least squares has a formula, PCA an eigenvalue problem; k-means alternates two exact steps; "
    "DBSCAN counts neighbours and minimises nothing; trees grow greedily.",
)
