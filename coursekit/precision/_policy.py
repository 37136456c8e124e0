"""Setting a dtype policy. It is captured when a layer is made: later changes do not reach it."""

from typing import Any

from coursekit._checks import one_of

MIXED = ("mixed_float16", "mixed_bfloat16")
POLICIES = ("float32", "float64", *MIXED)
SHORT = ("float16", "bfloat16")


class precision:
    """Set the dtype policy of the layers made from now on, or in a block.

    ```
    precision("mixed_float16")               from here to the end of the notebook
    with precision("mixed_float16"): ...     in the block; then the policy is as before
    ```

    Args:
        policy: "float32", "float64", "mixed_float16" or "mixed_bfloat16" (mixed: layers compute in
            16 bits, weights are kept in float32), or a `keras.DTypePolicy` of that name.
            `runtime().policy` suits the hardware.

    Raises:
        ValueError: for another policy. "float16" and "bfloat16" would keep the weights in 16 bits
            too, where most updates round to nothing.

    Example:
        >>> import keras
        >>> with precision("mixed_bfloat16"):
        ...     layer = keras.layers.Dense(1)
        >>> layer.compute_dtype, layer.variable_dtype, keras.config.dtype_policy().name
        ('bfloat16', 'float32', 'float32')
    """

    def __init__(self, policy: Any):
        import keras

        name = getattr(policy, "name", policy)
        short = isinstance(name, str) and name in SHORT
        way_out = f"For 16 bits: 'mixed_{name}', with weights in float32" if short else ""
        self.policy = one_of("policy", name, POLICIES, way_out)
        self.before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.policy)

    def __repr__(self):
        return f"precision({self.policy!r})"

    def __enter__(self):
        import keras

        keras.config.set_dtype_policy(self.policy)
        return self

    def __exit__(self, *error):
        import keras

        keras.config.set_dtype_policy(self.before)
