"""Transfer: freezing, LoRA, forgetting and its remedies. Checks, hints, quiz and cards."""

import itertools

import numpy as np

from coursekit.exercises import (
    Lesson,
    NotDone,
    Wrong,
    brief,
    expect,
    has_dots,
    learner_code,
    lesson,
)
from coursekit.lessons import _transfer as parts

__all__ = ["check", "parts"]

check = Lesson("transfer", "What does a model remember?")


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Only the head",
    seconds=30,
    messages={
        "all_frozen": "nothing is left to train: the head is frozen too.",
        "not_frozen": "{layers} would still train. Only the head should.",
        "norm": 'the batch norm "{layer}" is not frozen. Its weights are four: scale, shift, and '
        "two running averages, which every training batch moves.",
        "stale": "the right layers are frozen, and `fit` will not know: the training step was "
        "traced in the first `fit`, with all layers in it.",
        "loss": "after your call the model's loss on a batch is {got}, and it was {right}. Keep "
        "the loss that it had.",
        "weights": "your call changed {layers}. It should only get the model ready.",
        "built": "your model has the layers {got}. Keep those it had: the head that is there "
        "should train on.",
        "still": "the next `fit` did not move the head. At which rate does it train?",
        "not_compiled": "the model has no loss or no optimizer, so that it cannot `fit`.",
        "no_fit": "the loss that the model has now stops at class numbers and logits. Keep the "
        "loss that it had.",
        "whole": "`model.trainable` is False. That freezes all that is in the model, whatever its "
        "layers say.",
    },
    hints=[
        "Two things: which layers train, and that the training step is made anew.",
        "`layer.trainable = False` for each layer but the head, the batch norm too.",
        'A loop over `model.layers` that sets `layer.trainable = layer.name == "head"`, then '
        "`model.compile(a new optimizer, the same loss)`.",
    ],
    why="`trainable` is read when the step is traced. After a first `fit` that is past: TensorFlow "
    "goes on with the old step, and JAX stops with an error. A frozen batch norm computes with its "
    "running averages and leaves them alone.",
    alternative='`thaw(model, ["head"], rate=1e-3)` of `coursekit.training`. Not '
    "`model.trainable = False` and the head back to True: the model itself would stay frozen.",
)
def only_head(answer):
    import keras

    expect.function(answer, "`only_head`")
    layers = keras.layers
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y = rng.normal(1, 2, (32, 5)).astype("float32"), rng.integers(0, 3, 32)
    stack = [layers.Dense(8, "relu", name="dense"), layers.BatchNormalization(name="norm")]
    model = keras.Sequential([keras.Input((5,)), *stack, layers.Dense(3, name="head")])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    eager = keras.backend.backend() == "tensorflow"  # there it is quicker than to trace
    model.compile(keras.optimizers.Adam(1e-2), loss, run_eagerly=eager)
    model.train_on_batch(x, y)
    step, right = model.train_function, _loss(model, x, y)
    before = _weights(model)
    given = answer(model)
    if isinstance(given, keras.Model):
        model = given
    _check_ready(model, step, before, right, (x, y))
    model.run_eagerly = eager
    with learner_code():
        model.train_on_batch(x, y)
    if _same(before["head"], model.get_layer("head").get_weights()):
        raise Wrong("still")


def _loss(model, x, y):
    return float(model.compute_loss(x, y, model(x, training=False), training=False))


def _weights(model):
    return {layer.name: layer.get_weights() for layer in model.layers}


def _same(a, b):
    return len(a) == len(b) and all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


def _named(names):
    return " and ".join(f'"{name}"' for name in names)


def _check_ready(model, step, before, right, data):
    now = _weights(model)
    if set(now) != set(before):
        raise Wrong("built", got=str([layer.name for layer in model.layers]))
    changed = [name for name, weights in before.items() if not _same(weights, now[name])]
    if changed:
        raise Wrong("weights", layers=_named(changed))
    trains = {layer.name: bool(layer.trainable_variables) for layer in model.layers}
    if trains["dense"]:
        still = [name for name, one in trains.items() if one and name != "head"]
        raise Wrong("not_frozen", layers=_named(still))
    if trains["norm"] or model.get_layer("norm").trainable:
        raise Wrong("norm", layer="norm")
    if not trains["head"]:
        raise Wrong("all_frozen")
    if not model.trainable:
        raise Wrong("whole")
    if model.train_function is step:
        raise Wrong("stale")
    if not model.compiled or model.optimizer is None or model.loss is None:
        raise Wrong("not_compiled")
    try:
        got = _loss(model, *data)
    except Exception:
        raise Wrong("no_fit") from None
    if not np.isclose(got, right, rtol=1e-3):
        raise Wrong("loss", got=got, right=right)


# --------------------------------------------------------------------------------------------------

ORDER = {name: place for place, name in enumerate((*parts.NAMES, "head"))}


@check.exercise(
    title="An order to thaw in",
    messages={
        "lists": "`groups` should be a list of lists of names, and `rates` a list of numbers. "
        "Received: {got}.",
        "unknown": "{got} is none of the five layers: {names}.",
        "twice": '"{name}" is in two groups. A layer that has thawed stays so.',
        "missing": "no group has {names} in it: that stays frozen for good.",
        "one_phase": "that is one phase: all at once is full fine-tuning.",
        "two_phases": "those are two phases; make it three or more. All that is below the head "
        "thaws at once here, the most general layers with the most specific.",
        "input_first": '"{name}" comes first. It is the most general of all and has the least to '
        "learn; and the head above it knows nothing yet.",
        "head_late": "the head is in phase {phase}. Until it trains, nothing that comes out makes "
        "sense, and what is below learns from that.",
        "head_not_alone": "the first phase trains {names} with the head. The head is random: what "
        "gradients does it send down in the first steps?",
        "order": '"{low}" thaws before "{high}", which is nearer to the head.',
        "count": "groups: {groups}, rates: {rates}. Each phase needs one of each.",
        "positive": "a rate is above 0. Received: {got}.",
        "no_rate": "a rate of {got}: Adam moves a weight by about that much in each step, and the "
        "weights are of the order of 0.1.",
        "one_rate": "{got} in all phases. The head starts from nothing, the layers below know "
        "much: who should move far?",
        "rising": "the rates grow: {got}. The deeper layers, which know most, would move farthest.",
        "too_high": "in phase {phase} {got} moves layers that were trained at 0.002 on many more "
        "images. Faster than that they lose what they know.",
    },
    hints=[
        "Who knows nothing yet? Who is the most general?",
        "From the head down to the input; the rates fall.",
        'Three phases: `["head"]`, then the upper half of the rest, then the lower half.',
    ],
    why="The head trains alone first, so that its gradients make sense when the others thaw. Then "
    "from the specific to the general, each phase at a smaller rate.",
    alternative="five phases of one layer each; rates that stay equal for some phases and fall "
    "over all.",
)
def order(groups, rates):
    if has_dots(groups) or has_dots(rates):
        raise NotDone
    try:
        groups = [[one] if isinstance(one, str) else list(one) for one in groups]
        if any(has_dots(group) for group in groups):
            raise NotDone
        rates = [float(one) for one in np.asarray(rates, "float64").reshape(-1)]
    except (TypeError, ValueError):
        got = f"groups {brief(groups)}, rates {brief(rates)}"
        raise Wrong("lists", got=got) from None
    flat = [name for group in groups for name in group]
    for name in flat:
        if not isinstance(name, str) or name not in ORDER:
            raise Wrong("unknown", got=brief(name), names=", ".join(ORDER))
    for name in flat:
        if flat.count(name) > 1:
            raise Wrong("twice", name=name)
    groups = [group for group in groups if group]
    missing = [name for name in ORDER if name not in flat]
    if missing:
        raise Wrong("missing", names=_named(missing))
    if len(groups) == 1:
        raise Wrong("one_phase")
    if "head" not in groups[0]:
        if "conv_1" in groups[0]:
            raise Wrong("input_first", name="conv_1")
        raise Wrong("head_late", phase=1 + next(k for k, g in enumerate(groups) if "head" in g))
    if len(groups[0]) > 1:
        raise Wrong("head_not_alone", names=_named(n for n in groups[0] if n != "head"))
    for upper, lower in itertools.combinations(groups, 2):
        low, high = min(upper, key=ORDER.get), max(lower, key=ORDER.get)
        if ORDER[low] < ORDER[high]:
            raise Wrong("order", low=low, high=high)
    if len(groups) == 2:
        raise Wrong("two_phases")
    _check_rates(rates, len(groups))


def _check_rates(rates, phases):
    if len(rates) != phases:
        raise Wrong("count", groups=phases, rates=len(rates))
    if not all(np.isfinite(rate) and rate > 0 for rate in rates):
        raise Wrong("positive", got=brief(rates))
    if max(rates) == min(rates):
        raise Wrong("one_rate", got=f"{rates[0]:g}")
    if any(b > a for a, b in itertools.pairwise(rates)):
        raise Wrong("rising", got=", ".join(f"{rate:g}" for rate in rates))
    if rates[1] > 0.002:
        phase = max(k for k, rate in enumerate(rates, 1) if rate > 0.002)
        raise Wrong("too_high", phase=phase, got=f"{rates[phase - 1]:g}")
    for rate in rates:
        if not 1e-7 <= rate <= 1:
            raise Wrong("no_rate", got=f"{rate:g}")


# --------------------------------------------------------------------------------------------------

COUNTS = {
    768: "no_bias", 8192: "kernel", 8256: "whole", 512: "only_a", 256: "only_b", 320: "only_b",
    576: "only_a", 32768: "product", 896: "both_sides", 192: "rank_missing", 9024: "everything",
    4: "rank", 2: "matrices", 64: "bias", 1664: "doubled", 1536: "doubled", 8960: "everything",
    32832: "product",
}  # fmt: skip
MERGING = {
    "no_scale": "the factor alpha / r is missing",
    "alpha": "the factor is alpha; it is divided by the rank r",
    "over_r": "the factor is 1 / r; alpha belongs into it",
    "inverse": "the factor is r / alpha, the other way round",
    "root": "alpha is divided by the root of r (a variant, rsLoRA; Keras divides by r)",
    "inputs": "alpha is divided by the number of inputs; the rank is the size that A and B share",
    "outputs": "alpha is divided by the number of units; the rank is the size that A and B share",
    "minus": "the product is taken off",
    "alone": "W is missing: the difference alone comes back",
    "double": "W counts twice",
    "four": "alpha is divided by 4, whatever the rank; it stands in A's shape",
    "floor": "`//` cuts the fraction of alpha / r off",
    "factor_squared": "the factor alpha / r counts twice",
    "all_scaled": "W is taken times the factor too; that belongs to the product",
    "unchanged": "W comes back as it was",
    "squared": "the product is taken times itself, entry by entry",
    "times": "W is multiplied by the product; it is added",
}


def merging(W, A, B, alpha, faults=()):
    """The merged kernel, with faults."""
    has = set(faults).__contains__
    r = A.shape[1]
    scale = alpha / r
    scale = 1.0 if has("no_scale") else alpha if has("alpha") else scale
    scale = 1 / r if has("over_r") else r / alpha if has("inverse") else scale
    scale = alpha / np.sqrt(r) if has("root") else scale
    scale = alpha / W.shape[0] if has("inputs") else scale
    scale = alpha / W.shape[1] if has("outputs") else scale
    scale = alpha / 4 if has("four") else alpha // r if has("floor") else scale
    scale = scale**2 if has("factor_squared") else scale
    W = W * scale if has("all_scaled") else W
    if has("unchanged"):
        return W
    product = A @ B
    product = product**2 if has("squared") else product
    product = -product if has("minus") else product
    if has("times"):
        return W * (scale * product)
    return (0 if has("alone") else 2 if has("double") else 1) * W + scale * product


@check.exercise(
    title="Rank 4, counted and merged",
    messages={
        "no_bias": "{got} are A and B. The bias trains as well.",
        "kernel": "{got} is the kernel, which is frozen.",
        "whole": "{got} is the layer without LoRA: kernel and bias.",
        "only_a": "{got} has A without B, or B without A, in it.",
        "only_b": "{got} has only one of the two matrices in it.",
        "product": "{got} has 4 x 128 x 64 in it. The product of A and B has 128 x 64 entries, and "
        "is never trained itself: A and B are.",
        "both_sides": "{got} counts two biases. The layer has one, of its units.",
        "rank_missing": "{got} is 128 + 64: a matrix of rank 4 takes four columns and four rows.",
        "everything": "{got} counts what is frozen too.",
        "rank": "{got} is the rank. How many numbers are in A, of shape (128, 4)?",
        "matrices": "{got} is the number of matrices. How many numbers do they hold?",
        "bias": "{got} is the bias alone.",
        "doubled": "{got} is twice as many.",
        "count": "`trainable` is not {got}. A has the shape (128, 4), B (4, 64); and there is a "
        "bias.",
        "kernel_shape": "the count is right. `merged` gives the shape {got} for a kernel of "
        "{right}.",
        "one": "the count is right. In `merged` {fault}.",
        "several": "the count is right. In `merged` {count} things at once: {faults}.",
        "wrong": "the count is right. For W = {W}, A = {A}, B = {B} and alpha = {alpha} `merged` "
        "gives {got}.",
    },
    hints=[
        "A turns 128 inputs into 4 numbers, B makes 64 of those 4.",
        "`A @ B` has the shape of W. Keras's factor is alpha / r, and r stands in A's shape.",
        "`W + alpha / A.shape[1] * A @ B`; and 4 x (128 + 64) + 64.",
    ],
    why="4 x 128 + 4 x 64 + 64 = 832 of 9,024: a tenth is trained. Merged, the layer is an "
    "ordinary one again and costs nothing extra.",
    alternative="`keras.ops.matmul`, or the layer's own `kernel`, which is merged already.",
)
def merge(trainable, merged):
    got = expect.numeral(trainable, "`trainable`")
    if not np.isclose(got, 832, rtol=1e-6):
        raise Wrong(COUNTS.get(got, "count"), got=f"{got:,.6g}")
    expect.function(merged, "`merged`")
    rng = np.random.default_rng(0)
    cases, made = [], []
    for inputs, r, units, alpha in ((3, 2, 4, 8.0), (5, 1, 2, 0.5), (2, 3, 2, 7.0), (4, 4, 4, 4.0)):
        case = [np.round(rng.normal(size=s), 1) for s in ((inputs, units), (inputs, r), (r, units))]
        with np.errstate(all="ignore"):
            value = merged(*(array.copy() for array in case), alpha)
        value = expect.array(value, what="`merged(...)`")
        if value.shape != case[0].shape:
            raise Wrong("kernel_shape", got=value.shape, right=case[0].shape)
        cases.append((*case, alpha))
        made.append(value)
    wrong = _faults(made, cases, merging, MERGING)
    if wrong is not None:
        k, faults = wrong
        if not faults:
            W, A, B, alpha = cases[k]
            raise Wrong("wrong", W=W.tolist(), A=A.tolist(), B=B.tolist(), alpha=alpha,
                        got=brief(np.round(made[k], 3).tolist()))  # fmt: skip
        _raise_faults(faults, MERGING)


def _faults(made, cases, formula, known, most=2):
    """Return None for right values; else the first wrong case and the faults that explain all."""

    def fits(faults):
        with np.errstate(all="ignore"):
            return [np.allclose(got, formula(*case, faults=faults), rtol=1e-4, atol=1e-6)
                    for got, case in zip(made, cases, strict=True)]  # fmt: skip

    right = fits(())
    if all(right):
        return None
    for faults in itertools.chain(*(itertools.combinations(known, k) for k in range(1, most + 1))):
        if all(fits(faults)):
            return right.index(False), faults
    return right.index(False), ()


def _raise_faults(faults, known):
    if len(faults) == 1:
        raise Wrong("one", fault=known[faults[0]])
    raise Wrong("several", count=len(faults), faults="; ".join(known[one] for one in faults))


# --------------------------------------------------------------------------------------------------

PULLING = {
    "no_half": "the 1/2 is missing: the second order of a loss has it",
    "twice": "the sum is doubled, where the formula halves it",
    "mean": "you take the mean; the penalty is a sum, or large layers would count less",
    "no_square": "the distances are not squared: those up and those down cancel out",
    "absolute": "the distances count by their size; they are squared",
    "fisher_squared": "F is squared; it is a mean of squares already",
    "fisher_root": "the root of F is taken",
    "no_fisher": "F is missing: this is a plain anchor",
    "divided": "you divide by F, so that what matters most is held least",
    "from_zero": "the distance is taken from 0, not from home: that is weight decay",
    "added": "home is added; the distance is a difference",
    "squares_apart": "now and home are squared one by one; their difference is squared",
    "apart": "F is summed by itself: each weight's distance needs its own F",
    "quarter": "the 1/2 is squared with the distance",
    "floor": "`//` cuts the fraction of strength / 2 off",
    "over_strength": "you divide by the strength, so that a stronger anchor holds less",
    "no_strength": "the strength is missing",
    "squared_strength": "the strength is squared",
    "sign": "the sign is wrong: the penalty would drive the weights away from home",
    "sum_first": "the distances are added up before they are squared",
    "root_of_all": "the root of the whole is taken",
}


def pulling(F, now, home, strength, faults=()):
    """The penalty, with faults."""
    has = set(faults).__contains__
    away = now if has("from_zero") else now + home if has("added") else now - home
    F = np.ones_like(F) if has("no_fisher") else F
    F = F**2 if has("fisher_squared") else np.sqrt(F) if has("fisher_root") else F
    F = 1 / F if has("divided") else F
    size = away if has("no_square") else np.abs(away) if has("absolute") else away**2
    size = now**2 - home**2 if has("squares_apart") else size
    total = F.sum() * size.sum() if has("apart") else (F * size).sum()
    if has("sum_first"):
        total = (F * away).sum() ** 2
    total = total / F.size if has("mean") else total
    if has("no_strength"):
        strength = 1.0
    elif has("squared_strength"):
        strength = strength**2
    elif has("over_strength"):
        strength = 1 / strength
    elif has("floor"):
        strength = strength // 2 * 2
    half = 1.0 if has("no_half") else 2.0 if has("twice") else 0.25 if has("quarter") else 0.5
    total = strength * total * half
    total = np.sqrt(np.abs(total)) if has("root_of_all") else total
    return -total if has("sign") else total


@check.exercise(
    title="A penalty with a memory",
    messages={
        "one": "your penalty has one thing wrong: {fault}.",
        "several": "your penalty has {count} things wrong: {faults}.",
        "wrong": "for F = {F}, now = {now}, home = {home} and strength {strength} you get {got}.",
        "vector": "your penalty has the shape {got}. It joins the loss, which is one number.",
        "new_task": "the penalty is right. With (b) F says what matters for the *new* task, and "
        "holds just what has to change for it.",
        "later": "the penalty is right. With (c) the weights have moved: home and F must be taken "
        "where the old task was at its best.",
    },
    hints=[
        "For each weight: how far from home, squared, times how much it mattered.",
        "Sum them up, times half of the strength.",
        "`strength / 2 * np.sum(F * (now - home) ** 2)`",
    ],
    why="Around its minimum the old loss grows with the square of the distance, and F says how "
    "fast along each weight. F is measured on old rows before the new task begins: afterwards it "
    "is too late.",
    alternative="`0.5 * strength * F @ (now - home)**2`; `EWC` of `coursekit.training`.",
)
def penalty(answer, fisher_from):
    expect.function(answer, "`penalty`")
    rng = np.random.default_rng(0)
    cases, made = [], []
    for size, strength in ((3, 5.0), (6, 0.3), (1, 2.5), (40, 7.0)):
        F, now, home = (np.round(rng.uniform(low, 3, size), 1) for low in (0.2, -3, -3))
        with np.errstate(all="ignore"):
            value = answer(F.copy(), now.copy(), home.copy(), strength)
        value = expect.array(value, what="`penalty(...)`")
        if value.size != 1:
            raise Wrong("vector", got=value.shape)
        cases.append((F, now, home, strength))
        made.append(float(value.reshape(())))
    wrong = _faults(made, cases, pulling, PULLING)
    if wrong is not None:
        k, faults = wrong
        if not faults:
            F, now, home, strength = cases[k]
            raise Wrong("wrong", F=F[:6].tolist(), now=now[:6].tolist(), home=home[:6].tolist(),
                        strength=strength, got=made[k])  # fmt: skip
        _raise_faults(faults, PULLING)
    choice = expect.choice(fisher_from, "abc", "`fisher_from`")
    if choice != "a":
        raise Wrong("new_task" if choice == "b" else "later")


# --------------------------------------------------------------------------------------------------

REMEDIES = {"P": ["plain", "plain training"], "R": ["replay"],
            "E": ["EWC", "elastic weight consolidation"],
            "C": ["column", "a new column", "new column"]}  # fmt: skip
RIGHT = {"deleted": "E", "some_kept": "R", "to_the_bit": "C", "done_with": "P"}
REASONS = {
    ("deleted", "P"): "plain training forgot in the run above, and both tasks count here",
    ("deleted", "R"): "replay needs old images, and they are gone",
    ("deleted", "C"): "a second column cannot help where nobody says which task an image is of",
    ("some_kept", "P"): "plain training forgot in the run above, and both tasks count here",
    ("some_kept", "E"): "EWC cost the new task accuracy above, and nothing may be lost there",
    ("some_kept", "C"): "a second column cannot help where nobody says which task an image is of",
    ("to_the_bit", "P"): "plain training moves the weights that the old answers come from",
    ("to_the_bit", "R"): "replay moves the old weights too: nearly the same is not the same",
    ("to_the_bit", "E"): "EWC holds the old weights by springs: nearly the same is not the same",
    ("done_with", "R"): "replay pays for a task that nobody will ask again",
    ("done_with", "E"): "EWC makes the new task pay for one that nobody will ask again",
    ("done_with", "C"): "a column keeps weights for a task that nobody will ask again",
}


@check.exercise(
    title="Four customers",
    messages={
        "keys": "`remedies` should be a dict with the entries {wanted}, a letter each.",
        "one": "`{case}`: not {letter}: {why}.",
    },
    hints=[
        "What may be kept, who may lose, and what is known when an image comes?",
        "Exactly the same answers come only from weights that do not move.",
        "Each letter is used once.",
    ],
    why="EWC needs no old images. Replay needs some, and above it cost the new task nothing. A "
    "frozen first column answers as ever. And where forgetting does no harm, nothing is needed.",
    alternative="a list of four letters in the order of the text.",
)
def remedies(answer):
    if has_dots(answer):
        raise NotDone
    if isinstance(answer, list | tuple | np.ndarray) and len(answer) == len(RIGHT):
        answer = dict(zip(RIGHT, answer, strict=True))
    if not isinstance(answer, dict) or set(answer) != set(RIGHT):
        raise Wrong("keys", wanted=", ".join(map(repr, RIGHT)))
    for case, right in RIGHT.items():
        if has_dots(answer[case]):
            raise NotDone
        letter = expect.name(answer[case], REMEDIES, f"the remedy for {case}")
        if letter != right:
            raise Wrong("one", case=case, letter=letter, why=REASONS[case, letter])


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_ways",
    reasons={
        "a": "What the layers know of strokes and places stays, and 650 weights are learned.",
        "b": "It can adapt everything, and has 200 images to do it by. Compare the lines.",
        "c": "200 images are few for 40,000 weights: look at the first line.",
    },
    answer="a",
)
check.prediction(
    "predict_lora",
    reasons={
        "a": "B starts at 0, so A @ B is 0 and the kernel is what it was.",
        "b": "They would if A and B were both random. What is the product when B is all 0?",
    },
    answer="a",
)
check.prediction(
    "predict_forget",
    reasons={
        "a": "Nothing in the loss asks for the old task. Look at the printed line.",
        "b": "A good part is gone, though not one image said that it was wrong.",
        "c": "It falls far, but some of the weights still serve both.",
    },
    answer="b",
)
check.question(
    "quiz_1",
    "You set `layer.trainable = False` after a first `fit` and call `fit` again. What happens?",
    options={
        "a": ("the layer is frozen", "The step was traced with the layer in it."),
        "b": ("the whole model is frozen", "Only what the step was traced with counts."),
        "c": ("on TensorFlow it trains on, on JAX `fit` fails", "Compile anew, and it is frozen."),
    },
    answer="c",
)
check.question(
    "quiz_2",
    "You fine-tune a pretrained net with batch norm on 200 images. What keeps its averages?",
    options={
        "a": ("`base(x, training=False)`", "In a functional model `fit` overrides it."),
        "b": ("`trainable = False` on each batch norm", "Then it computes with what it has."),
        "c": ("a small rate", "The averages do not follow gradients."),
    },
    answer="b",
)
check.question(
    "quiz_3",
    "Why does EWC square the gradients row by row, and not the batch's mean gradient?",
    options={
        "a": ("there is no difference", "A mean of squares is no square of a mean."),
        "b": ("it is faster", "It takes a gradient for each row."),
        "c": ("rows pull in all directions", "At the optimum their mean is about 0."),
    },
    answer="c",
)
check.question(
    "quiz_4",
    f"From {lesson('regularization')}: towards what does weight decay pull the weights?",
    options={
        "a": ("towards 0", "An anchor pulls towards where they were."),
        "b": ("towards each other", "Each weight is pulled by itself."),
        "c": ("towards their start", "That is what an anchor does."),
    },
    answer="a",
)
check.question(
    "quiz_5",
    f"From {lesson('initialization_normalization')}: a batch norm in training normalizes by what?",
    options={
        "a": ("the batch's own mean and variance", "And the running averages follow."),
        "b": ("its running averages", "Those are for inference, and for a frozen one."),
        "c": ("the whole training set", "It never sees that at once."),
    },
    answer="a",
)
check.card(
    "Three ways of using a pretrained net, and when?",
    "Feature extraction: frozen body, new head; few labels, similar task. Full fine-tuning: "
    "everything, at a small rate; more labels. Gradual unfreezing: from the head down.",
)
check.card(
    "How does one freeze, after a first `fit`?",
    "Set `trainable`, then compile with a new optimizer. Leave each batch norm frozen.",
)
check.card(
    "What is LoRA?",
    "W + (alpha / r) A B, with W frozen and B starting at 0: r (inputs + units) numbers are "
    "trained. Merged afterwards it costs nothing.",
)
check.card(
    "What is catastrophic forgetting?",
    "A model that learns a new task loses the old one: nothing in the new loss asks for it.",
)
check.card(
    "The penalty of elastic weight consolidation?",
    "strength / 2 times the sum of F (w - home)². F: the mean over old rows of squared gradients "
    "of log p, measured before the new task.",
)
check.card(
    "What is self-supervised learning?",
    "The data are their own labels: which two views are of one image, which word is missing. "
    "Foundation models begin so; few labels suffice afterwards.",
)
