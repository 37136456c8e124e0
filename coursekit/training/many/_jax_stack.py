"""All models of one architecture as one program on JAX: an accelerator's route in `fit_many`.

An accelerator computes ten small models in the time of one, if one program holds all of them. Their
states are stacked along a new first axis, and Keras's `train_step` is mapped over it (`jax.vmap`).
"""

import numpy as np

from coursekit.training.many._jax import Program, cut, groups, pull


class Stack(Program):
    """An epoch of several models of one architecture, as one program.

    Every model stays in it to the end, so that it is compiled once: what comes out for a model that
    has stopped is thrown away.

    Args:
        members: the models with their rows, orders and states.
        feeds: as in `Program`.
        batch_size: as in `Program`.
    """

    def __init__(self, members, feeds, batch_size):
        import jax

        super().__init__(members[0].model, feeds, batch_size)
        self.members, self.results = members, {}
        self.epoch = jax.jit(self._epoch)

    def seat(self, number):
        """Return what stands for the program of one member."""
        return _Seat(self, number)

    # What is traced

    def _epoch(self, states, feeds, sweeps):
        """Return the new states and, for each sweep, the logs of all models."""
        import jax

        stacked, logs = jax.tree.map(lambda *leaves: jax.numpy.stack(leaves), *states), []
        for kind, (arrays, sweep) in enumerate(zip(feeds, sweeps, strict=True)):
            stacked, found = self._stacked(kind, stacked, arrays, *sweep)
            logs.append(found)
        return [_row(stacked, k) for k in range(len(states))], logs

    def _stacked(self, kind, state, arrays, rows, counts, lasts):
        import jax

        state = *state[:-1], jax.vmap(self._reset)(state[-1])
        if rows.shape[1]:
            axes = (0, None, 0, 0 if np.ndim(counts) else None)
            state = jax.vmap(self.loops[kind], axes)(state, arrays, rows, counts)
        step, logs = jax.vmap(self.steps[kind], (0, None, 0)), None
        for last, live in lasts:
            found, new = step(state, arrays, last)
            state = _where(live, new, state)
            logs = found if logs is None else _where(live, found, logs)
        return state, logs

    # Before training

    def prepare(self, sizes, submit):
        """Trace an epoch, and hand the compiling to `submit`."""
        for kind in range(len(sizes)):
            self._trace_step(kind, pull(groups(self.model)), np.zeros(self.batch_size, "int32"))
        states = [pull(groups(member.model)) for member in self.members]
        sweeps = self._sweeps(len(sizes))
        traced = self.epoch.trace(states, self._arrays(), sweeps)
        self.compiled[_shapes(sweeps)] = submit(traced.lower().compile)

    # An epoch

    def run_all(self, parts):
        """Run an epoch of all members; return the new state and the logs of each that is active.

        `parts` is 1, or 2 with validation.
        """
        import jax

        sweeps = self._sweeps(parts)
        compiled = self.compiled.get(_shapes(sweeps))
        epoch = self.epoch if compiled is None else compiled.result()
        states, logs = epoch([member.state for member in self.members], self._arrays(), sweeps)
        logs = jax.device_get(logs)
        active = [k for k, member in enumerate(self.members) if member.active]
        return {k: (states[k], [_row(one, k) for one in logs]) for k in active}

    def _arrays(self):
        return [feed.arrays for feed in self.feeds]

    def _sweeps(self, parts):
        """Return, for training and validation, whole batches, their numbers, and last batches.

        A model that has stopped goes through its rows as they are.
        """
        orders = [
            [m.rows if m.order is None or not m.active else m.order for m in self.members],
            [m.validation_rows for m in self.members],
        ]
        longest = [[m.rows for m in self.members], orders[1]]
        pairs = list(zip(orders, longest, strict=True))[:parts]
        return [_side_by_side(*pair, self.batch_size) for pair in pairs]


class _Seat:
    """One member's place in a `Stack`: the first who asks runs the epoch of all."""

    def __init__(self, stack, number):
        self.stack, self.number = stack, number

    def run(self, _state, _rows, validation_rows, names):
        """As `Program.run`."""
        stack = self.stack
        with stack.lock:
            if self.number not in stack.results:
                stack.results = stack.run_all(1 if validation_rows is None else 2)
            state, logs = stack.results.pop(self.number)
        return state, [
            {name: one[ours] for name, ours in zip(names, stack.names, strict=True)} for one in logs
        ]


def _side_by_side(orders, longest, batch_size):
    """Stack the rows of all models: whole batches, how many of them count, and last batches.

    Of the last batches there is one stack for each size, with a mask of the models that have it.
    """
    length = max(len(cut(rows, batch_size)[0]) for rows in longest)
    whole = np.zeros((len(orders), length, batch_size), "int32")
    counts, lasts = [], {}
    for k, (head, last) in enumerate(cut(rows, batch_size) for rows in orders):
        whole[k, : len(head)] = head
        counts.append(len(head))
        empty = np.zeros((len(orders), len(last)), "int32"), np.zeros(len(orders), bool)
        stacked, live = lasts.setdefault(len(last), empty)
        stacked[k], live[k] = last, True
    counts = np.int32(counts[0] if len(set(counts)) == 1 else counts)
    return whole, counts, [lasts[size] for size in sorted(lasts)]


def _shapes(sweeps):
    import jax

    return str(jax.tree.map(np.shape, sweeps))


def _row(tree, k):
    import jax

    return jax.tree.map(lambda leaf: leaf[k], tree)


def _where(live, new, old):
    """Return the new values of the models that live."""
    import jax

    def choose(new, old):
        return jax.numpy.where(live.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return jax.tree.map(choose, new, old)
