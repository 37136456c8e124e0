"""Right answers of several kinds, and what each wrong one is told."""

import numpy as np
import pytest
from answers import row

from coursekit.distribution.roofline import CHIPS, held_bytes, step_time
from coursekit.lessons.sharding import check, draw_roofline, draw_step, pipeline

WAYS = {
    "digits": "one device",
    "photos": "data",
    "chat": "zero",
    "wide": "tensor",
    "deep": "pipeline",
    "phones": "federated",
}


def held(parameters, n, stage):
    whole = (16, 4, 2, 0)[stage]
    return parameters * (whole + (16 - whole) / n)


def by_parts(parameters, n, stage):
    parts = [2 / n if stage > 2 else 2, 2 / n if stage > 1 else 2, 12 / n if stage > 0 else 12]
    return np.float32(parameters) * sum(parts)


def table(per):
    """Bytes for each parameter at the four stages."""
    return lambda parameters, n, stage: parameters * per(n)[stage]


def layout(tensor=4, data=16, weights="sharded"):
    return {"tensor": tensor, "data": data, "weights": weights}


IN, OUT = 989e12 / 450e9, 989e12 / 50e9

ANSWERS = [
    row("held", "ok", held, 2),
    row("held", "alternative", by_parts, 2.0),
    row("held", "alternative", held_bytes, np.int64(2)),
    row("held", "alternative", table(lambda n: [16, 4 + 12 / n, 2 + 14 / n, 16 / n]), "2"),
    row("held", "todo", lambda parameters, n, stage: ..., ...),
    row("held", "todo", held, ...),
    row("held", "all_sharded", lambda p, n, stage: 16 * p / n if stage else 16 * p, 2),
    row("held", "nothing", lambda p, n, stage: 16 * p, 2),
    row("held", "nothing", table(lambda n: [16, 16, 4 + 12 / n, 2 + 14 / n]), 2),
    row("held", "reversed", table(lambda n: [16, 2 + 14 / n, 4 + 12 / n, 16 / n]), 2),
    row("held", "reversed", lambda p, n, stage: held(p, n, 3 - stage) if stage else 16 * p, 2),
    row("held", "nothing", lambda p, n, stage: held(p, n, max(stage - 1, 0)), 2),
    row("held", "moments", table(lambda n: [16, 8 + 8 / n, 2 + 14 / n, 16 / n]), 2),
    row("held", "one_only", table(lambda n: [16, 12 / n, 14 / n, 16 / n]), 2),
    row("held", "one_only", table(lambda n: [16, 4 + 12 / n, 14 / n, 16 / n]), 2),
    row("held", "giga", lambda p, n, stage: held(p, n, stage) / 1e9, 2),
    row("held", "giga", lambda p, n, stage: held(p, n, stage) / 2**30, 2),
    row("held", "per_parameter", lambda p, n, stage: held(1, n, stage), 2),
    row("held", "over_n", lambda p, n, stage: held(p, n, stage) / n, 2),
    row("held", "other", lambda p, n, stage: -held(p, n, stage), 2),
    row("held", "other", lambda p, n, stage: held(p, n, stage) / 8, 2),
    row("held", "other", lambda p, n, stage: 2 * held(p, n, stage), 2),
    row("held", "giga", lambda p, n, stage: held(p, n, stage) / 1e6, 2),
    row("held", "bits", lambda p, n, stage: held(p, n, stage) * 8, 2),
    row("held", "in_all", lambda p, n, stage: held(p, n, stage) * n, 2),
    row("held", "fixed_n", lambda p, n, stage: held(p, 8, stage), 2),
    row("held", "fewer", lambda p, n, stage: held(p, max(n - 1, 1), stage), 2),
    row("held", "small_first", table(lambda n: [16, 14 + 2 / n, 12 + 4 / n, 16 / n]), 2),
    row("held", "one_part", table(lambda n: [16, 4 + 12 / n, 14 + 2 / n, 14 + 2 / n]), 2),
    row("held", "other", table(lambda n: [16, 8 / n, 2 + 14 / n, 16 / n]), 2),
    row("held", "type_of_stage", held, 4),
    row("held", "type_of_stage", held, 11.25),
    row("held", "too_low", held, 0),
    row("held", "too_low", held, 1),
    row("held", "too_high", held, 3),
    row("held", "none", lambda p, n, stage: print(p), 2),
    row("held", "called", 48e9, 2),
    row("held", "raised", lambda p, n, stage: p / stage, 2),
    row("pipeline_bubble", "ok", 3 / 11, 27),
    row("pipeline_bubble", "alternative", 0.273, 27.0),
    row("pipeline_bubble", "alternative", np.float32(0.2727), np.int64(27)),
    row("pipeline_bubble", "todo", ..., 27),
    row("pipeline_bubble", "zero", 0, 27),
    row("pipeline_bubble", "three_quarters", 0.75, 27),
    row("pipeline_bubble", "ideal", 3 / 8, 30),
    row("pipeline_bubble", "off_by_one", 3 / 12, 27),
    row("pipeline_bubble", "off_by_one", 4 / 12, 27),
    row("pipeline_bubble", "off_by_one", 0.36, 27),
    row("pipeline_bubble", "swapped", 7 / 11, 27),
    row("pipeline_bubble", "both_halves", 6 / 11, 27),
    row("pipeline_bubble", "share", 0.5, 27),
    row("pipeline_bubble", "share", 0.1, 27),
    row("pipeline_bubble", "over_busy", 3 / 11, 30),
    row("pipeline_bubble", "nan", float("nan"), 27),
    row("pipeline_bubble", "alternative", "3/11", "27"),
    row("pipeline_bubble", "alternative", "27.3 %", [27]),
    row("pipeline_bubble", "alternative", 27.3, 27),
    row("pipeline_bubble", "alternative", 0.27, 27),
    row("pipeline_bubble", "alternative", 27, 27),
    row("pipeline_bubble", "ideal", 37.5, 27),
    row("pipeline_bubble", "three_quarters", 75, 27),
    row("pipeline_bubble", "busy", 8 / 11, 27),
    row("pipeline_bubble", "percent", -0.27, 27),
    row("pipeline_bubble", "too_few", 3 / 11, 26),
    row("pipeline_bubble", "too_many", 3 / 11, 28),
    row("pipeline_bubble", "whole", 3 / 11, 26.5),
    row("pipeline_bubble", "whole", 3 / 11, 0),
    row("rows_needed", "ok", IN, OUT),
    row("rows_needed", "alternative", 2200, 20_000),
    row("rows_needed", "alternative", np.float32(IN), "19,780"),
    row("rows_needed", "alternative", CHIPS["H100"].rows_for_links, [19_800]),
    row("rows_needed", "todo", ..., OUT),
    row("rows_needed", "swapped", OUT, IN),
    row("rows_needed", "inverse", 1 / IN, 1 / OUT),
    row("rows_needed", "inverse", IN, 2 / OUT),
    row("rows_needed", "forward", 2 * IN, 2 * OUT),
    row("rows_needed", "forward", IN, OUT / 2),
    row("rows_needed", "forward", IN / 4, OUT / 4),
    row("rows_needed", "forward", 1.5 * IN, OUT),
    row("rows_needed", "both_ways", IN / 2, OUT / 2),
    row("rows_needed", "memory", 295, OUT),
    row("rows_needed", "memory", IN, 295),
    row("rows_needed", "same", IN, IN),
    row("rows_needed", "same", OUT, OUT),
    row("rows_needed", "chips", IN * 64, OUT * 64),
    row("rows_needed", "chips", IN / 8, OUT),
    row("rows_needed", "units", IN / 1e6, OUT),
    row("rows_needed", "forward", 6 * IN, OUT),
    row("rows_needed", "bits", IN, OUT / 8),
    row("rows_needed", "parameters", IN * 7e9, OUT),
    row("rows_needed", "parameters", 0, OUT),
    row("rows_needed", "parameters", -IN, OUT),
    row("rows_needed", "units", 989 / 450, 989 / 50),
    row("rows_needed", "rows", 3000, OUT),
    row("rows_needed", "rows", IN, 15_000),
    row("rows_needed", "none", None, OUT),
    row("rows_needed", "nan", float("nan"), OUT),
    row("decide_layout", "ok", layout()),
    row("decide_layout", "alternative", layout("4", 16.0, "Sharded")),
    row("decide_layout", "alternative", dict(reversed(layout().items()))),
    row("decide_layout", "todo", layout(...)),
    row("decide_layout", "type", [4, 16, "sharded"]),
    row("decide_layout", "keys", {"tensor": 4, "data": 16}),
    row("decide_layout", "whole", layout(0.5, 128)),
    row("decide_layout", "whole", layout(64, 0)),
    row("decide_layout", "product", layout(4, 64)),
    row("decide_layout", "product", layout(8, 16)),
    row("decide_layout", "memory", layout(weights="whole")),
    row("decide_layout", "memory", layout(1, 64, "whole")),
    row("decide_layout", "waits", layout(1, 64)),
    row("decide_layout", "waits", layout(2, 32)),
    row("decide_layout", "too_many", layout(8, 8)),
    row("decide_layout", "too_many", layout(64, 1, "whole")),
    row("decide_layout", "too_many", layout(16, 4)),
    row("decide_layout", "option", layout(weights="split")),
    row("split_ways", "ok", WAYS),
    row("split_ways", "alternative", {k: f" {v.upper()}." for k, v in WAYS.items()}),
    row("split_ways", "alternative", dict(reversed(WAYS.items()))),
    row("split_ways", "todo", WAYS | {"deep": ...}),
    row("split_ways", "alternative", WAYS | {"chat": "FSDP", "wide": "Tensor parallelism"}),
    row("split_ways", "alternative", WAYS | {"photos": "data-parallel", "digits": "one"}),
    row("split_ways", "alternative", WAYS | {"chat": "ZeRO-1", "digits": "one GPU"}),
    row("split_ways", "deep", WAYS | {"deep": "zero"}),
    row("split_ways", "chat", WAYS | {"chat": "tensor"}),
    row("split_ways", "wide", WAYS | {"wide": "data"}),
    row("split_ways", "phones", WAYS | {"phones": "zero"}),
    row("split_ways", "alone", WAYS | {"phones": "one device"}),
    row("split_ways", "small", WAYS | {"digits": "federated"}),
    row("split_ways", "option", WAYS | {"wide": 3}),
    row("split_ways", "keys", {"digits": "one device"}),
    row("split_ways", "small", WAYS | {"digits": "data"}),
    row("split_ways", "alone", WAYS | {"chat": "one device"}),
    row("split_ways", "alone", WAYS | {"photos": "one device"}),
    row("split_ways", "photos", WAYS | {"photos": "zero"}),
    row("split_ways", "chat", WAYS | {"chat": "data"}),
    row("split_ways", "wide", WAYS | {"wide": "pipeline"}),
    row("split_ways", "wide", WAYS | {"wide": "zero"}),
    row("split_ways", "deep", WAYS | {"deep": "tensor"}),
    row("split_ways", "deep_whole", WAYS | {"deep": "data"}),
    row("split_ways", "alone", WAYS | {"deep": "one device"}),
    row("split_ways", "phones", WAYS | {"phones": "data"}),
    row("split_ways", "option", WAYS | {"wide": "matrix"}),
    row("split_ways", "type", list(WAYS.values())),
]  # fmt: skip


def test_answer(answer):
    answer.holds()


@pytest.mark.parametrize(
    "name, answers, words",
    [
        ("held", (table(lambda n: [16, 8 + 8 / n, 2 + 14 / n, 16 / n]), 2), "at stage 1 on 5"),
        ("held", (held, 1), "at stage 1 each device holds more than 16 GB"),
        ("pipeline_bubble", (3 / 11, 28), "one less leaves a bubble of 0.1"),
        ("rows_needed", (2 * IN, OUT), "twice as many"),
        ("decide_layout", (layout(2, 32),), "2048 rows go through each copy"),
        ("decide_layout", (layout(weights="whole"),), "52 GB"),
        ("decide_layout", (layout(8, 8),), "the limit is 7.5 parts"),
        ("split_ways", (WAYS | {"deep": "one device"},), "20 GB, and a device has 16"),
    ],
)
def test_a_message_names_what_was_seen(name, answers, words):
    message = check.verdict(name, *answers).message
    assert words.lower() in message.lower(), message


def test_only_one_layout_of_powers_of_two_is_right():
    right = [
        (tensor, weights)
        for tensor in (1, 2, 4, 8, 16, 32, 64)
        for weights in ("whole", "sharded")
        if check.verdict("decide_layout", layout(tensor, 64 // tensor, weights)).key == "ok"
    ]
    assert right == [(4, "sharded")]


def test_the_pipeline_has_the_bubble_of_its_formula():
    for p, m in ((4, 1), (4, 8), (3, 5), (1, 2)):
        lanes = pipeline(p, m)
        end = max(start + length for work in lanes.values() for start, length, *_ in work)
        assert end == 2 * (m + p - 1) and all(len(work) == 2 * m for work in lanes.values())
        starts = [[start for start, *_ in work] for work in lanes.values()]
        assert all(len(set(work)) == 2 * m for work in starts)  # one thing at a time
        if p > 1:
            assert all(b > a for a, b in zip(starts[0][:m], starts[1][:m], strict=True))


def test_figures_say_what_was_computed():
    chip = CHIPS["TPU v5e"]
    time = step_time(chip, 13e9, 4096, 64, "sharded")
    fig = draw_step(time)
    edge = max(path.get_extents().x1 for c in fig.axes[0].collections for path in c.get_paths())
    assert edge == pytest.approx(1e3 * time.step)
    fig = draw_roofline([chip])
    line = fig.axes[0].lines[0]
    assert line.get_ydata()[0] == pytest.approx(chip.memory_speed)  # 2 operations on 2 bytes
    assert line.get_ydata().max() == chip.operations
