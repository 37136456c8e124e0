"""The course's running model: one small network on Fashion-MNIST, met again in each lesson."""


def running_model(seed: int = 0):
    """Return the running model, fresh and not compiled: 784 pixels, 128 units, 10 classes.

    Args:
        seed: of the initial weights; it seeds Python, numpy and Keras.

    Returns:
        A `keras.Sequential` that takes images of shape (28, 28), pixel values 0 to 255, and gives
        ten logits.
    """
    import keras

    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10),
        ],
        name="running_model",
    )
