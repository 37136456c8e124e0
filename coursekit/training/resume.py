"""Training that survives: killed at any step, called again, it ends in the same bits.

```
from coursekit.training import resumable_fit

history = resumable_fit(model, x, y, folder="run", epochs=20, callbacks=[...])
```

Run the script again after a crash, a Ctrl-C or a lost machine: it goes on behind the last
checkpoint, and what comes out is equal, to the bit, to what one call would have given.
"""

import warnings
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import numpy as np

from coursekit._checks import count, is_int, number, one_of, place, require, switch, verbosity
from coursekit._checks import seed as checked_seed
from coursekit._claim import Parts
from coursekit.training._environment import Environment, environment
from coursekit.training._resume_callbacks import check_callbacks, recipe_of
from coursekit.training._resume_data import (
    Arrays,
    Feed,
    OfTheEpoch,
    check_dataset,
    check_py_dataset,
    digest,
    feed_of,
    is_dataset,
    split,
)
from coursekit.training._resume_folder import Checkpoints
from coursekit.training._resume_recipe import Rates, told
from coursekit.training._resume_run import Run
from coursekit.training._resume_state import (
    build,
    check_model,
    check_program,
    forget_interrupt,
)
from coursekit.training.many._data import standardize

__all__ = ["check_callbacks", "resumable_fit"]


def resumable_fit(
    model: keras.Model,
    x: Any,
    y: Any = None,
    folder: str | PathLike | None = None,
    *,
    batch_size: int | None = None,
    epochs: int = 1,
    verbose: int | str = "auto",
    callbacks: Any = None,
    validation_split: float = 0.0,
    validation_data: Any = None,
    shuffle: bool = True,
    class_weight: dict[int, float] | None = None,
    sample_weight: Any = None,
    validation_batch_size: int | None = None,
    validation_freq: int = 1,
    seed: int = 0,
    save_freq: int | str = "auto",
    version: str | float | None = None,
) -> keras.callbacks.History:
    """Train as `model.fit` does, so that a killed run can be taken up where it was.

    ```
    bits(killed at any moments, and called again) = bits(one call, never killed)
    ```

    These bits are the weights, the optimizer (slots, iterations, rate, loss scale, average of the
    weights, accumulated gradients), every random state, the statistics of batch normalization, the
    history, and what the callbacks know.

    It is a function with `fit`'s own arguments, and not a callback, because a callback cannot do
    it: `fit` draws the order of the rows out of its sight, resets the metrics when an interrupted
    epoch goes on, and begins every callback anew. (Keras's `BackupAndRestore` is such a callback:
    it loses all three, and the seeds of dropout with them.)

    Epoch e takes the rows (of a `PyDataset` the batches) in the order of `fit_many`,
    `numpy.random.default_rng([seed, e]).permutation(n)`. With `shuffle=False` the result is that of
    `model.fit(..., shuffle=False)`, to the bit; with `shuffle=True` it is what `fit` gives on rows
    in this order.

    Args:
        model: a compiled Keras model; one that is not built is built from the first batch. Trained
            in place. Its weights at the beginning count in the first call only.
        x: inputs: arrays as in `fit`; a `keras.utils.PyDataset`; a `tf.data.Dataset` whose every
            pass is the same (it does not shuffle anew, and its length is known); or a function of
            the epoch that returns one of the last two.
        y: targets, for arrays.
        folder: where to keep the checkpoints: new, or that of this very training. Data, model,
            callbacks and settings count, as in `cross_validate`; changed ones are refused by name.
        batch_size: of arrays. Defaults to 32.
        epochs: at least 1.
        verbose: as in `fit`.
        callbacks: a list. Those of Keras and coursekit are resumed; others need `get_state()`,
            which returns plain values and arrays, and `set_state(state)`, or must store nothing
            while they train.
        validation_split: the share of the last rows to validate on, as in `fit`; of arrays.
        validation_data: `(x, y)`, `(x, y, sample_weight)`, a `PyDataset` or a `tf.data.Dataset`.
        shuffle: whether each epoch has an order of its own. A `tf.data.Dataset` keeps its own.
        class_weight: as in `fit`; of arrays.
        sample_weight: as in `fit`; of arrays.
        validation_batch_size: of validation arrays. Defaults to `batch_size`.
        validation_freq: validate after every so many epochs, at least 1.
        seed: of the order, an integer from 0 to 2**32 - 1.
        save_freq: "auto": as often as checkpoints take less than 2 % of the time, and at the end;
            "epoch": after each epoch; or a number of batches, and after each epoch.
        version: a word or a number that stands for what cannot be told apart (see
            `cross_validate`). Change it when that changes.

    Returns:
        The `History` of the whole training, also set as `model.history`. Called once more after the
        end it trains nothing, and gives model, callbacks and history as they were.

    Raises:
        TypeError, ValueError: before any training: for wrong arguments; for a folder that another
            training holds or made, or that cannot be written; and for what could not be resumed
            exactly: generators; data whose passes differ; `steps_per_execution` > 1; callbacks
            whose state cannot be read; layers that draw from `tf.random` or a generator of
            NumPy's; an optimizer without variables.

    Warns:
        UserWarning: for a damaged checkpoint (the one before is taken); for one that could not be
            written, as on a full disk (training goes on); and where versions, machine or flags are
            not what they were, each by name.

    Numerics: the same bits on the same machine, versions and number of threads; another processor
    may add in another order. On a GPU ask for `keras.config`'s and TensorFlow's deterministic
    operations. Not kept: Python attributes that a `train_step` or a layer changes (use variables).

    Example:
        >>> import numpy as np, tempfile
        >>> def train(folder, epochs_until_killed):
        ...     keras.utils.set_random_seed(0)
        ...     model = keras.Sequential(
        ...         [keras.Input((2,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
        ...     )
        ...     model.compile("adam", "mse")
        ...     killer = Killer(epochs_until_killed)
        ...     resumable_fit(model, x, x @ [1, 2], folder, epochs=4, verbose=0, save_freq=2,
        ...                   callbacks=[killer])
        ...     return model.get_weights()[0].tolist()
        >>> class Killer(keras.callbacks.Callback):
        ...     def __init__(self, after):
        ...         super().__init__()
        ...         self.after = after
        ...     def on_epoch_begin(self, epoch, logs=None):
        ...         if epoch == self.after:
        ...             raise KeyboardInterrupt
        ...     def get_state(self):
        ...         return {}
        ...     def set_state(self, state):
        ...         pass
        >>> x = np.random.default_rng(0).normal(size=(100, 2))
        >>> whole, folder = train(tempfile.mkdtemp(), 9), tempfile.mkdtemp()
        >>> try:
        ...     train(folder, 2)
        ... except KeyboardInterrupt:
        ...     print("killed")
        killed
        >>> train(folder, 9) == whole
        True
    """
    verbose, epochs = verbosity(verbose), count("epochs", epochs)
    shuffle, seed = switch("shuffle", shuffle), checked_seed(seed)
    validation_freq = count("validation_freq", validation_freq)
    if is_int(save_freq):
        save_freq = count("save_freq", save_freq)
    else:
        one_of("save_freq", save_freq, ("auto", "epoch"), "Or give a number of batches")
    if validation_batch_size is not None:
        validation_batch_size = count("validation_batch_size", validation_batch_size)
    require(folder is not None, "`folder` must be a path.", "Say where to keep the checkpoints",
            folder=folder)  # fmt: skip
    path = place("folder", folder)
    check_model(model)
    callbacks = keras.tree.flatten(callbacks) if callbacks else []
    check_callbacks(callbacks)
    feed, validation, size = _data(
        x, y, sample_weight, class_weight, batch_size, validation_split, validation_data,
        shuffle, seed,
    )  # fmt: skip
    checkpoints, rates = Checkpoints(path), Rates(model)
    try:
        first = feed.first()
        build(model, first)
        forget_interrupt(model)
        check_program(model, first)
        settings = {
            "verbose": verbose,
            "validation_data": validation,
            "validation_batch_size": validation_batch_size or size,
            "validation_freq": validation_freq,
        }
        if is_dataset(validation) or isinstance(validation, keras.utils.PyDataset):
            settings["validation_batch_size"] = None
        parts = {
            "model": told(model, version),
            "learning_rate": rates.came,
            **feed.recipe(),
            "validation_data": _brief(validation),
            "callbacks": recipe_of(callbacks),
            "batch_size": size,
            "epochs": epochs,
            "shuffle": shuffle,
            "seed": seed,
            "validation_batch_size": settings["validation_batch_size"],
            "validation_freq": validation_freq,
            "backend": keras.backend.backend(),
        }
        checkpoints.claim_for(Parts(parts, version))
        _compare_machine(path / "environment.json", going_on=bool(checkpoints.files()))
        return Run(model, feed, checkpoints, epochs, save_freq, settings)(callbacks)
    finally:
        rates.leave()
        checkpoints.close()


def _compare_machine(file: Path, going_on: bool) -> None:
    """Say so where a training goes on in another environment, whose bits may differ."""
    facts = environment().facts
    record = Environment({kind: facts[kind] for kind in ("versions", "machine", "flags")})
    if not (going_on and file.exists()):
        record.save(file)
    elif told := record.differences(file):
        warnings.warn(
            f"This training began in another environment: {' '.join(told)} It goes on, but a run "
            "that was never killed might end in other bits.",
            stacklevel=3,
        )


def _data(x, y, sample_weight, class_weight, batch_size, share, validation, shuffle, seed):
    """Return the feed, the validation data and the batch size."""
    share = number("validation_split", share, least=0, below=1)
    validation = _validation(validation)
    own = is_dataset(x) or isinstance(x, keras.utils.PyDataset) or callable(x)
    if own:
        given = {"y": y, "sample_weight": sample_weight, "class_weight": class_weight,
                 "batch_size": batch_size, "validation_split": share or None}  # fmt: skip
        for name, value in given.items():
            require(value is None, f"`{name}` must be left out where x brings its batches.",
                    **{name: value, "x": type(x).__name__})  # fmt: skip
        feed: Feed = OfTheEpoch(x, shuffle, seed) if callable(x) else feed_of(x, shuffle, seed)
        return feed, validation, None
    if callable(getattr(x, "__next__", None)) or (
        not hasattr(x, "__array__") and not (isinstance(x, dict | list | tuple))
    ):
        feed_of(x, shuffle, seed)  # which says what it must be
    size = 32 if batch_size is None else count("batch_size", batch_size)
    data, _ = standardize(x, y, sample_weight, class_weight, "")
    if share and validation is None:
        data, held = split(data, share)
        # `fit` takes them as arrays alone: what lies on disk is read.
        validation = tuple(
            keras.tree.map_structure(np.asarray, part) for part in held if part is not None
        )
    return Arrays(data, size, shuffle, seed), validation, size


def _validation(data):
    if data is None:
        return None
    if is_dataset(data):
        check_dataset(data, "validation_data")
    elif isinstance(data, keras.utils.PyDataset):
        check_py_dataset(data, "validation_data")
    else:
        holds = isinstance(data, tuple | list) and 1 <= len(data) <= 3
        require(holds, "`validation_data` must be (x, y), (x, y, sample_weight), a PyDataset or a "
                "tf.data.Dataset.", validation_data=type(data).__name__)  # fmt: skip
        standardize(*(*data, None, None)[:3], None, "validation_data")
    return data


def _brief(validation):
    """Return what tells validation data apart."""
    if is_dataset(validation):
        return [int(validation.cardinality()), digest(next(iter(validation.take(1))))]
    if isinstance(validation, keras.utils.PyDataset):
        return [validation.num_batches, digest(validation[0])]
    return validation
