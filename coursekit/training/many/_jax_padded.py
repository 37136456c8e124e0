"""One size of batch, and so half of the programs, for models in which no row meets another.

The compiler takes longer for each size of a last batch than a small model for its training. Where
rows meet only in means over the batch, the last batch is filled up with rows of weight 0 and the
means are taken over the others: the same numbers but for rounding. `rows_are_alone` says where.
"""

import numpy as np

from coursekit.training.many._jax import TEST, TRAIN, Program, convolves, groups, on_cpu, pull

LAYERS = (
    "Sequential InputLayer Dense Embedding Activation ReLU LeakyReLU ELU Identity Flatten Reshape "
    "Permute Rescaling Dropout SpatialDropout1D SpatialDropout2D GaussianNoise Conv1D Conv2D "
    "SeparableConv2D DepthwiseConv2D MaxPooling1D MaxPooling2D AveragePooling1D AveragePooling2D "
    "GlobalMaxPooling1D GlobalMaxPooling2D GlobalAveragePooling1D GlobalAveragePooling2D"
)
LOSSES = (
    "mean_squared_error mean_absolute_error huber log_cosh hinge squared_hinge poisson "
    "kl_divergence binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy"
)
NOISE = {  # with which a row's noise does not depend on the size of its batch
    "jax_threefry_partitionable": True,
    "jax_default_prng_impl": "threefry2x32",
}
OVERRIDES = "call", "train_step", "test_step", "compute_loss", "compute_metrics", "update_state"


def rows_are_alone(model, data) -> bool:
    """Whether rows meet in means over the batch and nowhere else.

    That is so for layers, losses and metrics of Keras that are known for it, and one output for
    each row.
    """
    import jax
    import keras

    shape = model.output_shape
    return (
        all(getattr(jax.config, name) == value for name, value in NOISE.items())
        and all(map(_alone, model._flatten_layers()))
        and isinstance(shape, tuple)
        and len(shape) == 2
        and data.y is not None
        and not keras.tree.is_nested(data.y)
        and (data.sample_weight is None or data.sample_weight.ndim == 1)
        and all(_known_loss(loss) for _, loss, *_ in model._compile_loss._flat_losses)
        and all(map(_known_metric, _metrics(model)))
    )


def _plain(function) -> bool:
    """Whether a function is Keras's own."""
    return getattr(function, "__module__", "").split(".")[0] == "keras"


def _as_it_was(thing) -> bool:
    """Whether an object does what its class does, and that is Keras's."""
    return _plain(type(thing)) and not any(name in vars(thing) for name in OVERRIDES)


def _alone(layer) -> bool:
    import keras

    known = [getattr(keras.layers, name, keras.Sequential) for name in LAYERS.split()]
    functional = type(layer).__name__ == "Functional"
    return (
        _as_it_was(layer)
        and (type(layer) in known or functional)
        and all(isinstance(one, keras.Layer) for one in getattr(layer, "operations", ()))
        and layer.dtype_policy.name == "float32"
        and layer.activity_regularizer is None
        and not getattr(layer, "mask_zero", False)
        and getattr(layer, "noise_shape", None) is None
        and _plain(getattr(layer, "activation", keras.activations.relu))
    )


def _known_loss(loss) -> bool:
    import keras

    return (
        _as_it_was(loss)
        and getattr(loss, "fn", None) in [getattr(keras.losses, name) for name in LOSSES.split()]
        and loss.reduction == "sum_over_batch_size"
        and loss.dtype == "float32"
        and loss._fn_kwargs.get("axis", -1) == -1
        and loss._fn_kwargs.get("ignore_class") is None
    )


def _metrics(model) -> list:
    compiled = model._compile_metrics
    lists = (*compiled._flat_metrics, *compiled._flat_weighted_metrics) if compiled else ()
    return [metric for several in lists if several for metric in several.metrics]


def _known_metric(metric) -> bool:
    import keras

    mean = isinstance(metric, keras.metrics.MeanMetricWrapper)
    return mean and _as_it_was(metric) and _plain(metric._fn)


class Padded(Program):
    """As `Program`, with a last batch as large as the others: its first rows count."""

    # What is traced

    def _train_step(self, state, arrays, rows, live):
        import jax

        weights, others, slots, metrics = state
        x, y, weight, counted = _weighted(arrays, rows, live)
        forward = jax.value_and_grad(self.model.compute_loss_and_updates, has_aux=True)
        (_, (loss, p, others, metrics)), gradients = forward(
            weights, others, metrics, x, y, counted, training=True, optimizer_variables=slots
        )
        weights, slots = self.model.optimizer.stateless_apply(slots, gradients, weights)
        metrics = self._measured(metrics, loss, y, p, weight, live)
        return {}, (weights, others, slots, metrics)

    def _test_step(self, state, arrays, rows, live):
        weights, others, slots, metrics = state
        x, y, weight, counted = _weighted(arrays, rows, live)
        _, (loss, p, others, metrics) = self.model.compute_loss_and_updates(
            weights, others, metrics, x, y, counted, training=False
        )
        metrics = self._measured(metrics, loss, y, p, weight, live)
        return {}, (weights, others, slots, metrics)

    def _measured(self, metrics, loss, y, p, weight, live):
        """Return the metrics after a batch of which the first rows count."""
        import keras

        model, alive = self.model, _alive(len(p), live)
        with keras.StatelessScope(
            list(zip(model.metrics_variables, metrics, strict=True))
        ) as scope:
            model._loss_tracker.update_state(loss, sample_weight=live)
            if model._compile_metrics is not None:
                for one in filter(None, model._compile_metrics._flat_metrics):
                    one.update_state(y, p, alive)
                for one in filter(None, model._compile_metrics._flat_weighted_metrics):
                    one.update_state(y, p, alive if weight is None else alive * weight)
        return [scope.get_current_value(v) for v in model.metrics_variables]

    def _train_loop(self, state, arrays, rows, live, count):
        return self._loop(TRAIN, state, arrays, (rows, live), count)

    def _test_loop(self, state, arrays, rows, live, count):
        return self._loop(TEST, state, arrays, (rows, live), count)

    def _logs(self, metrics):
        import keras

        with keras.StatelessScope(list(zip(self.model.metrics_variables, metrics, strict=True))):
            return self.model.get_metrics_result()

    # Before training

    def prepare(self, sizes, submit):
        """As `Program.prepare`."""
        import jax

        state = pull(groups(self.model))
        self.results = jax.jit(self._logs)
        self.batch_size = min(self.batch_size, max(n for counts in sizes for n in counts))
        for kind, counts in enumerate(sizes):
            rows, live = np.zeros(self.batch_size, "int32"), np.int32(1)
            step = self._trace_step(kind, state, rows, live)
            if on_cpu() and convolves(step.jaxpr):
                self.compiled[kind, "step"] = submit(step.lower().compile)
                continue
            feed = self.feeds[kind]
            self.lengths[kind] = min(-(-max(counts) // self.batch_size), feed.batches)
            batches = self._batches(kind, np.zeros(1, "int32"))
            loop = self.loops[kind].trace(state, feed.arrays, *batches)
            self.compiled[kind, "loop"] = submit(loop.lower().compile)

    # An epoch

    def _batches(self, kind, rows):
        """Return the rows of all batches, how many of each count, and the number of batches."""
        count = -(-len(rows) // self.batch_size)
        length = max(self.lengths[kind], count)
        padded = np.zeros(length * self.batch_size, "int32")
        padded[: len(rows)] = rows
        live = np.clip(len(rows) - self.batch_size * np.arange(length), 1, self.batch_size)
        return padded.reshape(length, -1), live.astype("int32"), np.int32(count)

    def _sweep(self, kind, state, rows, names):
        state = *state[:-1], self.reset(state[-1])
        for arrays, part in self.feeds[kind].pieces(rows):
            state = self._padded(kind, state, arrays, *self._batches(kind, part))
        return state, self._named(kind, state, self.results(state[-1]), names)

    def _padded(self, kind, state, arrays, rows, live, count):
        """Return the state after some batches, of which some rows count."""
        import jax

        if (kind, "loop") in self.compiled:
            loop = self.compiled[kind, "loop"].result()
            state = loop(state, arrays, rows, live, count)
        else:
            step = self.compiled[kind, "step"].result()
            for batch, some in zip(rows, live, strict=True):
                _, state = step(state, arrays, batch, some)
        return jax.block_until_ready(state)


def _alive(size, live):
    """Return 1 for the rows that count, else 0."""
    import jax

    return (jax.numpy.arange(size) < live).astype("float32")


def _weighted(arrays, rows, live):
    """Return a batch, its own weights, and those that make a mean over all one over the live.

    The other rows are zeros: what is infinite there, times 0, would be NaN.
    """
    import jax

    alive = _alive(len(rows), live)

    def take(leaf):
        taken = jax.numpy.take(leaf, rows, axis=0, mode="clip")
        counts = alive.reshape(-1, *[1] * (taken.ndim - 1)) > 0
        return jax.numpy.where(counts, taken, jax.numpy.zeros_like(taken))

    x, y, weight = jax.tree.map(take, arrays)
    counted = alive * (len(rows) / live)
    return x, y, weight, counted if weight is None else counted * weight
