"""A training step that is the same on many replicas as on one device. TensorFlow backend.

```
from coursekit.distribution.step import ReplicaModel

with strategy.scope():
    model = ReplicaModel(inputs, outputs)  # instead of keras.Model(inputs, outputs)
    model.compile(keras.optimizers.AdamW(1e-3, global_clipnorm=1.0), loss)
model.fit(dataset)
```

`fit` of Keras averages what each replica computes on its own rows. That is wrong for a ragged
batch, for a loss that is one number, for clipping, for a float16 overflow on one replica; and
gradient accumulation fails. Here the loss is computed on the rows of all replicas, and gradients
are summed before anything looks at them. `coursekit.distribution.lint(model)` says what is left.

The price: every replica holds the predictions of the whole batch while it computes the loss, which
is a lot of memory for the logits of a language model; and clipping or loss scaling sums the
gradients twice.

Without a strategy, and on JAX (where `keras.distribution` is exact), all of it is Keras's own.
Float16 without loss scaling is refused everywhere.
"""

import threading
from typing import TYPE_CHECKING, Any

import keras

from coursekit._findings import refuse
from coursekit._optimizers import bound_scale, parts_of
from coursekit._replicas import rows_of_all
from coursekit.distribution._lint import lint
from coursekit.distribution._strategies import claim
from coursekit.precision import refuse_precision

register = keras.saving.register_keras_serializable(package="coursekit")
if TYPE_CHECKING:
    from keras import Model as _Mixed  # what the mixin stands before
else:
    _Mixed = object


class ReplicaStep(_Mixed):
    """Mixin for a `keras.Model`: `class MyModel(ReplicaStep, keras.Model)`.

    ```
    loss     = L(all rows) + sum_r n_r / n * (penalties of replica r)
    gradient = sum_r d loss / d (what replica r computed), clipped after the sum
    ```

    where n_r of the n rows of the batch are on replica r: what one device computes, also where the
    rows do not divide, and where a replica gets none.

    It covers every loss (per-example values, a scalar, Dice, in-batch pairs, sample and
    class weights, `reduction="mean_with_sample_weight"`, an overridden `compute_loss`), `add_loss`
    (a mean over the rows) and regularizers, all clipping, `gradient_accumulation_steps`, moving
    averages of the weights, and loss scaling: a wrapper gets the sum of the gradients, on the first
    replica, where Keras's `LossScaleOptimizer` looks for an overflow, and its scale stays in
    bounds. Masks and the gradients of an `Embedding` included.

    Keras defects cured: a scalar loss counts once per replica; clipping before the all-reduce;
    `LossScaleOptimizer` looks at replica 0 only, and its scale can become 0; `merge_call` inside a
    cond; replicas weigh the same whatever their rows; an empty replica makes `BatchNormalization`
    NaN (its moving statistics stay as they are in such a step); the first batch must divide; losses
    that layers add get lost beside a `BatchNormalization`.

    Raises:
        ValueError: from `fit`, for what cannot be cured: `steps_per_execution`, `jit_compile=True`,
            `run_eagerly=True`, several workers, accumulation inside a loss scaler or a
            `MultiOptimizer` (`coursekit.distribution.lint` says why), float16 without loss scaling
            and weights in 16 bits (`coursekit.precision.lint_precision`).

    Numerics: sums over replicas round differently: equal within 1e-6, not to the bit.

    Example:
        >>> class Line(ReplicaStep, keras.Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.dense = keras.layers.Dense(1, kernel_initializer="ones")
        ...
        ...     def call(self, x):
        ...         return self.dense(x)
        >>> model = Line()
        >>> model.compile("sgd", "mse", jit_compile=False)
        >>> model.fit(keras.ops.ones((4, 2)), keras.ops.ones((4, 1)), verbose=0).history["loss"]
        [1.0]

    References:
        Goyal et al., Accurate, Large Minibatch SGD, arXiv 1706.02677, section 3.
    """

    is_replica_correct = True  # for `lint`

    def train_step(self, *args: Any):
        """One update from the rows of all replicas; `fit` calls it."""
        if not _under_strategy():
            return super().train_step(*args)
        import tensorflow as tf

        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(*args)
        rows = _Rows(x)
        statistics = [v for v in self.non_trainable_variables if "float" in v.dtype]
        before = [tf.identity(v) for v in statistics]
        with tf.GradientTape() as tape:
            y_pred = self._forward(x, training=True)
            loss = self._loss_of_all(rows, x, y, y_pred, sample_weight, training=True)
            scaled = self.optimizer.scale_loss(tf.cast(rows.portion, loss.dtype) * loss)
        self._loss_tracker.update_state(loss, sample_weight=rows.total)
        if self.trainable_weights:
            gradients = tape.gradient(scaled, self.trainable_weights)
            _apply(self.optimizer, rows.without_nan(gradients), self.trainable_weights)
        rows.restore(statistics, before)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, *args: Any):
        """The loss and the metrics on the rows of all replicas; `evaluate` calls it."""
        if not _under_strategy():
            return super().test_step(*args)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(*args)
        rows = _Rows(x)
        y_pred = self._forward(x, training=False)
        loss = self._loss_of_all(rows, x, y, y_pred, sample_weight, training=False)
        self._loss_tracker.update_state(loss, sample_weight=rows.total)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def make_train_function(self, force: bool = False):
        """Refuse what `fit` cannot do on replicas, then make Keras's training function."""
        refuse_precision(self)
        if _on_replicas(self):
            refuse(lint(self), ("fails", "wrong"), "This model cannot be trained on replicas:")
            claim(self.distribute_strategy)
        return super().make_train_function(force)

    def make_test_function(self, force: bool = False):
        """Refuse a strategy that cannot work, then make Keras's function for `evaluate`."""
        if _on_replicas(self):
            found = [finding for finding in lint(self) if finding.rule == "strategy"]
            refuse(found, ("fails",), "This model cannot be evaluated on replicas:")
            claim(self.distribute_strategy)
        return super().make_test_function(force)

    def _forward(self, x, training):
        for layer in self._flatten_layers():
            # The replicas trace in turns, each in a thread: a list shared between them mixes up
            # their losses as soon as a layer waits for the others.
            if not isinstance(layer._losses, _LossesOfThread):
                layer.__dict__["_losses"] = _LossesOfThread()
        return self(x, training=training) if self._call_has_training_arg else self(x)

    def _loss_of_all(self, rows, x, y, y_pred, sample_weight, training):
        """Return the loss of the whole batch, the same number on every replica."""
        for layer in self._flatten_layers():
            layer._losses[:] = [rows.mean(added) for added in layer._losses]
        own_loss = type(self).compute_loss is not keras.Model.compute_loss
        x = rows.gather(x) if own_loss else None  # Keras's own does not look at it
        y, y_pred, sample_weight = (rows.gather(part) for part in (y, y_pred, sample_weight))
        with rows.one_device():
            return self._compute_loss(x, y, y_pred, sample_weight, training=training)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras builds a model from the mean of the replicas' first inputs: not for strings, nor for
        # unequal shapes.
        if iterator is not None and _on_replicas(self):
            import tensorflow as tf

            first = self.distribute_strategy.experimental_local_results
            for _, _, batches in iterator:
                data_batch = tf.nest.map_structure(lambda v: first(v)[0], next(batches))
                break
            iterator = None
        super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)


@register
class ReplicaModel(ReplicaStep, keras.Model):
    """A functional `keras.Model` with the replica-correct step.

    To write `call` yourself: `class MyModel(ReplicaStep, keras.Model)`. (Keras makes a class
    functional for good, with its subclasses, once it has built a functional model.)
    """


@register
class ReplicaSequential(ReplicaStep, keras.Sequential):
    """A `keras.Sequential` with the replica-correct step."""


def _under_strategy() -> bool:
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return tf.distribute.has_strategy()


def _on_replicas(model) -> bool:
    tensorflow = keras.backend.backend() == "tensorflow"
    return tensorflow and model.distribute_strategy.num_replicas_in_sync > 1


class _LossesOfThread(threading.local):
    """What Keras needs of a list, with other contents in each thread."""

    def __init__(self):  # called anew in each thread
        self.losses = []
        self.extend, self.clear = self.losses.extend, self.losses.clear

    def __getitem__(self, index):
        return self.losses[index]

    def __setitem__(self, index, losses):
        self.losses[index] = losses

    def __reduce__(self):
        return list, ()


def _static_rows(strategy, parts) -> list[int | None]:
    return [part.shape[0] for part in strategy.experimental_local_results(parts)]


class _Rows:
    """The rows of this replica among those of all, and how to bring them together."""

    def __init__(self, x):
        import tensorflow as tf

        self.context = tf.distribute.get_replica_context()
        first = next(part for part in keras.tree.flatten(x) if part is not None)
        number = tf.cast(tf.shape(first)[0], "float32")
        self.any = number > 0
        self.total = self.sum(number)
        self.weight = number / self.total
        # Every replica has the loss of the whole batch: those with rows add equal parts of it.
        self.portion = tf.cast(self.any, "float32") / self.sum(tf.cast(self.any, "float32"))
        # With static shapes nothing has to be mended below, if all have rows. Asked of all, since
        # either all replicas must mend or none.
        sizes = self.context.merge_call(_static_rows, args=(first,))
        self.always_some = all(sizes)
        self.static = first.shape[0]
        self.static_total = None if None in sizes else sum(sizes)

    def sum(self, value):
        return self.context.all_reduce("SUM", value)

    def mean(self, value):
        """Average what each replica computed as a mean over its rows."""
        import tensorflow as tf

        if value.shape.rank:
            raise ValueError(
                "On replicas `add_loss` takes one number, a mean over the rows. Received: "
                f"shape={tuple(value.shape)}. Call `keras.ops.mean` on it."
            )
        return self.sum(tf.where(self.any, tf.cast(self.weight, value.dtype) * value, 0))

    def gather(self, parts):
        """Put the rows of all replicas together; gradients flow back to each."""
        import tensorflow as tf

        def together(part):
            if part is None:
                return None
            made_by = getattr(getattr(part, "op", None), "type", None)
            if made_by in ("Softmax", "Sigmoid") and not hasattr(part, "_keras_logits"):
                # From the inputs of such an operation Keras takes the crossentropy.
                again = tf.nn.softmax if made_by == "Softmax" else tf.nn.sigmoid
                return again(self._gather(part.op.inputs[0]))
            rows = self._gather(part)
            # What Keras hangs on a tensor: its mask, and the logits of probabilities, from which
            # crossentropy is computed in their place.
            for name in ("_keras_mask", "_keras_logits"):
                if getattr(part, name, None) is not None:
                    setattr(rows, name, self._gather(getattr(part, name)))
            return rows

        return tf.nest.map_structure(together, parts)

    def _gather(self, part):
        rows = rows_of_all(self.context, part)
        if self.static and part.shape.rank and part.shape[0] == self.static:
            rows.set_shape([self.static_total, *part.shape[1:]])
        return rows

    def one_device(self):
        """Return a context in which Keras, and a loss that gathers, see one device."""
        import tensorflow as tf

        with tf.Graph().as_default():  # a new graph is under no strategy
            default = tf.distribute.get_strategy()
        # The number among the replicas of this worker: it finds their copies of variables.
        return tf.distribute.ReplicaContext(default, self.context._replica_id)

    def without_nan(self, gradients):
        """Without rows the gradient is 0, where a mean over no rows made it NaN."""
        import tensorflow as tf

        if self.always_some:
            return gradients
        return [_map_values(lambda g: tf.where(self.any, g, 0), g) for g in gradients]

    def restore(self, variables, values):
        """Undo moving statistics that a replica without rows made NaN."""
        import tensorflow as tf

        if self.always_some:
            return

        def put_back(now, before):
            now.assign(tf.where(tf.math.is_finite(now), now, before))

        def across(strategy, empty, values):
            def put_all_back():
                for variable, value in zip(variables, values, strict=True):
                    strategy.extended.update(variable.value, put_back, args=(value,))

            tf.cond(strategy.experimental_local_results(empty)[0], put_all_back, lambda: None)

        empty = self.sum(tf.cast(~self.any, "float32")) > 0
        self.context.merge_call(across, args=(empty, values))


def _apply(optimizer, gradients, variables):
    """Apply the sum of the replicas' gradients as one device would.

    Keras clips, and looks for an overflow, before it sums. Where that matters we sum first, and
    give the sum to the first replica and 0 to the others: Keras then clips the right thing, and
    summing again changes nothing.
    """
    import tensorflow as tf

    pairs = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
    gradients, variables = [g for g, _ in pairs], [v for _, v in pairs]
    parts = parts_of(optimizer)
    clips = any(part.clipnorm or part.global_clipnorm or part.clipvalue for part in parts)
    branches = optimizer.gradient_accumulation_steps or optimizer.ema_overwrite_frequency
    if not (clips or branches or len(parts) > 1):
        optimizer.apply(gradients, variables)
        return
    gradients = list(tf.distribute.get_replica_context().all_reduce("SUM", gradients))
    if branches:
        _apply_with_branches(optimizer, gradients, variables)
    else:
        optimizer.apply([_on_first_replica(g) for g in gradients], variables)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        bound_scale(optimizer)


def _map_values(change, gradient):
    """Change a gradient, and leave that of an embedding a list of rows.

    A token is in that list as often as in the batch. Keras squares and clips the list as it is, on
    one device too: merging the rows of a token would be another training.
    """
    import tensorflow as tf

    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(change(gradient.values), gradient.indices, gradient.dense_shape)
    return None if gradient is None else change(gradient)


def _on_first_replica(gradient):
    import tensorflow as tf

    first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
    return _map_values(lambda values: tf.where(first, values, 0), gradient)


def _apply_with_branches(optimizer, gradients, variables):
    """`optimizer.apply` with its two conditions outside of the replicas, where they can merge.

    Keras has them inside, which raises "`merge_call` called while defining a new graph".
    """
    import tensorflow as tf

    steps = optimizer.gradient_accumulation_steps
    every = optimizer.ema_overwrite_frequency

    def update(gradients):
        gradients = optimizer._clip_gradients(gradients)
        optimizer._apply_weight_decay(variables)
        sums = [_on_first_replica(g) for g in gradients]  # Keras sums again
        optimizer._backend_update_step(sums, variables, optimizer.learning_rate)

    def accumulated():
        index = optimizer._get_variable_index
        return [optimizer._accumulated_gradients[index(v)] for v in variables]

    def last(gradients):
        update([(g + a) / steps for g, a in zip(gradients, accumulated(), strict=True)])

    def earlier(gradients):
        optimizer._backend_increment_gradient_accumulators(gradients, accumulated())

    def finish():
        if optimizer.use_ema:
            optimizer._update_model_variables_moving_average(optimizer._trainable_variables)

    def constrain():
        for variable in variables:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))
        optimizer._iterations.assign_add(1)

    def across(strategy, gradients):
        def each(step, *args):
            strategy.extended.call_for_each_replica(step, args=args)

        def update_and_reset():
            each(last, gradients)
            optimizer._backend_reset_gradient_accumulators()

        if steps:
            is_last = (optimizer._iterations + 1) % steps == 0
            tf.cond(is_last, update_and_reset, lambda: each(earlier, gradients))
        else:
            each(update, gradients)
        each(finish)
        if optimizer.use_ema and every:
            overwrite = optimizer._overwrite_model_variables_with_average_value
            due = (optimizer.iterations + 1) % every == 0
            tf.cond(due, lambda: overwrite(optimizer._trainable_variables), lambda: None)
        each(constrain)

    if optimizer.loss_scale_factor is not None:
        gradients = [g / optimizer.loss_scale_factor for g in gradients]
    tf.distribute.get_replica_context().merge_call(across, args=(gradients,))
