"""Which program trains which model on JAX, traced and compiled before any training."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

from coursekit.training.many._alike import fingerprint
from coursekit.training.many._jax import OnDevice, Program, feed, groups, metric_names, on_cpu
from coursekit.training.many._jax_padded import Padded, rows_are_alone
from coursekit.training.many._jax_stack import Stack

MOST_IN_A_STACK = 32  # more take longer to compile, and no less time to train


def plan(members, data, validation, batch_size, workers) -> int:
    """Give each member a program, or a reason why only `fit` can train it.

    Programs are traced one after the other, since a model holds a part of its trace while it lasts,
    and compiled side by side. Returns how many members share a program with another.
    """
    feeds = [feed(part, batch_size) for part in (data, validation) if part is not None]
    alike: dict[object, list] = {}
    for member in members:
        try:
            member.model._symbolic_build(data_batch=data.take(member.rows[:batch_size]))
            member.groups, member.names = groups(member.model), metric_names(member.model)
        except Exception as error:
            member.reason = f"it cannot be built ({line(error)})"
            continue
        try:
            key: object = fingerprint(member.model)
        except Exception:  # what cannot be compared runs alone
            key = id(member)
        alike.setdefault(key, []).append(member)
    shared = 0
    with ThreadPoolExecutor(workers) as pool:
        for group in alike.values():
            kind = Program
            with contextlib.suppress(Exception):  # what Keras keeps in another place has its sizes
                kind = Padded if rows_are_alone(group[0].model, data) else Program
            shared += _give(group, kind, feeds, batch_size, pool.submit)
    return shared


def _give(group, kind, feeds, batch_size, submit) -> int:
    """Give the models of one architecture their programs; return how many share one."""
    whole = all(isinstance(one, OnDevice) for one in feeds)  # of a file each reads its own rows
    together = [m for m in group if not m.test_hooks] if whole and side_by_side() else []
    for chunk in _chunks(together):
        _seat(chunk, feeds, batch_size, submit)
    alone = [member for member in group if member.program is None]
    shared = len(group) - len(alone)
    while alone:
        try:
            program = kind(alone[0].model, feeds, batch_size)
            program.prepare(_sizes(alone, feeds), submit)
        except Exception as error:
            if kind is Padded:
                kind = Program
            else:
                alone.pop(0).reason = f"its step cannot be traced ({line(error)})"
            continue
        served = alone[:1] if program.missed else alone
        for member in served:
            member.program = program
        shared += len(served) if len(served) > 1 else 0
        alone = alone[len(served) :]
    return shared


def _seat(chunk, feeds, batch_size, submit):
    """Give models one program for all, unless that cannot be."""
    stack = Stack(chunk, feeds, batch_size)
    try:
        stack.prepare(_sizes(chunk, feeds), submit)
    except Exception:  # an operation that cannot be mapped over models
        return
    if not stack.missed:
        for number, member in enumerate(chunk):
            member.program = stack.seat(number)


def side_by_side() -> bool:
    """Whether the models of one architecture are one program: on an accelerator.

    JAX draws the numbers of a mapped program from each model's own key with its default generator
    alone.
    """
    import jax

    return not on_cpu() and jax.config.jax_default_prng_impl == "threefry2x32"


def _chunks(members) -> list[list]:
    """Cut a long list into parts of nearly equal length; one model alone needs no stack."""
    if len(members) < 2:
        return []
    parts = -(-len(members) // MOST_IN_A_STACK)
    size = -(-len(members) // parts)
    return [members[k : k + size] for k in range(0, len(members), size)]


def _sizes(members, feeds):
    sizes = [[len(member.rows) for member in members]]
    if len(feeds) > 1:
        sizes.append([len(member.validation_rows) for member in members])
    return sizes


def line(error) -> str:
    """Return the kind of an error and the first line of what it says."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:120]}" if text else type(error).__name__
