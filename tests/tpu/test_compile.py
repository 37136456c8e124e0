"""What the TPU's compiler takes. Needs libtpu and JAX, and no TPU: `make tpu-check`."""

from importlib.util import find_spec

import jax
import keras
import numpy as np
import pytest
import tpu_compile
from keras import layers
from tpu_programs import programs

from coursekit.distribution.tpu import TpuRefusal, compile_function, compile_step
from coursekit.training import fit_many

PROGRAMS = programs()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_the_verdict(program):
    row = tpu_compile.run(program)
    assert row.verdict == program.expected, row.said


def test_the_stored_report_is_of_these_programs():
    stored, _ = tpu_compile.stored()
    assert {row.name: row.verdict for row in stored} == {p.name: p.expected for p in PROGRAMS}, (
        "write it again: .venv-tpu/bin/python tests/tpu/tpu_compile.py --report"
    )


def test_there_is_no_tensorflow():
    """As on Colab's TPU runtime: the lessons run in this environment too."""
    assert find_spec("tensorflow") is None


def shape(*sizes, dtype="float32"):
    return jax.ShapeDtypeStruct(sizes, dtype)


class TwoInputs(keras.Model):
    """Subclassed, not built, with inputs and outputs by name and a step of its own."""

    def __init__(self, width=256):
        super().__init__()
        self.hidden = layers.Dense(width, activation="relu")
        self.heads = {"a": layers.Dense(1), "b": layers.Dense(3)}

    def call(self, inputs, training=False):
        hidden = self.hidden(keras.ops.concatenate([inputs["u"], inputs["v"]], axis=-1))
        return {name: head(hidden) for name, head in self.heads.items()}

    def train_step(self, state, data):
        self.stepped = True
        return super().train_step(state, data)


def two_inputs(rows=64):
    model = TwoInputs()
    losses = {"a": "mse", "b": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    model.compile("adam", losses, metrics={"b": ["accuracy"]}, loss_weights={"a": 1.0, "b": 0.5})
    x = {"u": shape(rows, 500), "v": shape(rows, 500)}
    y = {"a": shape(rows, 1), "b": shape(rows, dtype="int64")}
    return model, (x, y, {"a": shape(rows), "b": shape(rows)})


def test_an_unbuilt_model_with_names_and_weights_and_a_step_of_its_own():
    model, batch = two_inputs()
    program = compile_step(model, batch)
    assert model.stepped
    kernel = 1000 * 256 * 4
    rows = 64 * 1000 * 4
    assert program.arguments >= 3 * kernel + rows, "weights, two averages of Adam, and the batch"
    assert program.outputs < kernel, "the new weights overwrite the old ones"
    assert program.all_reduces == 0 and program.chips == 1
    products = 6 * 64 * (1000 * 256 + 256 * 4)  # forward, and two backward
    assert 0.9 * products - 2 * 64 * 1000 * 256 < program.operations < 1.5 * products
    assert program.accessed > 3 * kernel + rows
    assert program.memory == (
        program.arguments + program.outputs + program.temporaries + program.code
    )


def test_four_chips_share_the_batch_and_add_their_gradients():
    model, batch = two_inputs()
    one, four = compile_step(model, batch), compile_step(model, batch, "v5e:2x2")
    assert four.chips == 4 and four.all_reduces > 0
    parts = 3 * 64 * 1000 * 4 // 4
    assert 0.9 * parts < one.arguments - four.arguments < 1.3 * parts
    with pytest.raises(TpuRefusal, match="66 rows for 4 chips"):
        compile_step(*two_inputs(66), "v5e:2x2")


def test_a_larger_chip_takes_more():
    """20 GB of numbers: too many for a v5e, room enough on a v6e."""
    numbers = shape(5 * 2**30)

    def step(x):
        return keras.ops.sum(x**2)

    with pytest.raises(TpuRefusal) as refused:
        compile_function(step, numbers)
    assert refused.value.reason == "memory" and "15.75G" in str(refused.value)
    assert compile_function(step, numbers, topology="v6e:1x1").arguments > 2e10


def test_no_64_bits_and_scalars_and_nests():
    def step(batch, rate):
        return {"sum": rate * keras.ops.sum(batch["x"]), "n": batch["n"][0] + 1, "none": None}

    batch = {"x": np.zeros((8, 128), "float64"), "n": [np.int64(3), None]}
    program = compile_function(step, batch, 0.5, topology="v5e:2x2")
    assert program.arguments < 8 * 128 * 8


def test_a_mistake_that_is_no_matter_of_the_tpu_stays_what_it_is():
    def unfinished(x):
        raise NotImplementedError("later")

    with pytest.raises(NotImplementedError, match="later"):
        compile_function(unfinished, shape(3))
    with pytest.raises(TypeError, match="contracting"):
        compile_function(lambda a, b: a @ b, shape(3, 3), shape(4, 3))


@pytest.mark.parametrize("topology", ["v5e", "v99:1x1", "gpu", ""])
def test_an_unknown_topology(topology):
    with pytest.raises(ValueError, match="must name a chip and a grid"):
        compile_function(lambda x: x, shape(3), topology=topology)


def test_models_side_by_side(monkeypatch):
    """What `fit_many` runs on a TPU: a whole epoch of several models, with validation."""
    from coursekit.training.many import _jax_plan, _jax_stack

    seen = []

    def prepare(stack, sizes, submit):
        states = [_jax_stack.pull(member.groups) for member in stack.members]
        seen.append((stack.epoch, states, stack._arrays(), stack._sweeps(len(sizes))))
        raise NotImplementedError("compiled below, for the TPU")

    monkeypatch.setattr(_jax_plan, "side_by_side", lambda: True)
    monkeypatch.setattr(_jax_stack.Stack, "prepare", prepare)
    x = np.zeros((70, 12, 12, 1), "float32")
    models = []
    for _ in range(3):
        stack = [
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
        models.append(keras.Sequential([keras.Input(x.shape[1:]), *stack]))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 9))
        models[-1].compile(optimizer, loss, metrics=["accuracy"])
    rows = [np.arange(50), np.arange(10, 61), np.arange(70)]
    arguments = {"rows": rows, "validation_rows": rows[::-1], "batch_size": 16, "verbose": 0}
    fit_many(models, x, np.zeros(70, "int32"), **arguments)
    ((epoch, *arguments),) = seen
    assert compile_function(epoch, *arguments).temporaries > 0
