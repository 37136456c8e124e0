"""The course's training steps and losses, lowered with TensorFlow's own kernels for a TPU.

XLA asks the registry of operations that tensorflow-tpu has for the device "TPU": each one must
exist there. Nothing is compiled for a chip (`tests/tpu` does that, for JAX), and nothing runs.
"""

import inspect
import sys

import keras
import pytest
import tensorflow as tf
from tpu_programs import MODELS, TESTED_LOSSES, spec

from coursekit.losses import adversarial
from coursekit.training.many._programs import Layout

sys.path.insert(0, str(TESTED_LOSSES))
from loss_cases import CASES

STEPS = [model for model in MODELS if "chips" not in model.name]
ADVERSARIAL = [getattr(adversarial, name) for name in adversarial.__all__]


def lowered(function, *arguments) -> str:
    """Return the HLO that TensorFlow makes of a function for a TPU."""
    arguments = keras.tree.map_structure(zeros, arguments)
    jitted = tf.function(function, jit_compile=True, autograph=False)
    return jitted.experimental_get_compiler_ir(*arguments)(stage="hlo", platform_name="TPU")


def zeros(like):
    return tf.zeros(like.shape, like.dtype)


def step_of(model, layout=None):
    """Return the step of a compiled model as a function of its state, as `fit_many` has it.

    A step that assigns to variables cannot be lowered alone, so that without a layout, which the
    simpler optimizers have, the step ends with the gradients.
    """

    def step(state, x, y):
        pairs = layout.mapping(state) if layout else zip(model.variables, state, strict=True)
        with keras.StatelessScope(list(pairs), collect_losses=True) as scope:
            weights = [scope.get_current_value(v) for v in model.trainable_variables]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(weights)
                loss = model.compute_loss(x, y, model(x, training=True))
            gradients = tape.gradient(loss, weights)
            if not layout:
                return loss, gradients, [scope.get_current_value(v) for v in model.variables]
            layout.apply(gradients)
            return loss, [scope.get_current_value(v) for v in layout.variables]

    return step


@pytest.mark.parametrize("program", STEPS, ids=lambda program: program.name)
def test_loss_and_gradients(program):
    model, (x, y), *_ = program.make()
    hlo = lowered(step_of(model), model.variables, x, y)
    assert "dot(" in hlo or "convolution(" in hlo


@pytest.mark.parametrize("name", ["running model", "embedding, LSTM"])
def test_a_whole_step(name):
    (program,) = (model for model in STEPS if model.name == name)
    model, (x, y), *_ = program.make()
    model.optimizer.build(model.trainable_variables)
    layout = Layout(model)
    assert "dot(" in lowered(step_of(model, layout), layout.variables, x, y)


def with_gradient(loss):
    def both(*arguments):
        with tf.GradientTape() as tape:
            tape.watch(arguments[-1])
            value = tf.reduce_mean(loss(*arguments))
        return value, tape.gradient(value, arguments[-1])

    return both


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.strip())
def test_a_loss_with_its_gradient(case):
    batch = keras.tree.map_structure(tf.convert_to_tensor, case.batch(rows=8))
    assert lowered(with_gradient(case.make()), *batch).startswith("HloModule")


@pytest.mark.parametrize("loss", ADVERSARIAL, ids=lambda loss: loss.__name__)
def test_an_adversarial_loss_with_its_gradient(loss):
    parameters = inspect.signature(loss).parameters.values()
    needed = sum(parameter.default is parameter.empty for parameter in parameters)
    assert lowered(with_gradient(loss), *[spec((8, 4))] * needed).startswith("HloModule")


REFUSED = {
    "text": (lambda x: tf.strings.length(tf.as_string(x)), spec((4,))),
    "Python in the step": (lambda x: tf.py_function(lambda v: v, [x], tf.float32), spec((4,))),
    "eigenvalues": (lambda x: tf.linalg.eig(x)[0], spec((4, 4))),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_tpu_has_is_refused(name):
    """Else the tests above would pass with anything."""
    with pytest.raises(ValueError, match=r"unsupported operations.*XLA_TPU_JIT"):
        lowered(*REFUSED[name])
