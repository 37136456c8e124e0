"""The exercise of lessons.distribution that needs two devices: its rows, from tests/lessons."""

import pytest
import tensorflow as tf
from test_distribution import ANSWERS

from coursekit import lessons

ROWS = [row for row in ANSWERS if row.exercise == "mended" and row.key != "one_device"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_rows(row):
    row.holds()


def test_report_on_devices(capsys):
    lessons.report(["tensorflow"], devices=3)
    assert len(tf.config.list_logical_devices("CPU")) == 3
    assert "Ready" in capsys.readouterr().out
    lessons.report(["tensorflow"], devices=4)  # TensorFlow has started with three
    assert "cannot split" in capsys.readouterr().out
