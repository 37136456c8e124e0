"""The verdict on a run: which rules are asked, in which order, and what overrules what."""

from typing import Any

import keras
import numpy as np

from coursekit._checks import brief, require
from coursekit._findings import Finding
from coursekit._randomness import kept
from coursekit.diagnosis import _curve_rules as curves
from coursekit.diagnosis import _run_rules as rules
from coursekit.diagnosis._doctor import Doctor
from coursekit.diagnosis._end import measure
from coursekit.diagnosis._examine import Look, arrays_of
from coursekit.diagnosis._record import Record, of_history
from coursekit.diagnosis._report import Report, finding

ELSEWHERE = {"other_distribution", "other_labels", "other_targets", "new_in_validation"}
# What is harmless, or meant so, in a model that has learned all the same.
UNSEEN = {"nan_in_inputs", "nan_in_targets", "labels_out_of_range"}  # no loss can be computed
MILD = {"unscaled_inputs", "imbalance", "constant_inputs", "outputs_cannot_reach", "bounded_logits",
        "sigmoid_for_softmax"}  # fmt: skip


def diagnose(run: Any) -> Report:
    """Name what a training suffers from, or keep silent.

    Of a `Doctor`, the record of the run, the model as it is now and the data are looked at: call it
    when `fit` has ended, or in a callback of one's own. Of a `History` only its curves are known,
    and a finding is a question more often.

    A disease is looked for where there is reason to: those of the weights, rates and gradients in a
    run that is no better than the best answer that does not look at the inputs (by three standard
    errors and 5 %), or that two simple probes on the inputs beat. What is seen is compared with
    the run's own numbers, never with a fixed size.

    Args:
        run: a `Doctor` that was given to `fit`, a Keras `History`, or its dict of lists.

    Returns:
        A `Report`, the surest findings first. Names of findings do not change:

        ```
        nan exploding vanishing symmetric_units dead_units saturated rate_too_high rate_too_low
        batch_too_small batch_norm_gap frozen nothing_trains not_learning underfitting collapse
        overfitting validation_too_good loss_metric_divergence spikes plateau
        ```

        and those of `examine` that data and configuration show.

    Raises:
        TypeError: for what is neither.
        ValueError: for a doctor that has seen no training, and a history without a loss.

    Numerics: losses are compared in inference mode, without penalties, on at most 2000 rows in 20
    blocks, whose scatter gives the standard errors. Sample and class weights are not known here: a
    run counts as learned by its balanced accuracy too.

    Example:
        >>> report = diagnose({"loss": [0.9, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02],
        ...                    "val_loss": [0.95, 0.7, 0.6, 0.61, 0.66, 0.74, 0.83, 0.9]})
        >>> report.names
        ['overfitting']
        >>> print(report[0].reason)
        Validation loss was lowest, 0.6, after epoch 3, and is 0.83 now.
    """
    if isinstance(run, Doctor):
        return _of_doctor(run)
    found = getattr(run, "history", run)
    rule = "`run` must be a Doctor, a History, or a dict of lists."
    if not isinstance(found, dict):
        raise TypeError(f"{rule} Received: {brief(run, 80)}")
    numbers = "A history must hold lists of numbers."
    try:
        record = of_history(found)
    except (TypeError, ValueError):
        raise ValueError(f"{numbers} Received: {brief(found, 80)}") from None
    way_out = "Train first, and pass the doctor in fit(..., callbacks=[doctor])"
    require("loss" in found and len(record.epochs) > 0, "A history must hold a loss.", way_out,
            names=sorted(found))  # fmt: skip
    found = curves.by_curves_alone(record)
    if not any(one is not None and one.rule == "nan" for one in found):
        found += [
            curves.overfitting(record, False),
            curves.loss_against_metric(record),
            curves.plateau(record),
        ]
    return Report([one for one in found if one is not None])


def _of_doctor(doctor: Doctor) -> Report:
    record = doctor.record
    require(doctor.began, "The doctor must have seen a training.",
            "Pass it in model.fit(..., callbacks=[doctor])", epochs=len(record.epochs))  # fmt: skip
    model: keras.Model = doctor.model
    with kept():
        look = _look(doctor, model)
        data = list(look.of_run())
        if not doctor.ended:  # in the middle of a training, or after one that was broken off
            doctor.arrive()
        skipped = [*look.skipped, *filter(None, [doctor.skipped])]
        if not any(one.rule in UNSEEN for one in data):
            try:
                record.end = measure(model, doctor.data, doctor.validation_data,
                                     np.random.default_rng(0), look.words)  # fmt: skip
            except Exception as error:  # a model whose loss wants what is not there
                skipped.append(f"the end ({type(error).__name__}: {brief(str(error), 80)})")
    return Report(verdict(record, data), list(dict.fromkeys(skipped)))


def _look(doctor, model) -> Look:
    parts = [arrays_of(name, part) for name, part in zip("xy", doctor.data, strict=True)]
    valid = None
    if doctor.validation_data is not None:
        names = "x_val", "y_val"
        valid = [arrays_of(*one) for one in zip(names, doctor.validation_data, strict=True)]
    rng = np.random.default_rng(0)
    return Look(model, parts, doctor.data, valid, False, 2000, rng)


def verdict(record: Record, data: list[Finding]) -> list[Finding]:
    """Return the findings of a run, the telling ones first.

    Args:
        record: what the run left; its `end` is None where data or labels allow no loss.
        data: findings of data and configuration.
    """
    if record.nan is not None or record.end is None:
        steep = rules.exploding(record) if record.nan is not None else None
        found = [one for one in data if one.effect == "says"]
        found += [steep, _too_fast(record), rules.nan(record)]
        if record.nan is None:
            found += [*curves.by_curves_alone(record), curves.overfitting(record, False)]
        return [one for one in found if one is not None]
    if not record.trains:
        return [one for one in data if one.rule == "nothing_trains"] or data
    ill = not rules.learned(record)
    short = ill or rules.beaten(record.end)
    held = record.end.valid is not None and record.end.z > 5  # right on rows it has not seen
    harmless = set() if short else set(MILD)
    harmless |= {"labels_independent"} if held else set()
    harmless |= ELSEWHERE if _fine(record) else set()
    told = [one for one in data if one.effect != "notes" and one.rule not in harmless]
    found = [rules.frozen(record), rules.batch_norm_gap(record), rules.symmetric(record)]
    if short and not any(found):
        found += [*told, *_of_weights(record, ill, bool(told))]
    elif short:
        found += [*told, rules.underfitting(record)]
    else:
        small = rules.small_batch(record)
        found += [*told, rules.swings(record), curves.loss_against_metric(record), small]
        found += [_note(rules.killed(record)), None if small else curves.spikes(record)]
        found += [_note(rules.saturated(record))]
    found.append(rules.never_said(record))
    elsewhere = any(one.rule in ELSEWHERE and one.effect == "says" for one in data)
    cause = any(one is not None and one.effect != "notes" for one in found)
    found += [
        rules.collapse(record, beside=cause),
        None if ill else curves.overfitting(record, elsewhere),
        curves.validation_too_good(record),
        curves.plateau(record),
        *(_note(one) for one in data if one not in told),
    ]
    named: dict[str, Finding] = {}
    for one in found:
        if one is not None:
            named.setdefault(one.rule, one)
    return list(named.values())


def _fine(record: Record) -> bool:
    """Whether the rows of validation are answered nearly as well as those of training."""
    end = record.end
    if end is None or end.valid is None or end.constant is None:
        return False
    most = abs(end.constant.mean)
    return end.valid.mean < 0.5 * most and end.valid.mean - end.train.mean < 0.3 * most


def _note(found: Finding | None) -> Finding | None:
    return None if found is None else found._replace(effect="notes")


def _too_fast(record: Record) -> Finding | None:
    """A run that ended in NaN: were its updates as large as its weights?"""
    far, path, step = rules.push(record, record.looks)
    if not far > rules.PUSH:
        return None
    return finding(
        "rate_too_high",
        f"One update (step {step}) moved {path} by {far:.0%} of its size.",
        "Divide the learning rate by 10 and compare.",
        "asks",
    )


def _of_weights(record: Record, ill: bool, told: bool) -> list[Finding]:
    """The diseases of a run that falls short."""
    strong = rules.over_regularized(record)
    if strong is not None:
        return [strong, *filter(None, [rules.underfitting(record)])]
    asked = [
        rules.dead_at_start(record),
        rules.vanishing(record),
        rules.exploding(record),
        rules.saturated(record),
        rules.rate_too_high(record, ill),
        rules.killed(record),
        rules.rate_too_low(record, ill),
        rules.small_batch(record, falls_short=True),
        rules.held_back(record),
    ]
    found = [one for one in asked if one is not None]
    if not told and not any(one.effect == "says" for one in found):
        found += filter(None, [rules.underfitting(record)])
        found += [rules.not_learning(record)] if ill else []
    return found
