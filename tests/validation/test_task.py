"""What outputs mean, told from the loss, the targets and the last layer."""

import keras
import numpy as np
import pytest
from crossed import BCE, BINARY, CE, THREE, Y, builder, run


def own_loss(y_true, y_pred):
    return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)


class Focal(keras.losses.Loss):
    from_logits = True

    def call(self, y_true, y_pred):
        return keras.losses.binary_crossentropy(y_true, y_pred, from_logits=True)


@pytest.mark.parametrize("loss", [own_loss, "dice", keras.losses.KLDivergence()])
def test_a_loss_that_does_not_tell_asks_for_the_task(loss):
    with pytest.raises(ValueError, match=r'must tell the task.*task="classification"'):
        run(builder(loss=loss))


def test_task_overrides(untrained):
    assert run(builder(loss=own_loss), task="regression").task == "regression"
    ours = run(builder(loss=Focal()), y=BINARY, task="binary", scoring="neg_log_loss")
    theirs = run(builder(loss=BCE(from_logits=True)), y=BINARY, scoring="neg_log_loss")
    np.testing.assert_array_equal(ours.scores["neg_log_loss"], theirs.scores["neg_log_loss"])
    probability = run(builder(activation="sigmoid"), y=BINARY, task="binary")
    np.testing.assert_allclose(probability.predictions, theirs.predictions, atol=1e-6)
    with pytest.raises(ValueError, match=r"`task` must be 'classification'.*task='ranking'"):
        run(task="ranking")


def test_exclusive_or_independent_columns_must_be_told(untrained):
    y = np.eye(2)[BINARY]
    build = builder(2, "binary_crossentropy", "sigmoid")
    with pytest.raises(ValueError, match=r'exclusive classes or independent labels.*"multilabel"'):
        run(build, y=y)
    assert run(build, y=y, task="multilabel").task == "multilabel"
    result = run(build, y=y, task="classification", scoring=["neg_log_loss", "roc_auc"])
    np.testing.assert_allclose(result.predictions.sum(1), 1)
    logits = run(builder(2, BCE(from_logits=True)), y=y, task="classification", scoring="roc_auc")
    np.testing.assert_allclose(logits.predictions, result.predictions, atol=1e-6)


WRONG = {
    "logits where the loss wants probabilities": (
        builder(1, "binary_crossentropy"), BINARY, "must get probabilities.*from_logits=True"),
    "probabilities where the loss wants logits": (
        builder(3, CE(from_logits=True), "softmax"), THREE, "must get logits.*softmax"),
    "too few outputs": (
        builder(2, CE(from_logits=True)), THREE, "from 0 to 1.*2 outputs.*Received: 0 to 2"),
    "one unit for a softmax": (
        builder(1, CE(from_logits=True)), BINARY, "needs one output a class"),
    "two units of a binary loss": (
        builder(2, BCE(from_logits=True)), BINARY, "needs one output. Received: 2 outputs"),
    "numbers where columns are wanted": (
        builder(3, "categorical_crossentropy", "softmax"), THREE, "to_categorical"),
    "columns where numbers are wanted": (
        builder(3, CE(from_logits=True)), np.eye(3)[THREE], "argmax"),
    "three classes of a binary loss": (
        builder(1, BCE(from_logits=True)), THREE, "0 or 1 for a binary task"),
    "-1 and 1 of a cross-entropy": (
        builder(1, BCE(from_logits=True)), 2 * BINARY - 1, "0 or 1 for a binary task"),
    "values where classes are wanted": (
        builder(3, CE(from_logits=True)), Y, "must hold class numbers"),
    "outputs that would be broadcast": (
        builder(2), Y, "as many values a row.*Received: 2 outputs, 1 in `y`"),
    "a row that is missing": (builder(), Y[1:], "same rows.*60 rows.*59"),
    "a target that is not finite": (builder(), np.where(Y > 3, np.nan, Y), "`y` must be finite"),
    "a model for other rows": (builder(width=4), Y, "must take the rows of `x`.*60?, ?3|, 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_models_and_targets_that_do_not_fit_are_refused(name):
    build, y, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        run(build, y=y)
