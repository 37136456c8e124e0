"""The training loop: checks, hints, quiz and cards."""

import itertools
import re

import numpy as np

from coursekit.exercises import Lesson, Wrong, expect, learner_code
from coursekit.lessons import _training_loop as figures
from coursekit.lessons._training_loop import Reader, step_times

__all__ = ["Reader", "check", "figures", "recorded", "step_times"]

check = Lesson("training_loop", "What does fit do for you?")


# --------------------------------------------------------------------------------------------------

SETTINGS = {"learning_rate": 0.07, "momentum": 0.9}
FAULTS = {
    "inference_mode": "the forward pass lacks `training=True`",
    "swapped": "`loss_fn` gets the predictions first",
    "no_penalty": "the penalties in `model.losses` are missing",
    "frozen": "weights that are not trainable moved",
}


@check.exercise(
    title="Finish and mend the training step",
    messages={
        "outside": "the gradient of `{name}` is 0 or None: the loss that you differentiate does "
        "not depend on it. The predictions must be computed inside: in `loss_of`, or under the "
        "tape, and without NumPy.",
        "bypassed": "the weights moved, and not by the optimizer we passed: it counts 0 updates. "
        "It carries the learning rate and the momentum; use `optimizer.apply(...)`.",
        "inference_mode": "the weights move as if dropout were in inference mode. Called without "
        "`training=True`, a model predicts; it does not train.",
        "swapped": "the weights move as after `loss_fn(predictions, targets)`. Keras wants the "
        "targets first: `loss_fn(y_true, y_pred)`.",
        "no_penalty": "the weights move as if no layer had asked for a penalty. The loss of a step "
        "is that of the predictions plus `sum(model.losses)`.",
        "frozen": "the right weights moved rightly, and the frozen ones moved too: {names}. "
        "`model.weights` holds all; `model.trainable_variables` leaves out what is not to be "
        "trained.",
        "several": "{count} faults are left: {faults}.",
        "no_update": "your step computes the loss and leaves every weight where it was. The "
        "optimizer has to apply the gradients.",
        "partly": "only {moved} of {total} trainable variables moved. Gradients and optimizer need "
        "all of `model.trainable_variables`.",
        "twice": "the optimizer made {count} updates in one step. One batch, one gradient, one "
        "update.",
        "uphill": "every weight moved by the right amount in the wrong direction: the loss grows. "
        "An optimizer already steps against the gradient; give it the gradient as it is.",
        "factor": "every weight moved in the right direction, {factor} times as far as in the "
        "reference. One way to get this is {way}. The optimizer wants the gradient of the loss as "
        "it is.",
        "parts": "the weights move as after {rows} times the loss of the predictions, plus "
        "{penalties} times the penalties. The loss of a step has each of them once.",
        "rows_left_out": "the weights move as if only {count} of the {total} rows of the batch had "
        "counted. The loss is the mean over the whole batch.",
        "each_its_own": "every variable moved in the right direction, each by a factor of its own: "
        "{factors}. One way to get this is to clip or to normalise the gradients. The optimizer "
        "wants them as they are.",
        "loss_inference": "the weights are right, but you return {got}: the loss in inference "
        "mode. The update was made from the loss with `training=True`.",
        "loss_after": "the weights are right, but you return {got}, which is the loss after the "
        "update. `fit` reports the loss that the update was made from.",
        "loss_bare": "the weights are right, but you return {got}, which leaves out the penalties. "
        "The update was made from the loss with them.",
        "loss_penalty": "the weights are right, but you return {got}: the penalties alone.",
        "loss_factor": "the weights are right, but you return {got}: {factor} times the loss that "
        "the update was made from.",
        "loss_value": "the weights are right, but you return {got}, which is not the loss that the "
        "update was made from.",
        "weights": "after one step the weights are not those of the reference: the largest "
        "difference is {difference}. One gradient, of the loss of this batch, and one update: "
        "nothing else may move a weight.",
        "not_repeatable": "the first step is right, but from the second one on the weights leave "
        "the reference. Does something from the first call live on in the second?",
    },
    hints=[
        "Ask of each line: does the loss depend on the weights through it? Is it training? Which "
        "argument comes first? What belongs to the loss? Which weights may move?",
        "The forward pass belongs inside `loss_of`. The other faults sit in the arguments of "
        "`model(...)` and `loss_fn(...)`, in which variables get a gradient, and in what is "
        "missing from the loss.",
        "`y_pred = model(x, training=True)` and `return loss_fn(y, y_pred) + sum(model.losses)` in "
        "`loss_of`; then `model.trainable_variables` twice, and `return found.loss`.",
    ],
    hints_for={
        "outside": "Look at the indentation: which lines stand inside `loss_of`?",
        "inference_mode": "Look at the call of the model: which argument tells it that it trains?",
        "swapped": "PyTorch writes `criterion(predictions, targets)`. Keras turns it round.",
    },
    why="The loss, penalties included, is computed from the weights in training mode; its gradient "
    "goes to the optimizer for the trainable weights alone.",
    alternative="on TensorFlow the tape around the forward pass and the loss, then "
    "`tape.gradient(loss, model.trainable_variables)`; on JAX `jax.value_and_grad` over "
    "`model.stateless_call`.",
    seconds=60,
)
def train_step(answer):
    import keras

    loss_fn = keras.losses.CategoricalCrossentropy(from_logits=True)
    rng = np.random.default_rng(3)
    batches = [
        (
            rng.normal(size=(8, 4)).astype("float32"),
            np.eye(3, dtype="float32")[rng.integers(3, size=8)],
        )
        for _ in range(3)
    ]
    expect.function(answer, "`train_step`")
    x, y = batches[0]
    model, optimizer = _small_model(), _recording_sgd()
    start = model.get_weights()
    loss = expect.number(answer(model, loss_fn, optimizer, x, y), "the returned loss")
    right, losses = _reference(batches, start, loss_fn)

    after = model.get_weights()
    moved = [not np.array_equal(a, b) for a, b in zip(start, after, strict=True)]
    if int(optimizer.iterations) == 0 and any(moved):
        raise Wrong("bypassed")
    if not _same(after, right[0]):
        _explain_weights(model, optimizer, start, after, batches[0], loss_fn, right[0])
    _explain_loss(model, loss, losses[0], loss_fn, x, y)
    for (x, y), wanted in zip(batches[1:], right[1:], strict=True):
        answer(model, loss_fn, optimizer, x, y)
        if not _same(model.get_weights(), wanted):
            raise Wrong("not_repeatable")


def _small_model():
    """Return a model that is frozen in part, has a penalty, and drops the same units each time."""
    import keras

    class Dropping(keras.layers.Layer):
        def call(self, x, training=False):
            return x * np.array([0, 2, 2, 0, 2], "float32") if training else x

    def dense(units, seed, **settings):
        start = keras.initializers.RandomNormal(stddev=0.5, seed=seed)
        return keras.layers.Dense(units, kernel_initializer=start, **settings)

    penalty = keras.regularizers.L2(0.1)
    frozen = dense(5, 1, name="frozen", activation="tanh", trainable=False)
    hidden = dense(6, 2, name="hidden", activation="tanh", kernel_regularizer=penalty)
    layers = [keras.Input((4,)), frozen, Dropping(), hidden, dense(3, 3, name="scores")]
    return keras.Sequential(layers)


def _recording_sgd():
    """Return an SGD that says by name what is wrong with the gradients it is given."""
    import keras

    class SGD(keras.optimizers.SGD):
        def apply(self, grads, trainable_variables=None):
            grads = list(grads)
            variables = list(trainable_variables or self._trainable_variables)
            for gradient, variable in zip(grads, variables, strict=False):
                name = "/".join(variable.path.split("/")[-2:])
                if gradient is None and not variable.trainable:
                    raise Wrong("frozen", names=name)  # the tape does not follow it
                if gradient is None or _is_zero(gradient):
                    raise Wrong("outside", name=name)
            return super().apply(grads, trainable_variables)

    return SGD(**SETTINGS)


def _is_zero(gradient) -> bool:
    try:
        return not np.any(np.asarray(gradient))
    except (TypeError, NotImplementedError):  # it is being traced, and has no value yet
        return False


def _reference(batches, start, loss_fn, faults=()):
    """Return weights and losses after each batch, of a right step or of one with those faults."""
    import keras

    from coursekit.training import value_and_gradients

    model, optimizer = _small_model(), keras.optimizers.SGD(**SETTINGS)
    model.set_weights(start)
    variables = model.weights if "frozen" in faults else model.trainable_variables
    weights, losses = [], []
    for x, y in batches:

        def loss_of(*values, x=x, y=y):
            predicted = model(x, training="inference_mode" not in faults)
            pair = (predicted, y) if "swapped" in faults else (y, predicted)
            return loss_fn(*pair) + (0.0 if "no_penalty" in faults else sum(model.losses))

        found = value_and_gradients(loss_of, variables)
        optimizer.apply(list(found.gradients.values()), variables)
        weights.append(model.get_weights())
        losses.append(found.loss)
    return weights, losses


def _explain_weights(model, optimizer, start, after, batch, loss_fn, right):
    count = int(optimizer.iterations)
    if count > 1:
        raise Wrong("twice", count=count)
    moved = [not np.array_equal(a, b) for a, b in zip(start, after, strict=True)]
    trainable = [bool(v.trainable) for v in model.weights]
    if not any(moved):
        raise Wrong("no_update")
    of_trainable = [m for m, t in zip(moved, trainable, strict=True) if t]
    if not all(of_trainable):
        raise Wrong("partly", moved=sum(of_trainable), total=len(of_trainable))
    is_frozen = any(m for m, t in zip(moved, trainable, strict=True) if not t)
    others = [name for name in FAULTS if name != "frozen"]
    sets = itertools.chain.from_iterable(itertools.combinations(others, k) for k in range(4))
    steps = [b - a for a, b in zip(start, after, strict=True)]
    for faults in [found + ("frozen",) * is_frozen for found in sets]:
        weights = _reference([batch], start, loss_fn, faults)[0][0]
        wanted = [b - a for a, b in zip(start, weights, strict=True)]
        factor = _ratio(steps, wanted)
        if factor is not None:
            _explain_faults(model, faults, factor)
    if not is_frozen:
        _explain_parts(steps, batch, start, loss_fn)
    difference = max(float(np.abs(a - b).max()) for a, b in zip(after, right, strict=True))
    raise Wrong("weights", difference=difference)


def _explain_parts(steps, batch, start, loss_fn):
    """Take the steps apart: how often do each row and the penalties count in them?"""

    def flat(x, y, faults=()):
        after = _reference([(x, y)], start, loss_fn, faults)[0][0]
        return np.concatenate([(b - a).ravel() for a, b in zip(start, after, strict=True)])

    x, y = batch
    ours, right = np.concatenate([one.ravel() for one in steps]), flat(x, y)
    bare = [flat(x[k : k + 1], y[k : k + 1], ("no_penalty",)) for k in range(len(x))]
    parts = np.stack([*bare, right - np.mean(bare, axis=0)], axis=1)
    shares, *_ = np.linalg.lstsq(parts, ours, rcond=None)
    if np.allclose(parts @ shares, ours, atol=1e-5):
        *of_rows, penalties = shares
        counts = [abs(share) > 1e-3 for share in of_rows]
        if np.ptp(of_rows) < 1e-3:
            rows = round(float(np.sum(of_rows)), 3)
            raise Wrong("parts", rows=rows, penalties=round(float(penalties), 3))
        if any(counts) and not all(counts):
            raise Wrong("rows_left_out", count=sum(counts), total=len(x))
    ends = np.cumsum([one.size for one in steps])
    pairs = zip(steps, np.split(right, ends[:-1]), strict=True)
    factors = [_ratio([a], [b.reshape(a.shape)]) for a, b in pairs if np.any(b)]
    if None not in factors and min(factors) > 0:
        raise Wrong("each_its_own", factors=", ".join(f"{factor:.3g}" for factor in factors))


def _explain_faults(model, faults, factor):
    is_one = np.isclose(factor, 1, rtol=1e-3)
    words = [FAULTS[name] for name in faults]
    if not is_one and not faults:
        if np.isclose(factor, -1, rtol=1e-3):
            raise Wrong("uphill")
        ways = {8.0: "a sum over the 8 rows in place of their mean", 1 / 8: "a second division by "
                "the 8 rows", SETTINGS["learning_rate"]: "multiplying by the learning rate, which "
                "the optimizer does itself"}  # fmt: skip
        near = [way for value, way in ways.items() if np.isclose(factor, value, rtol=1e-3)]
        way = near[0] if near else "scaling or clipping what the optimizer is given"
        raise Wrong("factor", factor=float(f"{factor:.4g}"), way=way)
    if not is_one:
        sign = "all moves are uphill" if np.isclose(factor, -1, rtol=1e-3) else ""
        words.append(sign or f"all moves are {factor:.3g} times as long as they should be")
    if len(words) > 1:
        raise Wrong("several", count=len(words), faults="; ".join(words))
    names = ["/".join(v.path.split("/")[-2:]) for v in model.weights if not v.trainable]
    raise Wrong(faults[0], **({"names": ", ".join(names)} if faults == ("frozen",) else {}))


def _ratio(steps, wanted) -> float | None:
    """Return by which one number all `wanted` steps are multiplied; None if it is not one."""
    ours, theirs = (np.concatenate([s.ravel() for s in part]) for part in (steps, wanted))
    factor = float(ours @ theirs / (theirs @ theirs))
    fits = np.allclose(ours, factor * theirs, atol=1e-5 * max(1.0, abs(factor)), rtol=1e-3)
    return factor if fits and factor != 0 else None


def _explain_loss(model, got, right, loss_fn, x, y):
    """Raise the message for a returned loss that is not the one of the update."""
    if np.isclose(got, right, rtol=1e-3):
        return
    penalties = float(sum(model.losses))  # after the update: nearly those of before
    bare = [float(loss_fn(y, model(x, training=mode))) for mode in (True, False)]
    if any(np.isclose(got, one + more, rtol=1e-4) for one in bare for more in (0, penalties)):
        raise Wrong("loss_after", got=got)
    start = _small_model()
    penalty, inference = float(sum(start.losses)), float(loss_fn(y, start(x)))
    if any(np.isclose(got, one, rtol=1e-4) for one in (inference, inference + penalty)):
        raise Wrong("loss_inference", got=got)
    if np.isclose(got, right - penalty, rtol=1e-3):
        raise Wrong("loss_bare", got=got)
    if np.isclose(got, penalty, rtol=1e-3):
        raise Wrong("loss_penalty", got=got)
    for factor in (8, 1 / 8, 24, -1, 2, 0.5, SETTINGS["learning_rate"]):
        if np.isclose(got, factor * right, rtol=1e-3):
            raise Wrong("loss_factor", got=got, factor=factor)
    raise Wrong("loss_value", got=got)


def _same(ours, theirs) -> bool:
    return all(np.allclose(a, b, atol=1e-5) for a, b in zip(ours, theirs, strict=True))


# --------------------------------------------------------------------------------------------------

# What an epoch's loss is often taken for, from the losses and sizes of its batches.
MEANS = {
    "mean_of_means": lambda losses, sizes: losses.mean(),
    "sum": lambda losses, sizes: losses.sum(),
    "not_divided": lambda losses, sizes: losses @ sizes,
    "divided_by_batches": lambda losses, sizes: losses @ sizes / len(sizes),
    "sum_by_rows": lambda losses, sizes: losses.sum() / sizes.sum(),
    "last": lambda losses, sizes: losses[-1],
    "first": lambda losses, sizes: losses[0],
    "largest_batch": lambda losses, sizes: losses[sizes.argmax()],
    "best": lambda losses, sizes: losses.min(),
    "worst": lambda losses, sizes: losses.max(),
    "median": lambda losses, sizes: np.median(losses),
    "other_way": lambda losses, sizes: np.average(losses, weights=1 / sizes),
    "squared": lambda losses, sizes: np.average(losses, weights=sizes**2),
    "rows": lambda losses, sizes: sizes.sum(),
    "without_last": lambda losses, sizes: (
        np.average(losses[:-1], weights=sizes[:-1]) if len(losses) > 1 else losses[0]
    ),
    "one_row_less": lambda losses, sizes: losses @ sizes / (sizes.sum() - 1),
    "by_largest": lambda losses, sizes: losses @ sizes / sizes.max(),
    "times_batches": lambda losses, sizes: len(losses) * (losses @ sizes) / sizes.sum(),
    "exchanged": lambda losses, sizes: np.average(sizes, weights=losses),
    "rounded_down": lambda losses, sizes: losses @ sizes // sizes.sum(),
    "of_squares": lambda losses, sizes: np.sqrt(np.average(losses**2, weights=sizes)),
}  # fmt: skip
EPOCHS = (([1.0, 5.0], [32, 1]), ([2.0, 0.5, 4.0, 3.0], [32, 60, 64, 22]), ([0.7], [5]))


@check.exercise(
    title="One loss for the epoch",
    messages={
        "mean_of_means": "for batch losses 1.0 (32 rows) and 5.0 (1 row) you get {got}: the mean "
        "of the two batch losses. One row then weighs as much as 32. Which row should count more?",
        "sum": "for batch losses 1.0 and 5.0 you get {got}: their sum. Twice the batches would "
        "give twice the loss.",
        "not_divided": "for batch losses 1.0 (32 rows) and 5.0 (1 row) you get {got}: you "
        "weighted each loss by its rows, and did not divide by the number of rows.",
        "divided_by_batches": "for batch losses 1.0 (32 rows) and 5.0 (1 row) you get {got}: you "
        "weighted each loss by its rows, then divided by the number of batches.",
        "sum_by_rows": "for batch losses 1.0 (32 rows) and 5.0 (1 row) you get {got}: the sum of "
        "the batch losses, divided by the rows. Each batch loss is a mean already; it stands for "
        "all its rows.",
        "last": "you get {got}, the loss of the last batch alone.",
        "first": "you get {got}, the loss of the first batch alone.",
        "largest_batch": "you get {got}, the loss of the largest batch alone.",
        "best": "you get {got}, the lowest of the batch losses.",
        "worst": "you get {got}, the highest of the batch losses.",
        "median": "you get {got}, the median of the batch losses. The rows play no part in it.",
        "other_way": "you get {got}: each loss is weighted by 1 over its rows, so that the "
        "smallest batch counts most. It should be the other way round.",
        "squared": "you get {got}: each loss is weighted by the square of its rows.",
        "rows": "you get {got}, the number of rows.",
        "without_last": "for batch losses 1.0 (32 rows) and 5.0 (1 row) you get {got}: the last "
        "batch is left out. Its rows belong to the epoch too.",
        "one_row_less": "for batch losses 1.0 (32 rows) and 5.0 (1 row) you get {got}: you divide "
        "by one row less than there are.",
        "by_largest": "for batch losses 1.0 (32 rows) and 5.0 (1 row) you get {got}: you weighted "
        "each loss by its rows, then divided by the rows of the largest batch.",
        "times_batches": "for batch losses 1.0 (32 rows) and 5.0 (1 row) you get {got}: the mean "
        "over all rows, times the number of batches.",
        "exchanged": "for batch losses 1.0 (32 rows) and 5.0 (1 row) you get {got}: losses and "
        "rows have changed places.",
        "rounded_down": "for batch losses 1.0 (32 rows) and 5.0 (1 row) you get {got}: `//` "
        "divides and rounds down. `/` keeps the fraction.",
        "of_squares": "for batch losses 1.0 (32 rows) and 5.0 (1 row) you get {got}: the root of "
        "the mean of the squares. A mean needs no squares.",
        "constant": "you get {got} for any batches. Does your code use `losses` and `sizes`?",
        "fixed_rows": "two batches come out right; for the losses {losses} with {sizes} rows you "
        "get {got}: you divide by 33 there too.",
        "slipped": "for the losses {losses} with {sizes} rows you get {got}, which is {factor} "
        "times the mean over all rows.",
        "other": "for the losses {losses} with {sizes} rows you get {got}, which is not the mean "
        "over all rows. How much do the rows of each batch add to the total?",
        "only_two": "two batches come out right; for the losses {losses} with {sizes} rows you get "
        "{got}, which is not the mean over all rows. Does your code look at every batch?",
    },
    hints=[
        "Write down what 33 rows would give without batches: the sum of 33 losses, divided by 33.",
        "A batch loss is a mean. Times its number of rows it is a sum again.",
        "`sum(loss * size for ...) / sum(sizes)`",
    ],
    hints_for={
        "mean_of_means": "Each batch loss is a mean over `size` rows. Undo that mean first."
    },
    why="A batch loss is a mean over its rows. Weighted by the rows, the batches add up to the "
    "mean over all rows, however the rows were cut into batches. `fit` reports this number.",
    alternative="`np.average(losses, weights=sizes)` does it in one call.",
)
def epoch_loss(answer):
    expect.function(answer, "`epoch_loss`")
    made = []
    for losses, sizes in EPOCHS:
        got = expect.number(answer(list(losses), list(sizes)), "the epoch's loss")
        made.append((got, losses, sizes, float(np.average(losses, weights=sizes))))
    wrong = [one for one in made if not np.isclose(one[0], one[3], rtol=1e-3)]
    if not wrong:
        return
    for name, mean in MEANS.items():
        if all(np.isclose(g, mean(np.array(x), np.array(n)), rtol=1e-3) for g, x, n, _ in made):
            raise Wrong(name, got=made[0][0])
    if np.ptp([one[0] for one in made]) < 1e-6:
        raise Wrong("constant", got=made[0][0])
    got, losses, sizes, right = wrong[0]
    if all(np.isclose(g, np.dot(x, n) / 33, rtol=1e-3) for g, x, n, _ in made):
        raise Wrong("fixed_rows", losses=losses, sizes=sizes, got=got)
    factors = {g / r for g, _, _, r in made}
    if max(factors) - min(factors) < 1e-3 * abs(max(factors)):
        raise Wrong("slipped", losses=losses, sizes=sizes, got=got, factor=got / right)
    raise Wrong("only_two" if wrong[0] is made[1] else "other", losses=losses, sizes=sizes, got=got)


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Cut an epoch into batches",
    messages={
        "nothing": "your function gives None. It should yield batches, one after the other "
        "(`print` shows a value and hands nothing back).",
        "one_batch": "your function gives a single batch and ends. `return` ends a function; "
        "`yield` hands out a batch and goes on.",
        "empty": "for {total} rows and `size={size}` no batch came at all.",
        "pairs": "each batch should be a pair `(x_batch, y_batch)`; the first one is {got}.",
        "swapped": "each batch comes as (y, x). The order is `(x_batch, y_batch)`.",
        "numbers": "the batches hold the numbers of rows, {got}, for example, in place of the rows "
        "themselves: `x[piece]` takes the rows whose numbers are in `piece`.",
        "unknown": "{count} rows came that are not rows of `x`, such as {got}. The last batch may "
        "be smaller; nothing has to fill it up.",
        "unequal": "a batch has {got} rows of `x` and {other} of `y`.",
        "torn": "{count} of {total} rows came with the target of another row. `x` and `y` must be "
        "shuffled by the same order.",
        "lost": "{count} of {total} rows never came. The last batch may be smaller than the "
        "others; dropping it loses its rows.",
        "missing": "{count} of {total} rows never came. An epoch visits every row.",
        "twice": "{count} of {total} rows came more than once in one epoch. Each row belongs in "
        "one batch only.",
        "sizes": "for {total} rows and `size={size}` the batches hold {got} rows: all but the last "
        "should hold `size`.",
        "not_shuffled": "every row comes exactly once, in the order in which it lies in `x`. An "
        "epoch should come in a random order.",
        "whole": "the batches come in a random order, but each holds neighbours in `x`, such as "
        "{got}. Shuffle all rows, then cut.",
        "neighbours": "the rows stay beside their neighbours: a batch holds {got}, for example. "
        "Every row should be able to meet every other one: shuffle all rows, then cut.",
        "near": "over {epochs} epochs a row moves {got} places on average; in a random order of "
        "{total} rows it would be about {wanted}. One way to get this is a shuffle buffer that "
        "holds fewer than all rows.",
        "strangers": "in {epochs} epochs some rows were never in one batch, such as {got}, and "
        "chance would have brought them together many times. One way to get this is a shuffle "
        "buffer that holds fewer than all rows.",
        "same_order": "the second epoch came in exactly the order of the first. Draw a new order "
        "from the `rng` you were given; one made inside the function starts again at each call.",
        "own_rng": "two generators with the same seed should give the same epoch, and did not. "
        "Use the `rng` you were given for every random number.",
        "endless": "the batches do not end: {count} came for {total} rows. One epoch is one pass.",
    },
    hints=[
        "Shuffle positions, not data: one random order of the row numbers serves x and y.",
        "`order = rng.permutation(len(x))` gives that order. Then cut `order` into pieces.",
        "`for start in range(0, len(x), size):` takes a piece `order[start:start + size]`, and "
        "yields `x[piece], y[piece]`.",
    ],
    hints_for={
        "torn": "How many times do you call the generator? Two calls give two different orders.",
        "lost": "`range(0, len(x), size)` reaches the last rows; `len(x) // size` batches do not.",
    },
    why="One permutation of the row numbers keeps each x with its y; stepping by `size` to the end "
    "gives every row exactly once, with a smaller last batch.",
    alternative="`np.split(order, range(size, len(x), size))` gives the pieces in one call, and a "
    "list of pairs is as good as `yield`.",
    seconds=30,
)
def batches(answer):
    expect.function(answer, "`batches`")
    rows = _epoch(answer, 104, 32, np.random.default_rng(0))
    for total, size in ((23, 10), (30, 10), (5, 8), (1, 1)):
        _epoch(answer, total, size, np.random.default_rng(0))
    if (rows == np.arange(104)).all():
        raise Wrong("not_shuffled")
    rng = np.random.default_rng(0)
    epochs = np.array([_epoch(answer, 104, 32, rng) for _ in range(2)])
    if (epochs[0] == epochs[1]).all():
        raise Wrong("same_order")
    if (epochs[0] != rows).any():
        raise Wrong("own_rng")
    _is_random(np.array([*epochs, *(_epoch(answer, 104, 32, rng) for _ in range(58))]))


def _is_random(epochs) -> None:
    """Raise what is not random in the orders of many epochs: 6 standard deviations of chance."""
    count, total = epochs.shape
    places = np.argsort(epochs, axis=1)
    for piece in np.split(epochs[0], range(32, total, 32)):
        if np.ptp(piece) < len(piece) + 2 or (np.abs(np.diff(piece)) == 1).mean() > 0.5:
            raise Wrong("neighbours", got=[int(row) for row in piece[:6]])
    met = sum(np.equal.outer(batch, batch).astype(int) for batch in places // 32)
    if not met.all():
        a, b = (int(row) for row in np.argwhere(met == 0)[0])
        raise Wrong("strangers", epochs=count, got=f"{a} and {b}")
    way, chance = np.abs(places - np.arange(total)).mean(), (total**2 - 1) / (3 * total)
    if abs(way - chance) > 0.05 * chance:
        raise Wrong("near", epochs=count, total=total, got=round(way), wanted=round(chance))


def _epoch(answer, total, size, rng) -> np.ndarray:
    """Return the row numbers of one epoch in their order, if it is one."""
    x = np.arange(total, dtype="float32").reshape(-1, 1) + 0.5  # no row looks like its number
    y = 1000 + 10 * np.arange(total)
    with learner_code():
        result = answer(x, y, size, rng)
        if result is None:
            raise Wrong("nothing")
        found = expect.items(result, at_most=2 * total)
    if not found:
        raise Wrong("empty", total=total, size=size)
    pairs = _pairs(found, total)
    rows = np.concatenate([b[0].ravel() for b in pairs]) - 0.5
    targets = np.concatenate([b[1].ravel() for b in pairs])
    if len(rows) and rows.min() >= 999 and targets.max() < 1000:
        raise Wrong("swapped")
    for one, other in pairs:
        if len(one) != len(other):
            raise Wrong("unequal", got=len(one), other=len(other))
    if (rows % 1 == 0.5).all() and rows.min() == -0.5:
        raise Wrong("numbers", got=[int(row + 0.5) for row in rows[:4]])
    strange = (rows % 1 != 0) | (rows < 0) | (rows >= total)
    if strange.any():
        raise Wrong("unknown", count=int(strange.sum()), got=float(rows[strange][0] + 0.5))
    rows, targets = rows.astype(int), targets.astype(int)
    torn = int((targets != 1000 + 10 * rows).sum())
    if torn:
        raise Wrong("torn", count=torn, total=total)
    _, counts = np.unique(rows, return_counts=True)
    if (counts > 1).any():
        raise Wrong("twice", count=int((counts > 1).sum()), total=total)
    sizes, rest = [len(b[0]) for b in pairs], total % size
    if sizes == [size] * (total // size) and rest:
        raise Wrong("lost", count=rest, total=total)
    if len(rows) < total:
        raise Wrong("missing", count=total - len(rows), total=total)
    wanted = [size] * (total // size) + [rest] * bool(rest)
    if sizes != wanted:
        blocks = [b[0].ravel() for b in pairs]
        if sorted(sizes) == sorted(wanted) and all((np.diff(b) == 1).all() for b in blocks):
            raise Wrong("whole", got=[int(row) for row in blocks[0][:4]])
        raise Wrong("sizes", total=total, size=size, got=sizes)
    return rows


def _pairs(found: list, total: int) -> list:
    """Return the batches as pairs of arrays."""
    if len(found) > 2 * total:
        raise Wrong("endless", count=f"over {2 * total}", total=total)
    if len(found) == 2 and all(hasattr(b, "ndim") for b in found):
        raise Wrong("one_batch")
    for pair in found:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Wrong("pairs", got=pair)
    return [(expect.array(b[0], what="x_batch"), expect.array(b[1], what="y_batch")) for b in found]


# --------------------------------------------------------------------------------------------------

READ, COMPUTE, THREADS = 12.0, 5.0, 4  # milliseconds a batch
PLACES = ("with one thread", "with XLA", "with four threads")


@check.exercise(
    title="What is worth speeding up?",
    messages={
        "three": "give three numbers, `(with one thread, with XLA, with four threads)`: {got} has "
        "{n}.",
        "added": "for a step {place} you get {got}: reading and computing added. But the next "
        "batch is read while this one computes, so the two times overlap. Which of them does a "
        "step wait for?",
        "computing": "for a step {place} you get {got}: the computing alone. When it is done, is "
        "the next batch there already?",
        "reading": "for a step {place} you get {got}: the reading alone. When the batch is there, "
        "is the step before done with computing?",
        "unhurried": "for a step {place} you get {got}, the time of one thread that reads. Four "
        "threads have four batches under way at once.",
        "difference": "for a step {place} you get {got}: reading minus computing, the time a step "
        "only waits. It computes too.",
        "halved": "for a step {place} you get {got}: XLA halves the computing, not the reading.",
        "both": "for a step {place} you get {got}: there XLA is not used.",
        "divided": "for a step {place} you get {got}: the threads read, and divide the reading by "
        "four. They do not compute.",
        "middle": "for a step {place} you get {got}, the mean of reading and computing. Does a "
        "step wait for the mean of two things, or for one of them?",
        "seconds": "for a step {place} you get {got}: a thousandth of the right number, or a "
        "thousand times it. The unit is milliseconds.",
        "order": "these are the right three numbers in another order, {got}: first with one "
        "thread, then with XLA, then with four threads.",
        "other": "for a step {place} you get {got}. Draw two lines of time, one for reading and "
        "one for computing, with a batch in each box: how far apart are the ends of two steps?",
    },
    hints=[
        "Two workers at one belt: one reads, one computes. Who keeps the other waiting?",
        "A step takes the longer one of two times: that of its reading and that of its computing. "
        "Four threads have four batches under way, so one arrives in a quarter of the time.",
        "`max(reading, computing)`, with the reading divided by 4 for the last one.",
    ],
    why="What overlaps does not add: the slower part sets the pace. Halving the computing changes "
    "nothing while reading takes longer; four threads bring a batch every 3 ms, and then the "
    "computing sets the pace.",
    alternative="`(max(12, 5), max(12, 5 / 2), max(12 / 4, 5))`.",
)
def bottleneck(answer):
    if isinstance(answer, str):
        answer = [word for word in re.split(r"[\s,;()]+", answer) if word]
    given = expect.items(answer, 9) if hasattr(answer, "__iter__") else [answer]
    if len(given) != 3:
        raise Wrong("three", got=answer, n=len(given))
    got = [expect.numeral(one, f"number {k}") for k, one in enumerate(given, 1)]
    times = ((READ, COMPUTE), (READ, COMPUTE / 2), (READ / THREADS, COMPUTE))
    right = [max(pair) for pair in times]
    if np.allclose(got, right, rtol=1e-2):
        return
    if np.allclose(sorted(got), sorted(right), rtol=1e-2):
        raise Wrong("order", got=got)
    for place, number, wanted, (reading, computing) in zip(PLACES, got, right, times, strict=True):
        slips = {
            "added": [reading + computing],
            "computing": [computing] if computing < reading else [],
            "reading": [reading] if reading < computing else [],
            "unhurried": [READ] if reading != READ else [],
            "difference": [abs(reading - computing), READ - computing],
            "halved": [reading / 2, (READ + COMPUTE) / 2] if place == "with XLA" else [],
            "both": [COMPUTE / 2, reading + COMPUTE / 2] if place != "with XLA" else [],
            "divided": [COMPUTE / THREADS, (READ + COMPUTE) / THREADS],
            "middle": [(reading + computing) / 2, (READ + COMPUTE) / 2],
            "seconds": [wanted / 1000, wanted * 1000],
        }
        if np.isclose(number, wanted, rtol=1e-2):
            continue
        for key, values in slips.items():
            if any(np.isclose(number, value, rtol=1e-2) for value in values):
                raise Wrong(key, place=place, got=number)
        raise Wrong("other", place=place, got=number)


# --------------------------------------------------------------------------------------------------


STEPS = {
    "a": "update",
    "b": "backward",
    "c": "forward",
    "d": "zero",
    "e": "loss",
}


@check.exercise(
    title="Put the loop in order",
    messages={
        "letters": "use each of the letters a, b, c, d, e once: {got} has {problem}.",
        "no_order": "{got} is a set, and a set has no order. Write a text or a list.",
        "loss_first": "`loss` comes before `forward` here. There is nothing to compare with the "
        "targets yet: the loss needs the predictions of this batch.",
        "backward_first": "`backward` comes before `loss` here. A gradient belongs to a "
        "loss, so the loss must be there first.",
        "update_first": "`update` comes before `backward` here. In the first round it finds no "
        "gradient, and the gradient of the last batch is never used: after one round the weights "
        "are still where they started.",
        "zero_between": "`zero` stands between `backward` and `update` here: it throws away the "
        "gradient that the update was about to use. After 1,000 rounds the weights are still "
        "where they started.",
        "nothing_stored": "the order trains. But `third` = {got} is what is stored before the "
        "first `backward`. Three gradients have been added since.",
        "reset": "the order trains. But `third` = {got} is the gradient of one step. Nobody set "
        "the stored gradient to zero, so the earlier ones are still in it.",
        "one_short": "the order trains. But `third` = {got} is what two steps leave. The third "
        "`backward` adds its own gradient before the third update.",
        "count": "the order trains. But `third` = {got} is the number of steps. Each of them adds "
        "its gradient, not 1.",
        "product": "the order trains. But `third` = {got} is 2 times 2 times 2. `backward` adds "
        "to what is stored; it does not multiply.",
        "all_updates": "the order trains. But `third` = {got} adds up what the three updates use. "
        "The question is what the third one uses.",
        "mean": "the order trains. But `third` = {got} is one gradient divided by three. Nothing "
        "divides here: `backward` adds.",
        "sign": "the order trains. But `third` = {got} is below zero. Every gradient is positive, "
        "and `backward` adds them; the update subtracts, and that moves the weights, not what is "
        "stored.",
        "other": "the order trains. But `third` = {got} does not fit. Write down what is stored "
        "after the first, the second and the third `backward`.",
    },
    hints=[
        "Ask of each step what it needs: which number must exist before it can run?",
        "Predictions, loss, gradient, update: each needs the one before. Only `zero` has a choice. "
        "For `third`, write down what is stored after the first, the second and the third "
        "`backward`.",
        'The answer is a text of five letters that starts with the forward pass: "c...". Put `d` '
        "anywhere but between `b` and `a`. The stored gradient is 0 + 2 + 2 + 2.",
    ],
    hints_for={
        "zero_between": "The stored gradient is needed from `backward` until `update`. Any other "
        "moment is good for `zero`."
    },
    why="Forward gives predictions, predictions give the loss, the loss gives gradients, gradients "
    "give the update. Zeroing may stand anywhere but between backward and update. Without it the "
    "third update uses the sum of three gradients: three times the step that you meant.",
    alternative='"dceba", "cdeba" and "cebad" train exactly alike.',
)
def loop_order(answer, third):
    letters = _letters(answer)
    place = {STEPS[letter]: letters.index(letter) for letter in letters}
    if place["loss"] < place["forward"]:
        raise Wrong("loss_first")
    if place["backward"] < place["loss"]:
        raise Wrong("backward_first")
    if place["update"] < place["backward"]:
        raise Wrong("update_first")
    if place["backward"] < place["zero"] < place["update"]:
        raise Wrong("zero_between")
    got = expect.numeral(third, "`third`")
    named = {0: "nothing_stored", 2: "reset", 4: "one_short", 8: "product", 12: "all_updates",
             3: "count", 2 / 3: "mean"}  # fmt: skip
    for value, key in named.items():
        if np.isclose(got, value, rtol=1e-2):
            raise Wrong(key, got=got)
    if got < 0:
        raise Wrong("sign", got=got)
    if not np.isclose(got, 6):
        raise Wrong("other", got=got)


def _letters(answer) -> list[str]:
    """Read the order from a text ("cedba", "c, e, ...") or a list, of letters or of names."""
    if isinstance(answer, set | frozenset | dict):
        raise Wrong("no_order", got=answer)
    if isinstance(answer, str):
        words = [w for w in re.findall(r"\w+", answer.lower()) if w not in ("and", "then")]
        words = list(words[0]) if len(words) == 1 else words
    else:
        words = [str(item).strip().lower() for item in expect.items(answer, 20, "`loop_order`")]
    by_name = {name: letter for letter, name in STEPS.items()}
    letters = [by_name.get(word, word) for word in words]
    missing = [letter for letter in STEPS if letter not in letters]
    others = [letter for letter in letters if letter not in STEPS]
    doubled = sorted({letter for letter in letters if letters.count(letter) > 1})
    for problem, found in (("unknown", others), ("no", missing), ("more than one", doubled)):
        if found:
            raise Wrong("letters", got=answer, problem=f"{problem} {', '.join(found)}")
    return letters


# --------------------------------------------------------------------------------------------------

# One run of `train_until`: Flatten, Dense(64, relu), Dense(10) from seed 0 on the first 2,000 rows
# of Fashion-MNIST in batches of 32, SGD(0.15), 30 epochs; the loss on the validation rows.
recorded = {
    "loss": [1.178, 0.752, 0.649, 0.587, 0.541, 0.499, 0.466, 0.436, 0.410, 0.390, 0.368, 0.351,
             0.329, 0.313, 0.301, 0.287, 0.276, 0.257, 0.244, 0.231, 0.222, 0.213, 0.203, 0.204,
             0.193, 0.185, 0.172, 0.160, 0.155, 0.140],
    "val_loss": [1.061, 0.866, 0.908, 0.756, 0.736, 0.735, 0.715, 0.738, 0.742, 0.820, 0.645, 0.903,
                 0.754, 1.076, 1.070, 1.063, 1.224, 0.986, 1.064, 0.738, 1.065, 1.204, 1.244, 0.885,
                 1.158, 1.210, 0.971, 1.308, 0.879, 1.149],
}  # fmt: skip


@check.exercise(
    title="How much patience?",
    messages={
        "false_alarm": "with patience {patience} the run stops after epoch {stop}, with a best "
        "validation loss of {best}. It goes on to reach {later} in epoch {later_epoch}: you "
        "stopped at a bump.",
        "best_epoch": "{patience} is the number of the best epoch. Patience counts the epochs in a "
        "row *without* a new best before you give up.",
        "longer": "with patience {patience} the run does reach epoch {best_epoch}, and so it does "
        "with less: each epoch of patience more is paid for at the end. Ask for the smallest.",
        "never": "with patience {patience} this run of {epochs} epochs is not stopped before its "
        "end: its best validation loss came in epoch {best_epoch}, and the rest was spent for "
        "nothing.",
        "range": "patience is a number of epochs, 1, 2, 3, ...: {got} is not.",
    },
    hints=[
        "Patience is how many epochs in a row without a new best end the run.",
        "Look at the epochs between one new lowest point of the dashed curve and the next: the "
        "longest such stretch decides.",
        "Epochs 8, 9 and 10 bring no new best; epoch 11 does. Patience must be larger than that "
        "stretch, by one.",
    ],
    why="Three epochs in a row without a new best come before the best one, so patience 4 is the "
    "smallest that reaches it; whatever is beyond that is paid for. On the next run the stretches "
    "differ, so leave some room.",
    alternative="for a run that you have not seen, more: 5 is common.",
)
def patience(answer):
    curve = np.array(recorded["val_loss"])
    number = expect.numeral(answer, "`patience`")
    if number < 1 or number != int(number):
        raise Wrong("range", got=answer)
    number, best_epoch = int(number), int(curve.argmin()) + 1
    stops = {p: _stop(curve, p) for p in range(1, len(curve) + 1)}
    smallest = min(p for p, stop in stops.items() if stop is None or stop > best_epoch)
    stop = stops.get(number)
    if number == best_epoch:
        raise Wrong("best_epoch", patience=number)
    if stop is None:
        raise Wrong("never", patience=number, epochs=len(curve), best_epoch=best_epoch)
    if stop < best_epoch:
        raise Wrong(
            "false_alarm",
            patience=number,
            stop=stop,
            best=float(curve[:stop].min()),
            later=float(curve.min()),
            later_epoch=best_epoch,
        )
    if number > smallest:
        raise Wrong("longer", patience=number, best_epoch=best_epoch)


def _stop(curve, patience: int) -> int | None:
    """Return after which epoch the run stops; None if it is not stopped before its end."""
    epochs = range(1, len(curve))  # a stop after the last epoch is none
    return next((e for e in epochs if e - 1 - int(curve[:e].argmin()) >= patience), None)


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_same",
    reasons={
        "a": "Same start, same batches, same order, same update: nothing but rounding can "
        "differ. `fit` has no secret.",
        "b": "Runs drift when the batches or the order of the arithmetic differ. Here both are the "
        "same, from the same start.",
        "c": "`fit` compiles the step, which makes it faster; the arithmetic stays the same, so "
        "it cannot reach a lower loss from it.",
    },
    answer="a",
)
check.prediction(
    "predict_modes",
    reasons={
        "a": "In training mode dropout draws a new mask at every call, so outputs do differ.",
        "b": "There are two modes, but in training mode every call draws a mask of its own: the "
        "two training outputs differ from each other too.",
        "c": "Two calls in training mode draw two masks; in inference mode nothing is drawn, and "
        "both calls agree.",
        "d": "In inference mode nothing is drawn: the same batch gives the same output twice.",
    },
    answer="c",
)
check.question(
    "quiz_1",
    "1,000 rows in batches of 32: how many updates does one epoch make?",
    options={
        "a": ("31", "31 full batches hold 992 rows. The last 8 make a batch too."),
        "b": ("1,000", "That is one update a row, a batch size of 1."),
        "c": ("32", "31 full batches and one of 8 rows: 1000 / 32, rounded up."),
    },
    answer="c",
)
check.question(
    "quiz_2",
    "You call `fit` with 5 epochs, look at the curve, and call `fit` with 5 epochs again. The "
    "second call ...",
    options={
        "a": (
            "continues where the first one ended",
            "Weights and optimizer state are kept: 10 epochs in all. Compiling again would reset "
            "the optimizer, and keep the weights.",
        ),
        "b": ("starts afresh", "A fresh start needs a new model: `fit` never resets weights."),
        "c": ("is an error", "It is allowed, and useful: look, then go on."),
    },
    answer="a",
)
check.question(
    "quiz_3",
    "A hand-written step calls `model(x)`, with nothing else. The model has dropout. What happens?",
    options={
        "a": ("dropout is on, as in `fit`", "`fit` passes `training=True`. A bare call does not."),
        "b": (
            "dropout is off: the model trains without it",
            "A bare call is inference. The loss curve looks fine, and the dropout that you "
            "planned never happens.",
        ),
        "c": ("Keras raises an error", "Nothing is raised; that is what makes it hard to find."),
    },
    answer="b",
)
check.question(
    "quiz_4",
    "From the start lesson: gradient descent found the line without seeing the picture. What did "
    "it go by?",
    options={
        "a": ("the best line, which it was told", "Nobody tells it. It has the 30 points, as you."),
        "b": (
            "which way is downhill from where it stands",
            "The gradient of the loss, computed anew at each step, is all it uses.",
        ),
        "c": ("the loss of every possible line", "It looks only at the place where it stands."),
    },
    answer="b",
)
check.question(
    "quiz_5",
    "From the start lesson: before training, how often does a model name one of ten balanced "
    "classes correctly?",
    options={
        "a": ("in about one case of ten", "Random weights guess, and chance alone gives 10 %."),
        "b": ("never", "It cannot avoid being right by accident."),
        "c": ("in about half of the cases", "That is chance for two classes. There are ten."),
    },
    answer="a",
)
check.card(
    "Name the six steps of training a model.",
    "Initialise the weights; forward pass; loss; backward pass (gradients); update; repeat until a "
    "reason to stop holds.",
)
check.card(
    "Where may a PyTorch loop call `optimizer.zero_grad()`?",
    "After `step()` and before the next `backward()`, never between `backward()` and `step()`. "
    "Keras stores no gradients, so there is nothing to zero.",
)
check.card(
    "Batch losses 1.0 (32 rows) and 5.0 (1 row): what is the loss of the epoch?",
    "37 / 33, about 1.12: each batch counts by its rows. The mean of the batch losses, 3.0, is "
    "wrong.",
)
check.card(
    "What does `training=True` change?",
    "Dropout drops, and batch normalization uses (and tracks) the batch's own statistics. `fit` "
    "passes it; `evaluate`, `predict` and a bare `model(x)` do not.",
)
check.card(
    "Name three reasons to end a training run.",
    "The loss has converged; the largest number of epochs is reached; the validation loss has not "
    "improved for `patience` epochs.",
)
check.card(
    "A step of your own makes its loss of `loss_fn(y, y_pred)` alone. What is lost?",
    "The penalties of regularizers, `model.losses`, never reach the gradient, and no error tells.",
)
check.card(
    "A step reads for 12 ms and computes for 5 ms. What shortens it: a faster program, or reading "
    "ahead with more threads?",
    "The threads: reading and computing overlap, and the slower one sets the pace. Measure both "
    "before you speed up either.",
)
