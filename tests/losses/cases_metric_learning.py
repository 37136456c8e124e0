"""Pairs and triplets written out as loops in float64, and the batches they are compared on."""

import numpy as np
from loss_case import Case

from coursekit.losses import (
    InfoNCE,
    PairContrastive,
    SupervisedContrastive,
    TripletLoss,
    info_nce,
    pair_contrastive,
    supervised_contrastive,
    triplet_loss,
)

LABELS = np.array([0, 0, 1, 1, 2, 2, 0, 1, 2, 3])  # 3 has no positive


def contrastive_loop(y_true, y_pred, margin=1.0):
    values = []
    for y, d in zip(np.reshape(y_true, -1), np.reshape(y_pred, -1), strict=True):
        values.append(d**2 if y == 1 else max(margin - d, 0.0) ** 2)
    return values


def distance_of(a, b, kind):
    if kind == "cosine":
        a, b = unit(a), unit(b)
        return 1.0 - sum(a * b)
    square = sum((a - b) ** 2)
    return square if kind == "squared" else square**0.5


def unit(a):
    size = sum(a**2) ** 0.5
    return a / size if size > 0 else a


def triplet_loop(
    y_true,
    y_pred,
    margin=0.2,
    positives="all",
    negatives="semi_hard",
    distance="squared",
    gather_replicas=False,
):
    """Look at every triplet, one after the other."""
    labels, rows, values = np.reshape(y_true, -1), range(len(y_pred)), []
    for a in rows:
        near = [distance_of(y_pred[a], y_pred[p], distance) for p in rows if labels[p] == labels[a]]
        near.remove(distance_of(y_pred[a], y_pred[a], distance))
        far = [distance_of(y_pred[a], y_pred[n], distance) for n in rows if labels[n] != labels[a]]
        gaps = []
        for d in [max(near)] if near and positives == "hard" else near:
            beyond = [f for f in far if f > d]
            chosen = {
                "all": far,
                "hard": far and [min(far)],
                "semi_hard": [min(beyond)] if beyond else far and [max(far)],
            }
            gaps += [d - f for f in chosen[negatives]]
        if margin is None:
            costs = [np.log1p(np.exp(-abs(gap))) + max(gap, 0.0) for gap in gaps]
        else:
            costs = [max(gap + margin, 0.0) for gap in gaps]
        values.append(sum(costs) / len(costs) if costs else 0.0)
    return values


def supervised_loop(y_true, y_pred, temperature=0.1, gather_replicas=False):
    z = y_pred if temperature is None else [unit(row) for row in y_pred]
    labels, values, temperature = np.reshape(y_true, -1), [], temperature or 1.0
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        logits = {j: sum(z[i] * z[j]) / temperature for j in others}
        top = max(logits.values(), default=0.0)
        total = top + np.log(sum(np.exp(s - top) for s in logits.values())) if logits else 0.0
        terms = [total - logits[j] for j in others if labels[j] == labels[i]]
        values.append(sum(terms) / len(terms) if terms else 0.0)
    return values


def info_nce_loop(y_true, y_pred, temperature=0.07, symmetric=True, gather_replicas=False):
    ids, values = np.reshape(y_true, -1), []
    as_given = temperature is None
    queries, keys = [[r if as_given else unit(r) for r in y_pred[:, half]] for half in (0, 1)]
    temperature = temperature or 1.0

    def picking(i, anchors, candidates):
        own = sum(anchors[i] * candidates[i]) / temperature
        rivals = [j for j in range(len(ids)) if ids[j] != ids[i]]
        gaps = [sum(anchors[i] * candidates[j]) / temperature - own for j in rivals]
        top = max([0.0, *gaps])
        return top + np.log(np.exp(-top) + sum(np.exp(gap - top) for gap in gaps))

    for i in range(len(ids)):
        ways = [picking(i, queries, keys)] + [picking(i, keys, queries)] * symmetric
        values.append(sum(ways) / len(ways))
    return values


def distances(rng, rows):
    return rng.integers(0, 2, rows), rng.uniform(0.05, 2.0, rows)


def embeddings(rng, rows):
    return np.resize(LABELS, rows), rng.normal(size=(rows, 5))


def views(rng, rows):
    return np.arange(rows), rng.normal(size=(rows, 2, 5))


def hard_distances(rng):
    y, d = distances(rng, 6)
    return [
        ("distance 0", y, np.zeros(6)),
        ("all similar", np.ones(6, int), d),
        ("far", y, 100.0 + d),
        ("column", y[:, None], d[:, None]),
        ("one pair", np.array([0]), np.array([0.5])),
        ("no pair", np.zeros(0, int), np.zeros(0)),
    ]


def hard_embeddings(rng):
    x = rng.normal(size=(8, 5))
    labels = np.array([0, 0, 1, 1, 2, 2, 0, 1])
    return [
        ("one class", np.zeros(8, int), x),
        ("all different", np.arange(8), x),
        ("singleton", np.array([3]), x[:1]),
        ("two of a kind", np.array([3, 3]), x[:2]),
        ("pairs of duplicates", labels[:6], np.repeat(x[:3], 2, axis=0)),
        ("duplicates of other classes", np.array([0, 1, 0, 1, 0, 1]), np.repeat(x[:3], 2, axis=0)),
        ("collapsed", labels, np.tile(x[:1], (8, 1))),
        ("all zero", labels, np.zeros((8, 5))),
        ("one zero", labels, x * (np.arange(8) > 0)[:, None]),
        ("far from the origin", labels, np.round(8 * x) / 8 + 100.0),
        ("column of labels", labels[:, None], x),
        ("large labels", labels + 2**24, x),
        ("no row", np.zeros(0, int), np.zeros((0, 5))),
    ]


def hard_directions(rng):
    large = [("norm 1e4", np.array([0, 0, 1, 1, 2, 2, 0, 1]), 1e4 * rng.normal(size=(8, 5)))]
    return hard_embeddings(rng) + large


def hard_views(rng):
    x = rng.normal(size=(4, 2, 5))
    ids = np.arange(4)
    return [
        ("one identity", np.zeros(4, int), x),
        ("twice the same item", np.array([0, 1, 0, 2]), x),
        ("one pair", np.array([7]), x[:1]),
        ("opposite views", ids, np.stack([x[:, 0], -x[:, 0]], axis=1)),
        ("collapsed", ids, np.ones((4, 2, 5))),
        ("all zero", ids, np.zeros((4, 2, 5))),
        ("norm 1e4", ids, 1e4 * x),
        ("column of identities", ids[:, None] + 2**24, x),
        ("no pair", np.zeros(0, int), np.zeros((0, 2, 5))),
    ]


def triplet_case(**config):
    name = "triplet " + " ".join(str(value) for value in config.values())
    cosine = config.get("distance") == "cosine"
    return Case(
        name=name,
        loss=TripletLoss,
        function=triplet_loss,
        config=config,
        reference=triplet_loop,
        data=embeddings,
        hard=hard_directions if cosine else hard_embeddings,
        batch_coupled=True,
        labels="identity",
        invalid=[
            {"margin": -1},
            {"margin": "soft"},
            {"positives": "semi_hard"},
            {"negatives": "easy"},
            {"distance": "L2"},
            {"margin": None, "positives": "all", "negatives": "all"},
        ],
    )


CASES = [
    Case(
        name="pair_contrastive",
        loss=PairContrastive,
        function=pair_contrastive,
        config={"margin": 1.5},
        reference=contrastive_loop,
        data=distances,
        hard=hard_distances,
        labels="pair",
        invalid=[{"margin": 0}, {"margin": -1}, {"margin": float("nan")}],
    ),
    triplet_case(),
    triplet_case(margin=0.5, negatives="semi_hard", distance="euclidean"),
    triplet_case(margin=1.0, positives="hard", negatives="hard", distance="euclidean"),
    triplet_case(margin=0.3, positives="hard", negatives="semi_hard", distance="cosine"),
    triplet_case(margin=0.3, positives="all", negatives="hard", distance="cosine"),
    triplet_case(margin=1.0, positives="all", negatives="all", distance="squared"),
    triplet_case(margin=0.0, positives="all", negatives="all", distance="euclidean"),
    triplet_case(margin=0.3, positives="hard", negatives="all", distance="cosine"),
    triplet_case(margin=None, positives="hard", negatives="hard", distance="squared"),
    triplet_case(margin=None, positives="all", negatives="semi_hard", distance="cosine"),
    Case(
        name="supervised_contrastive",
        loss=SupervisedContrastive,
        function=supervised_contrastive,
        config={"temperature": 0.2},
        reference=supervised_loop,
        data=embeddings,
        hard=hard_directions,
        batch_coupled=True,
        labels="identity",
        invalid=[{"temperature": 0}, {"temperature": -0.1}, {"temperature": "1"}],
    ),
    Case(
        name="supervised_contrastive as given",
        loss=SupervisedContrastive,
        function=supervised_contrastive,
        config={"temperature": None},
        reference=supervised_loop,
        data=embeddings,
        hard=hard_embeddings,
        batch_coupled=True,
        labels="identity",
    ),
    Case(
        name="info_nce",
        loss=InfoNCE,
        function=info_nce,
        config={"temperature": 0.1},
        reference=info_nce_loop,
        data=views,
        hard=hard_views,
        batch_coupled=True,
        labels="identity",
        invalid=[{"temperature": 0}, {"temperature": "1"}],
    ),
    Case(
        name="info_nce one way",
        loss=InfoNCE,
        function=info_nce,
        config={"temperature": 0.5, "symmetric": False},
        reference=info_nce_loop,
        data=views,
        hard=hard_views,
        batch_coupled=True,
        labels="identity",
    ),
    Case(
        name="info_nce as given",
        loss=InfoNCE,
        function=info_nce,
        config={"temperature": None},
        reference=info_nce_loop,
        data=views,
        hard=lambda rng: [batch for batch in hard_views(rng) if batch[0] != "norm 1e4"],
        batch_coupled=True,
        labels="identity",
    ),
]
