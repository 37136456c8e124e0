"""The exercise of lessons.distribution that needs two devices: its rows, from tests/lessons."""

import pytest
import tensorflow as tf
from test_distribution import ANSWERS, ON_JAX, one_number

from coursekit import lessons
from coursekit.lessons._spread import RECORDED, faults

ROWS = [
    row for row in ANSWERS if row.exercise == "mended" and row.key not in ("one_device", *ON_JAX)
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_rows(row):
    row.holds()


def test_report_on_devices(capsys):
    lessons.report(["tensorflow"], devices=3)
    assert len(tf.config.list_logical_devices("CPU")) == 3
    assert "Ready" in capsys.readouterr().out
    lessons.report(["tensorflow"], devices=4)  # TensorFlow has started with three
    assert "cannot split" in capsys.readouterr().out


def test_the_faults_are_those_that_were_recorded():
    """What JAX shows of TensorFlow is what TensorFlow does; `ReplicaModel` does as one device."""
    lines = list(faults(["CPU:0", "CPU:1"], one_number))
    names = [line[:12].strip() for line in lines[::3]]
    assert names == list(RECORDED)
    alone, on_two, cured = ([line[27:] for line in lines[k::3]] for k in range(3))
    assert on_two == list(RECORDED.values())
    assert cured == alone and not set(alone) & set(on_two)
