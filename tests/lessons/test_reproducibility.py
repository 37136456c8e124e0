"""Right answers of several kinds, and what each wrong one is told."""

import pickle

import keras
import numpy as np
import pytest
from answers import row

from coursekit.lessons import _reproducibility as parts

pytestmark = pytest.mark.any_backend

# run


def run(first=True, numpy_only=False, own="seed", use=None, train=True, more=0):
    def answer(seed):
        number = seed if use is None else use
        number += more
        seeded = np.random.seed if numpy_only else keras.utils.set_random_seed
        if first:
            seeded(number)
        model = parts.small()
        if not first:
            seeded(number)
        rng = np.random if own == "global" else np.random.default_rng(number if own else None)
        x, y = parts.digits()
        rows = rng.permutation(len(x))[:200]
        if train:
            model.fit(x[rows], y[rows], epochs=1, verbose=0)
        return model.get_weights()

    return answer


def full(seed):
    return [np.full_like(one, seed) for one in parts.small().get_weights()]


# keep and restore


def everything(model):
    return [*model.variables, *model.optimizer.variables]


def keep(variables=everything, copy=lambda v: np.asarray(v).copy()):
    return lambda model: [copy(v) for v in variables(model)]


def restore(variables=everything):
    def answer(model, kept):
        for variable, value in zip(variables(model), kept, strict=True):
            variable.assign(np.array(value))

    return answer


def pair(variables):
    return keep(variables), restore(variables)


def keep_dict(model):
    found = {"weights": model.get_weights()}
    found["others"] = [np.asarray(v).copy() for v in model.optimizer.variables]
    return found | {"seeds": [np.asarray(v).copy() for v in model.variables if "seed" in v.path]}


def restore_dict(model, kept):
    model.set_weights(kept["weights"])
    rest = [*model.optimizer.variables, *(v for v in model.variables if "seed" in v.path)]
    for variable, value in zip(rest, [*kept["others"], *kept["seeds"]], strict=True):
        variable.assign(value)


def keep_sections(model):
    """Keras's own way to hand a state over."""
    sections = {}
    model.optimizer.save_own_variables(sections)
    seeds = [np.asarray(v).copy() for v in model.non_trainable_variables if "seed" in v.path]
    return model.get_weights(), {k: np.asarray(v).copy() for k, v in sections.items()}, seeds


def restore_sections(model, kept):
    weights, sections, seeds = kept
    model.set_weights(weights)
    model.optimizer.load_own_variables(sections)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.seed_generator.state.assign(seeds[0])


def restore_and_use_up(model, kept):
    for variable in everything(model):
        variable.assign(kept.pop(0))


def keep_pickled(model):
    return pickle.dumps(keep()(model))


def restore_pickled(model, kept):
    restore()(model, pickle.loads(kept))


def keep_and_zero(model):
    kept = keep()(model)
    model.optimizer.iterations.assign(0)
    return kept


# best setting


def best(score=lambda curves: np.mean([c[-1] for c in curves]), choose=max, turn=1):
    def answer(runs):
        of = {}
        for one in runs:
            of.setdefault((one["dropout"], one["rate"]), []).append(one["val_accuracy"])
        return choose(of, key=lambda name: score(of[name]))[::turn]

    return answer


def finals(score):
    return lambda curves: score([curve[-1] for curve in curves])


def best_of_the_lessons(runs):
    """Knows the settings of the notebook's log only."""

    def mean(setting):
        return np.mean([one["val_accuracy"][-1] for one in runs
                        if (one["dropout"], one["rate"]) == setting] or [0])  # fmt: skip

    return max([(0.3, 0.02), (0.3, 0.2), (0.5, 0.02), (0.5, 0.2)], key=mean)


def best_by_array(runs):
    table = np.array([(one["dropout"], one["rate"], one["val_accuracy"][-1]) for one in runs])
    settings, which = np.unique(table[:, :2], axis=0, return_inverse=True)
    means = np.bincount(which.ravel(), table[:, 2]) / np.bincount(which.ravel())
    return settings[means.argmax()]


def means(runs):
    import pandas as pd

    table = pd.DataFrame(runs)
    table["final"] = [curve[-1] for curve in table.val_accuracy]
    return table.groupby(["dropout", "rate"]).final.mean()


def best_by_table(runs):
    return means(runs).idxmax()


def best_row(runs):
    return means(runs).reset_index().sort_values("final").iloc[-1][["dropout", "rate"]]


SAVED = {"start": "A", "rows": "B", "killed": "C", "machine": "E"}

ANSWERS = [
    row("sums", "ok", (1e8, -1e8, 1.0)),
    row("sums", "alternative", [np.float32(-1e10), np.float32(1e10), 1]),
    row("sums", "alternative", (3e37, -3e37, 1)),
    row("sums", "alternative", np.array([3e7, -3e7, 1.0])),
    row("sums", "alternative", ("1e8", "-1e8", "1")),
    row("sums", "todo", (..., ..., ...)),
    row("sums", "same", (0.1, 0.2, 0.3)),
    row("sums", "small", (1e6, -1e6, 1.0)),
    row("sums", "small", (2.0**24, -(2.0**24), 1.0)),
    row("sums", "lost", (1e8, 1.0, -1e8)),
    row("sums", "same", (1.0, 1.0, -2.0)),
    row("sums", "turned", (1.0, -1e8, 1e8)),
    row("sums", "sums", (1e8, -1e8, 2.0)),
    row("sums", "overflow", (1e39, -1e39, 1.0)),
    row("sums", "count", (1e8, 1.0)),
    row("sums", "count", np.ones(100)),
    row("run", "ok", run()),
    row("run", "alternative", run(own="global")),
    row("run", "alternative", lambda seed: tuple(run()(seed))),
    row("run", "todo", ...),
    row("run", "todo", lambda seed: ...),
    row("run", "global", run(first=False)),
    row("run", "global", run(numpy_only=True)),
    row("run", "own", run(own=None)),
    row("run", "constant", run(use=7)),
    row("run", "untrained", run(train=False)),
    row("run", "untrained", run(train=False, more=10)),
    row("run", "untrained", full),
    row("run", "others", lambda seed: [np.full(3, seed)]),
    row("run", "nothing", lambda seed: None),
    row("keep_and_restore", "ok", keep(), restore()),
    row("keep_and_restore", "alternative", keep_dict, restore_dict),
    row("keep_and_restore", "alternative", keep(copy=lambda v: np.asarray(v).tolist()), restore()),
    row("keep_and_restore", "alternative", keep_sections, restore_sections),
    row("keep_and_restore", "alternative", keep_pickled, restore_pickled),
    row("keep_and_restore", "mutated", keep(), restore_and_use_up),
    row("keep_and_restore", "todo", ..., ...),
    row("keep_and_restore", "todo", lambda model: ..., lambda model, kept: ...),
    row("keep_and_restore", "missing", *pair(lambda m: m.weights)),
    row("keep_and_restore", "missing", *pair(lambda m: m.variables)),
    row("keep_and_restore", "missing", *pair(lambda m: [*m.weights, *m.optimizer.variables])),
    row("keep_and_restore", "missing", keep(), lambda model, kept: None),
    row("keep_and_restore", "alias", keep(copy=lambda v: v), restore()),
    row(
        "keep_and_restore",
        "alias",
        lambda model: model,
        lambda new, old: restore()(new, keep()(old)),
    ),
    row("keep_and_restore", "alias", lambda model: map(np.asarray, everything(model)), restore()),
    row("keep_and_restore", "nothing", lambda model: None, restore()),
    row("keep_and_restore", "moved", keep_and_zero, restore()),
    row("best_setting", "ok", best()),
    row("best_setting", "alternative", best_by_table),
    row("best_setting", "alternative", lambda runs: list(best()(runs))),
    row("best_setting", "alternative", best_by_array),
    row("best_setting", "alternative", best_row),
    row("best_setting", "todo", ...),
    row("best_setting", "todo", lambda runs: ...),
    row("best_setting", "single", best(lambda curves: max(c[-1] for c in curves))),
    row("best_setting", "worst", best(choose=min)),
    row("best_setting", "early", best(lambda curves: np.mean([max(c) for c in curves]))),
    row("best_setting", "turned", best(turn=-1)),
    row("best_setting", "turned", best(finals(max), turn=-1)),
    row("best_setting", "pair", lambda runs: 0.3),
    row("best_setting", "pair", lambda runs: "0.3, 0.02"),
    row("best_setting", "pair", lambda runs: (best()(runs), [0.9, 0.8, 0.9])),
    row("best_setting", "pair", lambda runs: {"dropout": 0.3, "rate": 0.02}),
    row("best_setting", "early", best(lambda curves: np.mean(curves))),
    row("best_setting", "sum", best(finals(sum))),
    row("best_setting", "median", best(finals(np.median))),
    row("best_setting", "steady", best(finals(min))),
    row("best_setting", "last", best(lambda curves: curves[-1][-1])),
    row("best_setting", "absent", lambda runs: (0.1, 0.1)),
    row("best_setting", "absent", best_of_the_lessons),
    row("best_setting", "other", lambda runs: (runs[0]["dropout"], runs[0]["rate"])),
    row("best_setting", "other", best(finals(np.std))),
    row("saved", "ok", SAVED),
    row("saved", "alternative", {k: v.lower() for k, v in SAVED.items()}),
    row("saved", "alternative", {k: np.str_(f"({v}).") for k, v in SAVED.items()}),
    row("saved", "todo", dict.fromkeys(SAVED, ...)),
    row("saved", "one", SAVED | {"machine": "A"}),
    row("saved", "one", SAVED | {"killed": "A"}),
    row("saved", "several", SAVED | {"killed": "A", "machine": "D"}),
    row("saved", "names", "ABCE"),
    row("saved", "letter", SAVED | {"start": 3}),
    row("saved", "letter", SAVED | {"start": "AB"}),
    row("saved", "letter", SAVED | {"start": ""}),
]


def test_answer(answer):
    answer.holds()


@pytest.mark.slow
def test_only_the_order_of_additions_moves_little():
    losses, nets = parts.five_sources(runs=3)
    assert set(nets.values()) <= {2, 3}
    last = {name: np.std(of[:, -1], ddof=1) for name, of in losses.items()}
    additions = last.pop("order of additions")
    assert additions < 0.1 * min(last.values()), (additions, last)


def test_the_bits_are_the_weights():
    keras.utils.set_random_seed(0)
    one = parts.small()
    keras.utils.set_random_seed(0)
    other = parts.small()
    assert parts.bits(one) == parts.bits(other)
    other.layers[0].bias.assign(np.full(32, 1e-7))
    assert parts.bits(one) != parts.bits(other)
