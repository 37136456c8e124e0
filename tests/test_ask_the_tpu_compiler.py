"""What the TPU's compiler says: live or from the report."""

import pytest

from coursekit import lessons
from coursekit.lessons import _tpu

pytestmark = pytest.mark.any_backend


def libtpu(monkeypatch, there):
    monkeypatch.setattr(_tpu, "find_spec", lambda name: there or None)


def test_without_libtpu_the_dated_report_is_read(monkeypatch, capsys):
    libtpu(monkeypatch, there=False)
    lessons.ask_the_tpu_compiler("print('asked')")
    told = capsys.readouterr().out
    assert "No libtpu here. What the compiler said on" in told and "asked" not in told
    assert "running model: accepted" in told
    assert "text in the batch: Text cannot enter" in told
    assert "CNN, mixed_float16: accepted" in told  # a TPU multiplies in float16 too
    assert "transformer with dropout, mixed_float16: accepted" in told
    assert "transformer, mixed_float16: A matrix product asks by name" in told
    assert len(told.splitlines()) == 1 + len(_tpu.PROGRAMS)


def test_with_libtpu_the_program_runs_on_jax(monkeypatch, capsys):
    libtpu(monkeypatch, there=True)
    lessons.ask_the_tpu_compiler("import os; print(os.environ['KERAS_BACKEND'])")
    assert capsys.readouterr().out.strip() == "jax"


def test_a_failure_is_shown(monkeypatch, capsys):
    libtpu(monkeypatch, there=True)
    lessons.ask_the_tpu_compiler("raise ValueError('no chip')")
    assert "no chip" in capsys.readouterr().out
