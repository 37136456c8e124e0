"""Tell recipes apart: one short hash of what decides a result."""

import functools
import hashlib
import json
import re
import types

import numpy as np


def fingerprint(value) -> str:
    """Return a short hash of data, settings, functions, scikit-learn objects or compiled models.

    Of a function count its code, and the numbers, words and neighbouring functions that it reads
    from outside; of a model its configuration, not its weights.
    """
    digest = hashlib.sha256()
    _feed(digest, value, set())
    return digest.hexdigest()[:16]


PLAIN = bool, int, float, str, bytes, np.generic, type(None)


def _feed(digest, value, seen: set[int]) -> None:
    def add(*words):
        for word in words:
            digest.update(str(word).encode() + b"\0")

    def feed(*values):
        for one in values:
            _feed(digest, one, seen)

    if isinstance(value, PLAIN):
        add(type(value).__name__, value)
    elif hasattr(value, "get_compile_config"):
        add("model", type(value).__name__, [tuple(w.shape) for w in value.weights])
        for config in (value.get_config, value.get_compile_config):
            try:
                text = json.dumps(config(), sort_keys=True, default=_kind)
            except Exception as error:  # a model of one's own need not have a configuration
                text = type(error).__name__
            # Keras counts names up: the same model is dense_3 now and dense_7 in the next call.
            add(re.sub(r"_\d+\b", "", text))
    elif hasattr(value, "iloc"):  # a table
        add("table", list(map(str, getattr(value, "columns", ()))), value.shape)
        feed(*(value.iloc[:, k].to_numpy() for k in range(value.shape[1])))
    elif isinstance(value, np.ndarray):
        add(value.dtype.str, value.shape)
        if value.dtype.hasobject:
            add(*value.ravel())
        else:
            digest.update(np.ascontiguousarray(value))
    elif isinstance(value, dict):
        add("dict", len(value))
        for key in sorted(value, key=str):
            feed(key, value[key])
    elif isinstance(value, list | tuple):
        add("list", len(value))
        feed(*value)
    elif isinstance(value, types.FunctionType):
        if id(value) not in seen:  # it may call itself
            seen.add(id(value))
            feed(value.__code__, value.__defaults__, value.__kwdefaults__)
            for name, other in _read_from_outside(value):
                add(name)
                feed(other)
    elif isinstance(value, types.CodeType):
        add("code", value.co_code.hex(), value.co_names)
        feed(*value.co_consts)
    elif isinstance(value, functools.partial):
        add("partial")
        feed(value.func, value.args, value.keywords)
    elif hasattr(value, "_score_func"):  # what scikit-learn's make_scorer returns
        add(repr(value))
    elif hasattr(value, "get_params") and not isinstance(value, type):
        add(type(value).__qualname__)
        feed(value.get_params(deep=False))
    else:
        add(_kind(value))


def _read_from_outside(function) -> list[tuple[str, object]]:
    """The plain values, arrays and functions of the same module that a function refers to."""
    found = {}
    codes = [function.__code__]
    for code in codes:
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        found |= {n: function.__globals__[n] for n in code.co_names if n in function.__globals__}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not set yet
            continue
    return [
        (name, value)
        for name, value in sorted(found.items())
        if isinstance(value, (*PLAIN, tuple, np.ndarray))
        or (isinstance(value, types.FunctionType) and value.__module__ == function.__module__)
    ]


def _kind(value) -> str:
    return getattr(value, "__qualname__", type(value).__qualname__)
