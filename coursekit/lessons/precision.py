"""Precision: checks, hints, quiz and cards."""

import numpy as np

from coursekit.exercises import Lesson, Wrong, expect

check = Lesson("precision", "What do sixteen bits lose?")


# --------------------------------------------------------------------------------------------------

SMALL, LARGE = 1e-9, 3.0  # the gradients of `scale`


@check.exercise(
    title="The fate of 0.00000001",
    messages={
        "kept": "you say that float16 makes {got} of 1e-8. Its smallest number above 0 is about "
        "6e-8 (its smallest *normal* one, 6e-5, is another matter), and 1e-8 lies nearer to 0.",
        "up": "you say that float16 makes {got} of 1e-8. Its neighbours there are 0 and 6e-8: "
        "rounding takes the nearer one.",
        "late": "`scaled` is 0. Multiply first, round afterwards: once 1e-8 has become 0, a factor "
        "does not bring it back.",
        "unscaled": "`scaled` is {got}, which is 1e-8 again. We ask for what float16 holds while "
        "the loss is scaled, before anything is divided.",
        "scaled": "`scaled` is {got}. float16 comes within a percent of 1e-8 * 1024: it holds "
        "about 1.02e-5.",
        "sign": "`scale` is {got}. A loss scale is positive: a negative one turns every gradient "
        "around.",
        "too_small": "with `scale` = {got} the gradient 1e-9 becomes {scaled}, and float16 makes 0 "
        "of that: everything up to 3e-8 goes there.",
        "too_large": "with `scale` = {got} the gradient 3 becomes {scaled}, which is infinite in "
        "float16: it ends at 65,504.",
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
    plain = expect.number(plain, "`plain`")
    if plain != 0:
        raise Wrong("up" if plain > 2e-8 else "kept", got=plain)
    scaled = expect.number(scaled, "`scaled`")
    if scaled == 0:
        raise Wrong("late")
    if np.isclose(scaled, 1e-8, rtol=0.1, atol=0):
        raise Wrong("unscaled", got=scaled)
    if not np.isclose(scaled, 1.024e-5, rtol=0.01, atol=0):
        raise Wrong("scaled", got=scaled)
    scale = expect.number(scale, "`scale`")
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
        "truth": "the third value is {got}. Return `True` if the weights move, else `False`.",
        "updated": "gradients that are not finite come in, and you move the weights. One such step "
        "makes them infinite or NaN, for good.",
        "skipped": "all gradients are finite, and you do not move the weights.",
        "not_halved": "gradients that are not finite come in at a scale of 1,024; afterwards the "
        "scale should be 512, and yours is {got}.",
        "count_kept": "after a bad step your count of good steps is {got}. They must come in a "
        "row: it starts again from 0.",
        "always": "one good step after {before}, with growth_steps = 10, and your scale goes from "
        "1,024 to {got}. It grows with the tenth good step in a row.",
        "not_counted": "one good step after {before}: the count should be {wanted}, and yours is "
        "{got}.",
        "never": "9 good steps, then the tenth, with growth_steps = 10: the scale should double, "
        "and yours goes from 1,024 to {got}.",
        "late": "your scale doubles one step late: with growth_steps = 10 the tenth good step "
        "doubles it, the one that comes when `good` is 9.",
        "count_after": "after doubling, your count of good steps is {got}. It starts again from 0, "
        "so that the next doubling waits for a full row of its own.",
        "walk": "step by step it looked right. Over a longer run we differ at step {step}: your "
        "scale is {got}, Keras's {wanted}.",
        "number": "your function is right. After two bad steps and 2,000 good ones, from 32,768, "
        "it gives {wanted}; `after` is {got}.",
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
        if moves:
            raise Wrong("updated")
        if scale != 512:
            raise Wrong("not_halved", got=scale)
        if good != 0:
            raise Wrong("count_kept", got=good)
    for before in (0, 4, 8):
        scale, good, moves = _step(answer, 1024.0, before, True, 10)
        if not moves:
            raise Wrong("skipped")
        if scale != 1024:
            raise Wrong("always", before=before, got=scale)
        if good != before + 1:
            raise Wrong("not_counted", before=before, wanted=before + 1, got=good)
    scale, good, moves = _step(answer, 1024.0, 9, True, 10)
    if not moves:
        raise Wrong("skipped")
    if scale != 2048:
        late = _step(answer, 1024.0, 10, True, 10)[0] == 2048
        raise Wrong("late") if late else Wrong("never", got=scale)
    if good != 0:
        raise Wrong("count_after", got=good)
    _long_run(answer)
    after = expect.number(after, "`after`")
    if after != 16_384:
        raise Wrong("number", wanted=16_384, got=after)


def _step(answer, scale, good, finite, growth_steps) -> tuple[float, float, bool]:
    got = answer(scale, good, finite, growth_steps)
    parts = expect.items(got, 3, "what `next_scale` returns")
    if len(parts) != 3 or isinstance(got, dict):
        raise Wrong("triple", got=got)
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
        "weight_only": "{what} is 4: that is the weight alone. There are its gradient and AdamW's "
        "two moments too.",
        "three": "{what} is 12: one of four numbers is missing. There are the weight, its gradient "
        "and AdamW's two moments.",
        "half": "you say 8, half of float32's 16. The layers compute in 16 bits, and what stays "
        "from step to step is in float32: look at `variable_dtype` again.",
        "copy": "you count the 16-bit copy of the weight too: {got}. Keras makes it in each step, "
        "when a layer is called, and throws it away. We ask for the weight, its gradient and the "
        "two moments.",
        "mixed": "you say {got} for mixed_float16. Does Keras keep any of weight, gradient and the "
        "two moments in 16 bits? The cell on `variable_dtype` tells.",
        "full": "you say {got} for float32. Add up weight, gradient and AdamW's two moments, four "
        "bytes each.",
        "part": 'you say that "{got}" take half the bytes. Those belong to a parameter, and the '
        "optimizer wants them in float32.",
    },
    hints=[
        "Which four numbers does AdamW keep for one weight?",
        "A float32 number has 4 bytes. `variable_dtype` of a mixed_float16 layer is float32, and "
        "so are the gradients that the optimizer gets.",
        "4 + 4 + 4 + 4, twice; and what do layers hand to the next layer?",
    ],
    why="Weight, gradient and two moments in float32 make 16 bytes, under both policies. The "
    "outputs of layers, kept for the backward pass, are halved.",
    alternative="PyTorch's accounting gives 16 too: master weight 4, 16-bit weight 2, 16-bit "
    "gradient 2, moments 8.",
)
def bytes_kept(float32, mixed, halved):
    float32 = expect.number(float32, "`float32`")
    if float32 != 16:
        named = {4.0: "weight_only", 12.0: "three"}
        raise Wrong(named.get(float32, "full"), what="`float32`", got=float32)
    mixed = expect.number(mixed, "`mixed`")
    if mixed != 16:
        named = {4.0: "weight_only", 8.0: "half", 18.0: "copy"}
        raise Wrong(named.get(mixed, "mixed"), what="`mixed`", got=mixed)
    halved = expect.choice(halved, PARTS, "`halved`")
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


@check.exercise(
    title="Clip by the norm of all",
    messages={
        "list": "return a list with one array for each gradient, in the gradient's shape. For "
        "gradients of the shapes {shapes} we got {got}.",
        "per_variable": "[3, 4] becomes [0.6, 0.8] and [0.3, 0.4] stays: you clip each variable on "
        "its own. Their ratio changes, and with it the direction of the step.",
        "each_number": "[3, 4] becomes [1, 1]: you clip each number on its own. That changes the "
        "direction.",
        "unclipped": "[3, 4] and [0.3, 0.4] come back unchanged, and their norm is {norm}, above "
        "the threshold 1.",
        "squared": "the clipped gradients of [3, 4] and [0.3, 0.4] have the norm {got}, where 1 is "
        "asked for. One way to get this is a norm without its square root.",
        "length": "the clipped gradients of [3, 4] and [0.3, 0.4] have the norm {got}, where 1 is "
        "asked for. The norm is one number for all: the root of the sum of all squares.",
        "scaled_up": "gradients with the norm 0.5 come back with the norm {got}. Below the "
        "threshold nothing happens: small gradients are not the disease.",
        "zero": "gradients that are all 0 come back as NaN: 0 / 0. A batch that is already right, "
        "or a frozen net, has such gradients.",
        "other": "for three random gradients and the threshold {threshold} we get {wanted} as the "
        "first numbers, you get {got}.",
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
    alternative="`tf.clip_by_global_norm(gradients, threshold)[0]` does it too.",
)
def clip(answer, argument):
    expect.function(answer, "`clip`")
    steep = [np.array([3.0, 4.0]), np.array([0.3, 0.4])]
    got = _clipped_by(answer, steep, 1.0)
    if not _same(got, clipped(steep, 1.0)):
        if _same(got, [[0.6, 0.8], [0.3, 0.4]]):
            raise Wrong("per_variable")
        if _same(got, [[1.0, 1.0], [0.3, 0.4]]):
            raise Wrong("each_number")
        if _same(got, steep):
            raise Wrong("unclipped", norm=_norm(steep))
        length = _norm(got)
        if np.isnan(length):
            raise Wrong("nan", what="what `clip` returns for [3, 4] and [0.3, 0.4]")
        if not np.isclose(length, 1.0, rtol=SIXTEEN_BITS):
            forgot_the_root = np.isclose(length, 1 / _norm(steep), rtol=SIXTEEN_BITS)
            raise Wrong("squared" if forgot_the_root else "length", got=length)
    flat = [np.array([0.3, 0.4]), np.zeros(2)]
    got = _clipped_by(answer, flat, 1.0)
    if np.isfinite(_norm(got)) and _norm(got) > 0.51:
        raise Wrong("scaled_up", got=_norm(got))
    if not np.isfinite(_norm(_clipped_by(answer, [np.zeros(2), np.zeros(3)], 1.0))):
        raise Wrong("zero")
    rng = np.random.default_rng(0)
    random = [rng.normal(size=shape) for shape in ((3, 2), (4,), (1, 2, 2))]
    for threshold in (0.5, 2.0, 100.0):
        got, wanted = _clipped_by(answer, random, threshold), clipped(random, threshold)
        if not _same(got, wanted):
            parts = {"got": got[0].ravel()[:3], "wanted": wanted[0].ravel()[:3]}
            raise Wrong("other", threshold=threshold, **parts)
    argument = expect.choice(argument, CLIPS, "`argument`")
    if argument != "global_clipnorm":
        does = {"clipnorm": "takes a norm for each variable", "clipvalue": "clips each number"}
        raise Wrong("argument", got=argument, does=does[argument])


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


def _norm(gradients) -> float:
    return float(np.sqrt(sum(np.sum(np.square(g)) for g in gradients)))


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="A threshold from a trace",
    messages={
        "trace": "`norms` should be the trace of that run, many numbers in one row. We got the "
        "shape {got}.",
        "positive": "`threshold` is {got}. A norm is not negative, and 0 would stop all training.",
        "below_median": "{got} is below the median, {median}: more than half of all steps would be "
        "clipped. Then the threshold sets the length of the steps, and the learning rate no "
        "longer does.",
        "too_many": "{got} clips {cut} of the {steps} steps. Not all of those are spikes: take a "
        "value above the ordinary ones.",
        "above_maximum": "{got} is not below the largest norm, {largest}. Nothing would ever be "
        "clipped.",
        "misses": "{got} clips {cut} of the {steps} steps, and leaves spikes alone: norms up to "
        "{missed} pass, {times} times the median.",
    },
    hints=[
        "Look at the trace: which norms are ordinary, which stand out?",
        "`np.percentile(norms, 95)`: what would it clip?",
        "a value above most steps, and below the spikes (ten times the median)",
    ],
    why="The threshold should leave ordinary steps alone and cut the spikes. A high percentile of "
    "the norms, or a few times their median, does that.",
    alternative="percentiles from 87 to 97 are all defensible; so is 4 to 8 times the median.",
)
def threshold(answer, norms):
    norms = expect.array(norms, what="`norms`")
    if norms.ndim != 1 or len(norms) < 20:
        raise Wrong("trace", got=norms.shape)
    answer = expect.number(answer, "`threshold`")
    median, largest, cut = float(np.median(norms)), float(norms.max()), int(np.sum(norms > answer))
    seen = {"got": answer, "cut": cut, "steps": len(norms)}
    if answer <= 0:
        raise Wrong("positive", got=answer)
    if answer < median:
        raise Wrong("below_median", got=answer, median=median)
    if cut > 0.15 * len(norms):
        raise Wrong("too_many", **seen)
    if answer >= largest:
        raise Wrong("above_maximum", got=answer, largest=largest)
    missed = float(norms[norms <= answer].max())
    if missed > 10 * median:
        raise Wrong("misses", **seen, missed=missed, times=f"{missed / median:.0f}")


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
        "c": "1 + 0.0004 rounds to 1, and the next update starts from 1 again.",
    },
    answer="c",
)
check.prediction(
    "predict_train",
    reasons={
        "a": "The optimizer would not mind the factor: Adam cancels it. But most gradients are 0 "
        "before the optimizer sees them.",
        "b": "A few gradients survive, with one digit: too few to move the first layer.",
        "c": "Nearly all gradients of the first layer are 0 in float16: it stays where it was. The "
        "last layer, in float32, learns alone, and slowly.",
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
        "a": ("lower the learning rate", "The weights did not move in those steps. It is the loss "
              "scale that is looking for its size."),
        "b": ("nothing", "The first scale is high on purpose. Each skipped step halves it until "
              "the gradients fit."),
        "c": ("switch clipping on", "Clipping works on unscaled, finite gradients."),
    },
    answer="b",
)  # fmt: skip
check.question(
    "quiz_2",
    "You set the policy to mixed_float16 and compile the model of yesterday's cell again. What "
    "computes in float16?",
    options={
        "a": ("all its layers", "A layer takes its policy when it is made, not when it is "
              "compiled."),
        "b": ("nothing", "The layers were made under float32 and stay so. Build the model anew."),
        "c": ("the optimizer", "An optimizer works in the dtype of the weights, float32."),
    },
    answer="b",
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
        "a": ("the rate is 0 after 2 epochs", "Keras counts batches: 100 of them are two epochs."),
        "b": ("the rate falls over 100 epochs", "That would need decay_steps=5000."),
        "c": ("an error", "Nothing warns you."),
    },
    answer="a",
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
