"""The compiled programs behind `fit_many`: whole epochs in one call. TensorFlow backend.

`OwnProgram` runs a model's own `train_step`. `SharedProgram` is traced once for all models of one
architecture: a pure function from the state of a model (weights, optimizer, metrics, seeds) and its
row order to the new state, so that the trace is paid once and models run side by side in threads.
"""

import threading
import warnings
from typing import Any

import numpy as np

from coursekit.training.many import _one_thread
from coursekit.training.many._alike import Unlike
from coursekit.training.many._data import pack


def state_of(model) -> list:
    """Return all variables that `fit` may change."""
    unique = {}
    parts = (model.variables, model.optimizer.variables, model.metrics_variables)
    for variable in (v for part in parts for v in part):
        unique.setdefault(id(variable), variable)
    return list(unique.values())


def build(model, data):
    """Create every variable of a model, its optimizer, loss and metrics, as `fit` would.

    Two rows pass through the model inside a `StatelessScope`: no state changes.
    """
    import keras

    batch = data.take(np.arange(min(2, len(keras.tree.flatten(data.x)[0]))))
    x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
    if not all(layer.built for layer in model._flatten_layers()):
        with keras.StatelessScope():  # creates the variables
            model(x, training=False)
    with keras.StatelessScope([(v, v.value) for v in model.variables], collect_losses=True):
        predicted = model(x, training=False)
        if y is not None and model.loss is not None:
            model.compute_loss(x, y, predicted, weight)
        model.compute_metrics(x, y, predicted, sample_weight=weight)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


class Feed:
    """Data as tensors, with the gather and the loop over batches that all programs use."""

    def __init__(self, data, batch_size):
        import keras
        import tensorflow as tf

        with tf.device("CPU:0"):
            self.parts = [
                None if part is None else keras.tree.map_structure(tf.convert_to_tensor, part)
                for part in data
            ]
        self.batch_size = batch_size

    def shaped(self, rows):
        """Return the rows of an epoch, as (n, batch_size) where there are whole batches only.

        Batches then have a static size, as in `fit`: Keras's trackers of several losses count rows
        there, and batches where the size is not known.
        """
        return rows if len(rows) % self.batch_size else rows.reshape(-1, self.batch_size)

    def spec(self, rows):
        """Return the signature of the rows of an epoch."""
        import tensorflow as tf

        return tf.TensorSpec([None, *self.shaped(rows).shape[1:]], tf.int64)

    def batch(self, rows, index):
        """Return batch number `index` of an epoch; the last one may be smaller."""
        import keras
        import tensorflow as tf

        if rows.shape.rank == 2:
            chosen = rows[index]
        else:
            chosen = rows[index * self.batch_size : (index + 1) * self.batch_size]

        def gather(part):
            return keras.tree.map_structure(lambda leaf: tf.gather(leaf, chosen), part)

        return pack(*(None if part is None else gather(part) for part in self.parts))

    def loop(self, rows, body, start, first=0):
        """Return what `body(batch, state)` leaves after all batches of an epoch."""
        import tensorflow as tf

        size = tf.shape(rows)[0]

        def step(index, state):
            return index + 1, body(self.batch(rows, index), state)

        def more(index, state):
            return index * (1 if rows.shape.rank == 2 else self.batch_size) < size

        return tf.while_loop(more, step, (first, start), parallel_iterations=1)[1]


class OwnProgram:
    """One model, its own `train_step` and `test_step`, on its own variables."""

    def __init__(self, model, feeds, rows):
        self.model, self.feeds = model, feeds
        names = ("train_step", "test_step")[: len(feeds)]
        steps = [self._epoch(*one) for one in zip(names, feeds, strict=True)]
        for step, feed, one in zip(steps, feeds, rows, strict=True):
            step.get_concrete_function(feed.spec(one))
        self.steps = steps

    def _epoch(self, name, feed):
        import tensorflow as tf

        model = self.model
        own = getattr(type(model), name).__module__.split(".")[0] != "keras"
        step = tf.function(
            tf.autograph.experimental.do_not_convert(getattr(model, name)),
            reduce_retracing=True,
            jit_compile=model.jit_compile or None,
        )

        def epoch(rows):
            model.reset_metrics()
            if not own:
                feed.loop(rows, lambda batch, state: (step(batch), state)[1], ())
                return model.get_metrics_result()
            logs = step(feed.batch(rows, 0))
            logs = feed.loop(rows, lambda batch, _: step(batch), logs, first=1)
            results = model.get_metrics_result()
            return results if set(results) == set(logs) else logs

        return tf.function(epoch, autograph=False)

    def run_train(self, rows):
        """Train for one epoch and return the logs."""
        return self._run(0, rows)

    def run_test(self, rows):
        """Measure once through the validation rows and return the logs."""
        return self._run(1, rows)

    def _run(self, kind, rows):
        feed = self.feeds[kind]
        traced = self.steps[kind].get_concrete_function(feed.spec(rows))
        logs = traced(_tensor(feed.shaped(rows)))
        return {name: value.numpy() for name, value in logs.items()}


def _tensor(rows):
    import tensorflow as tf

    with tf.device("CPU:0"):
        return tf.constant(rows)


class SharedProgram:
    """One traced epoch, with validation, for all models like the first of them.

    The optimizer's code runs in a `StatelessScope` too. On TensorFlow Keras ties it to
    `tf.distribute`, which has no place in a pure function: `_functional` puts the
    backend-independent methods of its base class back.
    """

    def __init__(self, model, feeds):
        import tensorflow as tf

        self.model, self.feeds = model, feeds
        self.layout = Layout(model)
        self.variables = self.layout.variables
        self.state = [tf.TensorSpec(v.shape, v.dtype) for v in self.variables]
        self.epoch = tf.function(self._epoch, autograph=False)
        self.calls: dict[object, Any] = {}
        self.inline = _one_thread.possible() and all(type(feed) is Feed for feed in feeds)
        self.lock = threading.Lock()

    def trace(self, rows):
        """Return what runs the epoch for rows of training and, if any, validation."""
        import tensorflow as tf

        specs = tuple(feed.spec(one) for feed, one in zip(self.feeds, rows, strict=True))
        with self.lock:
            if specs not in self.calls:
                traced = self.epoch.get_concrete_function(self.state, *specs)
                if any(tensor.dtype == tf.resource for tensor in traced.captured_inputs):
                    raise Unlike("its step reads or writes variables that Keras does not track")
                self.calls[specs] = _one_thread.InThisThread(traced) if self.inline else traced
            return self.calls[specs]

    def wait(self):
        """Wait until TensorFlow can run what was traced; raise what it says against it."""
        if self.inline:
            for call in self.calls.values():
                call.wait()

    def run(self, state, rows, validation_rows, names):
        """Run one epoch from a state; return the new state and the logs by these names."""
        both = [rows] if validation_rows is None else [rows, validation_rows]
        shaped = [feed.shaped(one) for feed, one in zip(self.feeds, both, strict=True)]
        state, *logs = self.trace(both)(state, *shaped)
        values = [list(map(np.asarray, one)) for one in logs]
        return state, [dict(zip(names, one, strict=True)) for one in values]

    def _scope(self, state):
        import keras

        return keras.StatelessScope(self.layout.mapping(state), collect_losses=True)

    def _epoch(self, state, *rows):
        logs = []
        steps = [self._train_step, self._test_step][: len(rows)]
        for feed, chosen, step in zip(self.feeds, rows, steps, strict=True):
            with self._scope(state) as scope:
                self.model.reset_metrics()
            state = feed.loop(chosen, step, self._collect(scope))
            with self._scope(state):
                logs.append(list(self.model.get_metrics_result().values()))
        return state, *logs

    def _collect(self, scope):
        return [scope.get_current_value(v) for v in self.variables]

    def _train_step(self, batch, state):
        import tensorflow as tf

        model, optimizer = self.model, self.layout.optimizer
        with self._scope(state) as scope:
            weights = [scope.get_current_value(v) for v in model.trainable_variables]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(weights)
                loss = self._forward(batch, training=True)
                scaled = optimizer.scale_loss(loss)
            if weights:
                gradients = tape.gradient(scaled, weights)
                self.layout.apply(gradients)
            return self._collect(scope)

    def _test_step(self, batch, state):
        with self._scope(state) as scope:
            self._forward(batch, training=False)
            return self._collect(scope)

    def _forward(self, batch, training):
        import keras
        import tensorflow as tf

        x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        predicted = self.model(x, training=training)
        loss = self.model.compute_loss(x, y, predicted, weight, training=training)
        tracker = next(m for m in self.model.metrics if m.name == "loss")
        tracker.update_state(loss, sample_weight=tf.shape(keras.tree.flatten(x)[0])[0])
        self.model.compute_metrics(x, y, predicted, sample_weight=weight)
        return loss


class Layout:
    """How the state of a model lies in the arguments of a `SharedProgram`.

    Where the optimizer works on each element alone, all weights lie in one vector, and each kind of
    its slots in another: a step then costs a few operations instead of a few per weight.
    """

    def __init__(self, model):
        self.weights = list(model.trainable_variables)
        flat = _flat_optimizer(model)
        if flat is None:
            self.sizes = None
            self.optimizer = _functional(model.optimizer)
            self.optimizer.build(self.weights)
            pairs = zip(model.optimizer.variables, self.optimizer.variables, strict=True)
            own = {id(theirs): ours for theirs, ours in pairs}
            self.variables = [own.get(id(v), v) for v in state_of(model)]
        else:
            self.sizes = [int(np.prod(v.shape)) for v in self.weights]
            self.optimizer, self.vector = flat
            self.variables = [self.vector, *self.optimizer.variables]
            inside = {id(v) for v in (*self.weights, *model.optimizer.variables)}
            self.variables += [v for v in state_of(model) if id(v) not in inside]

    def mapping(self, state):
        """Return the pairs (variable, value) for a `StatelessScope`."""
        import tensorflow as tf

        pairs = list(zip(self.variables, state, strict=True))
        if self.sizes is None:
            return pairs
        parts = tf.split(state[0], self.sizes)
        return pairs + [
            (v, tf.reshape(part, v.shape)) for v, part in zip(self.weights, parts, strict=True)
        ]

    def apply(self, gradients):
        """Run the optimizer inside a scope."""
        import tensorflow as tf

        if self.sizes is None:
            self.optimizer.apply(gradients, self.weights)
            return
        missing = [v.path for v, g in zip(self.weights, gradients, strict=True) if g is None]
        if missing:
            raise Unlike(f"the loss does not depend on {missing[0]}")
        flat = tf.concat([tf.reshape(g, [-1]) for g in gradients], 0)
        self.optimizer.apply([flat], [self.vector])

    def groups(self, model):
        """Return, for each entry of the state, the variables of a model that it holds."""
        if self.sizes is None:
            return [[v] for v in state_of(model)]
        weights = list(model.trainable_variables)
        slots = _slots(model.optimizer, len(weights))
        names = {id(s[0]): name for name, s in _slots(self.optimizer, 1).items()}
        scalars = iter([v for v in model.optimizer.variables if not _in(v, slots)])
        groups = [weights]
        for variable in self.optimizer.variables:
            name = names.get(id(variable))
            groups.append([next(scalars)] if name is None else slots[name])
        inside = {id(v) for v in (*weights, *model.optimizer.variables)}
        return groups + [[v] for v in state_of(model) if id(v) not in inside]


def pull(groups) -> list:
    """Return the state of a model as tensors."""
    import tensorflow as tf

    def value(group):
        if len(group) == 1:
            return tf.identity(group[0].value)
        return tf.concat([tf.reshape(v.value, [-1]) for v in group], 0)

    return [value(group) for group in groups]


def push(groups, state):
    """Write a state into the variables of a model."""
    for group, tensor in zip(groups, state, strict=True):
        if len(group) == 1:
            group[0].assign(np.reshape(tensor, group[0].shape))
            continue
        parts = np.split(np.asarray(tensor), np.cumsum([int(np.prod(v.shape)) for v in group])[:-1])
        for variable, part in zip(group, parts, strict=True):
            variable.assign(part.reshape(variable.shape))


def _in(variable, slots):
    return any(variable is one for group in slots.values() for one in group)


def _slots(optimizer, count):
    """Return the optimizer's lists of one variable for each weight, by attribute."""
    import keras

    own = {id(v) for v in optimizer.variables}
    return {
        name: list(value)
        for name, value in vars(optimizer).items()
        if isinstance(value, list)
        and len(value) == count
        and name != "_variables"
        and all(isinstance(v, keras.Variable) and id(v) in own for v in value)
    }


def _flat_optimizer(model):
    """Return a functional optimizer on one vector and that vector, or None where it would differ.

    Per-element optimizers only, without norms over a weight, without weights that the decay skips,
    and without layers whose gradients are sparse.
    """
    import keras

    optimizer, weights = model.optimizer, model.trainable_variables
    o = keras.optimizers
    elementwise = (o.SGD, o.Adam, o.AdamW, o.Adamax, o.RMSprop, o.Adagrad, o.Adadelta, o.Lion)
    if type(optimizer) not in elementwise or len(weights) < 2:
        return None
    if optimizer.clipnorm or optimizer.global_clipnorm or any(v.constraint for v in weights):
        return None
    if len({str(v.dtype) for v in weights}) > 1:
        return None
    if any(isinstance(layer, keras.layers.Embedding) for layer in model._flatten_layers()):
        return None
    if optimizer.weight_decay is not None and not all(map(optimizer._use_weight_decay, weights)):
        return None
    slots = _slots(optimizer, len(weights))
    rest = [v for v in optimizer.variables if not _in(v, slots)]
    if any(tuple(v.shape) != () for v in rest):
        return None
    size = sum(int(np.prod(v.shape)) for v in weights)
    vector = keras.Variable(np.zeros(size), dtype=weights[0].dtype, name="weights")
    functional = _functional(optimizer)
    functional.build([vector])
    ours = _slots(functional, 1)
    if set(ours) != set(slots) or len(functional.variables) != len(ours) + len(rest):
        return None
    return functional, vector


def _functional(optimizer):
    """Return an unbuilt optimizer like this one whose updates are seen by a `StatelessScope`."""
    import keras
    import tensorflow as tf

    kind = type(optimizer)
    base = next(c for c in keras.optimizers.Optimizer.__mro__ if c.__name__ == "BaseOptimizer")

    def update(name, dense):
        sparse = getattr(tf, f"tensor_scatter_nd_{name}")

        def assign(self, variable, value):
            old = variable.value
            if isinstance(value, tf.IndexedSlices):
                new = sparse(old, value.indices[:, None], tf.cast(value.values, old.dtype))
            else:
                new = dense(old, tf.cast(value, old.dtype))
            variable.assign(new)

        return assign

    members = {
        "assign": update("update", lambda old, new: new),
        "assign_add": update("add", tf.add),
        "assign_sub": update("sub", tf.subtract),
    }
    for name in ("_var_key", "_apply_weight_decay", "_backend_update_step"):
        members[name] = getattr(base, name)
    decays = {}
    if optimizer.weight_decay is not None:
        decays = {id(v): optimizer._use_weight_decay(v) for v in optimizer._trainable_variables}
    members["_use_weight_decay"] = lambda self, variable: decays.get(id(variable), True)
    twin = type(f"Functional{kind.__name__}", (kind,), members)
    config = optimizer.get_config()
    if callable(optimizer._learning_rate) and not isinstance(
        optimizer._learning_rate, keras.Variable
    ):
        config["learning_rate"] = optimizer._learning_rate
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return twin(**config)
