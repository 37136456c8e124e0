"""Backpropagation: checks, hints, quiz and cards."""

import numpy as np

from coursekit.exercises import Lesson, NotDone, Wrong, brief, expect, has_dots, lesson
from coursekit.lessons import _backpropagation as parts
from coursekit.lessons._combined import Several, combined

__all__ = ["check", "parts"]

check = Lesson("backpropagation", "Which weight is to blame?")


# --------------------------------------------------------------------------------------------------

EVALUATIONS = {
    "one_short": 101_770, "both_sides": 203_540, "both_sides_and_one": 203_541,
    "no_biases": 101_633, "no_biases_one_short": 101_632, "units": 139, "rows": 785,
}  # fmt: skip


@check.exercise(
    title="The bill",
    messages={
        "one_short": "{got} is a turn for each parameter. Each change is a difference: from what?",
        "both_sides": "{got} turns each parameter up and down. The cell above turns it up only.",
        "no_biases": "{got} leaves the biases out. They are turned too.",
        "units": "{got} counts units. What is turned are the parameters between them.",
        "evaluations": "`evaluations_needed` is not {got}. How many parameters has the model, and "
        "what else does the cell above compute?",
        "forward": "the first is right. {got} products are the way forward alone.",
        "back": "the first is right. {got} products are the way back alone; it cannot start before "
        "the way forward.",
        "data": "the first is right. {got} has two products going back for every layer. What would "
        "the second one of the first layer be the blame of?",
        "products": "the first is right. Forward one product a layer. Back two, but for one layer. "
        "{got} is another sum.",
    },
    hints=[
        "A Dense layer with n inputs and m units has n m + m parameters.",
        "The measured gradient needs the loss as it is, and once more for each parameter.",
        "Five layers: 5 products forward. Back: five for the weights; for what was read, how many?",
    ],
    why="784 x 128 + 128 + 128 x 10 + 10 = 101,770 parameters, and the loss as it stands. "
    "Backpropagation: 5 products forward, 5 back for the weights, 4 for what the layers read.",
    alternative="`model.count_params() + 1`.",
)
def bill(evaluations, products):
    got = expect.numeral(evaluations, "`evaluations_needed`")
    if got != 101_771:
        key = next((k for k, v in EVALUATIONS.items() if v == got), "evaluations")
        families = {"no_biases_one_short": "no_biases", "both_sides_and_one": "both_sides",
                    "rows": "units"}  # fmt: skip
        raise Wrong(families.get(key, key), got=f"{got:,g}" if got < 1e5 else f"{got:,.0f}")
    count = expect.numeral(products, "`products`")
    if count != 14:
        key = {5: "forward", 9: "back", 10: "back", 15: "data"}.get(count, "products")
        raise Wrong(key, got=f"{count:g}")


# --------------------------------------------------------------------------------------------------

NAMES = ("dW1", "db1", "dW2", "db2")
FAULTS = {
    "sum": "the gradients are those of the sum over the rows; the loss is the mean",
    "no_label": "the 1 at the right class is not subtracted",
    "sign": "every gradient has the other sign",
    "slope": "there is a factor p (1 - p): softmax and cross-entropy together have none",
    "scores": "the scores z are taken for the probabilities",
    "no_mask": "relu's slope is missing: blame passes where a was negative",
    "mask_value": "`dh` is multiplied by relu's value, not by its slope",
    "mask_blame": "blame is let through where it is itself positive; what counts is where a was",
    "mask_turned": "blame passes where a was negative, and stops where it was positive",
    "before_bend": "dW2 has what came before the bend; the second layer read `h`",
    "mask_sigmoid": "`dh` is multiplied by h (1 - h), which is a sigmoid's slope",
    "leaky": "a part of the blame passes where a was negative; relu lets none pass",
    "twice": "the division by the number of rows is made twice",
    "classes": "the gradients are divided by the number of classes too",
    "bias_mean": "the biases' gradients are means over the rows, after the division by n",
    "bias_one": "the biases' gradients are those of one row, not summed over all",
}
GROUPS = (
    ("sum", "twice", "classes"),
    ("no_label", "slope", "scores"),
    ("sign",),
    ("no_mask", "mask_value", "mask_blame", "mask_turned", "mask_sigmoid", "leaky"),
    ("before_bend",),
    ("bias_mean", "bias_one"),
)


@check.exercise(
    title="Two layers, backward",
    messages={
        "count": "four gradients are wanted, dW1, db1, dW2, db2, and you return {got}.",
        "order": "the four are there, in another order. Wanted is dW1, db1, dW2, db2.",
        "weight_shape": "{name} has the shape {got}; its weight has {wanted}.",
        "rows": "{name} has a row for each of the {rows} rows of the batch. A bias is added to "
        "each of them, and is blamed by each: what becomes of their blames?",
        "one": "{fault}.",
        "several": "several things at once:",
        "parts": "right so far: {right}. Not right: {wrong}. Look at the step where they part.",
        "row": "right for some batches, not for {rows} rows and {classes} classes.",
        "wrong": "none of the four is right. For a batch of one row your dW2 is {got}. Print "
        "`dz` first: what does each of its rows sum to?",
    },
    hints=[
        "Go the four steps in order, and write the shape of each result beside it.",
        "`np.eye(classes)[y]` has a 1 at each row's right class. The slope of relu is `a > 0`.",
        "`dz = ...`; `dW2`, `db2` and `dh` by step 2; `da = dh * (a > 0)`; then step 2 again with "
        "`x` in place of `h`.",
    ],
    why="Each layer does the same: its weights' blame is what it read, transposed, times the blame "
    "that arrives; what it read gets that blame times the weights, transposed. relu lets it pass "
    "where a was positive.",
    alternative="`p[np.arange(n), y] -= 1` in place of the one-hot rows; `np.where(h > 0, dh, 0)`; "
    "or a library's gradient of the same loss.",
)
def backward(answer):
    expect.function(answer, "`backward`")
    cases = [_batch(*sizes) for sizes in ((5, 3, 4, 2), (1, 2, 3, 4), (4, 6, 2, 3))]
    made = [_four(answer, *case) for case in cases]
    rights = [_gradients(*case) for case in cases]
    fits = [[_same(a, b) for a, b in zip(*pair, strict=True)]
            for pair in zip(made, rights, strict=True)]  # fmt: skip
    if all(map(all, fits)):
        return
    for faults in combined(GROUPS, 3):
        theirs = [_gradients(*case, faults) for case in cases]
        if all(_same(a, b) for pair in zip(made, theirs, strict=True)
               for a, b in zip(*pair, strict=True)):  # fmt: skip
            if len(faults) == 1:
                raise Wrong("one", fault=FAULTS[faults[0]])
            raise Several(f"{FAULTS[fault]}." for fault in faults)
    columns = [all(fit[k] for fit in fits) for k in range(4)]
    if any(columns):
        right = " and ".join(n for n, ok in zip(NAMES, columns, strict=True) if ok)
        wrong = " and ".join(n for n, ok in zip(NAMES, columns, strict=True) if not ok)
        raise Wrong("parts", right=right, wrong=wrong)
    for case, fit in zip(cases, fits, strict=True):
        if not all(fit) and any(map(all, fits)):
            raise Wrong("row", rows=len(case[0]), classes=len(case[-1]))
    raise Wrong("wrong", got=made[1][2])


def _batch(rows, inputs, hidden, classes):
    rng = np.random.default_rng(rows)
    shapes = ((rows, inputs), (inputs, hidden), (hidden,), (hidden, classes), (classes,))
    x, *weights = [np.round(rng.normal(0, 1, shape), 1) for shape in shapes]
    return x, rng.integers(0, classes, rows), *weights


def _gradients(x, y, W1, b1, W2, b2, faults=()):
    n, a = len(x), x @ W1 + b1
    h = np.maximum(0, a)
    z = h @ W2 + b2
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    dz = (z if "scores" in faults else p) - np.eye(len(b2))[y] * ("no_label" not in faults)
    dz = dz * p * (1 - p) if "slope" in faults else dz
    shares = {"sum": 1, "twice": n**2, "classes": n * len(b2)}
    share = next((shares[fault] for fault in faults if fault in shares), n)
    dz = dz * (-1 if "sign" in faults else 1) / share
    dh = dz @ W2.T
    passes = {"no_mask": 1, "mask_value": h, "mask_blame": dh > 0, "mask_turned": a < 0,
              "mask_sigmoid": h * (1 - h), "leaky": np.where(a > 0, 1, 0.01)}  # fmt: skip
    da = dh * next((passes[fault] for fault in faults if fault in passes), a > 0)
    total = np.sum
    if "bias_mean" in faults:
        total = np.mean
    if "bias_one" in faults:
        total = _first
    read = a if "before_bend" in faults else h
    return x.T @ da, total(da, axis=0), read.T @ dz, total(dz, axis=0)


def _first(array, axis):
    return array.take(0, axis=axis)


def _four(answer, *case) -> list[np.ndarray]:
    given = answer(*(array.copy() for array in case))
    found = list(given.values()) if isinstance(given, dict) else given
    found = expect.items(found, at_most=8, what="`backward(...)`")
    if len(found) != 4:
        raise Wrong("count", got=len(found))
    found = [expect.array(one, what=name) for one, name in zip(found, NAMES, strict=True)]
    wanted = [weight.shape for weight in case[2:]]
    shapes = [one.shape for one in found]
    if shapes != wanted and sorted(shapes) == sorted(wanted):
        raise Wrong("order")
    rows = len(case[0])
    for k, (name, one, shape) in enumerate(zip(NAMES, found, wanted, strict=True)):
        if one.shape == (1, *shape):
            found[k] = one[0]
        elif len(shape) == 1 and one.shape == (rows, *shape):
            raise Wrong("rows", name=name, rows=rows)
        elif one.shape != shape:
            raise Wrong("weight_shape", name=name, got=one.shape, wanted=shape)
    return found


def _same(a, b) -> bool:
    return bool(np.allclose(a, b, rtol=1e-3, atol=1e-5))


# --------------------------------------------------------------------------------------------------

CENTRE = np.array([[1.0, -0.5, 0.3], [0.2, 0.8, -1.1]])
SURFACES = {
    "a wave": (lambda w: np.sum(np.sin(4 * w)), lambda w: 4 * np.cos(4 * w), np.zeros((2, 3))),
    "a bowl": (
        lambda w: np.sum(50 * np.square(w - CENTRE.astype("float32"))),
        lambda w: 100 * (w - CENTRE),
        CENTRE - 0.01,
    ),
    "a loss near 3": (
        lambda w: np.float32(3) + np.sum(np.log1p(np.exp(w))) / np.float32(6),
        lambda w: 1 / (1 + np.exp(-w)) / 6,
        CENTRE,
    ),
}


@check.exercise(
    title="A measured gradient, repaired",
    messages={
        "lost": "on {name} your first slope is {got}, the right one {right}. You step {step}. A "
        "float32 near 1 has its neighbour 1e-7 away, and a loss near 3 is rounded to 2e-7: what is "
        "left of the difference?",
        "long": "on {name} your first slope is {got}, the right one {right}. You step {step}: far "
        "enough for the curve to bend away.",
        "one_side": "on {name} your first slope is {got}, the right one {right}: you look to one "
        "side only, and so measure the slope half a step away. Near a minimum that is another one.",
        "nothing": "you never asked `loss` beside {name}'s point `w`.",
        "twice": "on {name} every slope is {factor} times the right one. How far apart are the two "
        "points?",
        "left": "each slope is right at first, then they go astray: is each entry put back before "
        "the next one moves?",
        "together": "on {name} you move several entries of `w` at once. Then the loss changes for "
        "several reasons.",
        "wrong": "on {name} you get {got}; right is {right}.",
    },
    hints=[
        "Three things are wrong: how far it steps, to how many sides, and what it leaves behind.",
        "The figure above has the step. `w.copy()` leaves `w` alone.",
        "`(loss(up) - loss(down)) / (2 * step)`, with one entry of a copy moved up, or down.",
    ],
    why="From both sides the curve's bend cancels. A step near the cube root of the rounding, "
    "about 0.005 in float32, balances what the curve and what rounding add.",
    alternative="divide by `up[place] - down[place]`, the step that float32 really made; four "
    "points in place of two.",
    seconds=30,
)
def measured(answer):
    expect.function(answer, "`measured_gradient`")
    for name, (surface, slope, place) in SURFACES.items():
        w, asked = place.astype("float32"), []

        def loss(at, surface=surface, asked=asked):
            asked.append(np.array(at, "float32"))
            return np.float32(surface(asked[-1]))

        with np.errstate(all="ignore"):
            got = expect.array(answer(loss, w.copy()), w.shape, what="`measured_gradient(...)`")
        right = slope(w.astype("float64"))
        if np.abs(got - right).max() > 0.01 * np.abs(right).max():
            raise _mismeasured(name, got, right, np.array(asked), w)


def _mismeasured(name, got, right, asked, w) -> Wrong:
    if not len(asked):
        return Wrong("nothing", name=name)
    moves = (asked - w).astype("float64")
    step = float(np.abs(moves).max())
    told = {"name": name, "got": float(got.flat[0]), "right": float(right.flat[0]),
            "step": "less than a float32 can hold" if step == 0 else f"{step:.0e}"}  # fmt: skip
    if step < 3e-5:
        return Wrong("lost", **told)
    far = np.abs(moves) > step / 2
    together = far.sum(axis=(1, 2))
    if together.max() > 1:
        return Wrong("left" if together[together > 0][0] == 1 else "together", name=name)
    if len(set(np.sign(moves[far]))) == 1 and step < 0.05:
        return Wrong("one_side", **told)
    factors = [f for f in (2.0, 0.5, -1.0, -2.0) if np.allclose(got, f * right, rtol=0.02)]
    if factors:
        return Wrong("twice", name=name, factor=factors[0])
    if step > 0.03:
        return Wrong("long", **told)
    if step < 3e-4:
        return Wrong("lost", **told)
    return Wrong("wrong", name=name, got=got, right=right)


# --------------------------------------------------------------------------------------------------

MEMORY = {
    "plain": {"inside": 240, "inputs": 48, "one_block": 12},
    "checkpointed": {"inputs_only": 48, "one_input_twice": 60, "one_block": 12, "all": 288,
                     "inside_only": 10},
}  # fmt: skip


@check.exercise(
    title="A memory that fits",
    messages={
        "plain_inside": "{got} MB are what is computed inside the blocks. Their inputs wait too.",
        "plain_inputs": "{got} MB are the inputs alone. Without checkpointing the insides wait.",
        "plain_one_block": "{got} MB are one block. All of them wait until the pass back begins.",
        "plain": "`plain` is not {got}. What waits in one block? How many blocks?",
        "inputs_only": "`plain` is right. {got} MB are the inputs. To send the blame through a "
        "block its inside must be there, at that time.",
        "one_input_twice": "`plain` is right. {got} MB have one input twice: that of the block in "
        "work is among the 24.",
        "one_block": "`plain` is right. {got} MB are the block in work. The inputs of the others "
        "wait as well.",
        "inside_only": "`plain` is right. {got} MB are the inside of one block. The inputs wait.",
        "all": "`plain` is right. {got} MB would save nothing.",
        "checkpointed": "`plain` is right, `checkpointed` is not {got}.",
        "of_back": "the memory is right. {got} % is one pass forward beside a pass back. A step "
        "has both.",
        "of_forward": "the memory is right. {got} % is one pass forward beside a pass forward. A "
        "step has a pass back too.",
        "of_new": "the memory is right. {got} % is the share of the new step. Asked is by how much "
        "the old one grows.",
        "whole": "the memory is right. {got} % is the new step beside the old one. By how much "
        "did it grow?",
        "percent": "the memory is right. A step was one pass forward and one back, which costs "
        "two. What is added? {got} % does not come out.",
    },
    hints=[
        "Without checkpointing, both numbers of each block wait.",
        "With it, 24 inputs, and once the inside of a block.",
        "Work: 1 + 2 before, 1 + 1 + 2 after.",
    ],
    why="24 x 12 = 288 MB against 24 x 2 + 10 = 58 MB. Every block is computed forward once more: "
    "4 units of work in place of 3.",
    alternative="a third, in any spelling, is the growth.",
)
def memory(plain, checkpointed, percent):
    got = expect.numeral(plain, "`plain`")
    if got != 288:
        slips = {v: f"plain_{k}" for k, v in MEMORY["plain"].items()}
        raise Wrong(slips.get(got, "plain"), got=f"{got:g}")
    got = expect.numeral(checkpointed, "`checkpointed`")
    if got != 58:
        slips = {v: k for k, v in MEMORY["checkpointed"].items()}
        raise Wrong(slips.get(got, "checkpointed"), got=f"{got:g}")
    got = expect.numeral(percent, "`percent`")
    if not any(expect.is_rounded(got, right) for right in (100 / 3, 1 / 3)):
        share = 100 * got if 0 < got <= 1.5 else got
        slips = {50: "of_back", 100: "of_forward", 25: "of_new", 133: "whole"}
        raise Wrong(slips.get(round(share), "percent"), got=f"{share:g}")


# --------------------------------------------------------------------------------------------------

BEST = {
    "added": 2.5, "one": 0.25, "nine": 0.25**9, "eleven": 0.25**11, "half": 0.5**10,
    "nearly": 0.23**10, "middle": 1.0,
}  # fmt: skip
HELPS = {"vanishing under sigmoid": "AD", "exploding under twice He": "BC"}
REASONS = {
    ("vanishing under sigmoid", "A"): "A relu that is alive has a slope of 1, where the sigmoid "
    "has 0.25 at most.",
    ("vanishing under sigmoid", "B"): "Cutting makes long gradients shorter. Here they are too "
    "short already.",
    ("vanishing under sigmoid", "C"): "The weights are factors too: smaller ones make the product "
    "smaller still.",
    ("vanishing under sigmoid", "D"): "In h + f the blame has a way on which nothing is "
    "multiplied.",
    ("exploding under twice He", "A"): "These nets have relu already; what is above 1 are the "
    "weights.",
    ("exploding under twice He", "B"): "A gradient cut to a limit cannot throw the weights about.",
    ("exploding under twice He", "C"): "The weights are what makes the factors large.",
    ("exploding under twice He", "D"): "In h + f the factor of f is still there, and 1 is "
    "added to it.",
}


@check.exercise(
    title="Two diseases",
    messages={
        "added": "{got} adds the ten factors up. Along a chain they are multiplied.",
        "one": "{got} is one layer.",
        "nine": "{got} is nine factors; each of the ten layers bends once.",
        "eleven": "{got} is eleven factors.",
        "half": "{got} takes 0.5 for the factor: that is the sigmoid's value where it is steepest, "
        "not its slope.",
        "nearly": "{got} is what the nets above lost. At best: where is the sigmoid steepest?",
        "middle": "{got} would lose nothing. How steep is a sigmoid at most?",
        "best": "`at_best` is not {got}. How steep is a sigmoid at most, and how often does it "
        "count?",
        "keys": "`helps` should be a dict with these two entries: {wanted}.",
        "missing": "{disease}: {letter} helps. {why}",
        "extra": "{disease}: {letter} does not help. {why}",
    },
    hints=[
        "Ten factors, multiplied, each as large as a sigmoid's slope can be.",
        "For each remedy: which factor does it change, and in which direction?",
        "Two remedies help the one disease, and the other two the other.",
    ],
    why="0.25 to the power of 10 is 9.5e-7, and the weights are not counted yet. relu and skips "
    "raise factors to 1. Clipping and smaller weights hold down what is too large, and do nothing "
    "for what is too small.",
    alternative="`0.25**10`; letters in any spelling.",
)
def diseases(at_best, helps):
    got = expect.numeral(at_best, "`at_best`")
    if not expect.is_rounded(got, 0.25**10):
        near = (k for k, v in BEST.items() if np.isclose(got, v, rtol=0.03))
        raise Wrong(next(near, "best"), got=brief(got))
    if not isinstance(helps, dict) or set(helps) != set(HELPS):
        raise Wrong("keys", wanted=" and ".join(map(repr, HELPS)))
    for disease, right in HELPS.items():
        if has_dots(helps[disease]):
            raise NotDone
        letters = expect.letters(helps[disease], "ABCD", f"what helps against {disease}")
        for letter in "ABCD":
            if (letter in letters) != (letter in right):
                why = REASONS[disease, letter]
                key = "extra" if letter in letters else "missing"
                raise Wrong(key, disease=disease, letter=letter, why=why)


# --------------------------------------------------------------------------------------------------

SHARES = {
    "zeros": lambda a, x, W: np.mean(a <= 0),
    "alive": lambda a, x, W: np.mean(~np.all(a <= 0, axis=0)),
    "any": lambda a, x, W: np.mean(np.any(a <= 0, axis=0)),
    "rows": lambda a, x, W: np.mean(np.all(a <= 0, axis=1)),
    "count": lambda a, x, W: np.sum(np.all(a <= 0, axis=0)),
    "percent": lambda a, x, W: 100 * np.mean(np.all(a <= 0, axis=0)),
    "of_rows": lambda a, x, W: np.sum(np.all(a <= 0, axis=0)) / len(x),
    "no_bias": lambda a, x, W: np.mean(np.all(x @ W <= 0, axis=0)),
    "always_on": lambda a, x, W: np.mean(np.all(a >= 0, axis=0)),
    "average": lambda a, x, W: np.mean(a.mean(axis=0) <= 0),
}


@check.exercise(
    title="Count the dead",
    messages={
        "zeros": "for {units} units on {rows} rows you get {got}: the share of all zeros. A unit "
        "that rests on some rows is not dead.",
        "alive": "for {units} units on {rows} rows you get {got}: the share of the living.",
        "any": "for {units} units on {rows} rows you get {got}: you count a unit that rests on "
        "*some* row. Dead is who rests on all.",
        "rows": "for {units} units on {rows} rows you get {got}: the share of rows on which all "
        "units rest. Which axis has the rows?",
        "count": "for {units} units on {rows} rows you get {got}: the number of the dead. Asked is "
        "their share.",
        "percent": "for {units} units on {rows} rows you get {got}: per cent. Asked is a share, "
        "0 to 1.",
        "of_rows": "for {units} units on {rows} rows you get {got}: divided by the number of rows.",
        "no_bias": "for {units} units on {rows} rows you get {got}: as if the biases were 0.",
        "always_on": "for {units} units on {rows} rows you get {got}: the share of units that are "
        "never below 0.",
        "average": "for {units} units on {rows} rows you get {got}: you look at a unit's average. "
        "One row on which it speaks is enough to be alive.",
        "wrong": "for {units} units on {rows} rows you get {got}, which is not the share of the "
        "dead. Print `x @ W + b`: a column is a unit.",
    },
    hints=[
        "Compute `a = x @ W + b`: a row for each row of x, a column for each unit.",
        "`np.all(..., axis=0)` asks of each column whether something holds on all rows.",
        "`np.mean` of truth values is the share of the true ones.",
    ],
    why="A column of `a` that is nowhere above 0 gives 0 for every row, with a slope of 0: neither "
    "its weights nor those below it get blame through it.",
    alternative="`np.mean((x @ W + b).max(axis=0) <= 0)`.",
)
def dead(answer):
    expect.function(answer, "`dead_share`")
    made = []
    for seed, (rows, units) in enumerate(((6, 8), (9, 5), (1, 4), (40, 3))):
        rng = np.random.default_rng(seed)
        x, W = rng.normal(size=(rows, 3)), rng.normal(size=(3, units))
        b = np.where(np.arange(units) < units // 3 + 1, -9.0, rng.normal(0, 1, units))
        b[-1] = 9.0
        got = expect.number(answer(x.copy(), W.copy(), b.copy()), "`dead_share(...)`")
        made.append((got, x @ W + b, x, W))
    if all(np.isclose(got, np.mean(np.all(a <= 0, axis=0)), atol=1e-6) for got, a, *_ in made):
        return
    for key, slip in SHARES.items():
        if all(np.isclose(got, slip(*rest)) for got, *rest in made):
            raise Wrong(key, rows=6, units=8, got=made[0][0])
    wrong = next(one for one in made if not np.isclose(one[0], np.mean(np.all(one[1] <= 0, 0))))
    rows, units = wrong[1].shape
    raise Wrong("wrong", rows=rows, units=units, got=wrong[0])


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_step",
    reasons={
        "a": "At 1 the next float32 is 1e-7 away: a step of 1e-12 does not move the weight.",
        "b": "The loss is rounded to about 1e-7 as well. The change of the loss is lost in that.",
        "c": "Long enough to stand out of the rounding, short enough to see a straight line.",
    },
    answer="c",
)
check.prediction(
    "predict_depth",
    reasons={
        "a": "That would take factors near 1. A sigmoid's slope is never above 0.25.",
        "b": "A factor of 0.25 at each of twenty layers: how small is the product?",
        "c": "Each layer multiplies by less than 0.25; nineteen times that is below 1e-11.",
    },
    answer="c",
)
check.prediction(
    "predict_dead",
    reasons={
        "a": "The relu unit's slope is 0 on every row: it gets no gradient at all.",
        "b": "A slope of 0.3 passes enough blame to bring the bias back. A slope of 0 passes none.",
        "c": "Where a slope below 0 is left, blame passes, and the bias moves.",
    },
    answer="b",
)
check.question(
    "quiz_1",
    "You have the gradients of a batch by backpropagation. What has happened to the weights?",
    options={
        "a": ("they have moved downhill", "That would be the optimizer's work."),
        "b": ("they are at their best", "A gradient is a direction, and no place."),
        "c": ("nothing", "It finds the blame. An optimizer decides what to do about it."),
    },
    answer="c",
)
check.question(
    "quiz_2",
    "You double the rows of a batch. What takes twice the memory?",
    options={
        "a": ("the parameters", "They are the same for every row."),
        "b": ("what the layers computed", "Each row has its own numbers, kept for the way back."),
        "c": ("the gradients of the parameters", "They have the parameters' shapes."),
    },
    answer="b",
)
check.question(
    "quiz_3",
    "Your gradient and a slope measured in float32 with a step of 1e-9 differ by 100 %. Now what?",
    options={
        "a": ("measure again with a step near 1e-3", "Or in float64, with a step near 1e-5."),
        "b": ("a smaller step", "It does not move the weight even now."),
        "c": ("search the gradient for its error", "The measurement is the first suspect."),
    },
    answer="a",
)
check.question(
    "quiz_4",
    f"From {lesson('what_training_is')}: how many parameters has `Dense(3)` on two inputs?",
    options={
        "a": ("9", "2 x 3 weights and 3 biases."),
        "b": ("6", "Each unit has a bias too."),
        "c": ("5", "Parameters belong to pairs of inputs and units."),
    },
    answer="a",
)
check.question(
    "quiz_5",
    f"From {lesson('gradient_descent')}: the loss grows from step to step. What do you try first?",
    options={
        "a": ("more steps", "They go on uphill."),
        "b": ("a smaller rate", "Each step jumps over the valley and lands higher."),
        "c": ("a larger batch", "Noise makes the loss jump, not grow without end."),
    },
    answer="b",
)
check.card(
    "What is backpropagation, and what is it not?",
    "The chain rule, walked from the loss back: each operation multiplies the blame by its local "
    "slope. One pass gives all gradients. It is no optimizer.",
)
check.card(
    "The backward pass of a layer z = hW + b?",
    "dW is h transposed times dz; db is the sum of dz over the rows; dh is dz times W transposed.",
)
check.card(
    "The gradient of softmax and cross-entropy with respect to the scores?",
    "(p - y) / n, with y one-hot.",
)
check.card(
    "Which step for a measured slope?",
    "From both sides: near 1e-3 in float32, near 1e-4 or 1e-5 in float64.",
)
check.card(
    "What does activation checkpointing trade?",
    "Memory for work: only the inputs of blocks wait; each block is computed forward once more, "
    "about a third more work.",
)
check.card(
    "Why do gradients vanish or explode, and what is a dead unit?",
    "A gradient is a product of one factor a layer: 0.9^50 is 0.005, 1.1^50 is 117. A relu unit "
    "that is negative on all rows has the factor 0; leaky relu and PReLU keep one above 0.",
)
