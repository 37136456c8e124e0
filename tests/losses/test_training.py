"""Every loss in one model, a head each: `fit` in every precision, a custom loop, saving."""

import json
import subprocess
import sys

import numpy as np
import pytest
from heads import ROWS, build, data, expected_losses
from loss_cases import CASES, ONE_OF_EACH
from running import JAX, array

each_policy = pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])


@pytest.fixture(scope="module")
def trained():
    """One step of gradient descent in float32: history and weights."""
    model = build(cases=ONE_OF_EACH)
    history = model.fit(*data(ONE_OF_EACH), batch_size=ROWS, epochs=1, shuffle=False, verbose=0)
    return history.history, model


@pytest.mark.slow
@pytest.mark.any_backend
@each_policy
def test_fit(policy, trained):
    history, model = trained
    if policy != "float32":
        model, batch = build(policy, ONE_OF_EACH), data(ONE_OF_EACH)
        fitted = model.fit(*batch, batch_size=ROWS, epochs=1, shuffle=False, verbose=0)
        history = fitted.history
    for name, expected in expected_losses(policy, ONE_OF_EACH).items():
        got = history[f"{name}_loss"][0]
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5, err_msg=name)
        moved = array(model.get_layer(f"{name}_matrix").kernel)
        moved = moved - np.eye(*moved.shape)
        assert np.isfinite(moved).all() and np.abs(moved).max() > 0, name


@pytest.mark.skipif(JAX, reason="a loop of TensorFlow")
def test_a_custom_loop_gives_the_weights_of_fit(trained):
    import tensorflow as tf

    model, (x, y) = build(cases=ONE_OF_EACH), data(ONE_OF_EACH)
    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        total = sum(case.make()(y[case.head], outputs[case.head]) for case in ONE_OF_EACH)
    variables = model.trainable_variables
    model.optimizer.apply(tape.gradient(total, variables), variables)
    for ours, of_fit in zip(model.get_weights(), trained[1].get_weights(), strict=True):
        np.testing.assert_allclose(ours, of_fit, rtol=1e-5, atol=1e-6)


LOAD = """
import json, sys
import keras, numpy as np
import coursekit
assert "coursekit.losses" not in sys.modules  # it is loaded by the model
model = keras.models.load_model(sys.argv[1])
with np.load(sys.argv[1] + ".npz") as batches:
    batches = dict(batches)
found = {}
for name, loss in model.loss.items():
    got = loss(batches["y/" + name], batches["x/" + name])
    found[name] = [float(got), loss.dtype, loss.reduction, type(loss).__name__]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_saved_and_loaded_by_value_in_a_fresh_process(tmp_path):
    model, (x, y) = build(dtype="float64", reduction="sum"), data()
    path = str(tmp_path / "model.keras")
    model.save(path)
    parts = {f"x/{n}": a for n, a in x.items()} | {f"y/{n}": a for n, a in y.items()}
    np.savez(path + ".npz", **parts)
    code = [sys.executable, "-c", LOAD, path]
    run = subprocess.run(code, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout.splitlines()[-1])
    for case in CASES:
        value, dtype, reduction, cls = found[case.head]
        expected = case.expected(y[case.head], x[case.head]).sum()
        assert (dtype, reduction, cls) == ("float64", "sum", case.loss.__name__)
        np.testing.assert_allclose(value, expected, rtol=1e-6, err_msg=case.name)
