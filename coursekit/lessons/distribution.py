"""Distribution: checks, hints, quiz and cards."""

import numpy as np

from coursekit.exercises import Lesson, Wrong, expect, learner_code
from coursekit.lessons._spread import (
    batch_norm,
    faults,
    gap,
    overlap,
    overlap_in_words,
    show_ring,
    show_scaling,
    spread,
    trained,
)
from coursekit.lessons._steps import apply_step

__all__ = [
    "batch_norm",
    "check",
    "faults",
    "gap",
    "overlap",
    "overlap_in_words",
    "show_ring",
    "show_scaling",
    "spread",
    "trained",
]

check = Lesson("distribution", "Is training on eight devices the same training?")


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="One gradient from many",
    messages={
        "mean_of_means": "for the shards 2 (a mean over 3 rows) and 11 (of 1 row) you get {got}: "
        "the plain mean of the two. The single row then weighs as much as three.",
        "sum": "for the shards 2 and 11 you get {got}: their sum. Every device more would make the "
        "step longer.",
        "not_divided": "for the shards 2 (3 rows) and 11 (1 row) you get {got}: you turned the "
        "means back into sums, and did not divide by the number of rows.",
        "by_devices": "for the shards 2 (3 rows) and 11 (1 row) you get {got}. One way to get this "
        "is to weight each shard by its rows, then to divide by the number of devices.",
        "undone": "for the shards 2 (3 rows) and 11 (1 row) you get {got}: the sum of the two "
        "means, divided by the number of rows. A mean is no sum of rows.",
        "swapped": "for the shards 2 (3 rows) and 11 (1 row) you get {got}: the device with fewer "
        "rows weighs more.",
        "one_only": "for the shards 2 (3 rows) and 11 (1 row) you get {got}, the mean of one "
        "device alone.",
        "empty": "a device without rows turns your result into NaN. Its own mean is 0/0, and NaN "
        "times 0 is NaN again: leave such a device out, or replace its gradient by 0 first.",
        "counts_empty": "without empty devices you are right. With the rows {rows}, of gradients "
        "{gradients}, you get {got}. A device without rows must not change the result.",
        "other": "for the gradients {gradients} of {rows} rows you get {got}. Is that what one "
        "device would compute from all {total} rows?",
    },
    hints=[
        "What would one device compute from all the rows? A sum over the rows, divided by their "
        "number.",
        "A shard's mean times its number of rows is its sum. Before that, think of the shard "
        "without rows.",
        "`sums = [g * n for g, n in zip(gradients, rows) if n]`, then add and divide",
    ],
    hints_for={
        "empty": "`np.nan_to_num(gradients)` makes 0 of NaN; `gradients[rows > 0]` picks the "
        "others."
    },
    why="Each mean, times its rows, is a sum again; the sums add up to that of all rows, however "
    "they were spread. A device without rows adds nothing, if its NaN is kept out.",
    alternative="`np.average(gradients[rows > 0], axis=0, weights=rows[rows > 0])`.",
)
def combine(answer):
    expect.function(answer, "`combine`")
    got = _combined(answer, [[2.0], [11.0]], [3, 1])  # the slips give different numbers
    named = {"mean_of_means": 6.5, "sum": 13.0, "not_divided": 17.0, "by_devices": 8.5}
    named |= {"undone": 3.25, "swapped": 8.75}
    what = "for the shards 2 (3 rows) and 11 (1 row) the result"
    if got[0] in (2.0, 11.0):
        raise Wrong("one_only", got=got[0])
    expect.no_slips(got[0], 4.25, what, n=4, neighbours=named)
    rng = np.random.default_rng(3)
    for rows in ([3, 1], [5, 2, 1], [4, 4, 3, 0], [0, 1]):
        gradients = rng.normal(size=(len(rows), 3)).round(1)
        wanted = np.average(gradients, axis=0, weights=rows)
        empty = 0 in rows
        if empty:
            gradients[rows.index(0)] = np.nan
        got = _combined(answer, gradients, rows)
        if not np.allclose(got, wanted, atol=1e-5):
            told = {"rows": rows, "got": got, "gradients": gradients, "total": sum(rows)}
            raise Wrong("counts_empty" if empty else "other", **told)


def _combined(answer, gradients, rows) -> np.ndarray:
    gradients, rows = np.array(gradients), np.array(rows)
    result = answer(gradients, rows)
    try:
        return expect.array(result, shape=gradients.shape[1:])
    except Wrong as wrong:
        if wrong.key == "nan" and np.isnan(gradients).any():
            raise Wrong("empty") from None
        raise


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Which batch size?",
    messages={
        "per_replica": "`fit_batch` = 32 is what each replica should get. `fit` counts the rows of "
        "all replicas together: with 32 each gets 16.",
        "halved": "`fit_batch` = 16: `fit` would hand each replica 8 rows. Its `batch_size` is "
        "divided by the replicas, so it must be larger than what each one gets.",
        "indivisible": "`fit_batch` = {got} does not divide by 2 replicas: Keras stops at such a "
        "first batch.",
        "fit_added": "`fit_batch` = 34 is the sum of the two numbers: two replicas, with 32 rows "
        "each.",
        "fit_effective": "`fit_batch` = {got} counts batches that are added up, or devices that "
        "are not there: here are two replicas, and nothing is added up.",
        "fit_other": "`fit_batch` = {got} gives each of 2 replicas {each} rows; we asked for 32.",
        "no_accumulation": "`rows_per_update` = 256. One way to get this is one step of the eight "
        "devices; they add up four before the weights move.",
        "no_devices": "`rows_per_update` = 128 is what one device sees for an update. There are "
        "eight.",
        "no_rows": "`rows_per_update` = 32. One way to get this is devices times batches; another, "
        "the rows on one device in one batch.",
        "added": "`rows_per_update` = {got} is a sum. Eight devices, each with 32 rows, four times "
        "over: multiply.",
        "doubled": "`rows_per_update` = {got}: that is for sixteen devices. The two replicas of "
        "the first question are others.",
        "divided": "`rows_per_update` = {got} divides. More devices, and more batches that are "
        "added up, make more rows in an update.",
        "update_other": "`rows_per_update` = {got}. Devices times rows on each times batches that "
        "are added up.",
    },
    hints=[
        "`fit` cuts `batch_size` rows off, and only then splits them over the replicas.",
        "The second number is a product of three.",
        "`2 * 32` and `8 * 32 * 4`",
    ],
    why="`batch_size` in `fit` is global: 2 times 32. One update of the second run sees 8 x 32 x 4 "
    "rows, the *effective* batch size, which learning rates have to suit.",
    alternative="`coursekit.distribution.global_batch_size(32, replicas=2)` gives the first.",
)
def batch_sizes(fit_batch, rows_per_update):
    got = expect.numeral(fit_batch, "`fit_batch`")
    if not np.isclose(got, 64):
        named = {32: "per_replica", 16: "halved", 34: "fit_added"}
        named |= dict.fromkeys((128, 256, 512, 1024), "fit_effective")
        key = named.get(got, "indivisible" if got % 2 else "fit_other")
        raise Wrong(key, got=got, each=got / 2)
    got = expect.numeral(rows_per_update, "`rows_per_update`")
    if not np.isclose(got, 1024):
        named = {256: "no_accumulation", 128: "no_devices", 32: "no_rows", 2048: "doubled"}
        named |= dict.fromkeys((44, 36, 40, 12, 260, 136), "added")
        named |= dict.fromkeys((64, 16, 8, 4, 1), "divided")
        raise Wrong(named.get(got, "update_other"), got=got)


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Make it one training",
    messages={
        "not_compiled": "return a compiled Keras model. We got {got}.",
        "scoped": "your function enters the scope of a strategy itself. `parity` calls it twice, "
        "once for one device and once in a scope: only build and compile here.",
        "same_model": "your function returned the same model twice. `parity` trains one on one "
        "device and another on two: build the model inside the function.",
        "one_device": "TensorFlow runs with one CPU device here, so there is nothing to compare. "
        "Restart the kernel and run the setup cell first.",
        "lost_layer": "your model has weights of the shapes {got}; that of the task has {wanted}. "
        "The layers stay as they are.",
        "unclipped": "on one device the weights move as without clipping. The task asks for "
        "`global_clipnorm=0.5` on one device and on two.",
        "changed": "on one device the weights already differ from those of the model above, by up "
        "to {difference}: that is another training. Only where it runs may change.",
        "changed_loss": "on one device, where the gradient is too short to be clipped, the weights "
        "already differ from those of the model above, by up to {difference}. Clipping hides "
        "a factor in the loss, and only while it cuts: the loss stays the mean of all squares.",
        "fails": "on one device it is right. On two replicas training stops: {error} {cure}",
        "plain": "it trains as the task's model does, and on JAX it would on many devices, too. On "
        "two replicas of TensorFlow a `{got}` clips each replica's own part, and weighs a ragged "
        "batch wrongly. Which class did the section name?",
        "statistics": "each of TensorFlow's replicas would take the mean and spread of its own "
        "rows. The batch normalization has an argument for that.",
        "lint": "one device and two replicas end with weights that differ by up to {difference}. "
        "`lint` names a reason: {reason} {cure}",
        "batch_norm": "the weights still differ, by up to {difference}. What is left is the batch "
        "normalization: each replica takes the mean and spread of its own rows. It has an argument "
        "for that.",
        "ragged": "the weights differ by up to {difference}, and `lint` finds nothing. It cannot "
        "see the data: our last batch has 3 rows, 2 on one replica and 1 on the other, and Keras "
        "weighs the two alike.",
    },
    hints=[
        "`print(parity(mended, (rows, targets), batch_size=4))` names what is wrong, and most of "
        "the cures.",
        "`ReplicaModel(inputs, outputs)` takes the place of `keras.Model(inputs, outputs)`. One "
        "layer needs an argument besides.",
        "`batch_norm(synchronized=True)`, which is `keras.layers.BatchNormalization`",
    ],
    hints_for={
        "ragged": "Which class of this section computes the loss from the rows of all replicas?"
    },
    why="`ReplicaModel` takes the loss and the clipping from all rows together, ragged batches "
    "included; `synchronized=True` does the same for the statistics of the layer.",
    alternative="`ReplicaSequential([...])`. A loss of one value per row cures the doubling alone, "
    "and leaves the clipping and the last batch.",
    seconds=120,
)
def mended(answer):
    import keras

    if isinstance(answer, keras.Model):  # can be called, too
        raise Wrong("called", what="`mended`", got="a model")
    expect.function(answer, "`mended`")
    model = answer()
    if not getattr(model, "compiled", False):
        what = "a model that is not compiled" if hasattr(model, "compile") else model
        raise Wrong("not_compiled", got=what)
    if keras.backend.backend() == "jax":
        _decided(model, answer)
        return

    import tensorflow as tf

    from coursekit.distribution import parity

    if len(tf.config.list_logical_devices("CPU")) < 2:
        raise Wrong("one_device")
    if model.distribute_strategy.num_replicas_in_sync > 1:
        raise Wrong("scoped")
    if answer() is model:
        raise Wrong("same_model")
    x, y = _ragged_rows()
    _must_train_alike(model, x, y)
    with learner_code():
        result = parity(answer, (x, y), batch_size=4)
    if result.equal:
        return
    named = [finding for finding in result.findings if finding.effect in ("fails", "wrong")]
    if result.error:
        raise Wrong("fails", error=result.error, cure=named[0].cure if named else "")
    if named:
        told = {"reason": named[0].reason, "cure": named[0].cure}
        raise Wrong("lint", difference=result.difference, **told)
    differs = any("BatchNormalization" in finding.reason for finding in result.findings)
    raise Wrong("batch_norm" if differs else "ragged", difference=result.difference)


def _decided(model, answer):
    """Judge the choice where there are no replicas to train on."""
    import keras

    from coursekit.distribution.step import ReplicaStep

    if answer() is model:
        raise Wrong("same_model")
    norms = [w for w in model.layers if isinstance(w, keras.layers.BatchNormalization)]
    _must_train_alike(model, *_ragged_rows())
    if not isinstance(model, ReplicaStep):
        raise Wrong("plain", got=type(model).__name__)
    if not all(getattr(norm, "asked", norm.synchronized) for norm in norms):
        raise Wrong("statistics")


def _ragged_rows():
    rng = np.random.default_rng(0)  # batches of 4, 4 and 3
    return rng.normal(size=(11, 4)).astype("float32"), 3 * rng.normal(size=(11, 1))


def _must_train_alike(model, x, y):
    """Raise unless the model trains on one device as the one of the task does."""
    with learner_code():
        model(x[:1])  # makes the weights of a subclass
    shapes = [w.shape for w in model.get_weights()]
    wanted = [w.shape for w in _faulty().get_weights()]
    if shapes != wanted:
        raise Wrong("lost_layer", got=[tuple(s) for s in shapes], wanted=[tuple(s) for s in wanted])
    start = model.get_weights()
    gap, unclipped = (_gap(model, _faulty(clip), start, x, y) for clip in (0.5, None))
    if gap > 1e-4:
        raise Wrong("unclipped" if unclipped < 1e-4 else "changed", difference=gap)
    reference = _faulty()
    reference.set_weights(start)
    near = np.array(reference(x[:4], training=True)) + 0.02  # a gradient that is not clipped
    gap = _gap(model, _faulty(), start, x[:4], near)
    if gap > 1e-4:
        raise Wrong("changed_loss", difference=gap)


def _gap(model, reference, start, x, y) -> float:
    """Train both from the same weights; return the largest difference between theirs."""
    model.set_weights(start)
    reference.set_weights(start)
    with learner_code():
        got = _trained(model, x, y)
    wanted = _trained(reference, x, y)
    return max(np.abs(a - b).max() for a, b in zip(got, wanted, strict=True))


def _faulty(clip=0.5):
    """Return the model of the task."""
    import keras

    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(6, activation="tanh")(inputs)
    outputs = keras.layers.Dense(1)(keras.layers.BatchNormalization()(hidden))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.1, global_clipnorm=clip), "mse", run_eagerly=True)
    return model


def _trained(model, x, y):
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    return model.get_weights()


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="The same updates with a quarter of the memory",
    messages={
        "pair": "return a pair: an optimizer, and the number of rows of a batch. We got {got}.",
        "memory": "a batch of {got} rows does not fit: the device holds 16.",
        "divide": "64 rows are no whole number of batches of {got}.",
        "never": "the weights never moved in {batches} batches of {got} rows.",
        "too_often": "the weights move after each batch of {got} rows: that is training with "
        "small batches, not with 64.",
        "effective": "with batches of {got} rows the weights move every {period} batches: an "
        "update sees {rows} rows; the recipe has 64.",
        "divided": "the weights move a quarter as far as those of the recipe. Keras takes the "
        "*mean* of the gradients that it adds up: the rate stays as it is.",
        "times": "the weights move {ratio} times as far as those of the recipe. An update still "
        "sees 64 rows, so the rate stays as it is.",
        "schedule": "update {update} has the rate {got} already; the recipe has {wanted} there, "
        "and drops after every ten updates. A schedule counts batches, not updates.",
        "late": "update {update} still has the rate {got}; the recipe has {wanted} by then. The "
        "schedule is called with the number of batches.",
        "decays": "a weight of 1 moves by {got} times what the recipe moves it, a weight of 0 as "
        "it does: something pulls at the weights themselves. The recipe has no decay of weights.",
        "adaptive": "the first ten updates move the weight by {least} to {most}, nearly the same "
        "for unlike gradients. One way to get this is Adam, another is clipping: the recipe does "
        "neither.",
        "smooth": "the rate falls from update to update, from {first} to {tenth} within the first "
        "ten. The recipe's stays for ten updates, then drops to a tenth.",
        "momentum": "update 1 is right, and update 2 moves the weight {ratio} times as far as the "
        "recipe: as if it still felt the first. The recipe has no momentum.",
        "other": "update {update} moves the weight by {got}; the recipe moves it by {wanted}.",
    },
    hints=[
        "Three numbers decide: rows in a batch, batches in an update, and what the schedule "
        "counts.",
        "`gradient_accumulation_steps` adds up batches and applies their mean. Ten updates are "
        "how many batches?",
        "`SGD(StepDecay(0.1, step_size=...), gradient_accumulation_steps=...)` and 16",
    ],
    hints_for={"schedule": "Ten updates of four batches each: after which batch should it drop?"},
    why="Four batches of 16 make one update from the mean of 64 rows. Keras's schedules count "
    "batches, so each stretch of ten updates is 40 steps long.",
    alternative="eight batches of 8 rows, with `step_size=80`. In a loop of your own: add up the "
    "four gradients, divide by four, apply once.",
    seconds=30,
)
def small_memory(answer):
    expect.function(answer, "`small_memory`")
    made = answer()
    paired = isinstance(made, tuple | list) and len(made) == 2
    if not paired or isinstance(made[0], type) or not hasattr(made[0], "apply"):
        raise Wrong("pair", got=made)
    optimizer, size = made[0], expect.number(made[1], "the rows of a batch")
    if size > 16:
        raise Wrong("memory", got=size)
    if size < 1 or 64 % size:
        raise Wrong("divide", got=size)
    updates = 45 if size >= 8 else 25  # a schedule one batch late shows at update 41
    size, batches = int(size), int(updates * 64 // size)
    rng = np.random.default_rng(1)
    gradients = 1 + rng.random(batches)
    moves = _moves(optimizer, gradients)
    moved = np.flatnonzero(moves)
    if not len(moved):
        raise Wrong("never", batches=batches, got=size)
    period, wanted_period = int(moved[0]) + 1, 64 // size
    if period != wanted_period or ((moved + 1) % period).any():
        key = "too_often" if period == 1 else "effective"
        raise Wrong(key, got=size, period=period, rows=period * size)
    means = gradients.reshape(-1, period).mean(axis=1)
    _judge_rates(-moves[period - 1 :: period] / means, means)
    again = answer()[0]
    ratio = _moves(again, gradients[:period], start=1.0)[-1] / (-0.1 * means[0])
    if not np.isclose(ratio, 1, rtol=1e-3):
        raise Wrong("decays", got=ratio)


def _judge_rates(rates, means):
    wanted = 0.1 ** (1 + np.arange(len(rates)) // 10)
    ratios = rates / wanted
    if np.allclose(ratios, 1, rtol=1e-3):
        return
    if np.isclose(ratios[0], 0.25, rtol=1e-3):
        raise Wrong("divided")
    moved = np.abs(rates * means)[:10]
    if moved.std() / moved.mean() < 0.5 * means[:10].std() / means[:10].mean():
        raise Wrong("adaptive", least=moved.min(), most=moved.max())
    if (np.diff(rates[:10]) < 0).all() and 0.1 < rates[9] / rates[0] < 0.99:
        raise Wrong("smooth", first=rates[0], tenth=rates[9])
    if np.isclose(ratios[0], 1, rtol=1e-3) and ratios[1] > 1.05:
        raise Wrong("momentum", ratio=ratios[1])
    if np.allclose(ratios[:2], ratios[0], rtol=1e-3) and not np.isclose(ratios[0], 1, rtol=1e-3):
        raise Wrong("times", ratio=round(float(ratios[0]), 3))
    update = int(np.flatnonzero(~np.isclose(ratios, 1, rtol=1e-3))[0])
    told = {"update": update + 1, "got": rates[update], "wanted": wanted[update]}
    constant = any(np.isclose(rates[update], r, rtol=1e-3) for r in (0.1, 0.01, 1e-3, 1e-4, 1e-5))
    if constant and (update or rates[0] < wanted[0]):
        raise Wrong("schedule" if rates[update] < wanted[update] else "late", **told)
    told |= {"got": rates[update] * means[update], "wanted": wanted[update] * means[update]}
    raise Wrong("other", **told)


def _moves(optimizer, gradients, start=0.0) -> np.ndarray:
    """Give an optimizer these gradients of one weight, and return how far each moves it."""
    import keras

    variable, moves = keras.Variable(start, dtype="float32"), []
    for gradient in gradients:
        variable.assign(start)  # next to 0 the smallest move is seen
        with learner_code():
            apply_step(optimizer, [keras.ops.convert_to_tensor(gradient, "float32")], [variable])
        moves.append(float(keras.ops.convert_to_numpy(variable)) - start)
    return np.array(moves)


# --------------------------------------------------------------------------------------------------

PEAK, STEPS = 0.8, 640  # eight times the rate, an eighth of the steps


@check.exercise(
    title="From one device to eight",
    messages={
        "per_replica": "`batch_size` = 256 is what one device gets. `fit` counts the rows of all "
        "eight.",
        "shrunk": "`batch_size` = 32: with it each of the eight devices would get 4 rows, and "
        "stand idle for most of the time.",
        "batch_added": "`batch_size` = 264 is a sum: eight devices, with 256 rows each.",
        "batch_other": "`batch_size` = {got} gives each of the eight devices {each} rows; they "
        "shall keep 256.",
        "not_scaled": "the highest rate is {got}, as on one device. There are an eighth as many "
        "steps now, and linear scaling makes each one eight times as long.",
        "square_root": "the highest rate is {got}: 0.1 times the root of 8. That is the rule for "
        "Adam; for SGD it is 0.1 times 8.",
        "divided": "the highest rate is {got}: more rows in a step call for a longer one, not a "
        "shorter one.",
        "peak": "the highest rate is {got}. Linear scaling: as many times 0.1 as there are times "
        "256 rows in a batch.",
        "no_warmup": "step 0 has the rate {got} already. The rule holds while gradients change "
        "little, and in the first steps they change most: climb to it.",
        "short_warmup": "the rate is at its top at step {step}: too short to be a warmup. Were "
        "epochs counted as steps? An epoch has 32 steps now.",
        "long_warmup": "the rate climbs until step {step} of 640. A warmup takes a small part of "
        "the run: here up to 5 epochs or so, 160 steps.",
        "no_decay": "the rate is still at its top, {got}, at step 639, the last one. The task asks "
        "for a decay after the warmup.",
        "old_steps": "at step 639, the last one, the rate is still {got}. One way to get this is "
        "a decay made for the 5,120 steps of one device; eight devices make 640 of them.",
        "not_cold": "at step 639, the last one, the rate is still {got}; at most a hundredth of "
        "the peak is an end. One way to get this: a decay starts when the warmup is over, so its "
        "steps come off the 640.",
        "early": "from step {step} on the rate is below a thousandth of its peak; the run goes on "
        "to step 639.",
        "rises": "the rate rises again at step {step}, after its peak.",
    },
    hints=[
        "Same number of epochs: with eight times the rows in a step, how many steps are left?",
        "65,536 rows make 32 steps of 2,048, twenty epochs make 640. The warmup comes out of "
        "these.",
        "`Warmup(CosineDecay(linear_scaling(0.1, 2048, 256), 640 - w), warmup_steps=w)`",
    ],
    hints_for={
        "old_steps": "`decay_steps` was 5,120 batches of 256 rows. How many batches of 2,048 rows "
        "are that?"
    },
    why="Each device keeps its 256 rows, so a step has 2,048 and there are 640 of them. Linear "
    "scaling gives 0.8, the warmup leads there, and the cosine ends with the run.",
    alternative="`CosineDecay(0.0, 480, warmup_target=0.8, warmup_steps=160)`; with Adam it would "
    "be the root of 8.",
    seconds=20,
)
def eight_devices(batch_size, schedule):
    got = expect.numeral(batch_size, "`batch_size`")
    if not np.isclose(got, 2048):
        named = {256: "per_replica", 32: "shrunk", 264: "batch_added"}
        raise Wrong(named.get(got, "batch_other"), got=got, each=got / 8)
    if isinstance(schedule, type) or not callable(schedule):
        raise Wrong("type", what="`schedule`", wanted="a schedule, ready to call", got=schedule)
    steps = np.unique(np.r_[0:24, 24:STEPS:8, STEPS - 1])
    with learner_code():
        rates = [schedule(int(step)) for step in steps]
    rates = np.array([expect.number(rate, "the rate") for rate in rates])
    top = float(rates.max())
    if not np.isclose(top, PEAK, rtol=0.02):
        named = {"not_scaled": 0.1, "square_root": 0.1 * 8**0.5, "divided": 0.1 / 8}
        expect.no_slips(top, PEAK, "the highest rate", n=8, neighbours=named, tolerance=0.02)
        raise Wrong("peak", got=top)
    _judge_warmup(steps, rates)
    _judge_decay(steps, rates)


def _judge_warmup(steps, rates):
    peak = int(steps[rates.argmax()])
    if rates[0] > 0.5 * PEAK:
        raise Wrong("no_warmup", got=rates[0])
    if peak < 10:
        raise Wrong("short_warmup", step=peak)
    if peak > STEPS / 2:
        raise Wrong("long_warmup", step=peak)


def _judge_decay(steps, rates):
    after = steps > steps[rates.argmax()]
    rising = after[1:] & (np.diff(rates) > 1e-3)
    if rising.any():
        raise Wrong("rises", step=int(steps[1:][rising][0]))
    if np.isclose(rates[-1], rates.max(), rtol=1e-3):
        raise Wrong("no_decay", got=rates[-1])
    if rates[-1] > 0.5 * PEAK:
        raise Wrong("old_steps", got=rates[-1])
    if rates[-1] > 0.0125 * PEAK:  # two drops to a tenth, or a floor of a hundredth, are an end
        raise Wrong("not_cold", got=rates[-1])
    cold = steps[after & (rates < PEAK / 1000)]
    if len(cold) and cold[0] < 0.8 * STEPS:
        raise Wrong("early", step=int(cold[0]))


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_same",
    reasons={
        "a": "The rows of a batch are added up in another order: half on each device, then the two "
        "halves. Floating point addition depends on the order, in the last digit.",
        "b": "The same sum, added up in another order: the last digit of a float32 may differ, and "
        "nothing else. That is the standard to hold such training to.",
        "c": "Seeds differ in their first weights and batches. Here both are the same: only the "
        "place of the computing changed.",
    },
    answer="b",
)
check.prediction(
    "predict_double",
    reasons={
        "a": "That is so for losses with one value per row. This one is a single number already, "
        "and the division by the number of replicas is skipped.",
        "b": "The logged loss does double. But the gradient is taken of the same sum, so the "
        "weights move twice as far too.",
        "c": "Keras divides a loss by the number of replicas where it reduces it from rows to one "
        "number. A loss that is a number already passes untouched, and the sum over two replicas "
        "is twice as large: loss and gradient.",
    },
    answer="c",
)
check.prediction(
    "predict_ring",
    reasons={
        "a": "That is one central device: everybody sends to it, and its link carries all of it.",
        "b": "A tree of messages has a depth that grows like this. The ring's bytes do not.",
        "c": "Each device sends 2(n - 1)/n times the gradient: the more devices, the smaller the "
        "chunks. It is never more than twice.",
    },
    answer="c",
)
check.prediction(
    "predict_scaling",
    reasons={
        "a": "A warmup leads to the rate gently. It cannot make a rate stable that is too large "
        "for the model, and 0.8 is.",
        "b": "Eight times the rate makes up for the missing steps while it stays small, as 0.05 "
        "does. 0.8 is beyond the edge.",
        "c": "From 0.1 it is even worse. From 0.00625 it is better: at the old rate an eighth of "
        "the steps goes an eighth of the way, and longer steps win nearly all of that back.",
    },
    answer="b",
)
check.question(
    "quiz_1",
    "You add a second GPU, and leave `batch_size=64` and the rate as they are. What changes in the "
    "training?",
    options={
        "a": ("each update now sees 128 rows", "`batch_size` is global: each replica gets 32."),
        "b": (
            "nothing but rounding, if the model is free of the faults above",
            "The same rows, the same updates. It may not even be faster: each GPU has half the "
            "work, and now they must talk.",
        ),
        "c": ("the rate should be doubled", "The rows of an update are the same 64."),
    },
    answer="b",
)
check.question(
    "quiz_2",
    "A loss ends in `ops.mean(...)` over everything. On one GPU it trains well. On four it ...",
    options={
        "a": (
            "logs four times the loss, and steps four times as far",
            "Return one value per row, and Keras divides; or compute it from all rows.",
        ),
        "b": ("stops with an error", "No error: that is what makes it expensive."),
        "c": ("trains the same", "A single number is not divided by the replicas."),
    },
    answer="a",
)
check.question(
    "quiz_3",
    "Eight devices on JAX, batches of 64 rows, and 100 rows in all. What happens at the end?",
    options={
        "a": ("four devices get 5 rows, the others 4", "That is near what TensorFlow does, and "
              "there the rows then weigh unequally."),
        "b": ("it stops: 36 rows do not divide by 8", "Drop the remainder, or pad it: JAX takes no "
              "batch that does not divide."),
        "c": ("one device gets them all", "Each batch is split over all devices."),
    },
    answer="b",
)  # fmt: skip
check.question(
    "quiz_4",
    "From the training loop: batch losses 1.0 (32 rows) and 5.0 (1 row). The loss of the epoch?",
    options={
        "a": ("3.0", "The mean of two means: one row as heavy as 32. The ragged batch on two "
              "replicas is this mistake again."),
        "b": ("6.0", "The sum."),
        "c": ("1.12", "37 over 33 rows: weighted by rows."),
    },
    answer="c",
)  # fmt: skip
check.question(
    "quiz_5",
    "From the schedules: `gradient_accumulation_steps=4`, 5,000 batches in the run. Which "
    "`decay_steps` makes the cosine end with it?",
    options={
        "a": ("20,000", "Accumulation makes fewer updates, not more batches."),
        "b": ("1,250", "That is the number of updates: the rate would be at 0 after a quarter."),
        "c": ("5,000", "Keras calls a schedule with the number of batches."),
    },
    answer="c",
)
check.card(
    "Data parallelism: what is copied, what is split, what is sent?",
    "The model is copied, the rows of each batch are split, the gradients are averaged. Weighted "
    "by rows, that is the gradient of one device.",
)
check.card(
    "Keras under `MirroredStrategy`: name four things that go wrong.",
    "A loss of one number counts once per replica; clipping comes before the sum; a ragged last "
    "batch is weighed wrongly, and a ragged first one stops; accumulation stops. With float16, an "
    "overflow on the second replica is not seen.",
)
check.card(
    "Ring all-reduce: how much does each of n devices send?",
    "2(n - 1)/n times the gradient: less than twice, whatever n, in 2(n - 1) steps. NCCL does it "
    "between NVIDIA GPUs; Gloo is PyTorch's for CPUs. TensorFlow's choice is `cross_device_ops`.",
)
check.card(
    "How do messages hide behind computing?",
    "The gradient of the last layer is ready first. It is sent while the layer before is still "
    "computed, in buckets of several layers.",
)
check.card(
    "Gradient accumulation: when is it the big batch, when not?",
    "With the mean of equal batches: the same update. Not with batch normalization, which sees the "
    "small batches, and not when the sum is not divided. Schedules count batches.",
)
check.card(
    "Linear scaling: the rule, and where it ends.",
    "For SGD: k times the batch, k times the rate, after a warmup (Goyal 2017). For Adam often the "
    "root of k. It ends where the rate gets near the edge, at very large batches.",
)
