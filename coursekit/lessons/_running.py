"""The course's running model: one small network on Fashion-MNIST, met again in each lesson."""


def running_model(seed: int = 0, shape: tuple[int, ...] = (28, 28)):
    """Return the running model, fresh and not compiled: the pixels, 128 units, 10 classes.

    Args:
        seed: of the initial weights; it seeds Python, numpy and Keras.
        shape: of an image.

    Returns:
        A `keras.Sequential` that takes images of that shape, pixel values 0 to 255, and gives ten
        logits.
    """
    import keras

    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10),
        ],
        name="running_model",
    )
