"""tests/tpu/tpu_compile.py without a compiler: what it compiles, and its report."""

import keras
import pytest
import tpu_compile
import tpu_programs
from tpu_compile import Row, dumps, report, stored

from coursekit import losses

VERSIONS = {"date": "1 May 2026", "machine": "Linux", "jax": "1", "libtpu": "2", "keras": "3"}
ROWS = [
    Row("model", "a CNN", "accepted", 4, 12.25, 0.5, ""),
    Row("loss", "dice", "accepted", 1, 1.0, 0.25, ""),
    Row("loss", "odd", "memory", None, None, None, "It does not fit."),
    Row("not for a TPU", "text", "string", None, None, None, "Text cannot enter."),
]


def test_the_report_says_when_with_what_and_why():
    text = report(ROWS, VERSIONS)
    assert "on 1 May 2026" in text and "jax 1, libtpu 2, Keras 3" in text
    assert "| a CNN | 4 | 12.25 | 0.50 | accepted |" in text
    assert "| odd | memory | It does not fit. |" in text
    assert "**What it proves.**" in text and "**What it does not prove.**" in text


def test_a_report_is_read_back(monkeypatch, tmp_path):
    monkeypatch.setattr(tpu_compile, "ANSWERS", tmp_path / "answers.json")
    tpu_compile.ANSWERS.write_text(dumps(ROWS, VERSIONS))
    assert stored() == (ROWS, VERSIONS)


def test_the_stored_report_and_the_stored_data_agree():
    assert tpu_compile.REPORT.read_text(encoding="utf-8") == report(*stored())


def test_every_loss_of_the_package_is_compiled():
    """The classes by the cases of their tests, the adversarial functions by name."""
    compiled = set()
    for program in tpu_programs.losses():
        if not program.name.startswith("adversarial "):
            made = program.make.__defaults__[0][0]
            compiled.add(type(made).__name__)
    named = {name: getattr(losses, name) for name in losses.__all__}
    classes = {name: value for name, value in named.items() if isinstance(value, type)}
    public = {name for name, value in classes.items() if issubclass(value, keras.losses.Loss)}
    assert compiled == public
    names = {program.name for program in tpu_programs.losses()}
    assert {f"adversarial {name}" for name in losses.adversarial.__all__} <= names


def test_names_are_unique():
    names = [program.name for program in tpu_programs.programs()]
    assert len(names) == len(set(names)) and not any("|" in name for name in names)


@pytest.mark.parametrize("verdict, code", [("accepted", 0), ("memory", 1)])
def test_an_unexpected_verdict_fails(monkeypatch, capsys, verdict, code):
    program = tpu_programs.Program("model", "a CNN", None)
    monkeypatch.setattr(tpu_compile, "programs", lambda: [program])
    monkeypatch.setattr(tpu_compile, "run", lambda p: ROWS[0]._replace(verdict=verdict, said="No."))
    monkeypatch.setattr(tpu_compile, "versions", lambda: VERSIONS)
    monkeypatch.setattr("sys.argv", ["tpu_compile.py"])
    assert tpu_compile.main() == code
    assert ("a CNN: memory. No." in capsys.readouterr().err) == bool(code)
