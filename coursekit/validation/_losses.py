"""Does the loss see the targets in the shape of the outputs?"""

import numpy as np

from coursekit.validation._task import TASK_OF, losses_of, refuse_widths, resolved


def refuse_broadcasting(model, y, outputs) -> None:
    """Refuse a loss that compares targets with the outputs of other rows or columns.

    Keras aligns `(n,)` with `(n, 1)` for its own losses and for functions. A subclass of `Loss`
    gets them as they are, and `y_true - y_pred` has then the shape `(n, n)`.
    """
    import keras

    several = isinstance(y, dict)
    losses = losses_of(model, list(y)) if several else {None: losses_of(model, None)}
    for name, targets in y.items() if several else [(None, y)]:
        out, (loss, word) = outputs[name] if several else outputs, resolved(losses[name])
        if TASK_OF.get(word) == "regression" and max(out.ndim, targets.ndim) <= 2:
            refuse_widths(targets, out)
        if not isinstance(loss, keras.losses.Loss) or not _misfit(targets, out):
            continue
        if _differ(loss, targets):
            where = "y" if name is None else f"y[{name!r}]"
            raise ValueError(
                "The loss must see the targets in the shape of the outputs. Received: "
                f"`{where}` of shape {targets.shape}, outputs of shape "
                f"{(len(targets), *out.shape[1:])}, and {type(loss).__name__}, which compares each "
                f"target with the outputs of all rows. Pass {where}[:, None]; or begin its `call` "
                "with y_true = keras.ops.reshape(y_true, keras.ops.shape(y_pred))."
            )


def _misfit(targets: np.ndarray, outputs: np.ndarray) -> bool:
    return targets.ndim == 1 and outputs.ndim == 2 and outputs.shape[1] == 1


def _differ(loss, targets: np.ndarray) -> bool:
    """Whether the loss of some rows depends on how their targets are shaped."""
    import keras

    some = targets[np.unique(targets, return_index=True)[1][:8]]
    outputs = np.random.default_rng(0).uniform(0.2, 0.8, (len(some), 1)).astype("float32")
    try:
        flat, column = (keras.ops.convert_to_numpy(loss(y, outputs)) for y in (some, some[:, None]))
    except Exception:  # one that takes only one of the two: training will say so
        return False
    return flat.shape != column.shape or not np.allclose(flat, column, rtol=1e-3, atol=1e-6)
