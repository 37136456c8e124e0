"""All variables that a training moves, by their places: names may change with the process."""

import keras
import numpy as np

from coursekit._checks import require
from coursekit._optimizers import parts_of
from coursekit._randomness import read, write

RANDOM = np.random.Generator, np.random.RandomState, np.random.BitGenerator
STATEFUL = "Random", "Stateful", "Rng", "TruncatedNormal", "Multinomial", "ParameterizedTruncated"


def optimizers_of(model) -> list:
    """Return the optimizers of a model: also those that a `train_step` of its own keeps."""
    found: list = []
    for value in [model.optimizer, *vars(model).values()]:
        if isinstance(value, keras.optimizers.Optimizer) and value not in found:
            found.append(value)
    return found


def variables_of(model) -> list:
    """Return weights, statistics, seeds, slots, iterations, rates, scales and metrics."""
    found = [*model.variables, *model.metrics_variables]
    for optimizer in optimizers_of(model):
        for part in parts_of(optimizer):
            found += part.variables
    return list({id(variable): variable for variable in found}.values())


def values_of(model) -> list:
    """Return the values of all variables, for each one a list of its copies on the replicas."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()
    return [read(variable) for variable in variables_of(model)]


def assign(model, values: list) -> None:
    """Put back what `values_of` returned."""
    variables = variables_of(model)
    shapes = [[copy.shape for copy in read(variable)] for variable in variables]
    kept = [[copy.shape for copy in copies] for copies in values]
    require(shapes == kept, "The model must be that of the checkpoint.",
            variables=len(shapes), kept=len(kept))  # fmt: skip
    for variable, copies in zip(variables, values, strict=True):
        write(variable, copies)


def build(model, batch) -> None:
    """Create every variable of a model, its metrics and its optimizer, as `fit` would."""
    batch = keras.tree.map_structure(_plain, batch)
    if keras.backend.backend() == "tensorflow":
        with model.distribute_strategy.scope():
            model._symbolic_build(data_batch=batch)
    else:
        model._symbolic_build(data_batch=batch)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def _plain(leaf):
    array = np.asarray(leaf)
    return leaf if array.dtype.kind in "OUS" else array


def forget_interrupt(model) -> None:
    """Take away what a `fit` that was interrupted has left beside the state."""
    left = "_eval_epoch_iterator", "_jax_state", "stop_evaluating", "stop_predicting"
    for name in left:
        vars(model).pop(name, None)


def check_model(model) -> None:
    """Refuse a model whose state, or whose steps, cannot be kept."""
    require(isinstance(model, keras.Model), "`model` must be a Keras model.", model=model)
    require(
        bool(model.compiled) and model.optimizer is not None,
        "`model` must be compiled with an optimizer.",
        "Call model.compile(optimizer, loss) first",
        compiled=bool(model.compiled),
    )
    steps = model.steps_per_execution
    require(steps in (1, None), "`steps_per_execution` must be 1: a kill may fall on any step.",
            "Compile without it", steps_per_execution=steps)  # fmt: skip
    for optimizer in optimizers_of(model):
        require(
            optimizer is model.optimizer or optimizer.built,
            "Every optimizer of the model must have its variables, to be restored into.",
            "Call `optimizer.build(variables)` before training",
            optimizer=type(optimizer).__name__,
        )
    for layer in model._flatten_layers():
        for name, value in vars(layer).items():
            require(
                not isinstance(value, RANDOM),
                "The layers' random draws must come from variables.",
                "Draw from a `keras.random.SeedGenerator`",
                layer=layer.name,
                **{name: type(value).__name__},
            )


def check_program(model, batch) -> None:
    """Refuse a step of one's own that draws from TensorFlow's counters, or hides variables.

    Such an operation counts its draws inside the runtime, where no checkpoint can put it back.
    """
    own = [layer for layer in model._flatten_layers() if not _is_known(layer)]
    if keras.backend.backend() != "tensorflow" or model.run_eagerly or not own:
        return
    import tensorflow as tf

    with model.distribute_strategy.scope():
        if model.distribute_strategy.num_replicas_in_sync > 1:  # a step may ask for its replica
            step = tf.function(lambda x: model(x, training=True))
            batch = keras.utils.unpack_x_y_sample_weight(batch)[0]
        else:
            step = tf.function(model.train_step)
        graph = step.get_concrete_function(_specs(batch)).graph
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    for node in nodes:
        if node.op.startswith(STATEFUL):
            raise ValueError(
                "The model must draw its random numbers from Keras. Received: the operation "
                f"{node.op} ({node.name}), which TensorFlow counts where nothing can restore it. "
                "Use `keras.random` with a `keras.random.SeedGenerator`."
            )
    known = {id(part) for v in variables_of(model) for part in _copies(v)}
    for variable in graph.variables:
        if id(variable) not in known and id(getattr(variable, "_primary", None)) not in known:
            raise ValueError(
                "The model must keep its state in Keras's variables. Received: the TensorFlow "
                f"variable {variable.name}. Make it by `self.add_weight`."
            )


def _copies(variable) -> list:
    value = variable.value
    return [value, *getattr(value, "values", [])]


def _is_known(layer) -> bool:
    ours = type(layer).__module__.partition(".")[0] in ("keras", "coursekit")
    return ours and not isinstance(layer, keras.layers.Lambda)


def _specs(batch):
    import tensorflow as tf

    def spec(leaf):
        leaf = tf.convert_to_tensor(leaf)
        return tf.TensorSpec([None, *leaf.shape[1:]], leaf.dtype)

    return tf.nest.map_structure(spec, batch)
