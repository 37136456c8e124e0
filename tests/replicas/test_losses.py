"""Every loss trains the same on one device and on two, through `fit`, on full batches."""

import heads
import numpy as np
import pytest
from loss_cases import CASES

ROWS = 16
# Where labels are ignored the mean is over those that count, on each replica by itself.
ALONE = list({c.loss: c for c in CASES if c.replicas and not c.batch_coupled}.values())
COUPLED = list({c.loss: c for c in CASES if c.replicas and c.batch_coupled}.values())


def train(cases, **arguments):
    model = heads.build(cases=cases, **arguments)
    x, y = heads.data(cases, ROWS)
    return model.fit(x, y, batch_size=8, epochs=1, shuffle=False, verbose=0).history, model


@pytest.mark.parametrize(
    "cases, arguments",
    [(ALONE, {}), (COUPLED, {"gather_replicas": True})],
    ids=["alone", "gathered"],
)
def test_one_replica_equals_two(strategy, cases, arguments):
    one_history, one = train(cases, **arguments)
    with strategy.scope():
        two_history, two = train(cases, **arguments)
    assert len({c.device for c in two.weights[0].value.values}) == 2
    for case in cases:
        name = "loss" if len(cases) == 1 else f"{case.head}_loss"
        np.testing.assert_allclose(
            two_history[name], one_history[name], rtol=1e-5, err_msg=case.name
        )
        a, b = (m.get_layer(f"{case.head}_matrix").get_weights()[0] for m in (one, two))
        assert np.abs(a - np.eye(*a.shape)).max() > 1e-4, case.name
        np.testing.assert_allclose(b, a, atol=1e-6, err_msg=case.name)


def test_every_class_is_here():
    assert {c.loss for c in ALONE + COUPLED} == {c.loss for c in CASES}
