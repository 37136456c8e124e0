"""Schedules: checks, hints, quiz and cards."""

import ast

import numpy as np

from coursekit.exercises import Lesson, Wrong, expect, learner_code

check = Lesson("schedules", "When should the learning rate change?")


def next_characters():
    """Return windows of Shakespeare, the next characters, and the loss of frequencies alone.

    200 windows of 32 characters as integers, and for each place the character after it.
    """
    from coursekit import datasets

    text = datasets.load_shakespeare().train
    code = {symbol: k for k, symbol in enumerate(sorted(set(text)))}
    ids = np.array([code[c] for c in text], "int32")
    starts = np.random.default_rng(0).integers(0, len(ids) - 33, 200)
    windows = ids[starts[:, None] + np.arange(33)]
    share = np.bincount(ids) / len(ids)
    return windows[:, :-1], windows[:, 1:], float(-np.sum(share * np.log(share)))


def transformer(rate, seed: int, width: int = 32):
    """Return a compiled transformer of one post-LN block that predicts the next character."""
    import keras

    from coursekit import datasets

    symbols = len(set(datasets.load_shakespeare().train))
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    tokens = keras.Input((32,), dtype="int32")
    place = keras.ops.cumsum(keras.ops.ones_like(tokens), axis=1) - 1
    h = layers.Embedding(symbols, width)(tokens) + layers.Embedding(32, width)(place)
    q, k, v = (layers.Dense(width)(h) for _ in range(3))
    attention = layers.Attention(use_scale=True)([q, v, k], use_causal_mask=True)
    h = layers.LayerNormalization()(h + attention)  # post-LN: after the sum
    wide = layers.Dense(4 * width, activation="relu")(h)
    h = layers.LayerNormalization()(h + layers.Dense(width)(wide))
    model = keras.Model(tokens, layers.Dense(symbols)(h))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)
    return model


def outcome(code: str, step: int) -> str:
    """Return what a schedule of Keras, written as text, gives at a step: a rate, or an error."""
    import keras

    kind, arguments = code.rstrip(")").split("(")
    parts = [part.strip() for part in arguments.split(",")]
    values = [ast.literal_eval(part) for part in parts if "=" not in part]
    named = dict(part.split("=") for part in parts if "=" in part)
    named = {name: ast.literal_eval(value) for name, value in named.items()}
    try:
        return f"{float(getattr(keras.optimizers.schedules, kind)(*values, **named)(step)):.3f}"
    except Exception as error:  # of TensorFlow: it cannot multiply integers with fractions
        return type(error).__name__


def _reader(answer, what: str):
    """Return a function from a step to the rate of the learner's schedule there."""
    if isinstance(answer, type) or not callable(answer):
        raise Wrong("type", what=what, wanted="a schedule, made and ready to call", got=answer)

    def rate(step: int) -> float:
        with learner_code():
            value = answer(step)
        return expect.number(value, f"the rate at step {step}")

    return rate


def _near(got, wanted, tolerance=2e-3) -> bool:
    return bool(np.isclose(got, wanted, rtol=tolerance, atol=1e-9))


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="A tenth every 30 epochs",
    messages={
        "start": "at step 0 the rate is {got}; the recipe starts with 0.1.",
        "epochs": "at step 60 the rate is {got} already. With 10 steps an epoch that is epoch 6: "
        "Keras hands a schedule steps, never epochs.",
        "each_epoch": "the rate falls after every epoch: {got} in epoch 1. The recipe waits 30 "
        "epochs for each factor of 0.1.",
        "smooth": "the rate glides: {got} at step 150, in the middle of the first stretch. Step "
        "decay keeps it at 0.1 until the drop.",
        "early": "at step 299, the last of epoch 29, the rate is {got} already. Epoch 30 starts "
        "with step 300.",
        "late": "at step 300, the first of epoch 30, the rate is still {got}; it drops at step "
        "{step}. `PiecewiseConstantDecay` keeps the old rate through its boundary.",
        "one_off": "at step 310, the first of epoch 31, the rate drops. The recipe counts epochs "
        "from 0, so epoch 30 begins with step 300.",
        "gamma": "at step 300 the rate falls to {got}, the share {share} of the one before. gamma "
        "is 0.1: a tenth stays.",
        "once": "there is one drop, at step {step}. The recipe has two in 90 epochs, one every 30.",
        "no_second": "the second drop is missing: at step 600, the first of epoch 60, the rate is "
        "{got}; the recipe has 0.001 there.",
        "other": "at step {step} (epoch {epoch}) the rate is {got}; the recipe has {wanted}.",
    },
    hints=[
        "Write down the first step of epoch 30 and of epoch 60. The new rate belongs to them.",
        "`PiecewiseConstantDecay` changes after its boundary, so the boundary is the last step "
        "with the old rate. `StepDecay` and `ExponentialDecay(staircase=True)` drop at the step.",
        "`ExponentialDecay(0.1, decay_steps=..., decay_rate=0.1, staircase=True)`",
    ],
    hints_for={"late": "Which step is the last one that shall still have the old rate?"},
    why="Epoch 30 begins with step 300. The staircase drops at multiples of its `decay_steps`; a "
    "boundary of `PiecewiseConstantDecay` is the last step of the old rate.",
    alternative="`PiecewiseConstantDecay([299, 599], [0.1, 0.01, 0.001])` or "
    "`StepDecay(0.1, step_size=300)`.",
)
def drops(answer):
    rate = _reader(answer, "`drops`")
    if not _near(rate(0), 0.1):
        raise Wrong("start", got=rate(0))
    if _near(rate(10), 0.01) or _near(rate(11), 0.01):
        raise Wrong("each_epoch", got=rate(11))
    if _near(rate(60), 0.01) or _near(rate(60), 0.001):
        raise Wrong("epochs", got=rate(60))
    if rate(140) > rate(150) > rate(160):
        raise Wrong("smooth", got=rate(150))
    if _near(rate(299), 0.01):
        raise Wrong("early", got=rate(299))
    if _near(rate(300), 0.1) and _near(rate(303), 0.01):
        first = next(step for step in (301, 302, 303) if _near(rate(step), 0.01))
        raise Wrong("late", got=rate(300), step=first)
    if _near(rate(309), 0.1) and _near(rate(311), 0.01):
        raise Wrong("one_off")
    share = rate(300) / rate(299)
    if (
        _near(rate(299), 0.1)
        and share < 0.99
        and not _near(share, 0.1)
        and _near(rate(600) / rate(599), share)
    ):
        raise Wrong("gamma", got=rate(300), share=share)
    drop = next((step for step in range(1, 900) if rate(step) < 0.99 * rate(step - 1)), None)
    if drop and not _near(drop, 300, 0.01) and _near(rate(drop), rate(899)):
        raise Wrong("once", step=drop)
    if _near(rate(300), 0.01) and _near(rate(899), 0.01):
        raise Wrong("no_second", got=rate(600))
    for step in (9, 150, 299, 300, 301, 450, 599, 600, 601, 650, 899):
        wanted = 0.1 ** (1 + step // 300)
        if not _near(rate(step), wanted):
            raise Wrong("other", step=step, epoch=step // 10, got=rate(step), wanted=wanted)


# --------------------------------------------------------------------------------------------------


SEEN = {"double": "twice the number of batches", "half": "half the number of batches"}


@check.exercise(
    title="From epochs to steps",
    messages={
        "epochs": "{what} = 100 is the number of epochs. Keras counts steps: this schedule would "
        "be over after two epochs.",
        "floor": "{what} = 4,900 leaves out the last, smaller batch of each epoch. `fit` makes a "
        "step of it too.",
        "fraction": "{what} = {got}: an epoch has whole batches. Round up before you multiply by "
        "the epochs.",
        "rows": "{what} = {got} counts rows. A step is a batch of 64 of them.",
        "updates": "{what} = {got} counts updates under accumulation, about a quarter of the "
        "batches. Keras's schedules count batches: this one would be over after a quarter of the "
        "run.",
        "times": "{what} = {got} is four times the number of batches. Accumulation makes fewer "
        "updates, not more batches.",
        "one_epoch": "{what} = 50 is one epoch: this schedule would end with the first of the 100.",
        "batch": "{what} = 64 is the number of rows in a batch. How many batches are there?",
        "last": "{what} = {got}: every epoch has the smaller last batch, not only the last one.",
        "extra_batch": "{what} = {got} has a batch too many in each epoch: {one} of them, where "
        "the last one holds what is left of the rows.",
        "factor": "{what} = {got} is {seen}.",
        "other": "{what} = {got} does not fit. Batches in one epoch, the smaller last one too, "
        "times 100.",
    },
    hints=[
        "How many batches does `fit` make of 3,180 rows?",
        "3,180 / 64 is a little less than 50, and the last batch counts. For the second number "
        "look at what the cell above printed.",
        "`epochs_to_steps(100, rows=3180, batch_size=64)` for both",
    ],
    hints_for={"updates": "In the cell above, which counter did the schedule see: 8 or 2?"},
    why="3,180 rows make 50 batches of at most 64, 100 epochs make 5,000. With accumulation the "
    "weights move every fourth batch, and the schedule still counts each batch.",
    alternative="`epochs_to_steps(100, rows=3180, batch_size=64)` computes it.",
)
def decay_steps(plain, accumulating):
    for what, answer in (("plain", plain), ("accumulating", accumulating)):
        got = expect.number(answer, f"`{what}`")
        if got in (4999, 5000):  # 4999: the very last step is at 0 then
            continue
        named = {100: "epochs", 4900: "floor", 20_000: "times", 50: "one_epoch", 49: "one_epoch",
                 **dict.fromkeys((1200, 1225, 1242, 1242.1875, 1243, 1249, 1250, 1300), "updates"),
                 4968: "fraction", 4968.75: "fraction", 4969: "fraction", 64: "batch",
                 4901: "last", 5100: "extra_batch", 318_000: "rows", 3180: "rows"}  # fmt: skip
        key = next((k for value, k in named.items() if _near(got, value, 1e-6)), "other")
        found = expect.slips(got, 5000, n=4) if key == "other" else []
        if found in (["double"], ["half"]):
            raise Wrong("factor", what=f"`{what}`", got=got, seen=SEEN[found[0]])
        raise Wrong(key, what=f"`{what}`", got=got, one=51)


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Your budget is cut",
    messages={
        "unchanged": "at step 599, now the last one, the rate is still {got}: that is the cosine "
        "of the planned 1,000 steps. You would stop a run that is still hot.",
        "epochs": "at step 60 the rate is {got} already: it looks as if 50 and 10 epochs were "
        "counted as steps. An epoch has 10 steps here.",
        "over": "at step 500 the rate is {got}: your schedule was over before. The optimizer's "
        "counter stands at 500 and goes on from there; a new schedule does not set it back.",
        "jump": "at step 500 the rate jumps from 0.05 to {got}. Go on from the rate that the run "
        "has: a jump would undo progress, and there is no time to win it back.",
        "drop": "at step 500 the rate falls from 0.05 to {got} at once. It finishes cold, but the "
        "run loses its fast steps: go down from 0.05 over the 100 steps that are left.",
        "late_fall": "at step 550, the middle of the way that is left, the rate is still {got}. "
        "Steadily down means that it falls over all of the 100 steps.",
        "cliff": "the rate falls from {before} to {after} within three steps, at step {step}. Go "
        "down steadily.",
        "warm": "at step 599, the last one, the rate is still {got}. Finish cold: at most a "
        "fortieth of 0.05.",
        "wasted": "over the last 100 steps the rate is {got} on average: it is cold long before "
        "the end. Spread the way down over all 100 steps.",
        "rises": "the rate rises after step 500, to {got} at step {step}. Only go down from here.",
    },
    hints=[
        "Two stretches: what has been until step 500, and a way from 0.05 to 0 within 100 steps.",
        "`Join` puts schedules after each other; each one starts at its own step 0.",
        "`Join([CosineDecay(0.1, 1000), CosineDecay(..., ...)], boundaries=[500])`",
    ],
    hints_for={
        "over": "A second `CosineDecay` needs something that starts it at step 500: `Join` does."
    },
    why="The counter of the optimizer goes on. `Join` starts the second cosine at step 500, from "
    "the rate that the first one has reached, and 100 steps later it is cold.",
    alternative="a straight line, `PolynomialDecay(0.05, 100, 0.0)`, as second part is right too.",
)
def shortened(answer):
    rate = _reader(answer, "`shortened`")
    rates = np.array([rate(step) for step in range(500, 600, 3)])
    first, last = rates[0], rates[-1]
    if _near(first, 0.05, 0.01) and _near(last, 0.05 * (1 + np.cos(np.pi * 0.599)), 0.01):
        raise Wrong("unchanged", got=last)
    if first < 1e-4:
        hot = rate(60) > 1e-4
        raise Wrong("over" if hot else "epochs", got=first if hot else rate(60))
    if first > 0.055:
        raise Wrong("jump", got=first)
    if first < 0.04:
        raise Wrong("drop", got=first)
    rising = np.diff(rates) > 1e-4
    if rising.any():
        where = int(rising.argmax()) + 1
        raise Wrong("rises", got=rates[where], step=500 + 3 * where)
    if last > 0.05 / 40 * 1.01:
        raise Wrong("warm", got=last)
    if rates.mean() < 0.1 * 0.05:
        raise Wrong("wasted", got=float(rates.mean()))
    if np.diff(rates).min() < -0.02:
        where = int(np.diff(rates).argmin()) + 1
        raise Wrong("cliff", before=rates[where - 1], after=rates[where], step=500 + 3 * where)
    if rates[17] > 0.0475:  # at step 551
        raise Wrong("late_fall", got=rates[17])


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="A thousand steps of warmup",
    messages={
        "at_peak": "you say {got} for step 500: that is the peak, which comes at step 1,000.",
        "at_zero": "you say 0 for step 500. A rate of 0 belongs to step 0; by step 500 half of the "
        "warmup is done.",
        "at_other": "you say {got} for step 500. The warmup is a straight line from 0 at step 0 to "
        "0.0003 at step 1,000.",
        "integer": "you wrote the rate {got} as an integer. Keras then casts the other rates to "
        "integers too, and your schedule {result}. Its own documentation has this slip. Write a "
        "float: 0.0.",
        "hot": "step 0 has the rate {got}. The warmup starts from 0: that is what the first "
        "argument of `CosineDecay` says.",
        "flat": "the rate is 0 at step 0, at step 500 and at step 1,000. (A `CosineDecay` from 0.0 "
        "without `warmup_target` goes from 0 to 0.)",
        "peak": "at step 1,000 the rate is {got}; the warmup should reach 0.0003 there.",
        "too_long": "warmup and decay add up to {total} steps; the run has 100,000. In Keras "
        "`decay_steps` starts after the warmup, so the warmup must be taken off.",
        "too_short": "warmup and decay add up to {total} steps; the run has 100,000. Take the "
        "warmup off once.",
        "early_cosine": "the cosine begins under the warmup, at step {start}: at step {step} the "
        "rate is {got}, and not {wanted}. It should begin where the warmup ends.",
        "floor": "the rate ends at {got}. The recipe goes down to 0: what is `alpha`?",
        "straight": "from step 1,000 on the rate falls along a line. The recipe has a cosine, slow "
        "at both ends.",
        "stays": "from step 1,000 on the rate stays at {got}. Where is the cosine?",
        "bent": "within the warmup the rate is {got} at step {step}. It climbs along a straight "
        "line, by the same amount at each step.",
        "curve": "at step {step} the rate is {got}; warmup and half a cosine give {wanted}.",
    },
    hints=[
        "The warmup is a line, so half of it gives half of the peak.",
        "`CosineDecay` takes the rate at step 0, the steps of the decay alone, `warmup_target` and "
        "`warmup_steps`.",
        "`CosineDecay(0.0, 100_000 - ..., warmup_target=..., warmup_steps=...)`",
    ],
    hints_for={"too_long": "100,000 steps in all, 1,000 of them warmup: how many are left?"},
    why="Half of the warmup gives half of the peak. `decay_steps` counts the decay alone, and the "
    "rate at step 0 must be a float.",
    alternative="`Warmup(CosineDecay(3e-4, 99_000), warmup_steps=1000)` is the same schedule.",
)
def recipe(answer, at_500):
    number = expect.number(at_500, "`at_500`")
    if not _near(number, 1.5e-4):
        named = {3e-4: "at_peak", 0.0: "at_zero"}
        key = next((k for value, k in named.items() if _near(number, value)), "at_other")
        raise Wrong(key, got=number)
    rate = _reader(answer, "`recipe`")
    first = getattr(answer, "initial_learning_rate", 0.0)
    if isinstance(first, int) and type(answer).__module__.startswith("keras"):
        raise Wrong("integer", got=first, result=_what_happens(answer))
    if not _near(rate(0), 0.0) and rate(0) > 1e-6:
        raise Wrong("hot", got=rate(0))
    if max(rate(0), rate(500), rate(1000)) < 1e-9:
        raise Wrong("flat")
    if not _near(rate(1000), 3e-4):
        raise Wrong("peak", got=rate(1000))
    late = (20_000, 50_000, 90_000)
    seen = [rate(step) for step in late]

    def falls(wanted) -> bool:
        return np.allclose(seen, [wanted(step) for step in late], rtol=1e-4, atol=1e-9)

    for total in (101_000, 102_000, 99_000, 98_000):
        if falls(lambda step, total=total: _recipe(step, total)):
            raise Wrong("too_long" if total > 100_000 else "too_short", total=f"{total:,}")
    for start in (0, 500):
        for top in (3e-4, 3e-4 / _half_cosine(1000, start)):
            if falls(lambda step, start=start, top=top: top * _half_cosine(step, start)):
                got, wanted = rate(20_000), _recipe(20_000)
                raise Wrong("early_cosine", start=start, step="20,000", got=got, wanted=wanted)
    if falls(lambda step: 3e-4):
        raise Wrong("stays", got=rate(50_000))
    if falls(lambda step: 3e-4 * (100_000 - step) / 99_000):
        raise Wrong("straight")
    if rate(99_999) > 3e-6:
        raise Wrong("floor", got=rate(99_999))
    for step in (250, 500, 750):
        if abs(rate(step) - _recipe(step)) > 2e-3 * _recipe(step) + 3.1e-7:
            raise Wrong("bent", step=step, got=rate(step))
    for step in (250, 500, 1001, 10_000, 50_500, 90_000, 99_999):
        wanted = _recipe(step)
        slack = 3.1e-7 if step < 1000 else 3e-8  # some count the warmup from step 1
        if not np.isclose(rate(step), wanted, rtol=2e-3, atol=slack):
            raise Wrong("curve", step=f"{step:,}", got=rate(step), wanted=wanted)


def _half_cosine(step, start):
    return 0.5 * (1 + np.cos(np.pi * (step - start) / (100_000 - start)))


def _recipe(step, total=100_000):
    if step <= 1000:
        return 3e-4 * step / 1000
    return 1.5e-4 * (1 + np.cos(np.pi * (step - 1000) / (total - 1000)))


def _what_happens(schedule) -> str:
    try:
        return f"has the rate {float(schedule(1000)):.3g} at step 1,000"
    except Exception as error:  # of TensorFlow: it cannot multiply integers with fractions
        return f"stops with {type(error).__name__}"


# --------------------------------------------------------------------------------------------------

PEAK, ROWS, BATCH, EPOCHS = 0.08, 38, 4, 6  # ten steps an epoch, the last batch is smaller


@check.exercise(
    title="One cycle, both halves",
    messages={
        "pair": "return a pair: an optimizer and a list of callbacks (it may be empty). We got "
        "{got}.",
        "short": "the rate is over at step {step} of {total}: it stays below a thousandth of its "
        "peak from there on. Were epochs counted as steps?",
        "stops": "the rate stands still at {got} over the last {steps} of {total} steps: your "
        "cycle is so much too short. How many steps has this run, the smaller last batch of each "
        "epoch too?",
        "long": "at the last step the rate is still {got}, and it started at {first}. The cycle is "
        "made for a longer run than this one.",
        "warm_end": "the rate ends at {got}, and it started at {first}. One cycle ends far below "
        "its start: those cold steps are part of it.",
        "flat": "the rate is {got} at every step. One cycle starts low and climbs to {peak}.",
        "peak": "the highest rate is {got}; we asked for {peak}.",
        "no_warmup": "the highest rate comes at step {step} of {total}. One cycle climbs for about "
        "30 % of the run before it falls.",
        "ignored": "`optimizer.momentum` changes during the run, and the weights do not notice: "
        "they move with a momentum of {got} throughout. Keras's SGD reads the number once, when "
        "`fit` compiles the step.",
        "other_moves": "at step {step} the weight moved by {move}, after a move of {last}, at a "
        "rate of {rate} and a gradient of 1: no momentum from 0 to 1 gives that. We mean that of "
        "gradient descent.",
        "constant": "the rate makes its cycle, and the momentum is {got} at every step. It should "
        "fall while the rate climbs.",
        "together": "momentum rises together with the rate: {low} at the start, {high} at the "
        "peak. Where steps are long, old directions should count less: mirror it.",
        "range": "momentum goes from {start} over {low} to {end}; we asked for 0.95, 0.85, 0.95.",
        "lags": "the lowest momentum comes at step {step}, the highest rate at step {peak_step}. "
        "Both should turn together.",
    },
    hints=[
        "The rate is a schedule over all steps of the run. Which of the tools above takes a "
        "schedule for the momentum too?",
        "`rate = OneCycle(peak, total_steps=...)` knows its mirror, `rate.momentum()`.",
        "`ScheduledMomentumSGD(rate, momentum=rate.momentum())`, and `[]` for the callbacks",
    ],
    hints_for={
        "ignored": "The plain SGD cannot do it, whatever a callback assigns. "
        "`ScheduledMomentumSGD` can."
    },
    why="`ScheduledMomentumSGD` reads its momentum at every step. The mirrored schedule has the "
    "same peak step as the rate.",
    alternative="`ScheduledMomentumSGD` with a number, and a callback that assigns "
    "`optimizer.momentum` before each batch, does it too.",
    seconds=60,
)
def one_cycle(answer):
    expect.function(answer, "`one_cycle`")
    made = answer(PEAK, ROWS, BATCH, EPOCHS)
    if not isinstance(made, tuple | list) or len(made) != 2 or not hasattr(made[0], "apply"):
        raise Wrong("pair", got=made)
    optimizer, callbacks = made
    callbacks = expect.items(callbacks if callbacks is not None else [], 20, "the callbacks")
    rates, said, moves = _followed(optimizer, callbacks)
    total, top = len(rates), int(rates.argmax())
    if np.ptp(rates) < 1e-3 * PEAK:
        raise Wrong("flat", got=rates[0], peak=PEAK)
    cold = rates < PEAK / 1000
    if cold[total // 2 :].all():
        raise Wrong("short", step=int(cold[top:].argmax()) + top, total=total)
    still = int(np.argmax(np.abs(rates[::-1] - rates[-1]) > 1e-4 * PEAK))  # steps without a change
    if 2 < still < total // 2 and rates[-1] < rates[0] / 2:
        raise Wrong("stops", got=rates[-1], steps=still - 1, total=total)
    if rates[-1] > rates[0] and rates[-1] > PEAK / 5:
        raise Wrong("long", got=rates[-1], first=rates[0])
    if not _near(rates[top], PEAK, 0.03):
        raise Wrong("peak", got=rates[top], peak=PEAK)
    if not 0.15 * total < top < 0.55 * total:
        raise Wrong("no_warmup", step=top, total=total)
    if rates[-1] > rates[0] / 2:
        raise Wrong("warm_end", got=rates[-1], first=rates[0])
    momentum = _momentum(moves, rates, getattr(optimizer, "nesterov", False))
    odd = int(np.abs(momentum - 0.5).argmax())
    if not -0.05 < momentum[odd] < 1.02:
        values = {"move": moves[odd], "last": moves[odd - 1], "rate": rates[odd]}
        raise Wrong("other_moves", step=odd, **{k: round(float(v), 4) for k, v in values.items()})
    _explain_momentum(momentum, np.array(said, dtype="float64"), top)


def _momentum(moves, rates, nesterov):
    """Return the momentum of each step behind these moves; every gradient was 1.

    A velocity is v = m v' - rate, with v' the one before. The move is v, or m v - rate with
    Nesterov's, a quadratic equation for m.
    """
    found, last = [], -rates[0]
    for move, rate in zip(moves[1:], rates[1:], strict=True):
        m = (move + rate) / last
        if nesterov:
            m = (rate - np.sqrt(rate**2 + 4 * last * (move + rate))) / (2 * last)
        last = m * last - rate
        found.append(m)
    return np.array([found[0], *found])


def _explain_momentum(momentum, said, top):
    start, low, end = momentum[0], momentum[top], momentum[-1]
    moved = np.isfinite(said).all() and np.ptp(said) > 0.005
    # The smaller batches may be compiled later, with the momentum of that time.
    whole = momentum[np.arange(len(momentum)) % -(-ROWS // BATCH) != ROWS // BATCH]
    if np.ptp(whole if moved else momentum) < 0.005 or momentum.max() < 0.05:
        raise Wrong("ignored" if moved else "constant", got=abs(round(float(start), 2)))
    if low > max(start, end) + 0.005:
        raise Wrong("together", low=round(float(start), 3), high=round(float(low), 3))
    turn = int(momentum.argmin())
    if abs(turn - top) > 2 and momentum[top] - momentum[turn] > 0.005:
        raise Wrong("lags", step=turn, peak_step=top)
    if not np.allclose([start, low, end], [0.95, 0.85, 0.95], atol=0.006):
        numbers = {"start": start, "low": low, "end": end}
        raise Wrong("range", **{k: round(float(v), 3) for k, v in numbers.items()})


def _followed(optimizer, callbacks):
    """Train one weight whose gradient is 1; return rates, the momentum it says, and moves."""
    import keras

    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), dense])
    rates, said, places = [], [], [0.0]

    class Probe(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            rates.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
            momentum = getattr(optimizer, "momentum", np.nan)
            said.append(float(momentum) if not callable(momentum) else np.nan)

        def on_train_batch_end(self, batch, logs=None):
            if keras.backend.backend() == "jax":  # its weights are elsewhere within an epoch
                model.jax_state_sync()
            places.append(float(model.get_weights()[0][0, 0]))

    def steady(y_true, y_pred):
        return keras.ops.mean(y_pred, axis=-1)

    ones = np.ones((ROWS, 1), dtype="float32")
    with learner_code():
        model.compile(optimizer, loss=steady)
        model.fit(ones, ones, batch_size=BATCH, epochs=EPOCHS, verbose=0,
                  callbacks=[*callbacks, Probe()])  # fmt: skip
    return np.array(rates), said, np.diff(places)


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_noise",
    reasons={
        "a": "Long steps cover the distance, short ones average the noise away. One after the "
        "other gets both.",
        "b": "Its floor is low, and it has not got there: 150 short steps do not reach it.",
        "c": "It is the fastest at first. But each of its steps follows the noise too, so that it "
        "keeps jumping around the best place: it ends on a high floor.",
    },
    answer="a",
)
check.prediction(
    "predict_warmup",
    reasons={
        "a": "Adam does scale each step, but its first estimates come from a handful of batches, "
        "and at the large rate those steps move every weight far.",
        "b": "With warmup the large rate trains, though the small one ends lower still; without "
        "it the runs stay far above both.",
        "c": "Warmup does shorten the first steps. At the large rate they decide whether the runs "
        "learn more than frequencies at all.",
    },
    answer="b",
)
check.prediction(
    "predict_plateau",
    reasons={
        "a": "The callback writes to `optimizer.learning_rate` when its patience is over. Only "
        "then Keras finds that a schedule owns it.",
        "b": "A check at the start would be kind. There is none: nothing looks at the pair until "
        "the callback wants to write.",
        "c": "Two hands on one wheel: the optimizer has one rate, and the schedule owns it.",
    },
    answer="a",
)
check.question(
    "quiz_1",
    "`PiecewiseConstantDecay([100], [0.1, 0.01])`: which rate has step 100?",
    options={
        "a": ("0.1", "The boundary belongs to the old rate: 101 steps have 0.1."),
        "b": ("0.01", "That comes at step 101. To change at step 100, write 99."),
    },
    answer="a",
)
check.question(
    "quiz_2",
    "You train with a cosine over 50 epochs and stop after 25, because time is up. What is wrong?",
    options={
        "a": ("nothing: the best part is over", "The rate is still at half of its peak."),
        "b": (
            "the run never had its cold steps",
            "A schedule belongs to its length. Plan 25 epochs, or bend the rest down.",
        ),
        "c": ("the rate was too low", "Until the middle it is above half of the peak."),
    },
    answer="b",
)
check.question(
    "quiz_3",
    "Your one-cycle run beats a constant rate. The cycle's peak was chosen from nine runs, the "
    "constant is Keras's default. What do you know?",
    options={
        "a": ("one cycle is better here", "Nine runs against one: the search alone may do that."),
        "b": ("the default is too low", "Perhaps. This comparison cannot tell."),
        "c": (
            "too little: give the constant nine runs too",
            "Tuning is part of the cost. Compare at equal budgets, over seeds.",
        ),
    },
    answer="c",
)
check.question(
    "quiz_4",
    "From the optimizer lesson: Adam's gradients are all multiplied by 1,000. Its first step ...",
    options={
        "a": ("is 1,000 times longer", "That is SGD."),
        "b": ("stays as long", "Adam divides by the gradients' own size: the first step is the "
              "rate."),
        "c": ("is 1,000 times shorter", "It divides by the size once, and the size cancels."),
    },
    answer="b",
)  # fmt: skip
check.question(
    "quiz_5",
    "From the training loop: 1,000 rows in batches of 32. How many steps does a schedule count in "
    "two epochs?",
    options={
        "a": ("62", "The last batch of each epoch is smaller, and it is a step."),
        "b": ("2", "Epochs. Schedules in Keras count steps."),
        "c": ("64", "32 steps an epoch: 31 full batches and one of 8 rows."),
    },
    answer="c",
)
check.card(
    "Why change the rate during a run?",
    "Long steps cover distance, short ones average the noise of the batches away. A constant rate "
    "has to choose.",
)
check.card(
    "Which unit does a Keras schedule count in, with and without gradient accumulation?",
    "Batches, in both cases. Epochs times batches an epoch, the smaller last batch too.",
)
check.card(
    "A falling rate quiets the noise at the end. What else does?",
    "A mean of the weights over many steps: EMA, or the mean of the last ones. It costs a second "
    "copy of the weights.",
)
check.card(
    "Cosine annealing: does the rate come back up?",
    "`CosineDecay` only falls. With warm restarts (SGDR, `CosineDecayRestarts`) it jumps back up. "
    "Both are called cosine annealing: say which.",
)
check.card(
    "How long should warmup be?",
    "Published numbers run from a few hundred steps to tens of thousands; 1 to 10 % of the run is "
    "common. It lets larger rates train. Pre-LN transformers are said to need less than post-LN.",
)
check.card(
    "One cycle: what do rate and momentum do?",
    "The rate climbs for about 30 % of the run, then falls far below its start. Momentum mirrors "
    "it: high, low, high.",
)
check.card(
    "`ReduceLROnPlateau` beside a schedule object?",
    "TypeError, as late as the first plateau. One of them owns the rate: with the callback give "
    "the optimizer a number.",
)
check.card(
    "What does the integer 0 do in `CosineDecay(0, ...)`?",
    "Keras casts the other numbers to integers: with a warmup it crashes on TensorFlow, and stays "
    "at 0 on JAX. `ExponentialDecay(1, ...)` falls to 0 without a word. Write rates as floats.",
)
