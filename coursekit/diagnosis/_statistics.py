"""Numbers that the rules compare, with their scatter by chance. No model, no Keras."""

import numpy as np


def dependence(
    x: np.ndarray, labels: np.ndarray, rng: np.random.Generator, rows: int = 600, draws: int = 30
) -> tuple[float, float, float]:
    """Return how well labels can be told from inputs, and how well shuffled ones can.

    Two probes whose leave-one-out answers cost next to nothing once the distances and the hat
    matrix are there, five nearest neighbours and ridge regression on one-hot labels; so thirty
    shufflings are cheap, and chance and its scatter are measured.

    Args:
        x: of shape (rows, features).
        labels: class numbers; each class counts the same.
        rng: draws the rows and the shufflings.
        rows: at most so many are looked at, as many of each class as there are.
        draws: how many shufflings.

    Returns:
        The balanced accuracy of the better probe, the mean of the same with shuffled labels, and
        its standard deviation.
    """
    classes, numbers = np.unique(labels, return_inverse=True)
    share = max(1, rows // len(classes))
    pick = np.concatenate(
        [rng.permutation(np.flatnonzero(numbers == k))[:share] for k in range(len(classes))]
    )
    flat, labels = x[pick].astype("float64"), numbers[pick]
    varies = np.flatnonzero(flat.std(0) > 0)
    flat = flat[:, np.sort(rng.permutation(varies)[:256])]
    flat = (flat - flat.mean(0)) / (flat.std(0) + 1e-9)
    gram = flat @ flat.T
    square = np.diag(gram)
    distance = square[:, None] + square - 2 * gram
    np.fill_diagonal(distance, np.inf)
    near = np.argpartition(distance, min(5, len(flat) - 1), axis=1)[:, :5]
    penalty = np.trace(gram) / len(flat) + 1e-9
    hat = gram @ np.linalg.inv(gram + penalty * np.eye(len(flat)))
    probes = near, hat, 1 - np.diag(hat)[:, None]
    true = np.array(_scores(labels, len(classes), *probes))
    chance = [_scores(rng.permutation(labels), len(classes), *probes) for _ in range(draws)]
    mean, spread = np.mean(chance, axis=0), np.std(chance, axis=0) + 1e-9
    best = int(((true - mean) / spread).argmax())
    return float(true[best]), float(mean[best]), float(spread[best])


def _scores(labels, classes, near, hat, left) -> list[float]:
    """The balanced accuracies of both probes, each row answered without itself."""
    hot = np.eye(classes)[labels]
    votes = hot[near].sum(1) + 1e-3 * hot.mean(0)
    centred = hot - hot.mean(0)
    ridge = (hat @ centred - np.diag(hat)[:, None] * centred) / left
    answers = votes.argmax(1), (ridge / np.sqrt(hot.mean(0))).argmax(1)
    return [
        float(np.mean([np.mean(answer[labels == k] == k) for k in range(classes)]))
        for answer in answers
    ]


def runs(labels: np.ndarray) -> float:
    """Return by how many standard deviations neighbours differ more often than in a random order.

    Negative where neighbours are alike; 0 for fewer than 50 rows, or next to one class alone.
    """
    share = np.unique(labels, return_counts=True)[1] / len(labels)
    same = float(np.sum(share**2))
    if len(labels) < 50 or same > 0.999:
        return 0.0
    changes = float(np.mean(labels[1:] != labels[:-1]))
    return (changes - (1 - same)) / np.sqrt(same * (1 - same) / (len(labels) - 1))


def repeats(x: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """Return which share of the other rows stands in x too, and which of x repeats itself."""
    seen = {row.tobytes() for row in np.ascontiguousarray(x)}
    shared = np.mean([row.tobytes() in seen for row in np.ascontiguousarray(others)])
    return float(shared), 1 - len(seen) / len(x)


def share_gap(labels: np.ndarray, others: np.ndarray) -> tuple[float, int, float, float]:
    """Return the class whose share differs most: standard errors, class, and both shares."""
    classes = np.union1d(labels, others)
    a, b = (np.array([np.mean(one == k) for k in classes]) for one in (labels, others))
    both = np.clip((a + b) / 2, 1e-9, 1 - 1e-9)
    error = np.sqrt(both * (1 - both) * (1 / len(labels) + 1 / len(others)))
    z = np.abs(a - b) / error
    k = int(z.argmax())
    return float(z[k]), int(classes[k]), float(a[k]), float(b[k])
