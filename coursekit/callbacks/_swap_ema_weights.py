"""Evaluate and predict with the averaged weights, and get the raw ones back."""

import keras


class SwapEMAWeights(keras.callbacks.SwapEMAWeights):
    """Keras's `SwapEMAWeights`, whose `predict` gives the raw weights back.

    After `predict`, Keras's own leaves the averaged weights in the model: its `on_predict_end`
    tests the opposite of what it should (Keras 3.13 to 3.15). Training then goes on from the
    average.

    The moving statistics of batch normalization belong to the raw weights and are not averaged;
    with batch normalization use `StochasticWeightAveraging`, which measures them anew.

    Args:
        swap_on_epoch: as in `keras.callbacks.SwapEMAWeights`. Defaults to False.

    Numerics: Keras swaps by adding and subtracting, so the raw weights come back up to rounding.

    References:
        Polyak and Juditsky 1992, Acceleration of stochastic approximation by averaging.
    """

    def on_predict_end(self, logs: dict | None = None) -> None:
        """Bring the raw weights back, as after `evaluate`."""
        self.on_test_end(logs)
