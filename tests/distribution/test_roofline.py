"""Limits of a step: against a ring that is counted message by message, and the book's numbers."""

import dataclasses
import math

import numpy as np
import pytest

from coursekit.distribution.roofline import CHIPS, Chip, held_bytes, most_parts, step_time

pytestmark = pytest.mark.any_backend

ROUND = Chip("round", operations=1e12, memory=1e9, memory_speed=1e10, link_speed=1e9)


def ring_bytes(values, chips, passes):
    """Count what one chip of a ring sends: a chunk of 2 bytes a value in each step of a pass."""
    sent, chunk = 0, values / chips * 2
    for _ in range(passes):
        for _ in range(chips - 1):
            sent += chunk
    return sent


@pytest.mark.parametrize("chips", [1, 2, 7, 64])
@pytest.mark.parametrize("rows", [1, 900, 1100, 1e5])
def test_a_step_against_counted_messages(chips, rows):
    multiplications = np.size(np.empty((3, 5))) * rows  # of a 3 x 5 layer
    forward, backward = 2 * multiplications / 1e12, 4 * multiplications / 1e12
    reduce = ring_bytes(15, chips, passes=2) / 1e9
    gather = ring_bytes(15, chips, passes=1) / 1e9
    data = step_time(ROUND, 15, rows, chips)
    assert data.step == pytest.approx(forward + max(backward, reduce))
    assert data.messages == pytest.approx(reduce)
    sharded = step_time(ROUND, 15, rows, chips, "sharded")
    assert sharded.step == pytest.approx(max(forward, gather) + max(backward, gather + gather))
    assert sharded.messages == pytest.approx(3 * gather)
    assert data.busy == pytest.approx((forward + backward) / data.step)


@pytest.mark.parametrize("split", ["data", "sharded"])
@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
@pytest.mark.parametrize("parameters", [1e6, 7e9])
def test_messages_hide_from_the_rows_that_the_chip_says(chip, parameters, split):
    edge = chip.rows_for_links
    above, below = (step_time(chip, parameters, f * edge, 10**6, split) for f in (1.001, 0.9))
    assert above.busy == 1 > below.busy
    halved = dataclasses.replace(chip, link_speed=chip.link_speed / 2)
    assert halved.rows_for_links == pytest.approx(2 * edge)


def test_the_numbers_of_the_book():
    assert round(CHIPS["TPU v5p"].rows_for_links, -1) == 2550
    assert round(CHIPS["TPU v5e"].rows_for_memory) == 243  # "about 240"
    assert round(CHIPS["H100"].rows_for_memory) == 295
    assert most_parts(CHIPS["TPU v5p"], 32_768) == pytest.approx(12.85, abs=0.01)


@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
def test_a_layer_in_parts_computes_as_long_as_it_sends_at_the_limit(chip):
    rows, d, h = 300, 1000, 4000
    parts = most_parts(chip, h)
    compute = 2 * rows * (d * h + h * d) / parts / chip.operations
    assert compute == pytest.approx(2 * (rows * d * 2) / chip.link_speed)


@pytest.mark.parametrize("stage", range(4))
@pytest.mark.parametrize("chips", [1, 8, 64])
def test_bytes_counted_part_by_part(stage, chips):
    weight = 2 / chips if stage == 3 else 2
    gradient = 2 / chips if stage >= 2 else 2
    state = 12 / chips if stage >= 1 else 12
    assert held_bytes(1000, chips, stage) == pytest.approx(1000 * (weight + gradient + state))
    assert held_bytes(1000, 1, stage) == 16_000


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: step_time("H100", 1e9, 1, 1), "CHIPS"),
        (lambda: step_time(ROUND, 0, 1, 1), "`parameters` must be a number above 0"),
        (lambda: step_time(ROUND, 1, -1, 1), "`rows_per_chip`"),
        (lambda: step_time(ROUND, 1, math.nan, 1), "`rows_per_chip`"),
        (lambda: step_time(ROUND, 1, 1, 0), "`chips` must be an integer of at least 1"),
        (lambda: step_time(ROUND, 1, 1, 1, "pipeline"), "`split` must be 'data' or 'sharded'"),
        (lambda: held_bytes(1, 1, 4), "`stage` must be 0, 1, 2 or 3"),
        (lambda: held_bytes(1, 2.5, 1), "`chips`"),
        (lambda: most_parts(None, 1), "CHIPS"),
        (lambda: most_parts(ROUND, 0), "`hidden`"),
        (lambda: Chip("none", 1e12, 1e9, 1e10, 0), "`link_speed` must be a number above 0"),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
