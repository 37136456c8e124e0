"""The exercise of lesson 18 that needs two devices: its rows, from tests/lessons."""

import pytest
from test_distribution import ANSWERS

from coursekit.lessons.distribution import two_devices

ROWS = [row for row in ANSWERS if row.exercise == "mended" and row.key != "one_device"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_rows(row):
    row.holds()


def test_two_devices():
    assert two_devices() == ["CPU:0", "CPU:1"]
