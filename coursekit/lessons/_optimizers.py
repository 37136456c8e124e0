"""What the lesson on optimizers prepares, trains and measures."""

import time

import numpy as np


def moves(optimizer, gradients) -> np.ndarray:
    """Return how far a Keras optimizer moves one weight at each of the gradients."""
    import keras

    weight, places = keras.Variable(0.0), [0.0]
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [weight])
        places.append(float(weight))
    return np.diff(places)


def five_rarest(adagrad: bool, rate: float, seed: int) -> float:
    """Fit a line to counts of 20 words for 100 steps; return the error of the rarest five.

    Word k stands in a share of the texts that falls from 1/2 to 1/64. The gradients are those of
    batches of 64; the error is the mean squared distance from the weights that made the data.
    """
    rng = np.random.default_rng(seed)
    texts = rng.random((1000, 20)) < 0.5 ** np.linspace(1, 6, 20)
    true = rng.normal(size=20)
    y = texts @ true + rng.normal(0, 0.5, 1000)
    w, total = np.zeros(20), np.full(20, 0.1)
    with np.errstate(all="ignore"):  # too high a rate
        for _ in range(100):
            batch = rng.integers(1000, size=64)
            gradient = (texts[batch] @ w - y[batch]) @ texts[batch] / 64
            total += gradient**2
            w -= rate * gradient / (np.sqrt(total) if adagrad else 1)
        return float(np.mean((w - true)[-5:] ** 2))


def small_cnn(optimizer, seed: int):
    """Return a compiled CNN for digits: twice 16 filters with batch normalization, ten logits."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    net = keras.Sequential([keras.Input((8, 8, 1))])
    for strides in (1, 2):
        net.add(layers.Conv2D(16, 3, strides=strides, use_bias=False))
        net.add(layers.BatchNormalization())
        net.add(layers.ReLU())
    net.add(layers.Flatten())
    net.add(layers.Dense(10))
    net.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return net


def accuracy(net, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images whose largest logit is that of their class."""
    import keras

    return float(np.mean(keras.ops.convert_to_numpy(net(images)).argmax(axis=1) == labels))


def garments(name: str, make, rates: list[float], epochs: int) -> np.ndarray:
    """Train the running model with an optimizer, three seeds at each rate; print what comes out.

    `make(rate, net)` gives the optimizer. Returns the validation accuracies at the best rate, one a
    seed.
    """
    import keras

    from coursekit import datasets, lessons
    from coursekit.training import fit_many

    fashion = datasets.load_fashion_mnist()
    nets = [lessons.running_model(seed) for _ in rates for seed in range(3)]
    for k, net in enumerate(nets):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        net.compile(make(rates[k // 3], net), loss)
    start = time.perf_counter()
    fit_many(nets, fashion.train.x, fashion.train.y, epochs=epochs, batch_size=64, verbose=0,
             seed=[0, 1, 2] * len(rates))  # fmt: skip
    seconds = (time.perf_counter() - start) / len(nets)
    scores = [accuracy(net, fashion.validation.x, fashion.validation.y) for net in nets]
    table = np.reshape(scores, (-1, 3))
    for rate, row in zip(rates, table, strict=True):
        print(f"{name:13} {rate:6}: {row.min():.2f} to {row.max():.2f}, mean {row.mean():.2f}; "
              f"a run of {epochs} epochs takes {seconds:.1f} s")  # fmt: skip
    return table[table.mean(axis=1).argmax()]
