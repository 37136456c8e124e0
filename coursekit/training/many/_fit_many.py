"""Train many models at once: ten folds, ten seeds or ten settings for the price of about one.

```python
histories = fit_many(models, x, y, rows=folds, validation_rows=held_out, epochs=20)
```

`fit` spends most of a small model's time between the operations: Python between two batches, and
tracing for each model anew. Here a whole epoch is one call into a compiled program, models of one
architecture share one trace, and several models run at a time.

On TensorFlow and on JAX. On a GPU or TPU JAX computes all models of one architecture side by side,
as one program; on a CPU one compiled epoch serves them all, in threads.
"""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

from coursekit._checks import count, place, switch, verbosity
from coursekit._spool import is_py_dataset, removing, written
from coursekit.training.many._checks import (
    check_broadcasting,
    checked_callbacks,
    checked_models,
    checked_validation,
)
from coursekit.training.many._data import checked_rows, checked_seeds, standardize
from coursekit.training.many._keep import Keep
from coursekit.training.many._run import Member, Run


@removing
def fit_many(
    models: Sequence[Any],
    x: Any,
    y: Any = None,
    *,
    rows: Sequence[Any] | None = None,
    sample_weight: Any = None,
    class_weight: dict[int, float] | None = None,
    validation_data: tuple | None = None,
    validation_rows: Sequence[Any] | None = None,
    epochs: int = 1,
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int | Sequence[int] = 0,
    callbacks: Sequence[Any] | Callable[[int], Any] | None = None,
    verbose: int | str = "auto",
    folder: str | PathLike | None = None,
    version: str | float | None = None,
) -> list[Any]:
    """Train compiled Keras models side by side, each on its own rows of the same arrays.

    Every model ends with the weights, optimizer state, metrics and seeds that `fit` leaves after
    the same batches: within 1e-6, and bit by bit where the compiler keeps the order of additions.
    In epoch e model k sees its rows in the order

    ```
    numpy.random.default_rng([seed_k, e]).permutation(rows[k])    shuffle=True
    rows[k]                                                       shuffle=False
    ```

    cut into batches of `batch_size`; the last one may be smaller and counts as in `fit`.

    Three routes, chosen for each model and told by `verbose`:

    - *shared program*: two or more models of Keras's own classes with the same layers, loss,
      metrics and optimizer (learning rates and seeds may differ) are traced once;
    - *own program*: the model's own `train_step`, also a custom one, traced for each model;
    - *`fit`*, with a warning that says why: `run_eagerly` (on JAX also `jit_compile=False`),
      callbacks with batch hooks, a distribution strategy, text, another backend than TensorFlow and
      JAX, or a step that cannot be traced.

    On JAX the data lie on the device, whole. Memory-mapped arrays of more than 8 MiB stay in their
    files: a block of batches of that size is read at a time, for each model that trains, and the
    next one while it is trained on (docs/rows_beyond_memory.md).

    Args:
        models: compiled Keras models, each with an optimizer and variables of its own. Trained in
            place; a model that is not built is built from `x`.
        x: inputs: an array, or a dict, tuple or list of arrays, in memory or memory-mapped. Floats
            are cast to `floatx`. Or a `PyDataset`, for x, y and `sample_weight`: its rows are
            written into temporary files, in the order of its batches, and read from there.
        y: targets, as `x`; None for models that need none.
        rows: for each model an array of row numbers of `x`; None trains all models on all rows.
        sample_weight: weights of the rows, as in `fit`.
        class_weight: dict from class number to weight, at least 0, as in `fit`; for labels of one
            class a row, not together with `sample_weight`.
        validation_data: `(x, y)`, `(x, y, sample_weight)` or a `PyDataset` for all models,
            measured after each epoch.
        validation_rows: instead of that, for each model the row numbers of `x` to validate on.
            `sample_weight` holds for them too, `class_weight` does not.
        epochs: at least 1.
        batch_size: at least 1, for validation too.
        shuffle: whether each epoch draws a new order.
        seed: an integer of at least 0, giving model k the seed `seed + k`, or one for each model.
        callbacks: None, a list with a list of callbacks for each model, or a function from k to
            such a list. They see the real model with its current weights, at the beginnings and
            ends of training, epochs and validation. A model whose `stop_training` is set is
            frozen; the others go on.
        verbose: 0 is silent; 1 or "auto" tells the routes and shows the epochs.
        folder: where to keep checkpoints, as `resumable_fit` does and for less than 2 % of the
            time: killed and called again, the training goes on behind the last one, at the end of
            an epoch, and ends in the same bits. Callbacks must be such as can be resumed, and draw
            no random numbers.
        version: with `folder`: stands for what cannot be told apart, as in `resumable_fit`.

    Returns:
        One `keras.callbacks.History` for each model, also set as `model.history`. After Ctrl-C the
        running epoch is finished, a warning names the number of epochs, and what is there is
        returned; `history.params["interrupted"]` is then True.

    Raises:
        TypeError: for models that are not Keras models, data that are not arrays, such as a
            generator.
        ValueError: for models that are not compiled, or share an object, variables or an
            optimizer; rows out of range; lengths that do not match; numbers out of range; a loss
            that would broadcast `y` (n,) against outputs (n, 1) to (n, n), as `fit` lets it. All
            this before any model is changed. An error in a callback or a program is raised after
            every model got the weights of its last finished epoch.

    Numerics: each model's operations are those of its own step, on its own values. On JAX, where
    rows of a batch meet in means only (dense and convolutional layers, dropout, the usual losses),
    a smaller last batch is filled up with rows of weight 0 and the means are taken over the others:
    one program instead of one for each size. The random state of Python, NumPy and Keras is not
    touched.

    Example:
        >>> import keras, numpy as np
        >>> x = np.linspace(-1, 1, 40, dtype="float32")[:, None]
        >>> models = []
        >>> for rate in (0.1, 0.3):
        ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        ...     model.compile(keras.optimizers.SGD(rate), "mse")
        ...     models.append(model)
        >>> histories = fit_many(models, x, 3 * x + 1, epochs=30, batch_size=8, verbose=0)
        >>> [round(float(model.get_weights()[1][0]), 2) for model in models]
        [1.0, 1.0]
        >>> len(histories[0].history["loss"])
        30
    """
    verbose = verbosity(verbose)
    models = checked_models(models)
    epochs, batch_size = count("epochs", epochs), count("batch_size", batch_size)
    shuffle = switch("shuffle", shuffle)
    seeds = checked_seeds(seed, len(models))
    if is_py_dataset(x):
        x, y, sample_weight = written(x, y=y, sample_weight=sample_weight)
    data, size = standardize(x, y, sample_weight, class_weight, "")
    rows = checked_rows(rows, len(models), size, "rows")
    validation, validation_rows = checked_validation(
        validation_data, validation_rows, (x, y, sample_weight), len(models)
    )
    callbacks = checked_callbacks(callbacks, len(models))
    members = [
        Member(*one) for one in zip(models, rows, validation_rows, callbacks, seeds, strict=True)
    ]
    check_broadcasting(models, data)
    verbose = 1 if verbose == "auto" else verbose
    settings = (epochs, batch_size, shuffle)
    if folder is None:
        return Run(members, data, validation, *settings, verbose)()
    parts = {"x": data, "validation_data": validation, "epochs": epochs, "batch_size": batch_size}
    parts["shuffle"] = shuffle
    first = data.take(members[0].rows[:batch_size])
    keep = Keep(place("folder", folder), members, parts, first, version)
    try:
        return Run(members, data, validation, *settings, verbose, keep)()
    finally:
        keep.close()
