"""What a search may optimise: known before any training, and in the right direction."""

import difflib

import numpy as np
from keras_tuner import errors

from coursekit.validation._inputs import take


def check_objectives(objective, plan, candidate) -> None:
    """Refuse an objective that nothing will measure, or one that goes the wrong way.

    Args:
        objective: the oracle's.
        plan: of the cross-validation of each trial; it knows the scorers.
        candidate: of any trial; its first model is not used any more.
    """
    recorded: list[str] = []
    for one in getattr(objective, "objectives", [objective]):
        if one.name in plan.scorers:
            if one.direction != "max":
                raise ValueError(
                    "A scorer is to be maximised: the higher, the better, also of those that "
                    f"begin with neg_. Received: {one}. Write keras_tuner.Objective({one.name!r}, "
                    '"max").'
                )
        elif f"_{one.name}".endswith("_loss") and one.direction != "min":
            raise ValueError(
                "A loss is to be minimised. Received: "
                f'{one}. Write keras_tuner.Objective({one.name!r}, "min").'
            )
        if one.name not in (*plan.scorers, "loss", "val_loss"):
            recorded = recorded or _recorded(plan, candidate.first)
            if one.name not in recorded and not _may_record_more(candidate):
                raise no_such_objective(one, [*recorded, *plan.scorers])


def _recorded(plan, model) -> list[str]:
    """What `fit` will record: asked of the model itself, with a few rows."""
    data = plan.rows.assemble([0])
    rows = data.parts[0].validation[:8]
    x, y = take(data.x, rows), take(data.y, rows)
    names = list(model.evaluate(x, y, return_dict=True, verbose=0))
    return names + [f"val_{name}" for name in names]


def _may_record_more(candidate) -> bool:
    """Whether callbacks, or a training step of one's own, may add names."""
    step = type(candidate.first).train_step.__module__
    return candidate.callbacks is not None or step.partition(".")[0] != "keras"


def no_such_objective(objective, names) -> errors.FatalValueError:
    """Return the error for an objective that is not there."""
    near = difflib.get_close_matches(objective.name, list(names), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return errors.FatalValueError(
        "The objective must be a scorer, or a metric that `fit` records. Received: "
        f"{objective}.{hint} There are: {', '.join(names)}. Choose one of these, or name a scorer "
        "in `scoring`."
    )


def not_finite(name: str, values: list[float]) -> str | None:
    """Return why a trial has no score, or None where it has one."""
    folds = [fold for fold, value in enumerate(values) if not np.isfinite(value)]
    if not folds:
        return None
    found = ", ".join(dict.fromkeys(str(values[fold]) for fold in folds))
    return f"The objective {name!r} is {found} in fold {', '.join(map(str, folds))}."
