"""The Lovász softmax: intersection over union, made convex.

```python
model.compile("adam", losses.LovaszSoftmax(from_logits=True))
```
"""

from collections.abc import Sequence
from typing import Any

from keras import ops

from coursekit._checks import one_of
from coursekit.losses import _arguments
from coursekit.losses._base import Tensor, floats, loss_function, register
from coursekit.losses._masks import (
    ImageLoss,
    errors,
    flat,
    masks_of,
    over_classes,
    probabilities,
    whole_masks,
)


@loss_function
def lovasz_softmax(
    y_true: Tensor,
    y_pred: Tensor,
    *,
    classes: str = "present",
    class_weights: Sequence[float] | None = None,
    multilabel: bool = False,
    from_logits: bool = False,
    ignore_class: int | None = None,
):
    """Compute the Lovász softmax: a convex stand-in for 1 - intersection over union.

    ```
    loss = mean_c(sum_k e_(k) * (J_k - J_(k-1)))
    ```

    where e_(1) >= e_(2) >= ... are the sorted errors |t - p| of the pixels for class c, J_0 = 0,
    and J_k is 1 - intersection over union of the class if exactly the k worst pixels are wrong.
    For predictions of 0 and 1 it is 1 - intersection over union itself.

    Args:
        y_true: integer labels, 0 to C - 1; for one channel, and with `multilabel`, 0 and 1.
        y_pred: probabilities or logits of C classes; one channel (or, with `multilabel`,
            each) counts as two classes, with the probabilities 1 - p and p.
        classes: "present": average over the classes that the image has; "all": over all. Defaults
            to "present".
        class_weights: C weights >= 0 in the mean over the classes; only their ratios
            matter. 0 leaves a class out, such as the background. Defaults to None: all alike.
        multilabel: whether the channels are masks of their own, which may overlap: the loss is then
            the mean over the channels of what each would cost alone. Defaults to False: each pixel
            is of one class.
        from_logits: whether `y_pred` holds logits (softmax; sigmoid for one channel and with
            `multilabel`). Defaults to False.
        ignore_class: pixels with this label count for nothing, such as 255. Defaults to None.

    Shapes:
        y_pred `(batch, ..., C)`; y_true `(batch, ...)` or `(batch, ..., 1)`, and with `multilabel`
        the shape of y_pred.

    Returns:
        One value per image, `(batch,)`, in [0, 1]. With "all", a class that is absent costs its
        largest probability anywhere in the image; with "present" it costs nothing by itself. An
        image in which everything is ignored costs 0 and has no gradient.

    Raises:
        ValueError: for arguments out of range, or labels whose sizes are not those of `y_pred`.

    Numerics:
        Absent classes and ignored pixels are masked, not left out, so that shapes are static.
        Errors that are exactly equal are sorted by position.

    Example:
        >>> values = lovasz_softmax([[0, 1]], [[[0.5, 0.5], [0.5, 0.5]]])
        >>> float(values[0])
        0.5

    References:
        Berman et al., "The Lovász-Softmax loss", arXiv:1705.08790, equations 9 and 11.
    """
    classes, class_weights, multilabel, from_logits, ignore_class = _lovasz(
        classes, class_weights, multilabel, from_logits, ignore_class
    ).values()
    y_pred = floats(y_pred)
    if multilabel or tuple(y_pred.shape)[-1:] == (1,):
        y_true = whole_masks(y_true)
    masks = masks_of(y_true, y_pred, ignore_class, multilabel)
    parts = [masks.targets, probabilities(masks, from_logits), masks.valid]
    t, p, valid = (part if part is None else ops.swapaxes(flat(part), 1, 2) for part in parts)
    if masks.labels is None:
        masks = masks._replace(fits=ops.equal(masks.targets, 0) | ops.equal(masks.targets, 1))
        t, p = (ops.concatenate([1 - x, x], axis=1) for x in (t, p))
        valid = None if valid is None else ops.concatenate([valid, valid], axis=1)
    by_class, found = _by_class(t, p, valid)
    counts = ops.ones_like(found) if classes == "all" else ops.cast(found > 0, p.dtype)
    if masks.labels is None:  # the mean of background and foreground, for each channel
        sides = (-1, 2, masks.y_pred.shape[-1])
        by_class, counts = ops.reshape(by_class, sides), ops.reshape(counts, sides)
        values = ops.sum(by_class * counts, axis=1) / ops.maximum(ops.sum(counts, axis=1), 1)
        values = over_classes(values, class_weights)
    else:
        total = over_classes(counts, class_weights, ops.sum)
        total = ops.where(total > 0, total, 1.0)
        values = over_classes(by_class * counts, class_weights, ops.sum) / total
    return masks.known(values)


def _by_class(t, p, valid):
    """Return the loss of each class in each image, and how many pixels it has there."""
    costs, (rows, classes, number) = errors(t, p), ops.shape(p)
    if valid is not None:
        t, costs = t * valid, costs * valid + (valid - 1)  # ignored pixels come last ...
    order = ops.top_k(ops.stop_gradient(costs), number)[1]
    if valid is not None:
        costs = ops.relu(costs)  # ... and are no errors
    first = ops.reshape(ops.arange(rows * classes, dtype="int32") * number, (rows, classes, 1))
    order = ops.reshape(order + first, (-1,))
    t_sorted = ops.reshape(ops.take(ops.reshape(t, (-1,)), order), ops.shape(p))
    found, hits = ops.sum(t, axis=2, keepdims=True), ops.cumsum(t_sorted, axis=2)
    intersection = found - hits
    union = intersection + ops.arange(1, number + 1, dtype=p.dtype)
    # J_k - J_(k-1), written out for a pixel of the class and for another one: no cancellation.
    of_another = ops.where(union > 1, intersection, 1.0) / (union * ops.maximum(union - 1, 1))
    steps = ops.where(t_sorted > 0, 1 / union, of_another)
    # Steps go to their pixels: errors to their ranks would need a gradient back, which is slower.
    steps = ops.segment_sum(ops.reshape(steps, (-1,)), order, rows * classes * number)
    return ops.sum(costs * ops.reshape(steps, ops.shape(p)), axis=2), found[:, :, 0]


@register
class LovaszSoftmax(ImageLoss):
    """Lovász softmax, one value per image; see `lovasz_softmax`.

    Example:
        >>> float(LovaszSoftmax()([[0, 1]], [[[0.5, 0.5], [0.5, 0.5]]]))
        0.5
    """

    def __init__(
        self,
        *,
        classes: str = "present",
        class_weights: Sequence[float] | None = None,
        multilabel: bool = False,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "lovasz_softmax",
        dtype: Any = None,
    ):
        arguments = _lovasz(classes, class_weights, multilabel, from_logits, ignore_class)
        super().__init__(lovasz_softmax, arguments, reduction, name, dtype)


def _lovasz(classes, class_weights, multilabel, from_logits, ignore_class) -> dict[str, Any]:
    return {
        "classes": one_of("classes", classes, ("present", "all")),
        "class_weights": _arguments.class_weights(class_weights),
        **_arguments.common(
            multilabel=multilabel, from_logits=from_logits, ignore_class=ignore_class
        ),
    }
