"""The same training on several machines. TensorFlow backend.

```
from coursekit.distribution.workers import fit_on_workers, worker_strategy

strategy = worker_strategy()  # first of all; reads TF_CONFIG
with strategy.scope():
    model = ReplicaModel(inputs, outputs)  # coursekit.distribution.step
    model.compile("adam", loss)
history = fit_on_workers(model, dataset, epochs=3)
```

All machines run this program, on the same dataset; TF_CONFIG tells each who it is (`tf_config`).
`fit` of Keras 3 fails there: it turns what the workers' replicas logged into one tensor, and stops
with a ValueError about a `PerReplica`. `evaluate`, `predict` and `save` belong on one machine.
"""

import json
import os
import re
from typing import Any

from coursekit._checks import count, is_int, number, require
from coursekit._findings import refuse
from coursekit.distribution._batches import check_end
from coursekit.distribution._lint import lint
from coursekit.precision import refuse_precision

ADDRESS = re.compile(r"[^\s:/]+:\d+")


def tf_config(addresses: list[str], index: int) -> str:
    """Return the TF_CONFIG of one worker.

    ```
    TF_CONFIG='{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}'
    ```

    Args:
        addresses: "host:port" of every worker, the same list in the same order on all.
        index: which of them this one is, from 0. The first one also keeps the others together: if
            it ends, all end.

    Raises:
        ValueError: for another form of address, one twice, or an index without address.

    Example:
        >>> tf_config(["10.0.0.1:2222", "10.0.0.2:2222"], 1)[:51]
        '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:'
    """
    listed = isinstance(addresses, list | tuple) and len(addresses) > 0
    texts = listed and all(isinstance(a, str) and ADDRESS.fullmatch(a) for a in addresses)
    rule = "`addresses` must be a list of different 'host:port' texts."
    require(texts and len(set(addresses)) == len(addresses), rule, addresses=addresses)
    rule = f"`index` must be an integer from 0 to {len(addresses) - 1}."
    require(is_int(index) and 0 <= index < len(addresses), rule, index=index)
    task = {"type": "worker", "index": int(index)}
    cluster = {"cluster": {"worker": list(addresses)}, "task": task}
    return json.dumps(cluster)


def worker_strategy(timeout_seconds: float = 300.0) -> Any:
    """Return the `tf.distribute.MultiWorkerMirroredStrategy` that TF_CONFIG describes.

    It waits until all workers are there. Without TF_CONFIG TensorFlow would train alone and say
    nothing; this raises.

    Args:
        timeout_seconds: how long a worker waits in a step for the others before it raises, above
            0: longer than the slowest batch, evaluation or checkpoint of another one. Defaults to
            300. A worker that ends without a word is noticed earlier.

    Raises:
        ValueError: for another timeout, or a TF_CONFIG that names no workers.
        RuntimeError: without TF_CONFIG; or if TensorFlow has started, as it then knows no others.
    """
    timeout_seconds = number("timeout_seconds", timeout_seconds, above=0)
    _check_config(os.environ.get("TF_CONFIG"))
    import tensorflow as tf

    options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=timeout_seconds)
    return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)


def fit_on_workers(model: Any, dataset: Any, epochs: int = 1) -> dict[str, list[float]]:
    """Train on all workers, with the updates that one machine would make.

    ```
    loss, gradient: over the rows of the batch on all workers (coursekit.distribution.step)
    ```

    Each worker reads the whole dataset and takes its rows of each batch. They must read the same
    order: `keras.utils.set_random_seed` with one number on all workers, then `shuffle(..., seed)`
    (TensorFlow mixes both; a new order in each epoch is the same on all workers, and not that of
    one process). Otherwise rows are trained twice or never, and nothing says so.

    Args:
        model: a compiled `ReplicaModel`, built under `worker_strategy()`'s scope.
        dataset: a batched `tf.data.Dataset`, the same on every worker; a batch is that of all
            workers together.
        epochs: at least 1. Defaults to 1.

    Returns:
        The loss and the metrics of each epoch, as in `fit(...).history`; the same on every worker.

    Raises:
        ValueError: for another kind of model or dataset, or what `lint` says cannot be cured.
        tensorflow.errors.OpError: if another worker ends or does not answer in time. Start all of
            them again, from a checkpoint.

    Numerics: sums over workers round differently: equal within 1e-6, not to the bit.
    """
    import tensorflow as tf

    strategy = _check_model(model)
    if not isinstance(dataset, tf.data.Dataset):
        raise ValueError(
            f"`dataset` must be a batched `tf.data.Dataset`. Received: {type(dataset).__name__}"
        )
    check_end("dataset", dataset)
    epochs = count("epochs", epochs)
    options = tf.data.Options()
    # By rows, also where "auto" would give each worker other files, and so other batches.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    _build(model, dataset.element_spec, strategy)
    batches = strategy.experimental_distribute_dataset(dataset.with_options(options))

    def on_replica(*batch):
        # `all_gather` of TensorFlow, on one replica a worker, needs to know where a tensor is, and
        # does not of an argument ("destinations can not be empty"). A copy has a place.
        model.train_step(tf.nest.map_structure(tf.identity, batch))

    # One program for batches of all sizes: workers that trace another number of them, for their own
    # part of a batch, would add up different things.
    @tf.function(input_signature=[batches.element_spec])
    def step(batch):
        strategy.run(on_replica, args=batch)

    history = {}
    for _ in range(epochs):
        model.reset_metrics()
        for batch in batches:
            step(batch)
        for name, value in model.get_metrics_result().items():
            history.setdefault(name, []).append(float(value))
    return history


def _check_config(text: str | None) -> None:
    if not text:
        raise RuntimeError(
            "There is no TF_CONFIG: TensorFlow would train alone, and not say so. "
            "Set `os.environ['TF_CONFIG'] = tf_config(addresses, index)` on each."
        )
    try:
        config = json.loads(text)
        tf_config(config["cluster"]["worker"], config["task"]["index"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"TF_CONFIG must be what `tf_config(addresses, index)` makes. Received: {text!r} "
            f"({type(error).__name__}: {error})"
        ) from error


def _check_model(model):
    """Return the strategy of a model that can be trained on workers."""
    import tensorflow as tf

    if not getattr(model, "is_replica_correct", False) or not model.compiled:
        raise ValueError(
            "`fit_on_workers` needs a compiled `coursekit.distribution.step.ReplicaModel`: its "
            f"step is the same on several workers as on one. Received: {type(model).__name__}"
        )
    strategy = model.distribute_strategy
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        raise ValueError(
            "The model must be built and compiled in `with worker_strategy().scope():`. Received: "
            f"a model under {type(strategy).__name__.lstrip('_')}"
        )
    refuse_precision(model)
    found = [finding for finding in lint(model) if finding.rule != "strategy"]
    refuse(found, ("fails", "wrong"), "This model cannot be trained on workers:")
    return strategy


def _build(model, element_spec, strategy) -> None:
    """Make all variables, which cannot be made inside of a step."""
    import keras

    def symbolic(spec):
        return keras.KerasTensor(tuple(spec.shape), spec.dtype.name)

    with strategy.scope():
        model._symbolic_build(data_batch=keras.tree.map_structure(symbolic, element_spec))
