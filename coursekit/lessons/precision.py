"""Precision: checks, hints, quiz and cards."""

import time

import numpy as np

from coursekit.exercises import Lesson, Wrong, expect
from coursekit.lessons._steps import apply_step

__all__ = ["apply_step", "check", "draw_window", "time_products"]

check = Lesson("precision", "What do sixteen bits lose?")


def time_products(dtypes) -> dict[str, float]:
    """Return how long a product of two matrices takes in each type, in units of the first type."""
    import keras

    matrix = np.random.default_rng(0).normal(size=(512, 512))
    matrices = {dtype: keras.ops.cast(matrix, dtype) for dtype in dtypes}
    best = dict.fromkeys(dtypes, np.inf)
    for _ in range(8):  # in turn, so that what else runs here slows all of them
        for dtype, a in matrices.items():
            start = time.perf_counter()
            keras.ops.convert_to_numpy(keras.ops.cast(keras.ops.matmul(a, a)[:1, :1], "float32"))
            best[dtype] = min(best[dtype], time.perf_counter() - start)
    return {dtype: seconds / best[dtypes[0]] for dtype, seconds in best.items()}


def draw_window(histogram, power):
    """Draw gradients against the window of float16, the loss times 2 ** power."""
    from coursekit import plots

    label = f"loss times $2^{{{power}}}$"
    frame = (1.0, 2.0**44)  # the slider's ends
    return plots.gradients(histogram, [2.0**power], "Gradients of one batch", [label], frame)


# --------------------------------------------------------------------------------------------------

SMALL, LARGE = 1e-9, 3.0  # the gradients of `scale`


@check.exercise(
    title="The fate of 0.00000001",
    messages={
        "kept": "you say that float16 makes {got} of 1e-8. Its smallest number above 0 is about "
        "6e-8 (its smallest *normal* one, 6e-5, is another matter): which neighbour is nearer?",
        "up": "you say that float16 makes {got} of 1e-8. Rounding takes the nearer neighbour: how "
        "far is 1e-8 from the smallest number above 0, and how far from the next one below?",
        "late": "`scaled` is 0. Multiply first, round afterwards: once 1e-8 has become 0, a factor "
        "does not bring it back.",
        "unscaled": "`scaled` is {got}, which is 1e-8 again. We ask for what float16 holds while "
        "the loss is scaled, before anything is divided.",
        "divided": "`scaled` is {got}: 1e-8 divided by 1024. Loss scaling multiplies.",
        "twice": "`scaled` is {got}: 1e-8 times 1024, times 1024 again.",
        "power": "`scaled` is {got}: the right digits, and not the right power of 10.",
        "scaled": "`scaled` is {got}. Multiply 1e-8 by 1024, then round to float16: it keeps three "
        "digits here.",
        "sign": "`scale` is {got}. A loss scale is positive: a negative one turns every gradient "
        "around.",
        "too_small": "with `scale` = {got} the gradient 1e-9 becomes {scaled}, and float16 makes 0 "
        "of that.",
        "too_large": "with `scale` = {got} the gradient 3 becomes {scaled}, which is infinite in "
        "float16.",
    },
    hints=[
        "`np.float16(value)` rounds for you. Where do the numbers of float16 end, on both sides?",
        "`scale` must lift 1e-9 above 3e-8, and leave 3 below 65,504.",
        "plain = np.float16(1e-8), scaled = np.float16(1e-8 * 1024), and a scale between 30 and "
        "21,000",
    ],
    why="1e-8 is less than half of the smallest number, so it rounds to 0. Times 1024 it is well "
    "inside. A scale of 30 to 21,800 loses neither end.",
    alternative="powers of two are the usual scales, since they change no digit: 64 to 16,384.",
)
def fate(plain, scaled, scale):
    plain = expect.numeral(plain, "`plain`")
    if plain != 0:
        raise Wrong("up" if plain > 2e-8 else "kept", got=plain)
    scaled = expect.numeral(scaled, "`scaled`")
    if scaled == 0:
        raise Wrong("late")
    right = 1e-8 * 1024
    if not (np.isclose(scaled, right, rtol=0.01, atol=0) or expect.is_rounded(scaled, right)):
        named = {"unscaled": 1e-8, "divided": 1e-8 / 1024, "twice": right * 1024}
        key = next((k for k, v in named.items() if np.isclose(scaled, v, rtol=0.02, atol=0)), "")
        power = np.log10(scaled / right) if scaled > 0 else 0.5
        raise Wrong(key or ("power" if abs(power - round(power)) < 0.005 else "scaled"), got=scaled)
    scale = expect.numeral(scale, "`scale`")
    if scale < 0:
        raise Wrong("sign", got=scale)
    with np.errstate(over="ignore"):
        if not np.float16(SMALL * scale) > 0:
            raise Wrong("too_small", got=scale, scaled=SMALL * scale)
        if not np.isfinite(np.float16(LARGE * scale)):
            raise Wrong("too_large", got=scale, scaled=LARGE * scale)


# --------------------------------------------------------------------------------------------------


def loss_scale_step(scale, good, finite, growth_steps):
    """Return scale, good steps in a row, and whether the weights move, as Keras has them."""
    if not finite:
        return scale / 2, 0, False
    good += 1
    if good == growth_steps:
        return scale * 2, 0, True
    return scale, good, True


@check.exercise(
    title="The scale, by hand",
    messages={
        "triple": "return three things: the scale, the number of good steps, and whether the "
        "weights move. We got {got}.",
        "order": "you return {got}: in another order. First the scale, then the count, then "
        "whether the weights move.",
        "truth": "the third value is {got}. Return `True` if the weights move, else `False`.",
        "updated": "gradients that are not finite come in, and you move the weights. One such step "
        "makes them infinite or NaN, for good.",
        "skipped": "all gradients are finite, and you do not move the weights.",
        "doubled": "gradients that are not finite come in at a scale of 1,024, and yours becomes "
        "{got}: it grows. They are too large already.",
        "kept": "gradients that are not finite come in, and your scale stays at {got}. Then the "
        "next step overflows again.",
        "not_halved": "gradients that are not finite come in at a scale of 1,024, and yours "
        "becomes {got}. Which factor does a bad step bring?",
        "count_kept": "after a bad step your count of good steps is {got}. They must come in a "
        "row: it starts again from 0.",
        "always": "one good step after {before}, with growth_steps = 10, and your scale goes from "
        "1,024 to {got}. It grows with the tenth good step in a row.",
        "not_counted": "one good step after {before}: the count should be one more, and yours is "
        "{got}.",
        "never": "9 good steps, then the tenth, with growth_steps = 10: your scale goes from 1,024 "
        "to {got}. A full row doubles it.",
        "late": "your scale doubles one step late: with growth_steps = 10 the tenth good step "
        "doubles it, the one that comes when `good` is 9.",
        "count_after": "after doubling, your count of good steps is {got}. It starts again from 0, "
        "so that the next doubling waits for a full row of its own.",
        "walk": "step by step it looked right. Over a longer run we differ at step {step}: your "
        "scale is {got}, Keras's {wanted}.",
        "halved_twice": "`after` is {got}: that is where the two bad steps lead. And the 2,000 "
        "good ones?",
        "once": "`after` is {got}, as if there had been one bad step and one full row.",
        "each": "`after` is {got}. One way to get this is to double for each bad step made up for: "
        "2,000 good steps are one full row, and double once.",
        "number": "your function is right, but `after` = {got} is not what it gives. Feed it two "
        "bad steps, then 2,000 good ones.",
    },
    hints=[
        "Three cases: not finite; finite and the row is full; finite.",
        "Count the step you are in before you compare with `growth_steps`.",
        "`if not finite: return scale / 2, 0, False`, then `good = good + 1`, then the comparison",
    ],
    hints_for={"number": "Half of 32,768, half of that, then doubled once."},
    why="A bad step is skipped and halves the scale; 2,000 good ones in a row double it once. So "
    "32,768 goes to 16,384, to 8,192, and back to 16,384.",
    alternative="one expression a value: `scale * (2 if full else 1) if finite else scale / 2`.",
)
def next_scale(answer, after):
    expect.function(answer, "`next_scale`")
    for before in (5, 0):
        scale, good, moves = _step(answer, 1024.0, before, False, 10)
        if (scale, good) in ((0, 512), (before, 512)):
            raise Wrong("order", got=(scale, good, moves))
        if moves:
            raise Wrong("updated")
        if scale != 512:
            named = {1024: "kept"}
            raise Wrong("doubled" if scale > 1024 else named.get(scale, "not_halved"), got=scale)
        if good != 0:
            raise Wrong("count_kept", got=good)
    for before in (0, 4, 8):
        scale, good, moves = _step(answer, 1024.0, before, True, 10)
        if not moves:
            raise Wrong("skipped")
        if scale != 1024:
            raise Wrong("always", before=before, got=scale)
        if good != before + 1:
            raise Wrong("not_counted", before=before, got=good)
    scale, good, moves = _step(answer, 1024.0, 9, True, 10)
    if not moves:
        raise Wrong("skipped")
    if scale != 2048:
        late = _step(answer, 1024.0, 10, True, 10)[0] == 2048
        raise Wrong("late") if late else Wrong("never", got=scale)
    if good != 0:
        raise Wrong("count_after", got=good)
    _long_run(answer)
    after = expect.numeral(after, "`after`")
    if after != 16_384:
        named = {8192.0: "halved_twice", 32_768.0: "once", 65_536.0: "each"}
        raise Wrong(named.get(after, "number"), got=after)


def _step(answer, scale, good, finite, growth_steps) -> tuple[float, float, bool]:
    got = answer(scale, good, finite, growth_steps)
    parts = expect.items(got, 3, "what `next_scale` returns")
    if len(parts) != 3 or isinstance(got, dict):
        raise Wrong("triple", got=got)
    if isinstance(parts[0], bool | np.bool_) and not isinstance(parts[2], bool | np.bool_):
        raise Wrong("order", got=got)
    scale, good = expect.number(parts[0], "the scale"), expect.number(parts[1], "the count")
    try:
        moves = {0.0: False, 1.0: True}[float(np.asarray(parts[2], "float64").reshape(()))]
    except (TypeError, ValueError, KeyError):
        raise Wrong("truth", got=parts[2]) from None
    return scale, int(good) if good.is_integer() else good, moves


def _long_run(answer):
    """Walk between 2 ** 6 and 2 ** 21, where a floor and a ceiling for the scale do not matter."""
    finite = np.random.default_rng(3).random(120) < 0.9
    ours = theirs = (2.0**6, 0)
    for step, good in enumerate(finite):
        *ours, _ = _step(answer, *ours, bool(good), 4)
        *theirs, _ = loss_scale_step(*theirs, good, 4)
        if ours[0] != theirs[0]:
            raise Wrong("walk", step=step, got=ours[0], wanted=theirs[0])


# --------------------------------------------------------------------------------------------------

PARTS = ("weights", "gradients", "moments", "activations")


@check.exercise(
    title="Bytes for each parameter",
    messages={
        "weight_only": "{what} is {got}: that is the weight alone. There are its gradient and "
        "AdamW's two moments too.",
        "two": "{what} is 8: two numbers of four bytes. AdamW's step needs four of them.",
        "three": "{what} is 12: one of four numbers is missing. There are the weight, its gradient "
        "and AdamW's two moments.",
        "more": "{what} is {got}: more than four numbers of four bytes. Which ones did you count?",
        "bits": "{what} is {got}: are these bits? A byte has eight.",
        "half": "you say 8, half of float32's 16. The layers compute in 16 bits, and what stays "
        "from step to step is in float32: look at `variable_dtype` again.",
        "copy": "you count the 16-bit copy of the weight too: {got}. Keras makes it in each step, "
        "when a layer is called, and throws it away. We ask for the weight, its gradient and the "
        "two moments.",
        "sixteen": "you say {got} for mixed_float16. One way to get this is to count weight, "
        "gradient or moments in 16 bits. What does `precision_report` or `variable_dtype` say?",
        "mixed": "you say {got} for mixed_float16. Which of weight, gradient and the two moments "
        "has how many bytes? `variable_dtype` tells.",
        "full": "you say {got} for float32. Add up weight, gradient and AdamW's two moments, each "
        "a float32.",
        "part": 'you say that "{got}" take half the bytes. Those belong to a parameter, and the '
        "optimizer wants them in float32.",
    },
    hints=[
        "Which four numbers does AdamW keep for one weight?",
        "A float32 number has 4 bytes. `variable_dtype` of a mixed_float16 layer is float32, and "
        "so are the gradients that the optimizer gets.",
        "4 + 4 + 4 + 4, twice; and what do layers hand to the next layer?",
    ],
    why="Weight, gradient and two moments in float32 make 16 bytes, under both policies, and under "
    "PyTorch's autocast. The outputs of layers, kept for the backward pass, are halved.",
    alternative="DeepSpeed's accounting gives 16 too: 16-bit weight 2, 16-bit gradient 2, 32-bit "
    "copy of the weight 4, moments 8.",
)
def bytes_kept(float32, mixed, halved):
    float32 = expect.numeral(float32, "`float32`")
    if float32 != 16:
        named = {4.0: "weight_only", 8.0: "two", 12.0: "three"}
        named |= dict.fromkeys((20.0, 24.0, 28.0), "more")
        named |= dict.fromkeys((32.0, 64.0, 96.0, 128.0), "bits")
        raise Wrong(named.get(float32, "full"), what="`float32`", got=float32)
    mixed = expect.numeral(mixed, "`mixed`")
    if mixed != 16:
        named = {2.0: "weight_only", 4.0: "weight_only", 8.0: "half", 18.0: "copy"}
        named |= dict.fromkeys((6.0, 10.0, 12.0, 14.0), "sixteen")
        named |= dict.fromkeys((20.0, 24.0, 28.0), "more")
        named |= dict.fromkeys((32.0, 64.0, 96.0, 128.0), "bits")
        raise Wrong(named.get(mixed, "mixed"), what="`mixed`", got=mixed)
    parts = {"activations": ["activation"], **{part: [] for part in PARTS[:3]}}
    halved = expect.name(halved, parts, "`halved`")
    if halved != "activations":
        raise Wrong("part", got=halved)


# --------------------------------------------------------------------------------------------------

CLIPS = ("clipnorm", "global_clipnorm", "clipvalue")
SIXTEEN_BITS = 0.01  # what an answer computed in 16 bits, of either kind, may be off


def clipped(gradients, threshold) -> list[np.ndarray]:
    """Clip a list of gradients by their common norm, in float64."""
    gradients = [np.asarray(g, "float64") for g in gradients]
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    return [g * (threshold / norm if norm > threshold else 1.0) for g in gradients]


# Other lengths that a list of gradients has, for those who divide by one of them.
LENGTHS = {
    "the square of the norm: its root is missing": lambda n, g: n**2,
    "the sum of the arrays' own norms": lambda n, g: sum(map(np.linalg.norm, g)),
    "the largest of the arrays' own norms": lambda n, g: max(map(np.linalg.norm, g)),
    "the mean of the arrays' own norms": lambda n, g: np.mean([*map(np.linalg.norm, g)]),
    "the norm of the last array alone": lambda n, g: np.linalg.norm(g[-1]),
    "the sum of all sizes, not the root of the squares": lambda n, g: np.abs(_flat(g)).sum(),
    "the largest number": lambda n, g: np.abs(_flat(g)).max(),
    "the root of the mean square, not of the sum": lambda n, g: np.sqrt(np.mean(_flat(g) ** 2)),
    "the number of arrays": lambda n, g: len(g),
    "the number of values": lambda n, g: _flat(g).size,
}


@check.exercise(
    title="Clip by the norm of all",
    messages={
        "list": "return a list with one array for each gradient, in the gradient's shape. For "
        "gradients of the shapes {shapes} we got {got}.",
        "per_variable": "[3, 4] becomes [0.6, 0.8], and [1.2, 1.6] too: you clip each variable on "
        "its own. Their ratio changes, and with it the direction of the step.",
        "each_number": "[3, 4] becomes [1, 1], and [1.2, 1.6] too. One way to get this is to clip "
        "each number on its own; it changes the direction.",
        "unclipped": "[3, 4] and [1.2, 1.6] come back unchanged, and their norm is {norm}, above "
        "the threshold 1.",
        "zeroed": "[3, 4] and [1.2, 1.6] come back as zeros. A step that is too long is shortened, "
        "not left out.",
        "turned": "[3, 4] and [1.2, 1.6] come back with the other sign: a step uphill.",
        "divides_by": "[3, 4] and [1.2, 1.6] come back divided by {divisor}, at the threshold 1. "
        "One way to get this is to divide by {words}.",
        "length": "[3, 4] and [1.2, 1.6] come back divided by {divisor}, at the threshold 1; then "
        "their common norm is {got}. The norm is one number for all: the root of the sum of all "
        "squares.",
        "direction": "[3, 4] and [1.2, 1.6] come back as {got}: not all numbers are multiplied by "
        "the same factor. That changes the direction.",
        "scaled_up": "gradients with the norm 0.5 come back with the norm {got}. Below the "
        "threshold nothing happens: small gradients are not the disease.",
        "zero": "gradients that are all 0 come back as NaN: 0 / 0. A batch that is already right, "
        "or a frozen net, has such gradients.",
        "ignored": "at the threshold {threshold} your gradients have the norm 1, as at the "
        "threshold 1: is `threshold` used?",
        "other": "for [3, 4] and [1.2, 1.6] you are right. For three arrays of the shapes (3, 2), "
        "(4,) and (1, 2, 2) and the threshold {threshold} the norm of what comes back is {got}.",
        "argument": 'you name "{got}". That argument of Keras {does}; your function clips by the '
        "norm of all.",
    },
    hints=[
        "One norm for all: the root of the sum of all squares, over all arrays.",
        "The factor is threshold / norm, and never above 1.",
        "`factor = min(1.0, threshold / norm)`, with care for a norm of 0; the argument's name "
        "says how far the norm reaches",
    ],
    why="One factor for all keeps the direction: only the length changes. In Keras that is "
    "`global_clipnorm`, in PyTorch `clip_grad_norm_`. `clipnorm` treats each variable alone.",
    alternative="`tf.clip_by_global_norm(gradients, threshold)[0]`, or on JAX that of optax.",
)
def clip(answer, argument):
    expect.function(answer, "`clip`")
    steep = [np.array([3.0, 4.0]), np.array([1.2, 1.6])]
    got = _clipped_by(answer, steep, 1.0)
    if not _same(got, clipped(steep, 1.0)):
        raise _other_clip(got, steep)
    flat = [np.array([0.3, 0.4]), np.zeros(2)]
    got = _clipped_by(answer, flat, 1.0)
    if np.isfinite(_norm(got)) and _norm(got) > 0.51:
        raise Wrong("scaled_up", got=_norm(got))
    if not np.isfinite(_norm(_clipped_by(answer, [np.zeros(2), np.zeros(3)], 1.0))):
        raise Wrong("zero")
    rng = np.random.default_rng(0)
    random = [rng.normal(size=shape) for shape in ((3, 2), (4,), (1, 2, 2))]
    for threshold in (0.7, 2.0, 100.0):
        got = _clipped_by(answer, random, threshold)
        if not _same(got, clipped(random, threshold)):
            if _same(got, clipped(random, 1.0)):
                raise Wrong("ignored", threshold=threshold)
            if threshold < _norm(random):
                what = f"at the threshold {threshold} the norm of what comes back"
                expect.no_slips(_norm(got), threshold, what, tolerance=SIXTEEN_BITS)
            raise Wrong("other", threshold=threshold, got=_norm(got))
    argument = expect.name(argument, CLIPS, "`argument`")
    if argument != "global_clipnorm":
        does = {"clipnorm": "takes a norm for each variable", "clipvalue": "clips each number"}
        raise Wrong("argument", got=argument, does=does[argument])


def _other_clip(got, steep) -> Wrong:
    """Say what was done to [3, 4] and [1.2, 1.6] in place of clipping them together to 1."""
    if not np.isfinite(_norm(got)):
        return Wrong("nan", what="what `clip` returns for [3, 4] and [1.2, 1.6]")
    named = {"per_variable": [[0.6, 0.8], [0.6, 0.8]], "each_number": [[1, 1], [1, 1]]}
    named |= {"unclipped": steep, "zeroed": [[0, 0], [0, 0]]}
    named |= {"turned": [-g for g in clipped(steep, 1.0)]}
    for key, value in named.items():
        if _same(got, value):
            return Wrong(key, norm=_norm(steep))
    factors = _flat(got) / _flat(steep)
    if not np.allclose(factors, factors[0], rtol=SIXTEEN_BITS, atol=0):
        return Wrong("direction", got=got)
    divisor, norm = 1 / factors[0], _norm(steep)
    for words, length in LENGTHS.items():
        if np.isclose(divisor, length(norm, steep), rtol=2e-3):
            return Wrong("divides_by", divisor=divisor, words=words)
    return Wrong("length", divisor=divisor, got=_norm(got))


def _clipped_by(answer, gradients, threshold) -> list[np.ndarray]:
    got = answer([g.copy() for g in gradients], threshold)
    parts = expect.items(got, len(gradients), "what `clip` returns")
    shapes = [g.shape for g in gradients]
    try:
        arrays = [np.asarray(part, "float64") for part in parts]
    except (TypeError, ValueError):  # text, or rows of different lengths
        arrays = []
    if [array.shape for array in arrays] != shapes:
        raise Wrong("list", shapes=shapes, got=got)
    return arrays


def _same(got, wanted) -> bool:
    pairs = zip(got, wanted, strict=True)
    return all(np.allclose(g, w, rtol=SIXTEEN_BITS, atol=1e-6) for g, w in pairs)


def _flat(gradients) -> np.ndarray:
    return np.concatenate([np.ravel(g) for g in gradients])


def _norm(gradients) -> float:
    return float(np.sqrt(sum(np.sum(np.square(g)) for g in gradients)))


# --------------------------------------------------------------------------------------------------

EVERY = 25  # batches: the last of so many is spoilt


@check.exercise(
    title="When, and how short?",
    messages={
        "trace": "`norms` should be the trace of that run, 200 numbers in one row. We got the "
        "shape {got}.",
        "positive": "`threshold` is {got}. A norm is not negative, and 0 would stop all training.",
        "below_median": "{got} is below the median of the norms: more than half of all steps would "
        "be clipped. Then the threshold sets the length of the steps, and the learning rate no "
        "longer does.",
        "too_many": "{got} clips {cut} steps, and {ordinary} of these are no spikes. Take a value "
        "above the ordinary ones.",
        "above_maximum": "{got} is not below the largest norm. Nothing would ever be clipped.",
        "misses": "{got} clips {cut} steps, and lets {missed} of the 8 spikes pass.",
        "vanishing": "clipping helps case (b), you say. Gradients that vanish are too short, and "
        "clipping only shortens.",
        "not_a_number": "clipping helps case (c), you say. What is the norm of gradients with a "
        "NaN among them, and what becomes of the others?",
        "recurrent": "you leave out case (a). The norm jumps: the same matrix counts 400 times. "
        "What did clipping do above?",
        "transformer": "you leave out case (d): large rates make long steps, and one of them is "
        "enough. It is one of the four cases above.",
    },
    hints=[
        "Which norms are ordinary, which stand out? Sort them: `np.sort(norms)[-12:]`.",
        "One batch in 25 is spoilt: 8 of 200. `np.percentile(norms, 95)`: what would it clip?",
        "a value above the largest ordinary norm and below the smallest spike; for `cases`, ask "
        "where steps are too long",
    ],
    why="The threshold should leave ordinary steps alone and cut the spikes: here there is a gap "
    "between the two. Clipping bounds what is too long, in (a) and (d). It lengthens nothing, and "
    "carries NaN on.",
    alternative='a high percentile of the norms, or a few times their median; for the cases ["a", '
    '"d"].',
)
def threshold(answer, norms, cases):
    norms = expect.array(norms, what="`norms`")
    if norms.shape != (200,):
        raise Wrong("trace", got=norms.shape)
    answer = expect.numeral(answer, "`threshold`")
    is_spike, cut = np.arange(200) % EVERY == EVERY - 1, norms > answer
    ordinary, missed = int((cut & ~is_spike).sum()), int((is_spike & ~cut).sum())
    if answer <= 0:
        raise Wrong("positive", got=answer)
    if answer < np.median(norms):
        raise Wrong("below_median", got=answer)
    if ordinary > 2:  # one in a hundred
        raise Wrong("too_many", got=answer, cut=int(cut.sum()), ordinary=ordinary)
    if answer >= norms.max():
        raise Wrong("above_maximum", got=answer)
    if missed:
        raise Wrong("misses", got=answer, cut=int(cut.sum()), missed=missed)
    named = expect.letters(cases, "abcd", "`cases`")
    for letter, key in (("b", "vanishing"), ("c", "not_a_number")):
        if letter in named:
            raise Wrong(key)
    for letter, key in (("a", "recurrent"), ("d", "transformer")):
        if letter not in named:
            raise Wrong(key)


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_fp16",
    reasons={
        "a": "16 bits are 65,536 different numbers for everything. Most values fall between two "
        "of them.",
        "b": "1e-8 is below the smallest number, and 70,000 above the largest. Near 1 the numbers "
        "stand 0.001 apart, so 1.0004 falls back to 1.",
        "c": "0.0004 alone is no problem. Added to 1 it is less than half of the gap to the next "
        "number.",
    },
    answer="b",
)
check.prediction(
    "predict_updates",
    reasons={
        "a": "Each single update rounds to nothing, so a thousand of them do too.",
        "b": "Noise would go both ways and average out. Here each rounding goes the same way: "
        "back.",
        "c": "1 + 0.0004 rounds to 1: the update is less than half of the gap to the next number. "
        "And the next one starts from 1 again.",
    },
    answer="c",
)
check.prediction(
    "predict_train",
    reasons={
        "a": "The optimizer would not mind the factor: Adam cancels it. But the gradients are 0 "
        "before the optimizer sees them.",
        "b": "A few gradients survive, with one digit: too few to move the first layer.",
        "c": "The gradients of the first layer are 0 in float16: it stays where it was. The last "
        "layer, in float32, learns alone.",
    },
    answer="c",
)
check.prediction(
    "predict_nan",
    reasons={
        "a": "NaN compares false with everything: no threshold catches it.",
        "b": "Without clipping, yes. Clipping divides all by one common norm.",
        "c": "The norm of all gradients is NaN, and each is multiplied by a factor made of it.",
    },
    answer="c",
)
check.question(
    "quiz_1",
    "A float16 run skips its first three steps, then goes on. What do you do?",
    options={
        "a": ("nothing", "The first scale is high on purpose. Each skipped step halves it until "
              "the gradients fit."),
        "b": ("lower the learning rate", "The weights did not move in those steps. It is the loss "
              "scale that is looking for its size."),
        "c": ("switch clipping on", "Clipping works on unscaled, finite gradients."),
    },
    answer="a",
)  # fmt: skip
check.question(
    "quiz_2",
    "You set the policy to mixed_float16 and compile the model of yesterday's cell again. What "
    "computes in float16?",
    options={
        "a": ("all its layers", "A layer takes its policy when it is made, not when it is "
              "compiled."),
        "b": ("the optimizer", "An optimizer works in the dtype of the weights, float32."),
        "c": ("nothing", "The layers were made under float32 and stay so. Build the model anew."),
    },
    answer="c",
)  # fmt: skip
check.question(
    "quiz_3",
    "On a TPU or a recent GPU, you choose bfloat16. Which loss scale?",
    options={
        "a": ("32,768", "That is float16's first scale. bfloat16 has float32's range."),
        "b": ("none", "It has float32's exponents: what underflows in it is next to nothing in "
              "float32 too. What it lacks is digits."),
        "c": ("1,024", "A scale cures a short range, and bfloat16's is not short."),
    },
    answer="b",
)  # fmt: skip
check.question(
    "quiz_4",
    "From the schedules lesson: `CosineDecay(0.1, decay_steps=100)` and 100 epochs of 50 steps. "
    "What happens?",
    options={
        "a": ("the rate falls over 100 epochs", "That would need decay_steps=5000."),
        "b": ("the rate is 0 after 2 epochs", "Keras counts batches: 100 of them are two epochs."),
        "c": ("an error", "Nothing warns you."),
    },
    answer="b",
)  # fmt: skip
check.question(
    "quiz_5",
    "From the optimizer lesson: you multiply the loss by 1,024 in float32 and forget to divide. "
    "Who notices?",
    options={
        "a": ("SGD", "Its steps are 1,024 times longer. Adam's size cancels (but for epsilon), "
              "which is why it can hide such a slip."),
        "b": ("Adam", "It divides by the gradients' own size."),
        "c": ("nobody", "SGD's step is rate times gradient."),
    },
    answer="a",
)  # fmt: skip
check.card(
    "What does mixed precision mix?",
    "Layers compute in 16 bits, and hand 16 bits on. Weights, their gradients and the optimizer's "
    "moments stay in float32, and so should the last layer.",
)
check.card(
    "float16: largest number, smallest normal, smallest at all, digits?",
    "65,504; 6e-5; 6e-8; 3.3. One sign, five exponent and ten mantissa bits.",
)
check.card(
    "bfloat16 beside float16?",
    "float32's range (8 exponent bits), so no loss scaling. 2.4 digits instead of 3.3: eight times "
    "coarser. The usual choice on TPUs and on GPUs since Ampere.",
)
check.card(
    "Dynamic loss scaling: three rules, and Keras's numbers?",
    "Not finite: skip the step and halve. 2,000 finite steps in a row: double. Start at 32,768 "
    "(PyTorch: 65,536). Skipped steps do not advance the schedule.",
)
check.card(
    "What does mixed precision save, what not?",
    "Activations: half. Parameters with AdamW: 16 bytes each, as before. Speed: 2 to 4 times is "
    "claimed for GPUs with Tensor Cores; a CPU may be slower.",
)
check.card(
    "`clipnorm`, `global_clipnorm`, `clipvalue`?",
    "By the norm of each variable; by the norm of all (PyTorch's `clip_grad_norm_`), which keeps "
    "the direction; each number on its own. Only one at a time.",
)
check.card(
    "When is clipping worth its place?",
    "Recurrent networks almost always; transformers at large rates; large batches with spikes; a "
    "loss that diverges. It prevents NaN, and does not repair it.",
)
check.card(
    "Loss scaling and clipping: which order?",
    "Unscale, then clip, then step. In Keras the loss scaler unscales first: put the clipping on "
    "the inner optimizer.",
)
