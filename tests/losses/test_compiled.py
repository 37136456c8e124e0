"""Eager = graph = XLA, and JAX compiled too: one program that holds all losses.

XLA takes most of a second for a loss, so it gets one configuration of each; the graph has them all.
"""

import numpy as np
import pytest
from loss_cases import CASES, ONE_OF_EACH
from running import JAX, array, compiled, values_and_gradient

each = pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)


def program(*batches, cases=CASES):
    """Values and gradient of every case, each on its own batch."""
    found = []
    for case, (y_true, y_pred) in zip(cases, batches, strict=True):
        found.append(values_and_gradient(case.values, y_true, y_pred))
    return found


def batches(rows=8, cases=CASES):
    return [case.batch(seed=6, rows=rows) for case in cases]


@pytest.fixture(scope="module")
def by_xla():
    whole = compiled(lambda *batches: program(*batches, cases=ONE_OF_EACH))
    found = whole(*batches(cases=ONE_OF_EACH))
    return {c.name: r for c, r in zip(ONE_OF_EACH, found, strict=True)}


@pytest.fixture(scope="module")
def graph():
    """A graph that knows no batch size, as `fit` makes one."""
    import tensorflow as tf

    signature = [
        tuple(tf.TensorSpec((None, *a.shape[1:]), a.dtype) for a in batch) for batch in batches()
    ]
    return compiled(program, signature)


@pytest.mark.any_backend
@each
def test_xla_equals_the_reference_and_eager(case, by_xla):
    values, gradient = by_xla[case.name]
    y_true, y_pred = case.batch(seed=6)
    _, eager = values_and_gradient(case.values, y_true, y_pred)
    np.testing.assert_allclose(array(values), case.expected(y_true, y_pred), rtol=1e-6, atol=1e-6)
    assert np.abs(array(gradient)).max() > 0
    np.testing.assert_allclose(array(gradient), array(eager), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(JAX, reason="a graph of TensorFlow")
@pytest.mark.parametrize("rows", [8, 1, 5, 0])
def test_one_graph_for_all_batch_sizes(graph, rows):
    """Also of none, which a replica may get."""
    given = [(y_true[:rows], y_pred[:rows]) for y_true, y_pred in batches(max(rows, 1))]
    for case, (values, gradient), (y_true, y_pred) in zip(CASES, graph(*given), given, strict=True):
        np.testing.assert_allclose(
            array(values),
            case.expected(y_true, y_pred),
            rtol=1e-6,
            atol=1e-6,
            err_msg=case.name,
        )
        assert np.isfinite(array(gradient)).all(), case.name
        assert array(gradient).shape == y_pred.shape, case.name
