"""The training loop: checks, hints, quiz and cards."""

import re

import numpy as np

from coursekit.exercises import Lesson, Wrong, expect, learner_code

check = Lesson("training_loop", "What does fit do for you?")


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
    },
    hints=[
        "Ask of each step what it needs: which number must exist before it can run?",
        "Predictions, loss, gradient, update: each needs the one before. Only `zero` has a choice.",
        'The answer is a text of five letters that starts with the forward pass: "c...". Put `d` '
        "anywhere but between `b` and `a`.",
    ],
    hints_for={
        "zero_between": "The stored gradient is needed from `backward` until `update`. Any other "
        "moment is good for `zero`."
    },
    why="Forward gives predictions, predictions give the loss, the loss gives gradients, gradients "
    "give the update. Zeroing may stand anywhere but between backward and update.",
    alternative='"dceba", "cdeba" and "cebad" train exactly alike.',
)
def loop_order(answer):
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


def _letters(answer) -> list[str]:
    """Read the order from a text ("cedba", "c, e, ...") or a list, of letters or of names."""
    if isinstance(answer, set | frozenset | dict):
        raise Wrong("no_order", got=answer)
    if isinstance(answer, str):
        words = re.findall(r"\w+", answer.lower())
        words = list(words[0]) if len(words) == 1 else words
    else:
        words = [str(item).strip().lower() for item in expect.items(answer, at_most=20)]
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

SETTINGS = {"learning_rate": 0.07, "momentum": 0.9}


@check.exercise(
    title="Finish and mend the training step",
    messages={
        "outside_tape": "every gradient is None. The tape follows what TensorFlow computes inside "
        "its `with` block; the predictions or the loss were computed outside it, or went through "
        "NumPy (`predict`, `.numpy()`).",
        "bypassed": "the weights moved, and not by the optimizer we passed: it counts 0 updates. "
        "It carries the learning rate and the momentum; use `optimizer.apply(...)`.",
        "some_none": "the gradient of `{name}` is None. You asked for the gradient of variables "
        "that no gradient trains; `model.trainable_variables` leaves them out.",
        "inference_mode": "the weights move as if batch normalization were in inference mode. "
        "Called without `training=True`, a model predicts; it does not train.",
        "swapped": "the loss is {got}, which is what `loss_fn(predictions, targets)` gives. Keras "
        "wants the targets first: `loss_fn(y_true, y_pred)`.",
        "no_update": "your step computes the loss, {got}, and leaves every weight where it was. "
        "The optimizer has to apply the gradients.",
        "partly": "only {moved} of {total} trainable variables moved. Give the tape and the "
        "optimizer all of `model.trainable_variables`.",
        "loss_after": "you return {got}, the loss after the update. `fit` reports the loss that "
        "the update was made from, {wanted}: return that one.",
        "loss_value": "the weights are right, but you return {got}; the loss of this batch was "
        "{wanted}.",
        "two_forwards": "the weights and the loss are right, but the moving averages of batch "
        "normalization moved twice: each call with `training=True` moves them. One forward pass a "
        "step.",
        "uphill": "every weight moved by the right amount in the wrong direction: the loss grows. "
        "An optimizer already steps against the gradient; give it the gradient as it is.",
        "weights": "after one step the weights are not those of the reference: the largest "
        "difference is {difference}. One forward pass, one gradient, one update: nothing else "
        "may move a weight.",
        "not_repeatable": "the first step is right, but from the second one on the weights leave "
        "the reference. Does something from the first call live on in the second?",
    },
    hints=[
        "Go through the table line by line. Where does each line stand, and which arguments does "
        "it take, in which order?",
        "The forward pass belongs inside the `with` block. The other faults sit in arguments: of "
        "`model(...)`, of `loss_fn(...)`, and in which variables get a gradient.",
        "`y_pred = model(x, training=True)` and `loss = loss_fn(y, y_pred)` under `with`; then "
        "`model.trainable_variables` twice, and `return loss`.",
    ],
    hints_for={
        "outside_tape": "Look at the indentation: which of your lines stand under `with`?",
        "inference_mode": "Look at the call of the model: which argument tells it that it trains?",
        "swapped": "PyTorch writes `criterion(predictions, targets)`. Keras turns it round.",
    },
    why="The tape records the forward pass and the loss; it gives each variable's gradient; the "
    "optimizer moves the variables. `training=True` switches dropout and batch normalization to "
    "training.",
    alternative="`optimizer.apply_gradients(zip(gradients, model.trainable_variables))` does the "
    "same. Adding `sum(model.losses)` is right too: it is 0 for this network.",
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
    untouched = _same(_trained(model, start), _trained(model, after))
    if int(optimizer.iterations) == 0 and not untouched:
        raise Wrong("bypassed")
    if not _same(_trained(model, after), _trained(model, right[0])):
        _explain_weights(model, start, after, loss, (x, y), loss_fn, right[0])
    if not np.isclose(loss, losses[0], rtol=1e-4):
        later = float(loss_fn(y, model(x, training=True)))
        if np.isclose(loss, later, rtol=1e-4):
            raise Wrong("loss_after", got=loss, wanted=losses[0])
        raise Wrong("loss_value", got=loss, wanted=losses[0])
    if not _same(after, right[0]):
        raise Wrong("two_forwards")
    for (x, y), wanted in zip(batches[1:], right[1:], strict=True):
        answer(model, loss_fn, optimizer, x, y)
        if not _same(model.get_weights(), wanted):
            raise Wrong("not_repeatable")


def _small_model():
    """Return a model whose training and inference differ, without any random number."""
    import keras

    def fixed(seed):
        return keras.initializers.RandomNormal(stddev=0.5, seed=seed)

    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(6, kernel_initializer=fixed(1)),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(3, kernel_initializer=fixed(2)),
        ]
    )


def _recording_sgd():
    """Return an SGD that says by name what is wrong with the gradients it is given."""
    import keras

    class SGD(keras.optimizers.SGD):
        def apply(self, grads, trainable_variables=None):
            grads = list(grads)
            variables = list(trainable_variables or self._trainable_variables)
            if grads and all(g is None for g in grads):
                raise Wrong("outside_tape")
            for gradient, variable in zip(grads, variables, strict=False):
                if gradient is None:
                    raise Wrong("some_none", name=str(getattr(variable, "path", variable.name)))
            return super().apply(grads, trainable_variables)

    return SGD(**SETTINGS)


def _reference(batches, start, loss_fn, training=True, swapped=False):
    """Return weights and losses after each batch, of a right step or of a named wrong one."""
    import keras
    import tensorflow as tf

    model, optimizer = _small_model(), keras.optimizers.SGD(**SETTINGS)
    model.set_weights(start)
    weights, losses = [], []
    for x, y in batches:
        with tf.GradientTape() as tape:
            predicted = model(x, training=training)
            loss = loss_fn(predicted, y) if swapped else loss_fn(y, predicted)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        weights.append(model.get_weights())
        losses.append(float(loss))
    return weights, losses


def _explain_weights(model, start, after, loss, batch, loss_fn, right):
    if _same(after, _reference([batch], start, loss_fn, training=False)[0][0]):
        raise Wrong("inference_mode")
    if _same(after, _reference([batch], start, loss_fn, swapped=True)[0][0]):
        raise Wrong("swapped", got=loss)
    start, after, right = (_trained(model, weights) for weights in (start, after, right))
    moved = [not np.array_equal(a, b) for a, b in zip(start, after, strict=True)]
    if not any(moved):
        raise Wrong("no_update", got=loss)
    if not all(moved):
        raise Wrong("partly", moved=sum(moved), total=len(moved))
    if _same([2 * a - b for a, b in zip(start, after, strict=True)], right):
        raise Wrong("uphill")
    difference = max(float(np.abs(a - b).max()) for a, b in zip(after, right, strict=True))
    raise Wrong("weights", difference=difference)


def _trained(model, weights) -> list[np.ndarray]:
    """Pick the trainable ones out of all weights."""
    trainable = {id(v) for v in model.trainable_variables}
    return [w for w, v in zip(weights, model.weights, strict=True) if id(v) in trainable]


def _same(ours, theirs) -> bool:
    return all(np.allclose(a, b, atol=1e-5) for a, b in zip(ours, theirs, strict=True))


# --------------------------------------------------------------------------------------------------


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
        "three": "two batches come out right; for the losses {losses} with {sizes} rows you get "
        "{got}, and the mean over all rows is {wanted}.",
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
    got = expect.number(answer([1.0, 5.0], [32, 1]), "the epoch's loss")
    slips = {3.0: "mean_of_means", 6.0: "sum", 37.0: "not_divided", 18.5: "divided_by_batches"}
    for value, key in slips.items():
        if np.isclose(got, value):
            raise Wrong(key, got=got)
    expect.close(got, 37 / 33, "your loss of the batches 1.0 (32 rows) and 5.0 (1 row)")
    losses, sizes = [2.0, 4.0, 1.0], [64, 64, 22]
    wanted = float(np.average(losses, weights=sizes))
    got = expect.number(answer(losses, sizes), "the epoch's loss")
    if not np.isclose(got, wanted, rtol=1e-4):
        raise Wrong("three", losses=losses, sizes=sizes, got=got, wanted=wanted)


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Three steps without zeroing",
    messages={
        "reset": "{got} is the gradient of one step. Nobody set the stored gradient to zero, so "
        "the earlier ones are still in it.",
        "one_short": "{got} is what two steps leave. The third `backward` adds its own gradient "
        "before the third update.",
        "product": "{got} is 2 times 2 times 2. `backward` adds to what is stored; it does not "
        "multiply.",
        "other": "{got} does not fit. Add up what is stored: it starts at 0, and each `backward` "
        "adds 2.",
    },
    hints=[
        "`backward` does not overwrite the stored gradient. What does it do with it?",
        "Write down what is stored after the first, the second and the third `backward`.",
        "0 + 2 + 2 + 2",
    ],
    why="Each backward pass adds to the stored gradient. Without zeroing the third update uses the "
    "sum of three gradients: three times the step that you meant.",
    alternative="with a constant gradient g, step n uses n times g.",
)
def accumulated(answer):
    got = expect.number(answer)
    for value, key in {2: "reset", 4: "one_short", 8: "product"}.items():
        if np.isclose(got, value):
            raise Wrong(key, got=got)
    if not np.isclose(got, 6):
        raise Wrong("other", got=got)


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Cut an epoch into batches",
    messages={
        "nothing": "your function gives None. It should yield batches, one after the other "
        "(`print` shows a value and hands nothing back).",
        "one_batch": "your function gives a single batch and ends. `return` ends a function; "
        "`yield` hands out a batch and goes on.",
        "empty": "no batch came at all.",
        "pairs": "each batch should be a pair `(x_batch, y_batch)`; the first one is {got}.",
        "swapped": "each batch comes as (y, x). The order is `(x_batch, y_batch)`.",
        "torn": "{count} of {total} rows came with the target of another row. `x` and `y` must be "
        "shuffled by the same order.",
        "lost": "{count} of {total} rows never came. The last batch may be smaller than the "
        "others; dropping it loses its rows.",
        "twice": "{count} of {total} rows came more than once in one epoch. Each row belongs in "
        "one batch only.",
        "sizes": "for {total} rows and `size={size}` the batches hold {got} rows; expected "
        "{wanted}.",
        "not_shuffled": "every row comes exactly once, in the order in which it lies in `x`. An "
        "epoch should come in a random order.",
        "neighbours": "the rows stay beside their neighbours: a batch holds {got}, for example. "
        "Every row should be able to meet every other one: shuffle all rows, then cut.",
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
)
def batches(answer):
    expect.function(answer, "`batches`")
    rows = _epoch(answer, 104, 32, np.random.default_rng(0))
    _epoch(answer, 23, 10, np.random.default_rng(0))
    if (rows == np.arange(104)).all():
        raise Wrong("not_shuffled")
    for piece in np.split(rows, range(32, 104, 32)):
        if np.ptp(piece) < len(piece) + 2 or (np.abs(np.diff(piece)) == 1).mean() > 0.5:
            raise Wrong("neighbours", got=[int(row) for row in piece[:6]])
    rng = np.random.default_rng(0)
    first, second = (_epoch(answer, 104, 32, rng) for _ in range(2))
    if (first == second).all():
        raise Wrong("same_order")
    if (first != rows).any():
        raise Wrong("own_rng")


def _epoch(answer, total, size, rng) -> np.ndarray:
    """Return the row numbers of one epoch in their order, if it is one."""
    x = np.arange(total, dtype="float32").reshape(-1, 1)
    y = 1000 + 10 * np.arange(total)
    with learner_code():
        result = answer(x, y, size, rng)
        if result is None:
            raise Wrong("nothing")
        found = expect.items(result, at_most=2 * total)
    pairs = _pairs(found, total)
    rows = np.concatenate([b[0].ravel() for b in pairs]).astype(int)
    targets = np.concatenate([b[1].ravel() for b in pairs]).astype(int)
    if len(rows) and rows.min() >= 1000 and targets.max() < 1000:
        raise Wrong("swapped")
    torn = int((targets != 1000 + 10 * rows).sum()) if len(targets) == len(rows) else total
    if torn:
        raise Wrong("torn", count=torn, total=total)
    _, counts = np.unique(rows, return_counts=True)
    if (counts > 1).any():
        raise Wrong("twice", count=int((counts > 1).sum()), total=total)
    sizes, rest = [len(b[0]) for b in pairs], total % size
    if sizes == [size] * (total // size):
        raise Wrong("lost", count=rest, total=total)
    wanted = [size] * (total // size) + [rest]
    if sizes != wanted:
        raise Wrong("sizes", total=total, size=size, got=sizes, wanted=wanted)
    return rows


def _pairs(found: list, total: int) -> list:
    """Return the batches as pairs of arrays."""
    if not found:
        raise Wrong("empty")
    if len(found) > 2 * total:
        raise Wrong("endless", count=f"over {2 * total}", total=total)
    if len(found) == 2 and all(hasattr(b, "ndim") for b in found):
        raise Wrong("one_batch")
    for pair in found:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Wrong("pairs", got=pair)
    return [(expect.array(b[0], what="x_batch"), expect.array(b[1], what="y_batch")) for b in found]


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
        "never": "with patience {patience} this run of {epochs} epochs is not stopped before its "
        "end: its best validation loss came in epoch {best_epoch}, and the rest was spent for "
        "nothing.",
        "range": "patience is a number of epochs, 1, 2, 3, ...: {got} is not.",
    },
    hints=[
        "Patience is how many epochs in a row without a new best you are ready to sit through.",
        "Look at the epochs between one new lowest point of the dashed curve and the next: the "
        "longest such stretch decides.",
        "Epochs 8, 9 and 10 bring no new best; epoch 11 does. So patience must be larger than 3, "
        "and small enough to stop before epoch 30.",
    ],
    why="Three epochs in a row without a new best come before the best one, so patience 4 is the "
    "smallest that reaches it; whatever is beyond that is paid for. On the next run the stretches "
    "differ, so leave some room.",
    alternative="every number from 4 to 18 reaches epoch 11 and stops before the end.",
)
def patience(answer):
    curve = np.array(recorded["val_loss"])
    number = expect.number(answer, "`patience`")
    if number < 1 or number != int(number):
        raise Wrong("range", got=answer)
    number, best_epoch = int(number), int(curve.argmin()) + 1
    epochs = range(1, len(curve))  # a stop after the last epoch is none
    stop = next((e for e in epochs if e - 1 - int(curve[:e].argmin()) >= number), None)
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


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_same",
    reasons={
        "a": "`fit` compiles the step, which makes it faster; the arithmetic stays the same, so "
        "it cannot reach a lower loss from it.",
        "b": "Runs drift when the batches or the order of the arithmetic differ. Here both are the "
        "same, from the same start.",
        "c": "Same start, same batches, same order, same update: nothing but rounding could "
        "differ. `fit` has no secret.",
    },
    answer="c",
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
        "b": ("32", "31 full batches and one of 8 rows: 1000 / 32, rounded up."),
        "c": ("1,000", "That is one update a row, a batch size of 1."),
    },
    answer="b",
)
check.question(
    "quiz_2",
    "You call `fit` with 5 epochs, look at the curve, and call `fit` with 5 epochs again. The "
    "second call ...",
    options={
        "a": ("starts afresh", "A fresh start needs a new model: `fit` never resets weights."),
        "b": (
            "continues where the first one ended",
            "Weights and optimizer state are kept: 10 epochs in all. Compiling again would reset "
            "the optimizer, and keep the weights.",
        ),
        "c": ("is an error", "It is allowed, and useful: look, then go on."),
    },
    answer="b",
)
check.question(
    "quiz_3",
    "A hand-written step calls `model(x)`, with nothing else. The model has dropout. What happens?",
    options={
        "a": (
            "dropout is off: the model trains without it",
            "A bare call is inference. The loss curve looks fine, and the dropout that you "
            "planned never happens.",
        ),
        "b": ("dropout is on, as in `fit`", "`fit` passes `training=True`. A bare call does not."),
        "c": ("Keras raises an error", "Nothing is raised; that is what makes it hard to find."),
    },
    answer="a",
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
        "a": ("never", "It cannot avoid being right by accident."),
        "b": ("in about one case of ten", "Random weights guess, and chance alone gives 10 %."),
        "c": ("in about half of the cases", "That is chance for two classes. There are ten."),
    },
    answer="b",
)
check.card(
    "Name the six steps of training a model.",
    "Initialise the weights; forward pass; loss; backward pass (gradients); update; repeat until a "
    "reason to stop holds.",
)
check.card(
    "Where may a PyTorch loop call `optimizer.zero_grad()`?",
    "After `step()` and before the next `backward()`, never between `backward()` and `step()`. "
    "Keras has nothing to zero: each tape gives fresh gradients.",
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
    "A custom `train_step` computes `loss_fn(y, y_pred)` alone. What is lost?",
    "`self.losses`: the penalties of regularizers never reach the gradient. `self.compute_loss` "
    "adds them.",
)
