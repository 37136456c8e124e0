"""Losses of two networks against each other, as plain functions of their logits.

```python
loss = ops.mean(adversarial.hinge_discriminator(real_logits, fake_logits))
```

They take the logits of two batches, so they are no `keras.losses.Loss`. All return one value per
example: under several replicas, sum and divide by the global batch size.
"""

from keras import ops

from coursekit._checks import number, require
from coursekit.losses._base import Tensor, alike, floats, sizes_fit
from coursekit.losses._pairs import root

__all__ = [
    "gradient_penalty",
    "hinge_discriminator",
    "hinge_generator",
    "least_squares_discriminator",
    "least_squares_generator",
    "non_saturating_discriminator",
    "non_saturating_generator",
]


def non_saturating_discriminator(
    real_logits: Tensor, fake_logits: Tensor, *, real_label: float = 1.0
):
    """Compute the crossentropy of telling real from generated examples.

    ```
    loss = -log(sigmoid(real)) - log(1 - sigmoid(fake))
    ```

    Args:
        real_logits: the discriminator on real examples.
        fake_logits: the discriminator on generated examples.
        real_label: the label of real examples, in (0.5, 1]; 0.9 smooths one side. Defaults to 1.

    Shapes:
        Both `(batch, ...)`, alike; axes after the first are averaged, as in PatchGAN.

    Returns:
        One value per example, `(batch,)`.

    Raises:
        ValueError: if `real_label` is not in (0.5, 1], or the shapes differ.

    Numerics:
        softplus of logits: no logarithm of a rounded 0, gradients do not vanish when it is wrong.

    Example:
        >>> round(float(non_saturating_discriminator([[0.0]], [[0.0]])[0]), 4)  # 2 log 2
        1.3863

    References:
        Goodfellow et al., arXiv:1406.2661, section 3; Salimans et al., arXiv:1606.03498, section
        3.4.
    """
    real_label = number("real_label", real_label, above=0.5, most=1)
    real, fake = _two_batches(real_logits, fake_logits)
    costs = real_label * ops.softplus(-real) + ops.softplus(fake)
    if real_label < 1:
        costs = costs + (1.0 - real_label) * ops.softplus(real)
    return _per_example(costs)


def non_saturating_generator(fake_logits: Tensor):
    """Compute `-log(sigmoid(fake))`: the generator wants its examples taken for real ones.

    Unlike `log(1 - sigmoid(fake))`, which has the same optimum, it has its largest gradient where
    the discriminator is surest.

    Args:
        fake_logits: the discriminator on generated examples, `(batch, ...)`.

    Returns:
        One value per example, `(batch,)`.

    Example:
        >>> round(float(non_saturating_generator([[-100.0]])[0]), 2)
        100.0

    References:
        Goodfellow et al., arXiv:1406.2661, section 3.
    """
    return _per_example(ops.softplus(-_logits(fake_logits)))


def hinge_discriminator(real_logits: Tensor, fake_logits: Tensor):
    """Compute `max(1 - real, 0) + max(1 + fake, 0)`: a margin of 1 on both sides.

    Args:
        real_logits: the discriminator on real examples.
        fake_logits: the discriminator on generated examples.

    Shapes:
        Both `(batch, ...)`, alike; axes after the first are averaged.

    Returns:
        One value per example, `(batch,)`.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> float(hinge_discriminator([[0.5]], [[-2.0]])[0])
        0.5

    References:
        Lim and Ye, "Geometric GAN", arXiv:1705.02894; Miyato et al., arXiv:1802.05957, equation 16.
    """
    real, fake = _two_batches(real_logits, fake_logits)
    return _per_example(ops.relu(1.0 - real) + ops.relu(1.0 + fake))


def hinge_generator(fake_logits: Tensor):
    """Compute `-fake`, the generator's side of the hinge loss (and of Wasserstein's).

    Args:
        fake_logits: the discriminator on generated examples, `(batch, ...)`.

    Returns:
        One value per example, `(batch,)`, which may be negative.

    Example:
        >>> float(hinge_generator([[2.0]])[0])
        -2.0

    References:
        Miyato et al., arXiv:1802.05957, equation 17.
    """
    return _per_example(-_logits(fake_logits))


def least_squares_discriminator(real_logits: Tensor, fake_logits: Tensor):
    """Compute `((real - 1) ** 2 + fake ** 2) / 2`: real examples at 1, generated ones at 0.

    Args:
        real_logits: the discriminator on real examples.
        fake_logits: the discriminator on generated examples.

    Shapes:
        Both `(batch, ...)`, alike; axes after the first are averaged.

    Returns:
        One value per example, `(batch,)`.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> float(least_squares_discriminator([[0.0]], [[2.0]])[0])
        2.5

    References:
        Mao et al., arXiv:1611.04076, equation 9.
    """
    real, fake = _two_batches(real_logits, fake_logits)
    return _per_example(0.5 * (ops.square(real - 1.0) + ops.square(fake)))


def least_squares_generator(fake_logits: Tensor):
    """Compute `(fake - 1) ** 2 / 2`, the generator's side of the least squares loss.

    Args:
        fake_logits: the discriminator on generated examples, `(batch, ...)`.

    Returns:
        One value per example, `(batch,)`.

    Example:
        >>> float(least_squares_generator([[3.0]])[0])
        2.0

    References:
        Mao et al., arXiv:1611.04076, equation 9.
    """
    return _per_example(0.5 * ops.square(_logits(fake_logits) - 1.0))


def gradient_penalty(gradients: Tensor, *, target: float = 1.0):
    """Compute how far the length of each example's gradient is from its target.

    ```
    penalty = (||gradient|| - target) ** 2
    ```

    The gradients are those of the discriminator's output with respect to its input, taken with the
    backend (`tf.GradientTape`, `jax.grad`): Keras has none of its own. WGAN-GP takes them between
    real and generated examples and weighs the penalty with 10; R1 takes them at real ones, with
    `target=0`.

    Args:
        gradients: one for each example.
        target: the wanted length, >= 0. Defaults to 1.

    Shapes:
        gradients `(batch, ...)`; the length is over all axes but the first.

    Returns:
        One value per example, `(batch,)`.

    Raises:
        ValueError: if `target` is not >= 0.

    Numerics:
        A square root has no slope at 0, where a discriminator that ignores its input starts:
        its gradient there is 0 instead of NaN.

    Example:
        >>> float(gradient_penalty([[3.0, 4.0]])[0])
        16.0

    References:
        Gulrajani et al., arXiv:1704.00028, equation 3; Mescheder et al., arXiv:1801.04406.
    """
    target = number("target", target, least=0)
    gradients = _logits(gradients, "gradients")
    squares = ops.sum(ops.square(gradients), axis=tuple(range(1, len(gradients.shape))))
    return ops.square(root(squares) - target)


def _two_batches(real_logits, fake_logits):
    real, fake = alike(_logits(real_logits, "real_logits"), _logits(fake_logits))
    of_real, of_fake = tuple(real.shape), tuple(fake.shape)
    rule = "`real_logits` and `fake_logits` must have the same shape."
    require(sizes_fit(of_real, of_fake), rule, real=of_real, fake=of_fake)
    return real, fake


def _logits(values, name="fake_logits"):
    values = floats(values, name)
    shape = tuple(values.shape)
    require(len(shape) > 0, f"`{name}` must have one value for each example.", shape=shape)
    return values


def _per_example(values):
    return ops.mean(values, axis=tuple(range(1, len(values.shape))))
