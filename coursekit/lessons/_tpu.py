"""What the TPU's compiler says: asked where libtpu is installed, read from the report elsewhere."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
REPORTS = (PACKAGE / "tpu_compile.md", PACKAGE.parent / "docs" / "tpu_compile.md")
PROGRAMS = (
    "running model",
    "transformer, mixed_bfloat16",
    "transformer, mixed_float16",
    "batch of unknown size",
    "text in the batch",
    "CNN, 500,000 images",
)


def ask_the_tpu_compiler(code: str) -> None:
    """Print what `code` prints on JAX, in a process of its own; without libtpu a stored report.

    Args:
        code: a program that prints what `coursekit.distribution.tpu` makes of a model.
    """
    if find_spec("libtpu") and find_spec("jax"):
        settings = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, "-c", code]
        ran = subprocess.run(
            command, env=os.environ | settings, capture_output=True, text=True, check=False
        )
        print(ran.stdout or ran.stderr)
        return
    report = next(path for path in REPORTS if path.exists()).read_text(encoding="utf-8")
    date = report.split("wrote this file on ")[1].split(",")[0]
    print(f"No libtpu here. What the compiler said on {date}:")
    rows = (line.strip("| ").split(" | ") for line in report.splitlines() if line.startswith("|"))
    told = {cells[0]: ": ".join((cells[0], cells[-1])) for cells in rows}
    for program in PROGRAMS:
        print(f"- {told[program]}")
