"""Regularization: checks, hints, quiz and cards."""

import contextlib

import numpy as np

from coursekit.exercises import Lesson, Wrong, expect, learner_code, lesson, with_article
from coursekit.lessons._combined import fewest, slips_found

check = Lesson("regularization", "What does each remedy really buy?")


# --------------------------------------------------------------------------------------------------


def _soft(values, threshold):
    return np.sign(values) * np.maximum(np.abs(values) - threshold, 0)


STEPS = {
    "": lambda w, g, r: w - r * g,
    "uphill": lambda w, g, r: w + r * g,
    "full_gradient": lambda w, g, r: w - g,
    "no_gradient": lambda w, g, r: w,
    "gradient_sign": lambda w, g, r: w - r * np.sign(g),
}
PULLS = {
    "": lambda r, l1: r * l1,
    "no_rate": lambda r, l1: l1,
    "rate_alone": lambda r, l1: r,
    "twice": lambda r, l1: 2 * r * l1,
    "half": lambda r, l1: r * l1 / 2,
    "squared": lambda r, l1: r * l1**2,
    "added": lambda r, l1: r + l1,
}
SHAPES = {
    "": lambda w, u, pull: _soft(u, pull),
    "no_penalty": lambda w, u, pull: u,
    "subgradient": lambda w, u, pull: u - pull * np.sign(w),
    "crosses": lambda w, u, pull: u - pull * np.sign(u),
    "hard": lambda w, u, pull: np.where(np.abs(u) > pull, u, 0),
    "shrinks": lambda w, u, pull: u * (1 - pull),
    "pulled_twice": lambda w, u, pull: _soft(u - pull * np.sign(w), pull),
    "shrink_first": lambda w, u, pull: _soft(w, pull) + u - w,
    "positive_only": lambda w, u, pull: np.maximum(u - pull, 0),
    "no_sign": lambda w, u, pull: np.maximum(np.abs(u) - pull, 0),
    "old_sign": lambda w, u, pull: np.sign(w) * np.maximum(np.abs(u) - pull, 0),
    "orthant": lambda w, u, pull: (v := u - pull * np.sign(w)) * (v * w >= 0),
    "away": lambda w, u, pull: np.where(np.abs(u) > pull, u - pull, 0),
    "all_down": lambda w, u, pull: u - pull,
    "cut_off": lambda w, u, pull: np.clip(u, -pull, pull),
    "pushed": lambda w, u, pull: u + pull * np.sign(u),
    "least": lambda w, u, pull: np.sign(u) * np.minimum(np.abs(u) - pull, 0),
    "large_only": lambda w, u, pull: np.where(np.abs(u) > pull, _soft(u, pull), u),
}  # fmt: skip
SEEN = "from w = {w}, with gradient {grad}, rate {rate} and l1 {l1}, you get {got}: "
STEP_MESSAGES = {
    "uphill": "The plain step goes along the gradient, uphill; descent subtracts it.",
    "full_gradient": "The plain step is as long as the gradient: the rate is missing there.",
    "no_gradient": "There is no plain step in it, so nothing is learned from the data.",
    "gradient_sign": "The plain step uses the gradient's sign alone; how steep it is counts too.",
    "no_rate": "The pull is `l1` long. One step pays the penalty for one step: the rate belongs "
    "to the pull too.",
    "rate_alone": "The pull is as long as the rate; the strength `l1` is missing in it.",
    "twice": "The pull is twice as long as asked. (The penalty is `l1 * |w|`, with no square.)",
    "half": "The pull is half as long as asked.",
    "squared": "The pull has `l1` squared in it. Its gradient is `l1`, whatever the weight.",
    "added": "The pull adds rate and `l1`; a step's length is a product.",
    "no_penalty": "This is the plain step alone; the pull towards zero is missing.",
    "subgradient": "Yours adds `l1 * sign(w)` to the gradient, as Keras does, and steps over zero.",
    "crosses": "Yours moves towards zero by the full pull, and out on the other side. A weight "
    "nearer than that stops at 0.",
    "hard": "Yours sets small weights to zero and leaves the large ones; L1 pulls those as well.",
    "shrinks": "Yours shrinks each weight by a share of itself. That is L2's way: it never lands "
    "on zero. L1 pulls large and small ones by the same length.",
    "pulled_twice": "The penalty is in it twice: in the gradient, and as a pull afterwards.",
    "shrink_first": "Yours pulls towards zero first and then takes the plain step, which leads "
    "away from it. Turn the order round.",
    "positive_only": "No weight below zero is left. They are pulled towards zero too, from below.",
    "no_sign": "The signs of the weights below zero are gone.",
    "old_sign": "The sign is that of before the plain step. A step may change the sign.",
    "orthant": "Which side of zero counts is decided by the weight before the plain step; a plain "
    "step may cross zero rightly. Look at the weight after it.",
    "away": "Yours subtracts the pull on both sides of zero; below zero that leads away from it.",
    "all_down": "Yours subtracts the pull from every weight, whatever its sign and size.",
    "cut_off": "This is the part that is pulled off. The new weight is what remains.",
    "pushed": "Yours moves away from zero, not towards it.",
    "least": "Weights beyond the pull become 0, and the small ones turn round: is a minimum where "
    "a maximum belongs?",
    "large_only": "Large weights are pulled, and small ones left as they are. Those are to become "
    "exactly 0.",
}


@check.exercise(
    title="A step that lands on zero",
    messages={
        **{key: SEEN + text for key, text in STEP_MESSAGES.items()},
        "almost": "from w = {w} you get {got}: near zero, and not 0.0. The pull stops exactly "
        "at zero.",
        "several": SEEN + "more than one thing.",
        "differs": SEEN + "none of the slips that we know. Take this one weight on paper: the "
        "plain step first, then the pull towards zero, which ends at zero.",
    },
    hints=[
        "Two moves: the plain step, then a pull towards zero. Who would be pulled past zero stays "
        "there.",
        "After the plain step let `u` be the weight. Its size becomes `|u| - rate * l1`, or 0 "
        "where that is negative. Its sign stays.",
        "`np.sign(u) * np.maximum(np.abs(u) - rate * l1, 0)`",
    ],
    why="The pull shortens each weight by `rate * l1` and stops at zero: exactly 0.0, because of "
    "the maximum. It is called soft thresholding, or a proximal step.",
    alternative="`u - np.clip(u, -rate * l1, rate * l1)` is the same in one line.",
)
def l1_step(answer):
    expect.function(answer, "`l1_step`")
    w = np.array([[2.0, -2.0, 0.02, -0.02], [0.0, 0.0, 0.3, -1.2]])
    grad = np.array([[0.5, 0.5, 0.1, -0.1], [0.4, -3.0, 5.0, 0.0]])
    cases = [(w, grad, 0.1, 0.8), (w, grad, 0.05, 0.5), (w[0], grad[0], 0.3, 1.5)]
    cases += [(w[1, 2:3], grad[1, 2:3], 0.1, 0.0), (w[1, 2:3], grad[1, 2:3], 0.1, 3.0)]
    answers = [
        expect.array(answer(w.copy(), grad.copy(), rate, l1), shape=w.shape)
        for w, grad, rate, l1 in cases
    ]

    def made(step, pull, shape):
        for w, grad, rate, l1 in cases:
            yield SHAPES[shape](w, STEPS[step](w, grad, rate), PULLS[pull](rate, l1))

    def fits(*names):
        pairs = zip(answers, made(*names), strict=True)
        return all(np.allclose(got, one, rtol=1e-5, atol=1e-6) for got, one in pairs)

    for (w, grad, rate, l1), got, wanted in zip(cases, answers, made("", "", ""), strict=True):
        off = np.abs(got - wanted) > 1e-6
        near = (got != 0) & (wanted == 0)
        if not (off | near).any():
            continue
        first = off if off.any() else near
        seen = {"w": w, "grad": grad, "got": got}
        seen = {name: round(float(value[first][0]), 9) + 0.0 for name, value in seen.items()}
        if not off.any():
            raise Wrong("almost", **seen)
        found = fewest((STEPS, PULLS, SHAPES), fits)
        raise slips_found(found or ["differs"], STEP_MESSAGES, **seen, rate=rate, l1=l1)


# --------------------------------------------------------------------------------------------------

PORT = {"lr": 0.1, "momentum": 0.9, "decay": 0.01}
START = np.array([[3.0, -2.0, 0.5], [1.0, 4.0, -1.0]])


def _torch_path(lr, momentum, decay, steps=30):
    """Return the path of six weights, for the loss sum((w - 1) ** 2), by PyTorch's formulas."""
    w, v, path = START, 0.0, []
    for _ in range(steps):
        v = momentum * v + 2 * (w - 1) + decay * w
        w = w - lr * v
        path.append(w)
    return np.array(path)


PORT_MESSAGES = {
    "double": "Your penalty adds `0.02 * w` to the gradient, twice what PyTorch adds.",
    "mean": "Your penalty takes a mean over the weights: on a layer of n weights it is n times "
    "too weak. PyTorch treats each weight by itself.",
    "sign": "Your penalty pushes the weights away from zero.",
    "strength": "Your penalty adds `{decay} * w` to the gradient, PyTorch adds `0.01 * w`.",
    "other_penalty": "What your regularizer adds to the gradient is not in proportion to the "
    "weight, as PyTorch's `0.01 * w` is. L1, for one, pulls all alike.",
    "no_decay": "There is no decay in it, neither in the optimizer nor in the loss.",
    "decoupled": "Keras's `weight_decay` shrinks the weight beside the momentum. PyTorch's SGD "
    "puts the decay into the gradient, and the momentum carries it on.",
    "both": "It decays twice: in the optimizer and in the loss.",
    "no_momentum": "Your optimizer has no momentum.",
    "momentum": "Your momentum is {momentum}, the recipe's is 0.9.",
    "nesterov": "Yours is Nesterov's variant, which PyTorch leaves off unless told.",
    "rate": "Your learning rate is {rate}, the recipe's is 0.1.",
    "other_optimizer": "{name} divides each gradient by its own size, or does something else that "
    "SGD does not: no strength of a penalty makes up for that. The recipe says SGD.",
}


@check.exercise(
    title="Port a recipe from PyTorch",
    messages={
        "optimizer": "`optimizer` should be a Keras optimizer, ready to use, but it is {got}.",
        "regularizer": "`regularizer` should be a Keras regularizer such as "
        "`keras.regularizers.L2(...)`, or None, but it is {got}.",
        **{
            k: "after step {step} your weights are off PyTorch's: " + v
            for k, v in PORT_MESSAGES.items()
        },
        "several": "after step {step} your weights are off PyTorch's, for more than one reason.",
        "differs": "after step {step} your weights are off PyTorch's, by {apart} at most. Rate, "
        "momentum and penalty look right: does something else in the optimizer change the steps?",
    },
    hints=[
        "PyTorch's `weight_decay` adds `0.01 * w` to the gradient. Which penalty does that too?",
        "The gradient of `l2 * w ** 2` is `2 * l2 * w`.",
        "`keras.optimizers.SGD(0.1, momentum=0.9)` with `keras.regularizers.L2(...)`",
    ],
    hints_for={"double": "The gradient of `l2 * w ** 2` is `2 * l2 * w`, not `l2 * w`."},
    why="PyTorch's SGD adds `0.01 * w` to the gradient. The penalty with this gradient is "
    "`0.005 * w ** 2`, so it is `L2(0.005)`, half of the number.",
    alternative="`keras.regularizers.L1L2(l2=0.005)`, or `lambda w: 0.005 * ops.sum(w ** 2)`.",
    seconds=60,
)
def ported(optimizer, regularizer):
    import keras

    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise Wrong("optimizer", got=with_article(optimizer))
    if isinstance(regularizer, (str, dict)):
        with learner_code():
            regularizer = keras.regularizers.get(regularizer)
    is_function = callable(regularizer) and not isinstance(regularizer, (type, keras.Layer))
    if regularizer is not None and not is_function:
        raise Wrong("regularizer", got=with_article(regularizer))
    got, wanted = _keras_path(optimizer, regularizer), _torch_path(**PORT)
    off = np.abs(got - wanted).max(axis=(1, 2))
    if off.max() < 1e-4:
        return
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    slope = _slope(regularizer)
    seen = {
        "step": int(np.argmax(off > 1e-4)) + 1,
        "apart": f"{off.max():.2g}",
        "decay": f"{np.mean(slope / START):.4g}",
        "rate": f"{float(keras.ops.convert_to_numpy(inner.learning_rate)):.4g}",
        "momentum": f"{float(getattr(inner, 'momentum', 0)):.4g}",
        "name": f"`{type(inner).__name__}`",
    }
    found = [key for key, seen_it in _port_slips(inner, slope, seen) if seen_it]
    raise slips_found(found or ["differs"], PORT_MESSAGES, **seen)


def _port_slips(optimizer, slope, seen):
    """Yield the key of each slip, and whether the optimizer or the regularizer shows it."""
    import keras

    beside = float(getattr(optimizer, "weight_decay", None) or 0)
    factor = slope / START
    even, decay = np.ptp(factor) < 1e-4 * max(1.0, np.abs(factor).max()), factor.mean()
    known = {"double": 0.02, "mean": 0.01 / START.size, "sign": -0.01}
    named = [key for key, value in known.items() if even and np.isclose(decay, value, rtol=1e-3)]
    none = not beside and not slope.any()
    is_sgd = isinstance(optimizer, keras.optimizers.SGD)
    yield "other_optimizer", not is_sgd
    yield "rate", abs(float(seen["rate"]) - PORT["lr"]) > 1e-6
    if is_sgd:
        yield "no_momentum", not optimizer.momentum
        yield "momentum", optimizer.momentum and abs(optimizer.momentum - PORT["momentum"]) > 1e-6
        yield "nesterov", optimizer.nesterov
    yield "no_decay", none
    yield "decoupled", beside and not slope.any()
    yield "both", beside and slope.any()
    yield (
        (named or ["strength" if even else "other_penalty"])[0],
        (slope.any() and not (even and np.isclose(decay, PORT["decay"], rtol=1e-3))),
    )


def _slope(regularizer):
    """Return what a regularizer adds to the gradient at the start."""
    import keras

    from coursekit.training.gradients import value_and_gradients

    if regularizer is None:
        return np.zeros_like(START)
    with learner_code():
        found = value_and_gradients(
            lambda w: keras.ops.sum(keras.ops.convert_to_tensor(regularizer(w))), {"w": START}
        )
    return found.gradients["w"]


def _exact_products():
    """On a TPU, where the factors of a product are rounded, ask JAX not to round them."""
    import keras

    if keras.backend.backend() != "jax":
        return contextlib.nullcontext()
    import jax

    return jax.default_matmul_precision("highest")


def _keras_path(optimizer, regularizer):
    """Train six weights by a copy of the optimizer, as `fit` does; return where they were."""
    import keras

    def loss(y, predicted):  # the mean over two rows is half of the sum
        return 2 * keras.ops.sum((predicted - y) ** 2, axis=-1)

    with learner_code():
        settings = optimizer.get_config()
        if callable(rate := getattr(optimizer, "_learning_rate", None)):  # a function, a schedule
            settings["learning_rate"] = rate
        copied = type(optimizer).from_config(settings)
        dense = keras.layers.Dense(3, use_bias=False, kernel_regularizer=regularizer)
        model = keras.Sequential([keras.Input((2,)), dense])
        model.compile(copied, loss, jit_compile=False)
    model.set_weights([START])
    path = []
    for _ in range(30):
        with learner_code(), _exact_products():
            model.train_on_batch(np.eye(2), np.ones((2, 3)))
        path.append(model.get_weights()[0])
    return np.array(path)


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Write dropout",
    messages={
        "keep_prob": "with rate {rate} your function sets {share} of all units to zero. In Keras "
        "`rate` is the probability to be dropped, not to be kept.",
        "share": "with rate {rate} your function sets {share} of all units to zero. The rate is "
        "the probability of each unit to be dropped.",
        "by_rate": "a kept unit of 1.0 becomes {kept} with rate {rate}. You divide by the "
        "probability to be dropped; what makes up for the missing units is another one.",
        "by_share": "kept units are divided by the share that happened to be kept: {low} in one "
        "batch of twelve units. Units should not depend on one another's draws; the probability is "
        "the same for all.",
        "both": "a kept unit of 1.0 becomes {kept} in training, and a unit of 1.0 becomes {test} "
        "at test time: scaled twice. The expected value is right in training already: testing "
        "has nothing left to do.",
        "original": "a kept unit stays 1.0 in training, and becomes {test} at test time. This is "
        "the convention of 2014, and consistent; here we write Keras's, which scales in training.",
        "not_scaled": "a kept unit of 1.0 becomes {kept} in training with rate {rate}. Some units "
        "are missing, so the sum that the next layer sees shrinks. Scale the kept ones up.",
        "turned_down": "a kept unit of 1.0 becomes {kept} in training with rate {rate}: it is made "
        "smaller, and the missing ones made the sum small already. You multiply where you should "
        "divide.",
        "kept": "a kept unit of 1.0 becomes {kept} in training with rate {rate}. Then the mean "
        "over kept and dropped units is {mean}, and it should stay 1.0.",
        "mask_only": "each kept unit becomes {value}, whatever it was before: this is the mask. "
        "Multiply `h` with it.",
        "uneven": "kept units are multiplied by different factors, from {low} to {high}. All have "
        "the same probability, so they need the same factor.",
        "turned_round": "with `training=True` nothing is dropped, with `training=False` some units "
        "are: the two cases are the wrong way round.",
        "test_drops": "with `training=False` some units are zero. At test time nothing is dropped.",
        "test": "with `training=False` a unit of 1.0 becomes {test}; it should stay as it is.",
        "same_mask": "all rows lose the same units. Each row of a batch draws a mask of its own.",
        "whole_rows": "whole rows are dropped together. Each unit of each row is drawn by itself.",
        "own_rng": "two generators with the same seed should give the same mask, and did not. Draw "
        "from the `rng` you were given.",
        "frozen": "two calls with one `rng` drop the same units. Each call should draw anew; one "
        "way to get this is a generator made inside the function.",
    },
    hints=[
        "Each unit gets 0 with probability `rate`. What must the others be multiplied with, so "
        "that the expected value stays?",
        "`keep = rng.random(h.shape) >= rate` is True with probability 1 - rate.",
        "In training return `h * keep / (1 - rate)`, else `h`.",
    ],
    why="A unit survives with probability 1 - rate, so dividing by 1 - rate keeps its expected "
    "value. Then nothing has to be done at test time.",
    alternative="`np.where(rng.random(h.shape) < rate, 0, h / (1 - rate))`.",
)
def dropout(answer):
    expect.function(answer, "`dropout`")
    h = np.random.default_rng(0).uniform(0.5, 2.0, (400, 60))
    for rate in (0.25, 0.6):
        _judge_dropout(answer, h, rate)
    for rows in (np.ones((1, 12)), np.ones((3, 4)), np.zeros((2, 2))):  # few units, no luck
        rng = np.random.default_rng(3)
        got = expect.array(answer(rows.copy(), 0.5, rng, True), shape=rows.shape)
        kept = got[got != 0]
        if len(kept) and not np.allclose(kept, 2, rtol=1e-3):
            raise Wrong("by_share", low=round(float(1 / kept[0]), 3))


def _judge_dropout(answer, h, rate):
    def call(seed_or_rng, training):
        rng = np.random.default_rng(seed_or_rng)
        return expect.array(answer(h.copy(), rate, rng, training), shape=h.shape) / h

    trained, tested = call(0, True), call(0, False)
    gone = trained == 0
    share, kept = gone.mean(), float(np.median(trained[~gone])) if not gone.all() else 0.0
    seen = {"rate": rate, "kept": round(kept, 4), "share": f"{100 * share:.0f} %"}
    seen["mean"] = f"{kept * (1 - rate):.2f}"
    if (tested == 0).any():
        raise Wrong("test_drops" if gone.any() else "turned_round")
    test = float(np.median(tested))
    seen["test"] = round(test, 4)
    if 0 < share < 1:
        if (gone == gone[:1]).all():
            raise Wrong("same_mask")
        if (gone == gone[:, :1]).all():
            raise Wrong("whole_rows")
    if abs(share - rate) > 0.03:
        raise Wrong("keep_prob" if abs(share - (1 - rate)) < 0.03 else "share", **seen)
    if np.ptp(trained[~gone]) > 4e-3:
        values = (trained * h)[~gone]
        if np.ptp(values) < 4e-3:
            raise Wrong("mask_only", value=float(values[0]))
        raise Wrong("uneven", low=float(trained[~gone].min()), high=float(trained[~gone].max()))
    if np.isclose(kept, 1, rtol=1e-3):
        raise Wrong("original" if np.isclose(test, 1 - rate, rtol=1e-3) else "not_scaled", **seen)
    for value, key in ((1 / rate, "by_rate"), (1 - rate, "turned_down")):
        if np.isclose(kept, value, rtol=1e-3):
            raise Wrong(key, **seen)
    if not np.isclose(kept, 1 / (1 - rate), rtol=1e-2):
        raise Wrong("kept", **seen)
    if np.isclose(test, 1 - rate, rtol=1e-3):
        raise Wrong("both", **seen)
    if not np.allclose(tested, 1, rtol=1e-3):
        raise Wrong("test", **seen)
    if (call(0, True) != trained).any():
        raise Wrong("own_rng")
    rng = np.random.default_rng(1)
    if (call(rng, True) == call(rng, True)).all():
        raise Wrong("frozen")


# --------------------------------------------------------------------------------------------------

BLENDS = {
    "": lambda v, other, share: share * v + (1 - share) * other,
    "swapped": lambda v, other, share: (1 - share) * v + share * other,
    "own": lambda v, other, share: v,
    "partner": lambda v, other, share: other,
    "halves": lambda v, other, share: (v + other) / 2,
    "added": lambda v, other, share: v + other,
    "share_of_partner": lambda v, other, share: v + share * other,
    "own_share": lambda v, other, share: share * v,
}
BLENDED = {
    "swapped": "the shares are the wrong way round: `share` belongs to the row itself, the rest "
    "to its partner.",
    "own": "the row itself, unblended.",
    "partner": "the partner alone.",
    "halves": "half and half, whatever the share.",
    "added": "both added up: that is more than one whole.",
    "share_of_partner": "the whole row, and some of the partner on top: the shares add up to more "
    "than 1.",
    "own_share": "the row's share alone; the partner's is missing.",
}
BLENDED["order"] = "the partner of row k is row `order[k]`; yours takes another one."
PARTS = ("images", "targets")
BLEND_MESSAGES = {
    **{f"{part}_{key}": f"the {part}: {text}" for part in PARTS for key, text in BLENDED.items()},
    "targets_hard": "the targets: each is one class, whole. The picture is a blend, and the "
    "target says of what.",
}


@check.exercise(
    title="Blend two digits and their labels",
    messages={
        "pair": "the result should be two arrays, the images and the targets; it is {got}.",
        **BLEND_MESSAGES,
        "turned": "the two are the wrong way round: first the images, then the targets.",
        "several": "more than one thing.",
        "differs": "with share {share} the {part} are none of the blends we know: their rows add "
        "up to {got}. Each is `share` of the row and the rest of its partner.",
    },
    hints=[
        "What is done to the images is done to the targets.",
        "`x[order]` are the partners, one for each row.",
        "`share * x + (1 - share) * x[order]`, and the same with `y`.",
    ],
    why="A picture that is 70 % of a 3 and 30 % of an 8 has the target 0.7 for 3 and 0.3 for 8. "
    "Such a target is called soft; cross-entropy takes it as it is.",
    alternative="a function of one array, called for `x` and for `y`.",
)
def mix(answer):
    expect.function(answer, "`mix`")
    rng = np.random.default_rng(4)
    cases, answers = [], []
    for rows, classes, share in ((5, 4, 0.7), (3, 3, 0.4), (1, 2, 0.9), (4, 3, 1.0)):
        x, y = rng.random((rows, 3, 2, 1)) + 0.1, np.eye(classes)[np.arange(rows) % classes]
        order = np.roll(np.arange(rows), 1)
        cases.append((x, y, order, share))
        answers.append(_two(answer(x.copy(), y.copy(), order.copy(), share), x, y))
    slips = [_blend_slips(cases, answers, side) for side in (0, 1)]
    found = [f"{name}_{slip}" for name, some in zip(PARTS, slips, strict=True) for slip in some]
    if not found:
        return
    for k, name in enumerate(PARTS):
        if f"{name}_none" in found:
            got = answers[0][k].reshape(5, -1).sum(axis=1).round(3).tolist()
            raise Wrong("differs", part=name, share=0.7, got=got)
    raise slips_found(found, BLEND_MESSAGES)


def _two(result, x, y):
    """Return the images and the targets of a result."""
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise Wrong("pair", got=with_article(result))
    shapes = [np.shape(part) if hasattr(part, "shape") else None for part in result]
    if shapes == [y.shape, x.shape]:
        raise Wrong("turned")
    images = expect.array(result[0], shape=x.shape, what="the first result, the images,")
    return images, expect.array(result[1], shape=y.shape, what="the second result, the targets,")


def _blend_slips(cases, answers, side):
    """Return the names of the slips in the images (0) or in the targets (1)."""

    def fits(way, partner):
        for case, got in zip(cases, answers, strict=True):
            other = case[side][np.argsort(case[2]) if partner else case[2]]
            if not np.allclose(got[side], BLENDS[way](case[side], other, case[3]), atol=1e-3):
                return False
        return True

    if fits("", ""):
        return []
    found = fewest((BLENDS, ("", "order")), fits)
    if side and not found and all(np.isin(got[1], (0, 1)).all() for got in answers):
        found = ["hard"]
    return found or ["none"]


# --------------------------------------------------------------------------------------------------

NOT_SAFE = {
    "turned": "(d) turns a 6 into a 9 and keeps the label 6: the network is taught a lie.",
    "mirrored": "(c) makes a 2, a 3 or a 7 into a sign that nobody writes. Their label is at "
    "best useless: no image like that will ever come.",
    "validation": "(f) changes the ruler. Validation images must be those that will come in use; "
    "augmented ones measure another task.",
    "too_careful": "you leave out some that are safe. A digit that is shifted, slightly turned or "
    "slightly noisy is still that digit, and such images do come.",
}


@check.exercise(
    title="Which ones keep the label true?",
    messages={
        **NOT_SAFE,
        "none_safe": "you choose none. A digit that is moved by two pixels, is it another digit?",
        "several": "more than one letter is wrong.",
    },
    hints=[
        "Ask of each: would a person still give the same label, and can such an image come in use?",
        "Draw a 6 and a 7 and try them, one by one.",
        "One of the six is not even about training rows.",
    ],
    why="Small shifts, small turns and a little noise keep a digit what it is. A half turn changes "
    "labels, mirrors make signs that do not exist, and validation rows stay as they are.",
    alternative='`{"a", "b", "e"}`, `["a", "b", "e"]` or `"a b e"`.',
)
def label_safe(answer):
    if isinstance(answer, dict):  # {"a": True, "d": False}
        answer = [letter for letter, is_safe in answer.items() if is_safe]
    chosen = expect.letters(answer, "abcdef")
    if not chosen:
        raise Wrong("none_safe")
    unsafe = {"d": "turned", "c": "mirrored", "f": "validation"}
    found = [key for letter, key in unsafe.items() if letter in chosen]
    if not set("abe") <= set(chosen):
        found.append("too_careful")
    if found:
        raise slips_found(found, NOT_SAFE)


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_zeros",
    reasons={
        "a": "The minimum has zeros; the question is whether a gradient step can land on one. Near "
        "zero the penalty pushes by `rate * l1`, whole, from either side.",
        "b": "No weight is luckier than another: each step near zero has a fixed size.",
        "c": "A step of fixed size jumps over zero, to and fro. No rounding brings it to 0.0.",
    },
    answer="c",
)
check.prediction(
    "predict_decay",
    reasons={
        "a": "The two shrink alike only without momentum. Momentum multiplies every gradient, the "
        "penalty's too; it does not touch a decay that is applied beside it.",
        "b": "Momentum 0.9 makes each gradient count ten times, the penalty's too. The decay "
        "beside it counts once: ten times weaker.",
        "c": "The decay is not stronger under momentum: it is what is left behind.",
    },
    answer="b",
)
check.prediction(
    "predict_ensemble",
    reasons={
        "a": "One network is not one of its thinned ones: all units at once, at their expected "
        "strength, come close to the average of all.",
        "b": "Scaling by 1 / (1 - rate) makes the full network an approximate average of the "
        "thinned ones, for the price of one.",
        "c": "The full network does not beat the average: it approximates it.",
    },
    answer="b",
)
check.prediction(
    "predict_flip",
    reasons={
        "a": "The network learns signs that never come, and that some 9s are called 6.",
        "b": "Most images are now signs that hardly ever come, and some carry a false label: "
        "that is more than seeds do.",
        "c": "Variety helps where such images will come. Mirrored and turned digits never do.",
    },
    answer="a",
)
check.prediction(
    "predict_best",
    reasons={
        "a": "Shifting brings new knowledge: a shifted digit is the same digit. The others know "
        "nothing of digits.",
        "b": "Dropout helps where units rely on each other; with so few rows the network lacks "
        "something else.",
        "c": "L2 can do no more than keep the weights small. It brings no knowledge of digits.",
        "d": "Label smoothing changes how sure the network is, and hardly what it says.",
    },
    answer="a",
)
check.question(
    "quiz_1",
    "Two columns are nearly equal, and both carry the signal. Which penalty keeps both, with equal "
    "weights, and still kills the columns of noise?",
    options={
        "a": ("L1", "L1 is as happy with any split, all to one among them: chance decides."),
        "b": ("elastic net", "The L2 part shares, the L1 part kills."),
        "c": ("L2", "L2 shares, but no weight dies."),
    },
    answer="b",
)
check.question(
    "quiz_2",
    "A layer of 10 units has dropout 0.5. How many thinned networks share its weights?",
    options={
        "a": ("10", "Each unit is there or not, whatever the others do: the choices multiply."),
        "b": ("5", "On average five units are kept, in many ways."),
        "c": ("1,024", "2 ** 10: each unit is there or not."),
    },
    answer="c",
)
check.question(
    "quiz_3",
    "Training accuracy is below validation accuracy in every epoch of a network with dropout and "
    "augmentation. That is ...",
    options={
        "a": (
            "expected",
            "Training is measured on changed images with units missing, validation without either.",
        ),
        "b": ("a bug", "It can be one; here there is a plainer reason."),
        "c": ("a leak", "A leak lifts the validation score; here the training score is held down."),
    },
    answer="a",
)
check.question(
    "quiz_4",
    f"From {lesson('training_loop')}: a hand-written step computes `loss_fn(y, y_pred)` alone. The "
    "model has L2 regularizers. What happens?",
    options={
        "a": ("they are added by the layers", "Layers collect them in `model.losses`, no more."),
        "b": (
            "the penalty is missing",
            "It waits in `model.losses`; `self.compute_loss` would add it.",
        ),
        "c": ("Keras raises an error", "Nothing is raised."),
    },
    answer="b",
)
check.question(
    "quiz_5",
    f"From {lesson('overfitting')}: a network has error 0.00 on its training rows and 0.14 on new "
    "ones. What is the trouble that a remedy has to lower?",
    options={
        "a": (
            "variance",
            "Other rows would give other errors. Remedies pay for less of it with bias.",
        ),
        "b": ("bias", "With a large bias the training rows would be wrong too."),
        "c": ("too few epochs", "The training rows are all right already."),
    },
    answer="a",
)
check.card(
    "L1, L2, elastic net: what does each do to two correlated columns?",
    "L1 splits the weight by chance, often all to one. L2 gives both the same. Elastic net gives "
    "both the same and kills columns of noise.",
)
check.card(
    "Why does `keras.regularizers.L1` give no exact zero?",
    "A gradient step has a fixed size near zero and jumps over it. A soft threshold, or "
    "`coursekit.optimizers.OrthantwiseL1`, stops there.",
)
check.card(
    "`L2(0.01)`, w = 3: the penalty, and its gradient?",
    "0.09 and 0.06: `l2 * w ** 2` and `2 * l2 * w`. PyTorch's `weight_decay=0.01` has the gradient "
    "0.03.",
)
check.card(
    "Weight decay and L2: when are they equal?",
    "Under plain SGD, with `weight_decay = 2 * l2`. Under momentum the decoupled decay is "
    "1 / (1 - momentum) times weaker; under Adam L2 is divided away.",
)
check.card(
    "Dropout 0.25 in Keras: what becomes of a 1.0 in training, and at test time?",
    "0 with probability 0.25, else 1 / 0.75 = 1.33; 1.0 at test time. The convention of 2014 left "
    "it at 1.0 and multiplied by 0.75 at test time. Never both.",
)
check.card(
    "What is dropout an ensemble of?",
    "2 ** n thinned networks that share their weights; the full network approximates their mean "
    "prediction.",
)
check.card(
    "When does augmentation lie?",
    "When the label is no longer true (a turned 6), or no such input ever comes. "
    "`keras.layers.RandomFlip()` flips both ways unless told otherwise.",
)
