"""Tell recipes apart: a hash of all that decides a result, or a refusal that names what hides.

    fingerprint(preprocess, "preprocess")         # one short hash
    told(preprocess, "preprocess")                # a hash for each thing that it holds or reads

Counted are: values, by type and content; functions, by code, defaults, and what they read from
outside; objects, by the code of their class and their attributes; of installed libraries the name
and the version. Not counted are places: ids, line numbers, file names, the order of hashes.
"""

import hashlib
import json
from typing import Any

from coursekit._fingerprint._teller import Teller, Untold

__all__ = ["Untold", "fingerprint", "told"]


def told(value: Any, name: str, *, version: str | float | None = None) -> dict[str, str]:
    """Return a hash for everything that a value holds or reads, by its expression.

    Args:
        value: anything.
        name: what the value is called, in expressions and in refusals.
        version: stands for what cannot be told apart, which is then left out.

    Raises:
        Untold: for what cannot be told apart, without a version.
    """
    teller = Teller(name, strict=version is None)
    root = teller.of(value, name)
    return {name: root} | teller.nodes


def fingerprint(value: Any, name: str = "value", *, program: bool = False) -> str:
    """Return one short hash of a value.

    Args:
        value: anything.
        name: what the value is called in refusals.
        program: count what the trace of a training step depends on: of Keras's variables and seeds
            their kind, not their values, which are state.

    Raises:
        Untold: for what cannot be told apart.
    """
    teller = Teller(name, strict=True, program=program)
    text = json.dumps([teller.of(value, name), teller.nodes], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
