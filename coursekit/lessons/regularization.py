"""Regularization: checks, hints, quiz and cards."""

import re

import numpy as np

from coursekit.exercises import Lesson, Wrong, expect, learner_code, lesson, with_article

check = Lesson("regularization", "What does each remedy really buy?")


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Zeros under Keras's L1",
    messages={
        "range": "{got} cannot be: there are 20 weights. Give a whole number from 0 to 20.",
        "zeros": "{got} is not what comes out. The exact solution does have zeros; the question is "
        "whether a gradient step can land on one. Near zero the penalty pushes by `rate * l1`, "
        "whole, from either side.",
    },
    hints=[
        "The gradient of `l1 * |w|` is `l1` or `-l1`, however small w is.",
        "Take w = 0.001 and a step of 0.003 towards zero. Where does it land, and the next one?",
    ],
    why="A step of fixed size jumps over zero, to and fro. No rounding brings it to 0.0 exactly.",
    alternative="run the cell below first: it counts.",
)
def keras_zeros(answer):
    got = expect.number(answer, "`keras_zeros`")
    if got != int(got) or not 0 <= got <= 20:
        raise Wrong("range", got=got)
    if got:
        raise Wrong("zeros", got=int(got))


# --------------------------------------------------------------------------------------------------


def _soft(values, threshold):
    return np.sign(values) * np.maximum(np.abs(values) - threshold, 0)


STEP_SLIPS = {
    "subgradient": lambda w, g, r, l1: w - r * (g + l1 * np.sign(w)),
    "crosses": lambda w, g, r, l1: w - r * g - r * l1 * np.sign(w - r * g),
    "no_rate": lambda w, g, r, l1: _soft(w - r * g, l1),
    "hard": lambda w, g, r, l1: np.where(np.abs(w - r * g) > r * l1, w - r * g, 0),
    "shrink_first": lambda w, g, r, l1: _soft(w, r * l1) - r * g,
    "positive_only": lambda w, g, r, l1: np.maximum(w - r * g - r * l1, 0),
    "no_sign": lambda w, g, r, l1: np.maximum(np.abs(w - r * g) - r * l1, 0),
    "no_gradient": lambda w, g, r, l1: _soft(w, r * l1),
    "full_gradient": lambda w, g, r, l1: _soft(w - g, r * l1),
    "old_sign": lambda w, g, r, l1: np.sign(w) * np.maximum(np.abs(w - r * g) - r * l1, 0),
    "away": lambda w, g, r, l1: np.where(np.abs(w - r * g) > r * l1, w - r * g - r * l1, 0),
    "cut_off": lambda w, g, r, l1: np.clip(w - r * g, -r * l1, r * l1),
    "uphill": lambda w, g, r, l1: _soft(w + r * g, r * l1),
    "no_penalty": lambda w, g, r, l1: w - r * g,
}


@check.exercise(
    title="A step that lands on zero",
    messages={
        "subgradient": "from w = {w} you get {got}, expected {wanted}. Yours adds `l1 * sign(w)` "
        "to the gradient, as Keras does, and steps over zero.",
        "crosses": "from w = {w} you get {got}, expected {wanted}. Yours moves towards zero by the "
        "full `rate * l1`, and out on the other side. A weight nearer than that stops at 0.",
        "no_rate": "from w = {w} you get {got}, expected {wanted}: these are moves by `l1`. One "
        "step pays the penalty for one step: `rate * l1`.",
        "hard": "from w = {w} you get {got}, expected {wanted}. Yours sets small weights to zero "
        "and leaves the large ones; L1 pulls those as well.",
        "shrink_first": "from w = {w} you get {got}, expected {wanted}. Yours pulls towards zero "
        "first and then takes the plain step, which leads away from it. Turn the order round.",
        "positive_only": "from w = {w} you get {got}, expected {wanted}: no weight below zero is "
        "left. They are pulled towards zero too, from below.",
        "no_sign": "from w = {w} you get {got}, expected {wanted}: the sizes are right, the signs "
        "of the weights below zero are gone.",
        "no_gradient": "from w = {w} you get {got}, expected {wanted}: without the plain step, "
        "`w - rate * grad`, nothing is learned from the data.",
        "uphill": "from w = {w} you get {got}, expected {wanted}: the plain step goes along the "
        "gradient, uphill. It is `w - rate * grad`.",
        "no_penalty": "from w = {w} you get {got}, expected {wanted}: this is the plain step "
        "alone. Now pull every weight towards zero by `rate * l1`.",
        "full_gradient": "from w = {w} you get {got}, expected {wanted}: the plain step is "
        "`rate * grad` long, yours is `grad`.",
        "old_sign": "from w = {w} you get {got}, expected {wanted}: the size is that of the weight "
        "after the plain step, the sign is that before it. A step may change the sign.",
        "away": "from w = {w} you get {got}, expected {wanted}. Yours subtracts `rate * l1` on "
        "both sides of zero; below zero that leads away from it.",
        "cut_off": "from w = {w} you get {got}, expected {wanted}: this is the part that is pulled "
        "off. The new weight is what remains.",
        "almost": "from w = {w} you get {got}: near zero, and not 0.0. The pull stops exactly "
        "at zero.",
        "differs": "from w = {w} with gradient {grad}, rate {rate} and l1 {l1} you get {got}, "
        "expected {wanted}. The plain step leads to {u}, and the pull is {pull} long.",
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
    w = np.array([2.0, -2.0, 0.02, -0.02, 0.0, 0.0, 0.3])
    grad = np.array([0.5, 0.5, 0.1, -0.1, 0.4, -3.0, 5.0])
    for rate, l1 in ((0.1, 0.8), (0.05, 0.5)):
        got = expect.array(answer(w.copy(), grad.copy(), rate, l1), shape=w.shape)
        u = w - rate * grad
        wanted = _soft(u, rate * l1)
        off = np.abs(got - wanted) > 1e-6
        if not off.any():
            off = (got != 0) & (wanted == 0)
            if off.any():
                raise Wrong("almost", w=w[off][0], got=got[off][0])
            continue
        slips = (k for k, slip in STEP_SLIPS.items() if np.allclose(got, slip(w, grad, rate, l1)))
        seen = {"w": w, "grad": grad, "u": u, "got": got, "wanted": wanted}
        seen = {name: round(float(value[off][0]), 6) + 0.0 for name, value in seen.items()}
        raise Wrong(next(slips, "differs"), **seen, rate=rate, l1=l1, pull=round(rate * l1, 6))


# --------------------------------------------------------------------------------------------------

PORT = {"lr": 0.1, "momentum": 0.9, "decay": 0.01}


def _torch_path(lr, momentum, decay, decoupled=0.0, nesterov=False, steps=30):
    """Return the path of one weight from 3, for the loss (w - 1) ** 2, by PyTorch's formulas."""
    w, v, path = 3.0, 0.0, []
    for _ in range(steps):
        gradient = 2 * (w - 1) + decay * w
        w -= lr * decoupled * w
        v = momentum * v + gradient
        w -= lr * (gradient + momentum * v if nesterov else v)
        path.append(w)
    return np.array(path)


@check.exercise(
    title="Port a recipe from PyTorch",
    messages={
        "optimizer": "`optimizer` should be a Keras optimizer, ready to use, but it is {got}.",
        "regularizer": "`regularizer` should be a Keras regularizer such as "
        "`keras.regularizers.L2(...)`, or None, but it is {got}.",
        "double": "after step {step} your weight is {got}, PyTorch's {wanted}. Yours follows the "
        "path of twice the decay: the gradient of `l2 * w ** 2` is `2 * l2 * w`, and PyTorch adds "
        "`0.01 * w`.",
        "strength": "after step {step} your weight is {got}, PyTorch's {wanted}. Yours follows the "
        "path of another strength: `{decay} * w` is added to the gradient, PyTorch adds "
        "`0.01 * w`. The gradient of `l2 * w ** 2` is `2 * l2 * w`.",
        "decoupled": "after step {step} your weight is {got}, PyTorch's {wanted}. Keras's "
        "`weight_decay` shrinks the weight beside the momentum. PyTorch's SGD puts the decay into "
        "the gradient, and the momentum carries it on.",
        "no_decay": "after step {step} your weight is {got}, PyTorch's {wanted}: yours follows "
        "the path without any decay.",
        "both": "after step {step} your weight is {got}, PyTorch's {wanted}. Yours decays twice: "
        "in the optimizer and in the loss.",
        "no_momentum": "after step {step} your weight is {got}, PyTorch's {wanted}: yours follows "
        "the path without momentum.",
        "nesterov": "after step {step} your weight is {got}, PyTorch's {wanted}: yours follows "
        "Nesterov's variant, which PyTorch leaves off unless told.",
        "differs": "after step {step} your weight is {got}, PyTorch's {wanted}. In the first step, "
        "from 3 for the loss `(w - 1) ** 2`, PyTorch moves by `0.1 * (4 + 0.01 * 3) = 0.403`, "
        "yours by {moved}.",
    },
    hints=[
        "PyTorch's `weight_decay` adds `0.01 * w` to the gradient. Which penalty does that too?",
        "The gradient of `l2 * w ** 2` is `2 * l2 * w`.",
        "`keras.optimizers.SGD(0.1, momentum=0.9)` with `keras.regularizers.L2(...)`",
    ],
    hints_for={"double": "2 * l2 = 0.01"},
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
    if np.allclose(got, wanted, atol=1e-4):
        return
    step = int(np.argmax(np.abs(got - wanted) > 1e-4)) + 1
    decay = ((3 - got[0]) / PORT["lr"] - 4) / 3  # all that the first step adds, beside or inside
    seen = {"step": step, "got": f"{got[step - 1]:.4f}", "wanted": f"{wanted[step - 1]:.4f}"}
    seen |= {"moved": f"{3 - got[0]:.4f}", "decay": round(decay, 4) + 0.0}
    beside = float(getattr(optimizer, "weight_decay", None) or 0)

    def follows(**other):
        return np.allclose(got, _torch_path(**{**PORT, **other}), atol=1e-4)

    if follows(decay=decay - beside, decoupled=beside):
        if beside:
            raise Wrong("decoupled" if abs(decay - beside) < 1e-4 else "both", **seen)
        known = {0.0: "no_decay", 0.02: "double"}
        raise Wrong(known.get(seen["decay"], "strength"), **seen)
    for key, other in {"no_momentum": {"momentum": 0.0}, "nesterov": {"nesterov": True}}.items():
        if follows(**other):
            raise Wrong(key, **seen)
    raise Wrong("differs", **seen)


def _keras_path(optimizer, regularizer):
    """Train one weight with a copy of the learner's optimizer; return where it was."""
    import keras
    import tensorflow as tf

    with learner_code():
        optimizer = type(optimizer).from_config(optimizer.get_config())
    weight, path = keras.Variable([3.0]), []
    for _ in range(30):
        with tf.GradientTape() as tape:
            loss = keras.ops.sum((weight - 1) ** 2)
            if regularizer is not None:
                with learner_code():
                    loss += keras.ops.sum(regularizer(weight))
        optimizer.apply([tape.gradient(loss, weight.value)], [weight])
        path.append(float(weight.numpy()[0]))
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
        "probability to be dropped; what is missing is made up for by dividing by the probability "
        "to be kept.",
        "both": "a kept unit of 1.0 becomes {kept} in training, and a unit of 1.0 becomes {test} "
        "at test time: scaled twice. The expected value is right in training already: testing "
        "has nothing left to do.",
        "original": "a kept unit stays 1.0 in training, and becomes {test} at test time. This is "
        "the convention of 2014, and consistent; here we write Keras's, which scales in training.",
        "not_scaled": "a kept unit of 1.0 becomes {kept} in training with rate {rate}. Some units "
        "are missing, so the sum that the next layer sees shrinks. Scale the kept ones up.",
        "kept": "a kept unit of 1.0 becomes {kept} in training with rate {rate}, not {wanted}.",
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


def _judge_dropout(answer, h, rate):
    def call(seed_or_rng, training):
        rng = np.random.default_rng(seed_or_rng)
        return expect.array(answer(h.copy(), rate, rng, training), shape=h.shape) / h

    trained, tested = call(0, True), call(0, False)
    gone = trained == 0
    share, kept = gone.mean(), float(np.median(trained[~gone])) if not gone.all() else 0.0
    seen = {"rate": rate, "kept": round(kept, 4), "share": f"{100 * share:.0f} %"}
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
    wanted, scaled_at_test = 1 / (1 - rate), np.isclose(test, 1 - rate, rtol=1e-3)
    if np.isclose(kept, 1, rtol=1e-3):
        raise Wrong("original" if scaled_at_test else "not_scaled", **seen)
    if np.isclose(kept, 1 / rate, rtol=1e-3):
        raise Wrong("by_rate", **seen)
    if not np.isclose(kept, wanted, rtol=1e-3):
        raise Wrong("kept", wanted=round(wanted, 4), **seen)
    if scaled_at_test:
        raise Wrong("both", **seen)
    if not np.allclose(tested, 1, rtol=1e-3):
        raise Wrong("test", **seen)
    if (call(0, True) != trained).any():
        raise Wrong("own_rng")
    rng = np.random.default_rng(1)
    if (call(rng, True) == call(rng, True)).all():
        raise Wrong("frozen")


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Which ones keep the label true?",
    messages={
        "turned": "(d) turns a 6 into a 9 and keeps the label 6: the network is taught a lie.",
        "mirrored": "(c) makes a 2, a 3 or a 7 into a sign that nobody writes. Their label is at "
        "best useless: no image like that will ever come.",
        "validation": "(f) changes the ruler. Validation images must be those that will come in "
        "use; augmented ones measure another task.",
        "too_careful": "you leave out {missing}. A digit that is shifted, slightly turned or "
        "slightly noisy is still that digit, and such images do come.",
        "letters": "we look for a choice of the letters a to f, and this is {got}.",
    },
    hints=[
        "Ask of each: would a person still give the same label, and can such an image come in use?",
        "Draw a 6 and a 7 and try them, one by one.",
        "Three of the six are safe; one of the others is not even about training rows.",
    ],
    why="Small shifts, small turns and a little noise keep a digit what it is. A half turn changes "
    "labels, mirrors make signs that do not exist, and validation rows stay as they are.",
    alternative='`{"a", "b", "e"}`, `["a", "b", "e"]` or `"a b e"`.',
)
def label_safe(answer):
    if isinstance(answer, dict):  # {"a": True, "d": False}
        answer = [letter for letter, is_safe in answer.items() if is_safe]
    if isinstance(answer, str):
        chosen = set(re.sub(r"\band\b|[^a-z]", "", answer.lower()))
    else:
        chosen = {str(part).strip(" ().").lower() for part in expect.items(answer, at_most=20)}
    if not chosen or not chosen <= set("abcdef"):
        raise Wrong("letters", got=answer)
    for letter, key in (("d", "turned"), ("c", "mirrored"), ("f", "validation")):
        if letter in chosen:
            raise Wrong(key)
    missing = sorted({"a", "b", "e"} - chosen)
    if missing:
        raise Wrong("too_careful", missing=" and ".join(f"({m})" for m in missing))


# Predictions, quiz, cards -------------------------------------------------------------------------

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
        "a": "Variety helps where such images will come. Mirrored and turned digits never do.",
        "b": "Most images are now signs that hardly ever come, and some carry a false label: "
        "that is more than seeds do.",
        "c": "The network learns signs that never come, and that some 9s are called 6.",
    },
    answer="c",
)
check.prediction(
    "predict_best",
    reasons={
        "a": "L2 can do no more than keep the weights small. It brings no knowledge of digits.",
        "b": "Dropout helps where units rely on each other; with so few rows the network lacks "
        "something else.",
        "c": "Shifting brings new knowledge: a shifted digit is the same digit. The others only "
        "hold the network back.",
        "d": "Label smoothing changes how sure the network is, and hardly what it says.",
    },
    answer="c",
)
check.question(
    "quiz_1",
    "Two columns are nearly equal, and both carry the signal. Which penalty keeps both, with equal "
    "weights, and still kills the columns of noise?",
    options={
        "a": ("L1", "L1 is as happy with any split, all to one among them: chance decides."),
        "b": ("L2", "L2 shares, but no weight dies."),
        "c": ("elastic net", "The L2 part shares, the L1 part kills."),
    },
    answer="c",
)
check.question(
    "quiz_2",
    "A layer of 10 units has dropout 0.5. How many thinned networks share its weights?",
    options={
        "a": ("10", "Each unit is there or not, whatever the others do: the choices multiply."),
        "b": ("1,024", "2 ** 10: each unit is there or not."),
        "c": ("5", "On average five units are kept, in many ways."),
    },
    answer="b",
)
check.question(
    "quiz_3",
    "Training accuracy is below validation accuracy in every epoch of a network with dropout and "
    "augmentation. That is ...",
    options={
        "a": ("a bug", "It can be one; here there is a plainer reason."),
        "b": (
            "expected",
            "Training is measured on changed images with units missing, validation without either.",
        ),
        "c": ("a leak", "A leak lifts the validation score; here the training score is held down."),
    },
    answer="b",
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
        "a": ("bias", "With a large bias the training rows would be wrong too."),
        "b": (
            "variance",
            "Other rows would give other errors. Remedies pay for less of it with bias.",
        ),
        "c": ("too few epochs", "The training rows are all right already."),
    },
    answer="b",
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
