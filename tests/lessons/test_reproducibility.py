"""Right answers of several kinds, and what each wrong one is told."""

import keras
import numpy as np
import pytest
from answers import row

from coursekit.lessons import _reproducibility as parts

pytestmark = pytest.mark.any_backend

# run


def run(first=True, numpy_only=False, own="seed", use=None, train=True):
    def answer(seed):
        number = seed if use is None else use
        seeded = np.random.seed if numpy_only else keras.utils.set_random_seed
        if first:
            seeded(number)
        model = parts.small()
        if not first:
            seeded(number)
        rng = np.random if own == "global" else np.random.default_rng(number if own else None)
        x, y = parts.digits()
        rows = rng.permutation(len(x))[:60]
        if train:
            model.fit(x[rows], y[rows], epochs=1, verbose=0)
        return model.get_weights()

    return answer


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


def best_by_table(runs):
    import pandas as pd

    table = pd.DataFrame(runs)
    table["final"] = [curve[-1] for curve in table.val_accuracy]
    return table.groupby(["dropout", "rate"]).final.mean().idxmax()


SAVED = {"start": "A", "rows": "B", "killed": "C", "machine": "E"}

ANSWERS = [
    row("sums", "ok", (1e8, -1e8, 1.0)),
    row("sums", "alternative", [np.float32(-1e10), np.float32(1e10), 1]),
    row("sums", "alternative", (3e37, -3e37, 1)),
    row("sums", "todo", (..., ..., ...)),
    row("sums", "same", (0.1, 0.2, 0.3)),
    row("sums", "small", (1e6, -1e6, 1.0)),
    row("sums", "turned", (1.0, -1e8, 1e8)),
    row("sums", "sums", (1e8, -1e8, 2.0)),
    row("sums", "overflow", (1e39, -1e39, 1.0)),
    row("sums", "count", (1e8, 1.0)),
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
    row("run", "nothing", lambda seed: None),
    row("keep_and_restore", "ok", keep(), restore()),
    row("keep_and_restore", "alternative", keep_dict, restore_dict),
    row("keep_and_restore", "alternative", keep(copy=lambda v: np.asarray(v).tolist()), restore()),
    row("keep_and_restore", "todo", ..., ...),
    row("keep_and_restore", "todo", lambda model: ..., lambda model, kept: ...),
    row("keep_and_restore", "missing", *pair(lambda m: m.weights)),
    row("keep_and_restore", "missing", *pair(lambda m: m.variables)),
    row("keep_and_restore", "missing", *pair(lambda m: [*m.weights, *m.optimizer.variables])),
    row("keep_and_restore", "missing", keep(), lambda model, kept: None),
    row("keep_and_restore", "alias", keep(copy=lambda v: v), restore()),
    row("keep_and_restore", "nothing", lambda model: None, restore()),
    row("keep_and_restore", "moved", keep_and_zero, restore()),
    row("best_setting", "ok", best()),
    row("best_setting", "alternative", best_by_table),
    row("best_setting", "alternative", lambda runs: list(best()(runs))),
    row("best_setting", "todo", ...),
    row("best_setting", "todo", lambda runs: ...),
    row("best_setting", "single", best(lambda curves: max(c[-1] for c in curves))),
    row("best_setting", "worst", best(choose=min)),
    row("best_setting", "early", best(lambda curves: np.mean([max(c) for c in curves]))),
    row("best_setting", "turned", best(turn=-1)),
    row("best_setting", "pair", lambda runs: 0.3),
    row("best_setting", "other", lambda runs: (0.1, 0.1)),
    row("saved", "ok", SAVED),
    row("saved", "alternative", {k: v.lower() for k, v in SAVED.items()}),
    row("saved", "todo", dict.fromkeys(SAVED, ...)),
    row("saved", "one", SAVED | {"machine": "A"}),
    row("saved", "one", SAVED | {"killed": "A"}),
    row("saved", "several", SAVED | {"killed": "A", "machine": "D"}),
    row("saved", "names", "ABCE"),
    row("saved", "letter", SAVED | {"start": 3}),
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
