"""Sharding: checks, hints, quiz and cards."""

import numpy as np

from coursekit.distribution.roofline import CHIPS, held_bytes, most_parts, step_time
from coursekit.exercises import Lesson, Wrong, expect

check = Lesson("sharding", "What if it does not fit on one device?")

__all__ = ["check", "draw_roofline", "draw_step", "pipeline", "stages_of"]


# The lesson's figures -----------------------------------------------------------------------------


def stages_of(name: str, parameters: float, n: int) -> str:
    """Say what each of n devices holds at ZeRO's stages, in megabytes."""
    held = [f"{held_bytes(parameters, n, stage) / 1e6:,.1f}" for stage in range(4)]
    return f"{name:13}, {n:2} devices, stages 0 to 3: {'; '.join(held)} MB each"


def pipeline(stages: int, micro_batches: int) -> dict:
    """Return who does what when: forward passes F, then backward passes B, a slot each."""
    from coursekit import plots

    lanes = {}
    for stage in range(stages):
        forward = [(stage + k, 1, f"F{k + 1}", plots.COMPARE[0]) for k in range(micro_batches)]
        start = micro_batches + stages - 1 + (stages - 1 - stage)
        backward = [(start + k, 1, f"B{k + 1}", plots.COMPARE[1]) for k in range(micro_batches)]
        lanes[f"stage {stage + 1}"] = forward + backward
    return lanes


def draw_roofline(chips):
    """Draw the operations a second of a dense layer, at most, against the rows of its input."""
    from coursekit import plots

    rows = np.geomspace(1, 1e4, 200)
    words = {"x": "rows of the input", "y": "operations a second, at most"}
    fig, ax = plots.figure("Few rows leave a chip waiting for its memory", **words)
    for chip, style in zip(chips, plots.COMPARE, strict=False):
        reached = np.minimum(chip.operations, 2 * rows * chip.memory_speed / 2)
        plots.curve(ax, reached, style, rows, label=chip.name)
        ax.axvline(chip.rows_for_memory, color=style.color, lw=0.8, ls=":")
    ax.set(xscale="log", yscale="log")
    ax.legend()
    return fig


def draw_step(time):
    """Draw a step of sharded data parallelism: what the chip computes, and what travels."""
    from coursekit import plots

    gather = time.messages / 3
    turn = max(time.forward, gather)
    compute = [(0, time.forward, "forward", plots.COMPARE[0])]
    compute += [(turn, time.backward, "backward", plots.COMPARE[0])]
    travel = [(0, gather, "weights", plots.COMPARE[1]), (turn, gather, "weights", plots.COMPARE[1])]
    travel += [(turn + gather, gather, "gradients", plots.COMPARE[1])]
    fig, ax = plots.figure("One step of one chip", x="milliseconds, at least", height=1.7)
    scaled = {
        name: [
            (1e3 * start, 1e3 * length, word if length > time.step / 12 else "", style)
            for start, length, word, style in work
        ]
        for name, work in {"computes": compute, "links": travel}.items()
    }
    plots.timeline(ax, scaled, end=1e3 * time.step)
    return fig


# --------------------------------------------------------------------------------------------------

SIZE, DEVICES, ROOM = 3e9, 8, 16e9  # of the exercise


@check.exercise(
    title="Bytes on each device",
    messages={
        "all_sharded": "for {n} devices at stage {stage} you get 16 bytes over {n} for each "
        "parameter: everything spread. That is stage 3; the earlier ones keep something whole.",
        "nothing": "at stage {stage} on {n} devices you get 16 bytes for each parameter: nothing "
        "is spread.",
        "reversed": "at stage {stage} you get what another stage gives: stage 1 spreads the "
        "optimizer's 12 bytes, stage 2 the gradient's 2 as well, stage 3 all.",
        "fixed_n": "for {n} devices at stage {stage} you get what {other} devices would hold: is "
        "`n` used?",
        "fewer": "for {n} devices at stage {stage} you get what {other} would hold. All {n} share, "
        "the device itself among them.",
        "small_first": "at stage 1 on {n} devices you get {got} bytes for each parameter: you "
        "spread 2 bytes. The largest part comes first.",
        "one_part": "at stage {stage} on {n} devices you get {got} bytes for each parameter. One "
        "way to get this is to spread the part of this stage alone: the parts of the earlier "
        "stages stay spread.",
        "in_all": "at stage {stage} you get what all {n} devices hold together. We ask for one.",
        "bits": "you return {got}: eight times too much. A byte has eight bits.",
        "moments": "at stage {stage} on {n} devices you get {got} bytes for each parameter. One "
        "way to get this is to spread only Adam's two moments, 8 bytes. The 32-bit copy of the "
        "weight belongs to the optimizer's state, too.",
        "one_only": "at stage {stage} on {n} devices you get {got} bytes for each parameter. One "
        "way to get this is to spread one part and lose the others: what is not spread is whole "
        "on each device.",
        "giga": "you return {got} for {parameters} parameters: is that in GB or MB? We asked for "
        "bytes.",
        "per_parameter": "you return {got}, for one parameter; there are {parameters}.",
        "over_n": "you get the right bytes over n once more. What one device holds is no mean.",
        "other": "at stage {stage} on {n} devices you get {got} bytes for each parameter. Write "
        "down the three parts, 2 + 2 + 12, and which of them stage {stage} divides by n.",
        "type_of_stage": "`lowest` is {got}: a stage is 0, 1, 2 or 3.",
        "too_low": "at stage {got} each device holds more than 16 GB for 3 billion parameters: "
        "call your own function.",
        "too_high": "stage {got} fits, but it is not the lowest that does: each stage more costs "
        "messages, or nothing gained. Call your own function for the stage below.",
    },
    hints=[
        "Three parts: weight 2, gradient 2, the optimizer's 12. Each stage divides one more part "
        "by n, from the last to the first.",
        "stage 0: 2 + 2 + 12; stage 1: 2 + 2 + 12 / n; and so on. Times the parameters.",
        "`per = {0: 16, 1: 4 + 12 / n, 2: 2 + 14 / n, 3: 16 / n}[stage]`",
    ],
    hints_for={"too_low": "`[held(3e9, 8, stage) / 1e9 for stage in range(4)]`"},
    why="Stage 1 spreads the 12, stage 2 the gradients too, stage 3 all. With 3 billion parameters "
    "on 8 devices that is 48, 16.5, 11.25 and 6 GB: stage 1 misses by half a gigabyte.",
    alternative="count what is whole: `whole = (16, 4, 2, 0)[stage]`, then "
    "`parameters * (whole + (16 - whole) / n)`.",
)
def held(answer, lowest):
    expect.function(answer, "`held`")
    for parameters, n, stage in [(3e9, 1, 0), (3e9, 5, 1), (2e9, 8, 2), (5e8, 64, 3), (1e9, 4, 0),
                                 (1e9, 16, 1), (1e9, 16, 2), (3e9, 7, 3)]:  # fmt: skip
        got = expect.number(answer(parameters, n, stage), "what `held` returns")
        right = held_bytes(parameters, n, stage)
        if not np.isclose(got, right, rtol=5e-3):
            raise _other_bytes(got, right, parameters, n, stage)
    got = expect.numeral(lowest, "`lowest`")
    if got not in (0, 1, 2, 3):
        raise Wrong("type_of_stage", got=got)
    fits = [held_bytes(SIZE, DEVICES, stage) <= ROOM for stage in range(4)]
    if not fits[int(got)]:
        raise Wrong("too_low", got=int(got))
    if got > fits.index(True):
        raise Wrong("too_high", got=int(got))


def _other_bytes(got, right, parameters, n, stage) -> Wrong:
    told = {"parameters": parameters, "n": n, "stage": stage}
    for key, factor in (("giga", 1e-9), ("giga", 2.0**-30), ("giga", 1e-6), ("bits", 8),
                        ("per_parameter", 1 / parameters), ("over_n", 1 / n),
                        ("in_all", n)):  # fmt: skip
        if factor != 1 and np.isclose(got, right * factor, rtol=5e-3):
            return Wrong(key, got=got, **told)
    each = got / parameters
    for key, other in (("fixed_n", 8), ("fixed_n", 64), ("fewer", n - 1)):
        if stage and other not in (0, n) and np.isclose(each, held_bytes(1, other, stage)):
            return Wrong(key, other=other, **told)
    others = [held_bytes(1, n, k) for k in range(4) if k != stage]
    alone = [part / d for part in (2, 4, 12, 14, 16) for d in (1, n) if n > 1]
    named = {"all_sharded": [16 / n], "nothing": [16.0], "reversed": others}
    named |= {"moments": [8 + 8 / n, 6 + 10 / n, 4 + 4 + 8 / n], "one_only": alone}
    if stage:
        named |= {"small_first" if stage == 1 else "one_part": [14 + 2 / n]}
    for key, values in named.items():
        if any(np.isclose(each, value, rtol=5e-3) for value in values):
            return Wrong(key, got=each, **told)
    return Wrong("other", got=each, **told)


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="How many micro-batches?",
    messages={
        "zero": "a bubble of 0 would need devices that never wait. The last stage waits for the "
        "first at the start, and the first for the last at the end.",
        "three_quarters": "75 % is the bubble of one whole batch, without micro-batches: (4 - 1) / "
        "4. We cut it into 8.",
        "ideal": "{got} counts the idle slots over the *busy* ones, as some papers do. We asked "
        "for the share of all slots: (p - 1) / (m + p - 1).",
        "share": "`bubble` = {got}. A stage works in 8 of how many slots? Count along one line of "
        "the picture, or put p = 4 and m = 8 into the formula.",
        "busy": "{got} is the share of the slots in which a stage *works*. The bubble is the rest.",
        "off_by_one": "`bubble` = {got}: one slot is counted too much or too little, above or "
        "below the line. How many slots does a stage wait, and how many does it work?",
        "swapped": "`bubble` = {got}: that is for 8 stages and 4 micro-batches.",
        "both_halves": "`bubble` = {got}. One way to get this is to count the idle slots of both "
        "halves over the slots of one.",
        "percent": "`bubble` = {got}: a share of the slots lies between 0 and 1 (or 100 %).",
        "too_few": "with {got} micro-batches the bubble is {bubble} of the slots: more than a "
        "tenth.",
        "too_many": "{got} micro-batches are enough, and not the fewest: one less leaves a bubble "
        "of {bubble}, still at most a tenth.",
        "over_busy": "30 micro-batches are enough, and not the fewest. One way to get this is 3 / "
        "m: idle slots over busy ones, not over all.",
        "whole": "`micro_batches` = {got}: we need a whole number, at least 1.",
    },
    hints=[
        "Count one line of the picture: how many slots are hatched, and how many are there in all?",
        "Half of the picture is enough, forward or backward: m slots of work, p - 1 of waiting.",
        "`3 / (8 + 3)`; then try m until `3 / (m + 3)` is at most 0.1",
    ],
    why="Each stage works in m of m + p - 1 slots: 3 of 11 are idle for p = 4 and m = 8. At most a "
    "tenth asks for 3 / (m + 3) <= 0.1, which is m >= 27.",
    alternative="`next(m for m in range(1, 100) if 3 / (m + 3) <= 0.1)`; mind the rounding at 27.",
)
def pipeline_bubble(bubble, micro_batches):
    got = expect.numeral(bubble, "`bubble`")
    if not 0 <= got <= 100:
        raise Wrong("percent", got=got)
    share = got / 100 if got > 1 else got  # in per cent
    if not np.isclose(share, 3 / 11, atol=5e-3):  # 0.27 will do
        named = {0.0: "zero", 0.75: "three_quarters", 0.375: "ideal", 8 / 11: "busy"}
        named |= dict.fromkeys((3 / 12, 4 / 11, 4 / 12, 2 / 11, 3 / 10, 2 / 10), "off_by_one")
        named |= {7 / 11: "swapped", 6 / 11: "both_halves"}
        keys = (key for value, key in named.items() if np.isclose(share, value, atol=5e-3))
        raise Wrong(next(keys, "share"), got=got)
    got = expect.numeral(micro_batches, "`micro_batches`")
    if got != int(got) or got < 1:
        raise Wrong("whole", got=got)
    if got < 27:
        raise Wrong("too_few", got=got, bubble=round(3 / (got + 3), 3))
    if got > 27:
        key = "over_busy" if got == 30 else "too_many"
        raise Wrong(key, got=got, bubble=round(3 / (got - 1 + 3), 3))


# --------------------------------------------------------------------------------------------------

H100 = CHIPS["H100"]
BETWEEN = 5e10  # bytes a second of an H100 to other machines: 400 Gbit


@check.exercise(
    title="From how many rows on?",
    messages={
        "inverse": "{what} is {got}: link over operations, the other way round. The faster the "
        "chip, the more rows it needs to be busy while a message travels.",
        "forward": "{what} is {got}, {seen} as it takes. Both sides have a 4: the backward pass "
        "takes 4 operations for each parameter and row, and a ring sends 2 bytes of each parameter "
        "twice.",
        "memory": "{what} is {got}: that is operations over the speed of the chip's *memory*. The "
        "messages go through its links.",
        "swapped": "you have the two the other way round: a slower link needs more rows, not "
        "fewer.",
        "same": "{what} is {got}, as for the other. Inside a machine each H100 sends 450 GB a "
        "second, between machines 50.",
        "bits": "{what} is {got}. One way to get this is to take 400 Gbit for bytes: a byte has "
        "eight bits.",
        "units": "{what} is {got}: the right digits, a power of a thousand off. A trillion is a "
        "thousand billions, each a thousand millions.",
        "chips": "{what} is {got}, {seen}. One way to get this is to count all the chips, or bits "
        "for bytes: the rows are those on each chip.",
        "both_ways": "{what} is {got}. One way to get this is a link of 900 GB a second, which "
        "counts both directions; a ring sends in one.",
        "parameters": "{what} is {got}, which is far off. The number of parameters, and of chips, "
        "stands on both sides and cancels.",
        "rows": "{what} is {got}. At how many rows is 4 rows P / operations as long as 4 P / link?",
    },
    hints=[
        "Write down both times for P parameters, and set them equal. What cancels?",
        "4 rows P / operations = 4 P / link_speed",
        "`989e12 / 450e9` rows, and the same with 50e9",
    ],
    why="4 rows P / operations = 4 P / link: P cancels, and rows = operations / link. Inside a "
    "machine that is some 2,200 rows for each H100, between machines nine times as many.",
    alternative="`CHIPS['H100'].rows_for_links`; with `dataclasses.replace(chip, link_speed=5e10)` "
    "for the second.",
)
def rows_needed(inside, between):
    right = {"inside": H100.operations / H100.link_speed, "between": H100.operations / BETWEEN}
    given = {"inside": inside, "between": between}
    got = {name: expect.numeral(value, f"`{name}`") for name, value in given.items()}

    def is_near(value, wanted):
        return np.isclose(value, wanted, rtol=0.02, atol=0)

    if is_near(got["inside"], right["between"]) and is_near(got["between"], right["inside"]):
        raise Wrong("swapped")
    for name, wanted in right.items():
        value, told = got[name], {"what": f"`{name}`", "got": got[name]}
        if is_near(value, wanted):
            continue
        if value > 0 and any(is_near(1 / value, wanted * unit) for unit in (1, 2, 0.5, 4, 0.25)):
            raise Wrong("inverse", **told)
        if is_near(value, H100.operations / H100.memory_speed):
            raise Wrong("memory", **told)
        if is_near(got["inside"], got["between"]):
            raise Wrong("same", **told)
        if name == "between" and is_near(value, H100.operations / 4e11):
            raise Wrong("bits", **told)
        if any(is_near(value, wanted * 1e3**power) for power in (-4, -3, -2, -1, 1, 2, 3, 4)):
            raise Wrong("units", **told)
        if name == "inside" and is_near(value, wanted / 2):
            raise Wrong("both_ways", **told)
        factors = {0.5: "half as many", 2: "twice as many", 4: "four times as many",
                   0.25: "a quarter as many", 1.5: "half as many again", 6: "six times as many",
                   2 / 3: "two thirds as many"}  # fmt: skip
        for factor, seen in factors.items():
            if is_near(value, factor * wanted):
                raise Wrong("forward", seen=seen, **told)
        for chips in (8, 64):
            for factor, seen in ((chips, f"times {chips}"), (1 / chips, f"divided by {chips}")):
                if is_near(value, factor * wanted):
                    raise Wrong("chips", seen=f"the right one {seen}", **told)
        far = value <= 0 or not 1e-3 < value / wanted < 1e3
        raise Wrong("parameters" if far else "rows", **told)


# --------------------------------------------------------------------------------------------------

V5E, PARAMETERS, HIDDEN, TOKENS, CHIPS_OF_ALL = CHIPS["TPU v5e"], 13e9, 16_384, 65_536, 64


@check.exercise(
    title="Decide a layout",
    messages={
        "keys": '`layout` needs "tensor", "data" and "weights"; it has {got}.',
        "whole": "{what} is {got}: a whole number of parts, at least 1.",
        "product": "{tensor} parts of each layer times {data} of the batch are {product} chips. "
        "There are 64, each with a part of both.",
        "memory": '"whole": each chip would hold its part of the layers with gradients and Adam\'s '
        "numbers, {held} GB. It has 16.",
        "waits": "memory is fine. With {tensor} part{s} of each layer, {rows} rows go through each "
        "copy of the weights: computing takes {compute} ms of a step, the weights' messages "
        "{messages} ms. The chips wait. Who can make the rows of a copy more?",
        "too_many": "with {tensor} parts of each layer the rows suffice. But these parts are so "
        "narrow that their own messages take longer than they compute: the limit is {limit} parts "
        "for this width and chip.",
    },
    hints=[
        "Three limits: the memory of a chip; the rows of a copy of the weights, at least "
        "`rows_for_links`; the parts of a layer, at most `most_parts`.",
        "`tensor` parts work on the same rows: a copy gets `65_536 * tensor / 64` of them.",
        "rows for the links: 2,189; a layer: at most 7.5 parts. Try 1, 2, 4, 8.",
    ],
    why="One part leaves 1,024 rows a copy and two leave 2,048: both below 2,189. Eight are beyond "
    "the 7.5 parts of such a layer. Four give 4,096 rows. And 13 billion parameters, 208 GB, have "
    "to be spread over the data's parts, too.",
    alternative="none with these chips; with twice the batch, two parts would do as well.",
)
def decide_layout(layout):
    if not isinstance(layout, dict):
        raise Wrong("type", what="`layout`", wanted="a dict", got=layout)
    if set(layout) != {"tensor", "data", "weights"}:
        raise Wrong("keys", got=sorted(map(str, layout)))
    parts = {}
    for name in ("tensor", "data"):
        parts[name] = expect.numeral(layout[name], f"`{name}`")
        if parts[name] != int(parts[name]) or parts[name] < 1:
            raise Wrong("whole", what=f"`{name}`", got=parts[name])
    tensor, data = int(parts["tensor"]), int(parts["data"])
    weights = expect.choice(layout["weights"], ("whole", "sharded"), "`weights`")
    if tensor * data != CHIPS_OF_ALL:
        raise Wrong("product", tensor=tensor, data=data, product=tensor * data)
    held_here = held_bytes(PARAMETERS / tensor, data, 3 if weights == "sharded" else 0)
    if held_here > V5E.memory:
        raise Wrong("memory", held=round(held_here / 1e9))
    rows = TOKENS // data
    time = step_time(V5E, PARAMETERS / tensor, rows, data, "sharded" if data > 1 else "data")
    limit = most_parts(V5E, HIDDEN)
    if tensor > limit:
        raise Wrong("too_many", tensor=tensor, limit=round(limit, 1))
    if rows < V5E.rows_for_links:
        told = {"compute": round(1e3 * (time.forward + time.backward)), "rows": rows}
        told |= {"messages": round(1e3 * time.messages), "s": "s" * (tensor > 1)}
        raise Wrong("waits", tensor=tensor, **told)


# --------------------------------------------------------------------------------------------------

WAYS = {
    "one device": ["one", "single device", "one GPU", "a single GPU", "no split", "none"],
    "data": ["data parallelism", "data parallel"],
    "zero": ["FSDP", "sharded data parallelism"]
    + [f"ZeRO {word}{stage}" for word in ("", "stage ") for stage in (1, 2, 3)],
    "tensor": ["tensor parallelism", "tensor parallel"],
    "pipeline": ["pipeline parallelism", "pipeline parallel"],
    "federated": ["federated learning", "federated averaging"],
}
RIGHT_WAYS = {
    "digits": "one device",
    "photos": "data",
    "chat": "zero",
    "wide": "tensor",
    "deep": "pipeline",
    "phones": "federated",
}


@check.exercise(
    title="Which way to split?",
    messages={
        "keys": "`ways` needs a word for each of {wanted}; it has {got}.",
        "small": '`digits`: "{got}" would spend its time on messages. Model and data fit into one '
        "device with room to spare.",
        "alone": '`{case}`: "one device" is not enough. {reason}',
        "photos": '`photos`: not "{got}". The model takes 1.6 GB and fits on each device: nothing '
        "of it has to be split. What there is too much of is rows.",
        "chat": '`chat`: not "{got}". Weights, gradients and Adam\'s numbers take 24 GB, more than '
        "one device has. Every layer fits, and the model's code shall stay: what can be spread "
        "without touching it?",
        "wide": '`wide`: "{got}" computes each layer as a whole on some device, and one layer '
        "alone is too large for that. The operation itself must be split.",
        "deep_whole": '`deep`: "{got}" keeps the whole model on each device. Its weights alone '
        "take 20 GB, and a device has 16.",
        "deep": '`deep`: "{got}" sends weights or parts of every layer through a slow network in '
        "each step. Which way sends only what passes from one layer to the next?",
        "phones": '`phones`: "{got}" brings the rows to the devices of a data centre. These rows '
        "must stay where they are.",
    },
    hints=[
        "What is too large, or must not move: nothing, the rows, the state, one layer, all layers?",
        "16 bytes for each parameter: 0.1 billion take 1.6 GB, 1.5 billion take 24.",
        "`digits` needs nothing; `photos` has too many rows; `chat` too much state; `wide` one "
        "layer too large; `deep` too many layers and a slow network.",
    ],
    why="Split what is too large, and no more: rows (data), the state beside them (ZeRO), one "
    "operation (tensor), the chain of layers (pipeline). Each split costs messages.",
    alternative="real runs combine them: tensor inside a machine, pipeline between machines, data "
    "over all. For `chat` a pipeline would fit too, at the price of splitting the model by hand.",
)
def split_ways(answer):
    if not isinstance(answer, dict):
        raise Wrong("type", what="`ways`", wanted="a dict", got=answer)
    if set(answer) != set(RIGHT_WAYS):
        raise Wrong("keys", wanted=sorted(RIGHT_WAYS), got=sorted(map(str, answer)))
    alone = {
        "photos": "It would see all ten million photographs alone, with seven others idle.",
        "chat": "Its state takes 24 GB, and a device has 16.",
        "wide": "The weights of one layer take 24 GB, and a device has 16.",
        "deep": "Its weights alone take 20 GB, and a device has 16.",
        "phones": "The rows are spread over phones, and stay there.",
    }
    for case, right in RIGHT_WAYS.items():
        got = expect.name(answer[case], WAYS, f"the way for {case}")
        if got == right:
            continue
        if case == "digits":
            raise Wrong("small", got=got)
        if got == "one device":
            raise Wrong("alone", case=case, reason=alone[case])
        if case == "deep" and got in ("data", "federated"):
            raise Wrong("deep_whole", got=got)
        raise Wrong(case, got=got)


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_rows",
    reasons={
        "a": "There is twice as much to send. There is twice as much to compute, too.",
        "b": "Both times grow with the parameters, and their ratio does not: only the rows, the "
        "operations a second and the bytes a second are left.",
        "c": "More parameters make more work for each row, and as many more bytes.",
    },
    answer="b",
)
check.prediction(
    "predict_tpu",
    reasons={
        "a": "Text, yes: a TPU has no such type. And not only text.",
        "b": "It has no type for text, and a program has one shape. Products in float16 it takes: "
        "bfloat16 is the better choice there for another reason, it needs no loss scaling.",
        "c": "Text and the unknown size, yes. Products in float16 it takes. (One call of JAX asks "
        "for an algorithm by name that a TPU has not got: that call is refused, the type is not.)",
    },
    answer="b",
)
check.question(
    "quiz_1",
    "A chip gets twice as fast, its links stay. Your data parallel run had just as many rows as "
    "its messages need. What now?",
    options={
        "a": ("it needs twice the rows on each chip", "Operations over link speed has doubled: "
              "with the old rows the step takes as long as before."),
        "b": ("it runs twice as fast", "The messages take as long as before, and now it waits."),
        "c": ("it needs half the rows", "A faster chip is done earlier, and waits longer."),
    },
    answer="a",
)  # fmt: skip
check.question(
    "quiz_2",
    "ZeRO keeps a share of the weights, gradients and optimizer state on each device. Which kind "
    "of parallelism is it?",
    options={
        "a": ("model parallelism", "It is often filed there. But no device computes a part of the "
              "model only: each has rows of its own, and all of the layers."),
        "b": (
            "data parallelism",
            "Each device computes the whole model on rows of its own, and fetches the weights that "
            "it lacks when their layer comes.",
        ),
        "c": ("a pipeline", "There are no stages: every device runs every layer."),
    },
    answer="b",
)  # fmt: skip
check.question(
    "quiz_3",
    "A layer is split by columns, and the next one by rows. How often must the chips add up?",
    options={
        "a": ("after each of the two", "Columns need no sum: their results lie side by side, just "
              "where the rows of the next layer want them."),
        "b": ("never", "Each chip has a part of the second layer's sum."),
        "c": ("once, after the second", "Columns give each chip the inputs of its own rows; what "
              "comes out of the rows is added up."),
    },
    answer="c",
)  # fmt: skip
check.question(
    "quiz_4",
    "From the distribution lesson: two replicas, `batch_size=64`. How many rows does each get?",
    options={
        "a": ("32", "It is global: divided by the replicas."),
        "b": ("64", "`batch_size` counts the rows of all."),
        "c": ("128", "That would be twice as many as there are."),
    },
    answer="a",
)
check.question(
    "quiz_5",
    "From the precision lesson: which of these does mixed precision halve in Keras?",
    options={
        "a": ("the 16 bytes of a parameter", "Weight, gradient and moments stay in float32."),
        "b": ("the activations", "What layers hand on is in 16 bits."),
        "c": ("both", "Parameters keep their 16 bytes."),
    },
    answer="b",
)
check.card(
    "From how many rows a chip on do the messages of data parallelism hide?",
    "Operations a second over bytes a second of its links, whatever the model: 4 rows P / C is 4 P "
    "/ W. TPU v5e: about 2,200; H100: 2,200 inside a machine, 20,000 between machines.",
)
check.card(
    "From how many rows on is a dense layer limited by computing, not by memory?",
    "Operations a second over bytes a second of the memory, in 16 bits: 240 for a TPU v5e, 300 for "
    "an H100.",
)
check.card(
    "Into how many parts may a layer be split (tensor parallelism)?",
    "Hidden width times link speed over operations: 7 for a width of 16,384 on v5e. Beyond it the "
    "parts send longer than they compute.",
)
check.card(
    "Pipeline with p stages and m micro-batches: the bubble?",
    "(p - 1)/(m + p - 1) of all slots are idle.",
)
check.card(
    "What does ZeRO save?",
    "16 bytes for each parameter with Adam in mixed precision. Stage 1 shards the optimizer's "
    "state: 4 + 12/N; stage 2 the gradients too: 2 + 14/N; stage 3 all: 16/N.",
)
check.card(
    "What does a TPU want of your code?",
    "Batches of one shape (`drop_remainder=True`), no text, large matrices; bfloat16, which needs "
    "no loss scaling (float16 is accepted). On Colab's TPU: Keras on JAX.",
)
