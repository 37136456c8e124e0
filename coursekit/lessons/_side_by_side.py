"""Many small networks trained at once, in NumPy: 64 pixels, one hidden layer, dropout, Adam.

A search trains hundreds of networks that differ in everything. Keras compiles a program for each
width and each dropout rate, which takes longer than the training; here all networks of a batch size
take their steps together. A test holds the steps against those of Keras.
"""

import numpy as np
from threadpoolctl import threadpool_limits


@threadpool_limits.wrap(limits=1)  # threads that share such small products cost more than they do
def train(settings, seeds, data, held, epochs: int) -> np.ndarray:
    """Train a network for each setting, all of one batch size; return accuracies after each epoch.

    Args:
        settings: dicts of learning_rate, batch_size, units and dropout.
        seeds: of the networks' weights and the order of their batches.
        data: images as rows, and their labels.
        held: the same, to be judged by.
        epochs: the number of epochs.
    """
    (x, y), size = data, int(settings[0]["batch_size"])
    weights = first_weights([int(s["units"]) for s in settings], seeds)
    rates = np.array([s["learning_rate"] for s in settings], "float32").reshape(-1, 1, 1)
    dropout = np.array([s["dropout"] for s in settings], "float32").reshape(-1, 1, 1)
    orders = [np.random.default_rng(seed) for seed in seeds]
    rng, found = np.random.default_rng(list(seeds)), []
    step = adam(rates)
    for _ in range(epochs):
        order = np.stack([one.permutation(len(x)) for one in orders])
        for start in range(0, len(x), size):
            rows = order[:, start : start + size]
            kept = np.float32(1)
            if dropout.any():
                drawn = rng.random((*rows.shape, weights[0].shape[-1]), "float32")
                kept = (drawn >= dropout) / (1 - dropout)
            step(weights, gradients(weights, x[rows], y[rows], kept))
        found.append((_scores(weights, held[0])[1].argmax(-1) == held[1]).mean(-1))
    return np.stack(found, axis=1)


def first_weights(units: list[int], seeds) -> list[np.ndarray]:
    """Return kernels and biases of both layers, by Glorot; units that a network lacks are zero.

    Such a unit stays zero: the gradients that reach it are.
    """
    hidden = np.zeros((len(units), 64, max(units)), "float32")
    out = np.zeros((len(units), max(units), 10), "float32")
    for k, (count, seed) in enumerate(zip(units, seeds, strict=True)):
        rng = np.random.default_rng(seed)
        hidden[k, :, :count] = _glorot(rng, 64, count)
        out[k, :count] = _glorot(rng, count, 10)
    return [hidden, np.zeros_like(hidden[:, :1]), out, np.zeros_like(out[:, :1])]


def _glorot(rng, rows: int, columns: int) -> np.ndarray:
    limit = np.sqrt(6 / (rows + columns))
    return rng.uniform(-limit, limit, (rows, columns))


def _scores(weights, x, kept=1) -> tuple[np.ndarray, np.ndarray]:
    """Return what the hidden layer gives, and the scores of the ten digits."""
    hidden = np.maximum(x @ weights[0] + weights[1], 0) * kept
    return hidden, hidden @ weights[2] + weights[3]


def gradients(weights, x, y, kept) -> list[np.ndarray]:
    """Return the gradients of the mean cross-entropy, where `kept` scales the hidden layer."""
    hidden, scores = _scores(weights, x, kept)
    p = np.exp(scores - scores.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    error = (p - (y[..., None] == np.arange(10))) / np.float32(y.shape[1])
    back = (error @ weights[2].swapaxes(1, 2)) * kept * (hidden > 0)
    return [x.swapaxes(1, 2) @ back, back.sum(1, keepdims=True),
            hidden.swapaxes(1, 2) @ error, error.sum(1, keepdims=True)]  # fmt: skip


def adam(rates):
    """Return Adam with Keras's defaults and a rate for each network; it moves weights in place."""
    moments: list = []

    def step(weights, found):
        if not moments:
            moments.extend([0, *(np.zeros_like(w) for w in weights * 2)])
        moments[0] += 1
        scale = rates * np.float32(np.sqrt(1 - 0.999 ** moments[0]) / (1 - 0.9 ** moments[0]))
        for w, g, m, v in zip(weights, found, moments[1:5], moments[5:], strict=True):
            m += np.float32(0.1) * (g - m)
            v += np.float32(0.001) * (g * g - v)
            w -= scale * m / (np.sqrt(v) + np.float32(1e-7))

    return step
