"""What the TPU's compiler says: asked where libtpu is installed, else as it was stored."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ANSWERS = Path(__file__).with_name("_tpu_answers.json")
PROGRAMS = (
    "running model",
    "CNN, mixed_float16",
    "transformer with dropout, mixed_float16",
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
    stored = json.loads(ANSWERS.read_text(encoding="utf-8"))
    print(f"No libtpu here. What the compiler said on {stored['versions']['date']}:")
    told = {row["name"]: row["said"] or row["verdict"] for row in stored["rows"]}
    for program in PROGRAMS:
        print(f"- {program}: {told[program]}")
