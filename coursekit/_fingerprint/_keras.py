"""Keras's layers, models, variables and optimizers, as a fingerprint takes them apart.

Keras keeps its own records beside what decides a result. `RECORDS` names them; all other attributes
count, also those of the user's subclasses. Keras itself need not be imported: who has no Keras has
no object of it.
"""

import re
import sys

RECORDS = {
    # layers and operations
    "name", "_name", "_path", "_parent_path", "_auto_name", "_auto_config", "_lock", "_tracker",
    "_tracked", "_inbound_nodes", "_outbound_nodes", "_called", "built", "_losses", "_loss_ids",
    "_losses_override", "_metrics", "_input_spec", "input_spec", "_call_signature",
    "call_signature_parameters", "_call_has_training_arg", "_call_has_mask_arg",
    "_call_context_args", "_call_has_context_arg", "_allow_non_tensor_positional_args",
    "_build_shapes_dict", "_saved_model_inputs_spec", "_saved_model_arg_spec", "lookup_table",
    # models
    "_compile_config", "_compile_loss", "_compile_metrics", "_loss_tracker", "_functional",
    "train_function", "test_function", "predict_function", "_distribute_strategy", "_initial_epoch",
    "_inputs_struct", "_outputs_struct", "_inputs", "_outputs", "_nodes", "_nodes_by_depth",
    "_operations", "_operations_by_depth", "output_names", "_compiled_trainable_state", "history",
    "stop_training",
    # optimizers, metrics, seeds
    "_trainable_variables_indices", "_distribution_strategy", "_mesh", "backend",
    "_build_input_shape", "_built", "_seed_generators", "_exclude_from_weight_decay_cache",
}  # fmt: skip
SEEDS = {"seed", "_seed", "_init_seed", "_initial_seed", "seed_generator"}


def kinds(*names: str) -> tuple[type, ...]:
    """Return these classes of Keras; none where Keras is not there."""
    keras = sys.modules.get("keras")
    return tuple(getattr(keras, name) for name in names if hasattr(keras, name))


def is_of_keras(value) -> bool:
    """Whether a value is an object of Keras, or of a subclass."""
    return any(base.__module__.partition(".")[0] == "keras" for base in type(value).__mro__)


def attributes(value) -> dict[str, object]:
    """Return the attributes that decide what an object of Keras does."""
    found = {}
    for name, one in vars(value).items():
        if name in RECORDS or name.startswith("_self_"):
            continue
        if name in ("build", "quantize") and _of_keras(one):
            continue  # Keras's wrapper around the class's own method
        found[name] = one
    if excluded := found.get("_exclude_from_weight_decay"):  # names that Keras counts up
        keys = [value._var_key(v) for v in value._trainable_variables]
        found["_exclude_from_weight_decay"] = [key in excluded for key in keys] or len(excluded)
    # Seeds that Keras drew, for want of one, decide no more than the next draw would.
    if found.get("_init_seed", 0) is None:
        found.pop("seed", None)
    if found.get("seed", 0) is None:
        found.pop("seed_generator", None)
    return found


def _of_keras(function) -> bool:
    space = getattr(function, "__globals__", {})
    return str(space.get("__name__", "")).partition(".")[0] == "keras"


def label(value) -> str:
    """Return an object's name, unless Keras made it up by counting."""
    name = str(getattr(value, "name", ""))
    bare = re.sub(r"_\d+$", "", name)
    given = bare.replace("_", "").lower() != type(value).__name__.lower()
    return name if given and bare != "keras_tensor" else ""


def compiled(model) -> dict:
    """Return what a model was compiled with, as it was given, and its optimizer."""
    config = getattr(model, "_compile_config", None)
    given = dict(getattr(config, "config", None) or {})
    given.pop("optimizer", None)
    return {"loss": model.loss, **given, "optimizer": getattr(model, "optimizer", None)}


def graph(model) -> list:
    """Return how the operations of a functional model hang together, by their numbers."""
    numbers = {id(op): k for k, op in enumerate(model.operations)}

    def place(leaf):
        if not isinstance(leaf, kinds("KerasTensor")):
            return leaf
        history = leaf._keras_history
        number = numbers.get(id(history.operation), -1)
        return ("tensor", number, history.node_index, history.tensor_index)

    tree = sys.modules["keras"].tree
    wiring = [
        [
            tree.map_structure(place, [list(node.arguments.args), dict(node.arguments.kwargs)])
            for node in op._inbound_nodes
            if node in model._nodes
        ]
        for op in model.operations
    ]
    ends = [
        tree.map_structure(place, part) for part in (model._inputs_struct, model._outputs_struct)
    ]
    shapes = [(tuple(one.shape), str(one.dtype), label(one)) for one in model.inputs]
    outputs = [label(one._keras_history.operation) for one in model.outputs]
    return [wiring, ends, shapes, outputs, list(model.operations)]
