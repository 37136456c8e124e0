"""Numbers that the rules compare, with their scatter by chance. No model, no Keras."""

import numpy as np
from scipy.stats import rankdata


def flat(leaves: list[np.ndarray]) -> np.ndarray:
    """Return a table: all numbers of a row beside each other."""
    return np.concatenate(
        [leaf.reshape(len(leaf), -1).astype("float64") for leaf in leaves], axis=1
    )


def features(leaves: list[np.ndarray], words: bool, most: int = 5000) -> np.ndarray | None:
    """Return a table of numbers; words are counted, or None where there are too many of them."""
    if not words:
        return flat(leaves)
    largest = max(int(leaf.max()) for leaf in leaves)
    if largest > most or min(int(leaf.min()) for leaf in leaves) < 0:
        return None
    count = [[np.bincount(row.ravel(), minlength=largest + 1) for row in leaf] for leaf in leaves]
    return np.concatenate([np.stack(rows) for rows in count], axis=1)


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
    labels = numbers[pick]
    near, hat = _probes(x[pick], rng)
    probes = near, hat, 1 - np.diag(hat)[:, None]
    true = np.array(_scores(labels, len(classes), *probes))
    chance = [_scores(rng.permutation(labels), len(classes), *probes) for _ in range(draws)]
    mean, spread = np.mean(chance, axis=0), np.std(chance, axis=0) + 1e-9
    best = int(((true - mean) / spread).argmax())
    return float(true[best]), float(mean[best]), float(spread[best])


def explained(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, rows: int = 600) -> float:
    """Return which share of the variance of numbers the better of the two probes explains."""
    pick = rng.permutation(len(x))[:rows]
    near, hat = _probes(x[pick], rng)
    centred = y[pick] - y[pick].mean()
    ridge = (hat @ centred - np.diag(hat) * centred) / (1 - np.diag(hat))
    left = [np.mean((answer - centred) ** 2) for answer in (ridge, centred[near].mean(1))]
    return float(1 - min(left) / (np.var(centred) + 1e-12))


def _probes(x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the five nearest neighbours of each row, and the hat matrix of a ridge regression."""
    flat = x.astype("float64")
    varies = np.flatnonzero(flat.std(0) > 0)
    flat = flat[:, np.sort(rng.permutation(varies)[:256])]
    flat = (flat - flat.mean(0)) / (flat.std(0) + 1e-9)
    gram = flat @ flat.T
    square = np.diag(gram)
    distance = square[:, None] + square - 2 * gram
    np.fill_diagonal(distance, np.inf)
    near = np.argpartition(distance, min(5, len(flat) - 1), axis=1)[:, :5]
    penalty = np.trace(gram) / len(flat) + 1e-9
    return near, gram @ np.linalg.inv(gram + penalty * np.eye(len(flat)))


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


def near(x: np.ndarray, others: np.ndarray, rng, looked: int = 300) -> tuple[float, float]:
    """Return which share of other rows nearly stands in x, and which share of x's own rows.

    Nearly: within a tenth of the median distance of a row of x to the nearest other one, once with
    each column scaled and once with all alike (pixels); the larger share counts. Equal rows are
    left to `repeats`.
    """
    x = x[rng.permutation(len(x))[:20_000]]
    columns = np.flatnonzero(x.std(0) > 0)
    columns = np.sort(rng.permutation(columns)[:128])
    x, others = x[:, columns], others[rng.permutation(len(others))[:looked]][:, columns]
    some, found = rng.permutation(len(x))[:looked], []
    for spread in (x.std(0), x.std()):
        table, rows = (((part - x.mean(0)) / spread).astype("float32") for part in (x, others))
        own, apart = _nearest(table[some], table, some), _nearest(rows, table, None)
        reach = 0.1 * np.median(own)
        shares = [float(np.mean((d < reach) & (d > 1e-3 * reach))) for d in (apart, own)]
        found.append((shares[0], shares[1]))
    return max(found)


def _nearest(rows, table, own) -> np.ndarray:
    """The distance of each row to the nearest one of a table, other than itself."""
    distance = (rows**2).sum(1)[:, None] + (table**2).sum(1) - 2 * rows @ table.T
    if own is not None:
        distance[np.arange(len(own)), own] = np.inf
    return np.sqrt(np.maximum(distance.min(1), 0))


def told_by_column(x: np.ndarray, targets: np.ndarray, classes: bool) -> np.ndarray:
    """Return for each column the share of variance that it and the targets have in common alone.

    Of ranks, so that any rising relation counts. Of numbers, the squared correlation; of classes,
    how much of the column the classes explain.
    """
    x = rankdata(x, axis=0)
    centred = x - x.mean(0)
    total = (centred**2).sum(0)
    if classes:
        between = np.zeros(x.shape[1])
        for label in np.unique(targets):
            rows = centred[targets == label]
            between += len(rows) * rows.mean(0) ** 2
    else:
        targets = rankdata(targets)
        targets = targets - targets.mean()
        between = (centred.T @ targets) ** 2 / ((targets**2).sum() + 1e-12)
    return np.where(total > 1e-12, between / np.maximum(total, 1e-12), 0.0)


def share_gap(labels: np.ndarray, others: np.ndarray) -> tuple[float, int, float, float]:
    """Return the class whose share differs most: standard errors, class, and both shares."""
    classes = np.union1d(labels, others)
    a, b = (np.array([np.mean(one == k) for k in classes]) for one in (labels, others))
    both = np.clip((a + b) / 2, 1e-9, 1 - 1e-9)
    error = np.sqrt(both * (1 - both) * (1 / len(labels) + 1 / len(others)))
    z = np.abs(a - b) / error
    k = int(z.argmax())
    return float(z[k]), int(classes[k]), float(a[k]), float(b[k])
