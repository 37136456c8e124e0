"""The compiled programs behind `fit_many` on JAX, where Keras's `train_step` is a pure function.

A `Program` takes the state of a model (weights, other variables, optimizer, metrics) through an
epoch. It is traced and compiled once for all models of one architecture. On a CPU the models run in
threads, each on its own; on an accelerator `_jax_stack.Stack` runs all of them as one.
"""

import contextlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from coursekit.training.many._data import lies_on_disk, most_batches, pack

TRAIN, TEST = 0, 1


def groups(model) -> tuple:
    """Return the variables that `fit` may change, grouped as `train_step` takes them."""
    return (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )


def pull(groups) -> tuple:
    """Return the state of a model as arrays."""
    return tuple([variable.value for variable in group] for group in groups)


def push(groups, state):
    """Write a state into the variables of a model."""
    for group, values in zip(groups, state, strict=True):
        for variable, value in zip(group, values, strict=True):
            variable.assign(value)


def feed(data, batch_size):
    """Return the feed of some data: all on the device, or read from disk block by block."""
    return (OnDisk if lies_on_disk(data) else OnDevice)(data, batch_size)


class OnDevice:
    """All rows as arrays on the device.

    Attributes:
        arrays: what a program is traced with.
        batches: how many batches a piece may have.
    """

    batches = 2**31

    def __init__(self, data, _batch_size):
        import jax

        self.arrays = jax.tree.map(jax.numpy.asarray, tuple(data))

    def pieces(self, rows):
        """Yield arrays that hold some rows, and where they are there; all rows in their order."""
        if len(rows):
            yield self.arrays, rows


class OnDisk:
    """Rows that are read as they are needed: while a piece is trained on, a thread reads the next.

    Every piece has the same shape, so that a program is compiled once.
    """

    def __init__(self, data, batch_size):
        import jax

        self.data = tuple(data)
        leaves = jax.tree.leaves(self.data)
        self.batches = most_batches(leaves, batch_size)
        self.size = self.batches * batch_size
        self.arrays = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(
                (self.size, *leaf.shape[1:]), jax.dtypes.canonicalize_dtype(leaf.dtype)
            ),
            self.data,
        )
        self.pool = ThreadPoolExecutor(8)

    def pieces(self, rows):
        """As `OnDevice.pieces`."""
        parts = [rows[k : k + self.size] for k in range(0, len(rows), self.size)]
        ahead = [self.pool.submit(self._read, part) for part in parts[:1]]
        for number, part in enumerate(parts):
            arrays = ahead.pop().result()
            ahead += [self.pool.submit(self._read, one) for one in parts[number + 1 : number + 2]]
            yield arrays, np.arange(len(part), dtype="int32")

    def _read(self, rows):
        import jax

        def read(leaf):
            found = np.zeros((self.size, *leaf.shape[1:]), leaf.dtype)
            found[: len(rows)] = leaf[rows]
            return jax.numpy.asarray(found)

        return jax.tree.map(read, self.data)


def cut(rows, batch_size):
    """Return the batches of an epoch but the last, of shape (n, batch_size), and the last one."""
    head = (len(rows) - 1) // batch_size * batch_size
    rows = rows.astype("int32")
    return rows[:head].reshape(-1, batch_size), rows[head:]


def metric_names(model) -> list[str]:
    """Return the names of a model's metrics in the order in which `fit` reports them."""
    import jax

    names: list[str] = []

    def results():
        found = model.get_metrics_result()
        names.extend(found)
        return list(found.values())

    jax.eval_shape(results)  # nothing is computed
    return names


class Program:
    """An epoch of one architecture: it takes the state of any of its models to the next one.

    All batches but the last have one size and go through a loop inside of the program; on a CPU,
    which computes convolutions inside of a loop slowly, they go through a step of their own, one
    by one. The last batch may be smaller and is a step of its own too. It gives the logs.

    Args:
        model: any model of the architecture.
        feeds: of training and, where there are some, of validation rows.
        batch_size: of both.
    """

    def __init__(self, model, feeds, batch_size):
        import jax

        self.model, self.feeds, self.batch_size = model, feeds, batch_size
        self.names = metric_names(model)
        self.reset = jax.jit(self._reset)
        self.steps = [jax.jit(self._train_step), jax.jit(self._test_step)]
        self.loops = [jax.jit(self._train_loop), jax.jit(self._test_loop)]
        self.lengths = [0, 0]  # the most batches that a loop may have
        self.compiled: dict[object, Future] = {}
        self.missed: list = []  # variables that it reads and that are no state of the model
        self.lock = threading.Lock()

    # What is traced

    def _reset(self, metrics):
        import keras

        variables = self.model.metrics_variables
        with keras.StatelessScope(list(zip(variables, metrics, strict=True))) as scope:
            self.model.reset_metrics()
        return [scope.get_current_value(v) for v in variables]

    def _train_step(self, state, arrays, rows):
        return self.model.train_step(state, _batch(arrays, rows))

    def _test_step(self, state, arrays, rows):
        weights, others, optimizer, metrics = state
        logs, new = self.model.test_step((weights, others, metrics), _batch(arrays, rows))
        weights, others, metrics = new
        return logs, (weights, others, optimizer, metrics)

    def _train_loop(self, state, arrays, rows, count):
        return self._loop(TRAIN, state, arrays, (rows,), count)

    def _test_loop(self, state, arrays, rows, count):
        return self._loop(TEST, state, arrays, (rows,), count)

    def _loop(self, kind, state, arrays, rows, count):
        """Return the state after the first `count` batches."""
        import jax

        def body(carry):
            index, state = carry
            batch = jax.tree.map(lambda leaf: leaf[index], rows)
            return index + 1, self.steps[kind](state, arrays, *batch)[1]

        start = (jax.numpy.zeros_like(count), state)
        return jax.lax.while_loop(lambda carry: carry[0] < count, body, start)[1]

    # Before training

    def prepare(self, sizes, submit):
        """Trace what epochs of these numbers of rows need, and hand the compiling to `submit`.

        `sizes` holds the numbers of rows of the models: for training and, if any, validation.
        """
        state = pull(groups(self.model))
        for kind, counts in enumerate(sizes):
            heads, lasts = zip(*(divmod(n - 1, self.batch_size) for n in counts), strict=True)
            self._step(kind, state, {last + 1 for last in lasts}, submit)
            if not max(heads):
                continue
            whole = np.zeros(self.batch_size, "int32")
            if on_cpu() and convolves(self._trace_step(kind, state, whole).jaxpr):
                self._step(kind, state, {self.batch_size}, submit)
                continue
            self.lengths[kind] = min(max(heads), self.feeds[kind].batches)
            rows = np.zeros((self.lengths[kind], self.batch_size), "int32")
            traced = self.loops[kind].trace(state, self.feeds[kind].arrays, rows, np.int32(0))
            self.compiled[kind, "loop"] = submit(traced.lower().compile)

    def _step(self, kind, state, sizes, submit):
        for size in sizes:
            if (kind, size) not in self.compiled:
                traced = self._trace_step(kind, state, np.zeros(size, "int32"))
                self.compiled[kind, size] = submit(traced.lower().compile)

    def _trace_step(self, kind, state, *batch):
        import jax

        with _missed(self.missed):
            traced = self.steps[kind].trace(state, self.feeds[kind].arrays, *batch)
        old, new = (jax.tree.map(_type, tree) for tree in (state, traced.out_info[1]))
        if old != new:
            raise TypeError(f"{('train', 'test')[kind]}_step changes shapes or types of the state")
        return traced

    # An epoch

    def run(self, state, rows, validation_rows, names):
        """Run one epoch from a state; return the new state and the logs of both parts.

        `names` are the model's own for `self.names`: they count on from model to model.
        """
        state, logs = self._sweep(TRAIN, state, rows, names)
        if validation_rows is None:
            return state, [logs]
        state, measured = self._sweep(TEST, state, validation_rows, names)
        return state, [logs, measured]

    def run_test(self, state, rows, names):
        """Measure once through the validation rows; return the new state and the logs."""
        return self._sweep(TEST, state, rows, names)

    def _sweep(self, kind, state, rows, names):
        feed, (head, last) = self.feeds[kind], cut(rows, self.batch_size)
        state = *state[:-1], self.reset(state[-1])
        for arrays, part in feed.pieces(head.reshape(-1)):
            state = self._whole(kind, state, arrays, part.reshape(-1, self.batch_size))
        for arrays, part in feed.pieces(last):
            logs, state = self._call(kind, state, arrays, part)
        return state, self._named(kind, state, logs, names)

    def _whole(self, kind, state, arrays, batches):
        """Return the state after whole batches."""
        import jax

        if (kind, "loop") in self.compiled:
            padded = np.zeros((self.lengths[kind], self.batch_size), "int32")
            padded[: len(batches)] = batches
            loop = self.compiled[kind, "loop"].result()
            state = loop(state, arrays, padded, np.int32(len(batches)))
        else:
            for batch in batches:
                _, state = self._call(kind, state, arrays, batch)
        return jax.block_until_ready(state)  # or rows would be read far ahead

    def _call(self, kind, state, arrays, rows):
        compiled = self.compiled.get((kind, len(rows)))
        if compiled is not None:
            return compiled.result()(state, arrays, rows)
        with self.lock:  # an epoch cut short: its size was not foreseen
            return self.steps[kind](state, arrays, rows)

    def _named(self, kind, state, logs, names):
        """Return the logs as `fit` reports them: metrics by name, or what an own step returned."""
        import jax
        import keras

        if set(logs) != set(self.names):
            return jax.device_get(logs)
        if _own_step(self.model, kind):
            pairs = list(zip(self.model.metrics_variables, state[-1], strict=True))
            with keras.StatelessScope(pairs):
                logs = self.model.get_metrics_result()
        logs = jax.device_get(logs)
        return {name: logs[ours] for name, ours in zip(names, self.names, strict=True)}


@contextlib.contextmanager
def _missed(variables):
    """Note the variables that a traced step reads and the state does not hold.

    Keras would make their values constants of the program: right for this model, not for others.
    """
    import keras

    get = keras.StatelessScope.get_current_value

    def watched(scope, variable):
        value = get(scope, variable)
        if value is None:
            variables.append(variable)
        return value

    keras.StatelessScope.get_current_value = watched
    try:
        yield
    finally:
        keras.StatelessScope.get_current_value = get


def _batch(arrays, rows):
    """Return these rows as `train_step` expects them."""
    import jax

    def take(leaf):
        return jax.numpy.take(leaf, rows, axis=0, mode="clip")

    return pack(*jax.tree.map(take, arrays))


def _type(leaf):
    return tuple(leaf.shape), str(leaf.dtype)


def _own_step(model, kind) -> bool:
    step = getattr(type(model), ("train_step", "test_step")[kind])
    return step.__module__.split(".")[0] != "keras"


def on_cpu() -> bool:
    import jax

    return jax.default_backend() == "cpu"


def convolves(jaxpr) -> bool:
    """Whether there is a convolution in a traced function, or in one that it calls."""
    if hasattr(jaxpr, "jaxpr"):
        jaxpr = jaxpr.jaxpr
    if not hasattr(jaxpr, "eqns"):
        return isinstance(jaxpr, tuple | list) and any(map(convolves, jaxpr))
    return any(
        equation.primitive.name == "conv_general_dilated"
        or any(map(convolves, equation.params.values()))
        for equation in jaxpr.eqns
    )
