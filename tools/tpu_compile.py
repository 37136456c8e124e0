"""Compiles the course's training steps and losses for a TPU that is not there, and reports.

    make tpu-check                                       tests it, in an environment with libtpu
    .venv-tpu/bin/python tools/tpu_compile.py            prints the report
    .venv-tpu/bin/python tools/tpu_compile.py --report   writes it to docs/tpu_compile.md

The compiler is `coursekit.distribution.tpu`; what it gets is in tools/tpu_programs.py.
"""

import argparse
import datetime
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from tpu_programs import Program, programs

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "docs" / "tpu_compile.md"
SETTINGS = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}  # no TPU to look for

HEAD = """\
# What the TPU's compiler says

`tools/tpu_compile.py --report` wrote this file on {date}, on a machine without a TPU:
{machine}, jax {jax}, libtpu {libtpu}, Keras {keras}. `make tpu-check` compiles everything below
again, and fails if a verdict is another one.

**What it proves.** The compiler is the one that runs on a TPU host. What it accepts has static
shapes, only operations that the chip has, and room in the chip's memory (v5e: 16 GB, of which the
compiler gives a program 15.75 GiB). A step is the `train_step` that `fit` runs on the JAX backend:
forward, loss, gradients, optimizer, metrics. About 1 MB of each program is its code.

**What it does not prove.** That numbers are right: a TPU makes a float32 matrix product of bfloat16
ones, unless `jax_default_matmul_precision` says otherwise. That it is fast, that the input keeps
up, that a real TPU starts, that Colab's own jax and libtpu do the same. A batch of another shape is
another program. The TensorFlow backend is not compiled: it would reach this compiler through the
kernels that TensorFlow registers for the CPU, which says nothing about those for a TPU.
"""


class Row(NamedTuple):
    """A line of the report."""

    group: str
    name: str
    verdict: str
    chips: int | None
    memory: float | None
    temporaries: float | None
    said: str


def run(program: Program) -> Row:
    """Compile it, and return what the compiler said."""
    from coursekit.distribution.tpu import TpuRefusal, compile_function, compile_step

    made = program.make()
    compiler = compile_step if hasattr(made[0], "fit") else compile_function
    try:
        found = compiler(*made)
    except TpuRefusal as refusal:
        return Row(*program[:2], refusal.reason, None, None, None, str(refusal))
    sizes = found.memory / 1e6, found.temporaries / 1e6
    return Row(*program[:2], "accepted", found.chips, *sizes, "")


def report(rows: list[Row], versions: dict[str, str]) -> str:
    """Return the report, in Markdown."""
    parts = [HEAD.format(**versions)]
    for group, title in (("model", "Training steps"), ("loss", "Losses, with their gradients")):
        parts += [
            f"## {title}\n",
            "| program | chips | MB on each | of which temporaries | verdict |",
            "|---|---|---|---|---|",
        ]
        for row in rows:
            if row.group == group:
                sizes = [f"{n:.2f}" if n is not None else "" for n in (row.memory, row.temporaries)]
                cells = [row.name, str(row.chips or ""), *sizes, row.verdict]
                parts.append(f"| {' | '.join(cells)} |")
        parts.append("")
    parts += ["## Refused, and why\n", "| program | verdict | reason |", "|---|---|---|"]
    for row in rows:
        if row.said:
            parts.append(f"| {row.name} | {row.verdict} | {row.said} |")
    return "\n".join(parts) + "\n"


def verdicts(text: str) -> dict[str, str]:
    """Return the verdict on each program of a report."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] != "program":
            found[cells[0]] = cells[1] if len(cells) == 3 else cells[4]
    return found


def versions() -> dict[str, str]:
    """Return what the report was made with."""
    packages = {name: metadata.version(name) for name in ("jax", "libtpu", "keras")}
    machine = f"{platform.system()}, {platform.machine()}"
    return packages | {"machine": machine, "date": f"{datetime.date.today():%-d %B %Y}"}


def main() -> int:
    """Compile everything; fail if something expected was not said."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", action="store_true", help=f"write {REPORT.relative_to(ROOT)}")
    arguments = parser.parse_args()
    wanted = programs()
    rows = [run(program) for program in wanted]
    text = report(rows, versions())
    if arguments.report:
        REPORT.write_text(text, encoding="utf-8")
    else:
        print(text)
    pairs = zip(wanted, rows, strict=True)
    wrong = [
        f"{row.name}: {row.verdict}. {row.said}" for p, row in pairs if p.expected != row.verdict
    ]
    print("\n".join(wrong), file=sys.stderr)
    return len(wrong) > 0


if __name__ == "__main__":
    os.environ.update(SETTINGS)
    sys.exit(main())
