"""The arguments of all losses: one order, by name, one rule for each, typed."""

import inspect
import typing

import keras
import numpy as np
import pytest
from loss_cases import CASES, ONE_OF_EACH
from running import array

from coursekit import losses

pytestmark = pytest.mark.any_backend
each_loss = pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.loss.__name__)
LAST = ["from_logits", "ignore_class", "axis", "gather_replicas", "reduction", "name", "dtype"]
SWITCHES = {"from_logits", "gather_replicas", "multilabel", "per_class", "symmetric"}
PUBLIC = [
    *(case.function for case in ONE_OF_EACH),
    *(case.loss for case in ONE_OF_EACH),
    *(getattr(losses.adversarial, name) for name in losses.adversarial.__all__),
    losses.euclidean_distance,
    losses.per_example,
    losses.LearnedTemperature,
]


@each_loss
def test_one_order(case):
    """What is the loss's own first, then what its sisters have too."""
    for callable_ in (case.function, case.loss):
        names = list(inspect.signature(callable_).parameters)
        shared = [name for name in names if name in LAST]
        assert shared == [name for name in LAST if name in shared]
        assert names[len(names) - len(shared) :] == shared


@pytest.mark.parametrize("public", PUBLIC, ids=lambda public: public.__name__)
def test_what_has_a_default_is_given_by_name_and_all_is_typed(public):
    parameters = inspect.signature(public).parameters.values()
    for parameter in parameters:
        if parameter.kind is not parameter.VAR_KEYWORD:
            by_name = parameter.kind is parameter.KEYWORD_ONLY
            assert by_name == (parameter.default is not parameter.empty), parameter
    home = public.__init__ if isinstance(public, type) else inspect.unwrap(public)
    hints = typing.get_type_hints(home)
    named = {p.name for p in parameters if p.kind is not p.VAR_KEYWORD}
    assert named <= hints.keys() | {"self"}


@each_loss
def test_by_position_is_a_type_error(case):
    y, p = case.batch()
    needed = [p for p in inspect.signature(case.loss).parameters.values() if p.default is p.empty]
    required = [case.config[parameter.name] for parameter in needed]
    with pytest.raises(TypeError, match="positional"):
        case.loss(*required, 0.5)
    with pytest.raises(TypeError, match="positional"):
        case.function(y, p, *required, 0.5)


def refused(case, name, value):
    y, p = case.batch()
    config = {**case.config, name: value}
    pattern = rf"`{name}` must .*Received: {name}="
    with pytest.raises(ValueError, match=pattern):
        case.loss(**config)
    with pytest.raises(ValueError, match=pattern):
        case.function(y, p, **config)


@each_loss
def test_switches_axes_and_labels(case):
    names = inspect.signature(case.function).parameters.keys()
    for name in names & SWITCHES:
        for wrong in ("no", "False", 0, 1, None, np.nan, [True]):
            refused(case, name, wrong)
    if "axis" in names:
        for wrong in (True, 1.0, "last", None, np.nan, 0, (1,)):
            refused(case, "axis", wrong)
    if "ignore_class" in names:
        for wrong in (True, 1.0, 1.5, "255", np.nan, np.inf, [255], 2**31, -(2**31) - 1):
            refused(case, "ignore_class", wrong)


@each_loss
def test_numbers(case):
    for name, parameter in inspect.signature(case.function).parameters.items():
        number = isinstance(parameter.default, float)
        if number:
            for wrong in (True, "1", np.nan, np.inf, -np.inf, -1.0, [[1.0]], "nan"):
                refused(case, name, wrong)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_arguments_of_numpy_are_saved_in_plain_python(case):
    y, p = case.batch()

    def of_numpy(value):
        if isinstance(value, bool):
            return np.bool_(value)
        if isinstance(value, int):
            return np.int64(value)
        if isinstance(value, float):
            return np.float64(value)
        return np.array(value) if isinstance(value, list) else value

    config = {name: of_numpy(value) for name, value in case.config.items()}
    loss = case.loss(**config)
    kept = loss.get_config()
    assert {name: kept[name] for name in case.config} == case.config
    plain = (bool, int, float, str, list, type(None))
    assert all(type(value) in plain for value in kept.values())
    np.testing.assert_array_equal(array(case.function(y, p, **config)), array(case.values(y, p)))


def test_logits_that_are_taken_for_probabilities_are_refused_where_they_are_seen():
    for case in CASES:
        if case.config.get("from_logits") is not True:
            continue
        y, p = case.batch()
        config = {**case.config, "from_logits": False}
        with pytest.raises(ValueError, match=r"from 0 to 1.*lowest=.*Of logits: `from_logits"):
            case.function(y, p, **config)
        with pytest.raises(ValueError, match=r"from 0 to 1.*lowest=.*Of logits: `from_logits"):
            case.loss(**config)(y, p)


def test_probabilities_that_rounding_lifts_over_1_are_probabilities():
    p = np.array([[1 + 1e-6, -1e-7], [np.nan, 0.5]], "float32")
    values = array(losses.label_smoothed_crossentropy([0, 0], p, label_smoothing=0.0))
    np.testing.assert_allclose(values, [0.0, np.nan], atol=1e-5)


@pytest.mark.parametrize(
    "cls", [losses.CrossentropyDice, losses.FocalTversky, losses.LovaszSoftmax]
)
def test_class_weights_must_be_as_many_as_classes(cls):
    y, z = np.zeros((1, 4), int), np.zeros((1, 4, 3), "float32")
    for weights in ([1.0], [1.0, 2.0], [1.0, 2.0, 3.0, 4.0]):
        said = r"a number for each of the 3 classes. Received: class_weights=\["
        with pytest.raises(ValueError, match=said):
            cls(class_weights=weights, from_logits=True)(y, z)


@pytest.mark.parametrize("cls", [losses.InfoNCE, losses.SupervisedContrastive])
def test_a_variable_as_temperature_is_refused_with_the_way_out(cls):
    with pytest.raises(ValueError, match="LearnedTemperature"):
        cls(temperature=keras.Variable(0.07))


def test_a_weight_for_each_image_on_a_loss_of_pixels():
    y, z = np.zeros((2, 3, 3), int), np.zeros((2, 3, 3, 2), "float32")
    loss = losses.LabelSmoothedCrossentropy(from_logits=True)
    with pytest.raises(ValueError, match=r"shape \(batch, 1, 1\)"):
        loss(y, z, sample_weight=np.ones(2))
    got = array(loss(y, z, sample_weight=np.array([0.0, 2.0]).reshape(2, 1, 1)))
    np.testing.assert_allclose(got, array(loss(y, z)), rtol=1e-6)
    for wrong in (np.ones(3), np.ones((3, 3, 3)), np.ones((2, 3, 2)), np.ones((3, 1, 1))):
        with pytest.raises(ValueError, match=r"whose shape is \(2, 3, 3\). Received: shape="):
            loss(y, z, sample_weight=wrong)
