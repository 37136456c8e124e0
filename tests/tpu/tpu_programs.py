"""What tpu_compile.py compiles: the course's models, every loss, and what no TPU takes.

A loss that the tests know is compiled as well; a new model takes a line in MODELS.
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tpu_lessons import lessons

TESTED_LOSSES = Path(__file__).resolve().parent.parent / "losses"


class Program(NamedTuple):
    """Something to compile.

    name: as in the report.
    make: returns the arguments of `compile_step`, or of `compile_function` for a function.
    expected: "accepted", or the `reason` of the refusal.
    """

    group: str
    name: str
    make: Callable[[], tuple]
    expected: str = "accepted"


def running(rows: int | None = 64) -> tuple:
    """The course's running model on Fashion-MNIST."""
    from coursekit.lessons import running_model

    return compiled(running_model(), "sgd"), images(rows)


def convolutional(rows: int = 64, policy: str = "float32") -> tuple:
    """A CNN with the one-cycle policy, momentum included."""
    import keras

    from coursekit.optimizers import ScheduledMomentumSGD
    from coursekit.precision import precision
    from coursekit.schedules import OneCycle

    layers = keras.layers
    with precision(policy):
        model = keras.Sequential(
            [
                keras.Input((28, 28)),
                layers.Rescaling(1 / 255),
                layers.Reshape((28, 28, 1)),
                layers.Conv2D(32, 3, activation="relu"),
                layers.MaxPooling2D(),
                layers.Conv2D(64, 3, activation="relu"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(10, dtype="float32"),
            ]
        )
    rate = OneCycle(0.5, total_steps=470)
    return compiled(model, ScheduledMomentumSGD(rate, momentum=rate.momentum())), images(rows)


def normalized(topology: str = "v5e:1x1") -> tuple:
    """Batch normalization and dropout, with clipped, accumulated gradients and averaged weights."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(64),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
    )
    options = {"global_clipnorm": 1.0, "gradient_accumulation_steps": 2, "use_ema": True}
    return compiled(model, keras.optimizers.AdamW(1e-3, **options)), images(64), topology


def recurrent() -> tuple:
    """An embedding with a mask and an LSTM, with warmup."""
    import keras

    from coursekit.schedules import WarmupInverseSqrt

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((40,), dtype="int32"),
            layers.Embedding(2000, 32, mask_zero=True),
            layers.LSTM(32, dropout=0.2),
            layers.Dense(10),
        ]
    )
    return compiled(model, keras.optimizers.Adam(WarmupInverseSqrt(1e-3, 100))), tokens(64, 40)


def transformer(policy: str, dropout: float = 0.0) -> tuple:
    """One block of a transformer in 16 bits.

    Without dropout Keras calls `jax.nn.dot_product_attention`, which in float16 asks by name for an
    algorithm that the TPU lacks. With dropout it multiplies itself, and float16 is accepted.
    """
    import keras

    from coursekit.optimizers import SafeLossScaleOptimizer
    from coursekit.precision import precision

    layers = keras.layers
    with precision(policy):
        inputs = keras.Input((64,), dtype="int32")
        x = layers.Embedding(2000, 64)(inputs)
        x = layers.LayerNormalization()(x + layers.MultiHeadAttention(4, 16, dropout=dropout)(x, x))
        x = layers.LayerNormalization()(
            x + layers.Dense(64)(layers.Dense(256, activation="gelu")(x))
        )
        outputs = layers.Dense(10, dtype="float32")(layers.GlobalAveragePooling1D()(x))
        model = keras.Model(inputs, outputs)
        return compiled(model, SafeLossScaleOptimizer(keras.optimizers.Adam())), tokens(64, 64)


def compiled(model, optimizer):
    """Compile for class numbers and logits, as most of the course does."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def images(rows: int | None) -> tuple:
    """Return the shapes of a batch of Fashion-MNIST. A KerasTensor needs no memory."""
    return spec((rows, 28, 28)), spec((rows,), "int32")


def tokens(rows: int, length: int) -> tuple:
    """Return the shapes of a batch of sentences."""
    return spec((rows, length), "int32"), spec((rows,), "int32")


def spec(shape, dtype: str = "float32"):
    """Return a shape with a dtype, without numbers."""
    import keras

    return keras.KerasTensor(shape, dtype)


def with_gradient(loss: Callable, *arguments) -> tuple:
    """Return a loss with its gradient by the predictions, the last of the arguments."""
    import jax
    import keras

    def mean(*arguments):
        return keras.ops.mean(loss(*arguments))

    return jax.value_and_grad(mean, argnums=len(arguments) - 1), *arguments


MODELS = [
    Program("model", "running model", running),
    Program("model", "CNN, one cycle", convolutional),
    Program("model", "batch norm, dropout, AdamW", normalized),
    Program("model", "the same on four chips", lambda: normalized("v5e:2x2")),
    Program("model", "embedding, LSTM", recurrent),
    Program("model", "transformer, mixed_bfloat16", lambda: transformer("mixed_bfloat16")),
    Program("model", "CNN, mixed_float16", lambda: convolutional(policy="mixed_float16")),
    Program(
        "model",
        "transformer with dropout, mixed_float16",
        lambda: transformer("mixed_float16", dropout=0.1),
    ),
]


def lesson_programs() -> Iterator[Program]:
    """Yield what the lessons train beside a model alone."""
    for name, make in lessons():
        yield Program("lesson", name, make)


def losses() -> Iterator[Program]:
    """Yield every loss in each configuration that the tests know, and the adversarial ones."""
    sys.path.insert(0, str(TESTED_LOSSES))
    from loss_cases import CASES

    from coursekit.losses import adversarial

    for case in CASES:
        arguments = (case.make(), *case.batch(rows=8))
        yield Program("loss", case.name.strip(), lambda of=arguments: with_gradient(*of))
    for name in adversarial.__all__:
        function = getattr(adversarial, name)
        needed = inspect.signature(function).parameters.values()
        count = sum(parameter.default is parameter.empty for parameter in needed)
        arguments = (function, *[spec((8, 4))] * count)
        yield Program("loss", f"adversarial {name}", lambda of=arguments: with_gradient(*of))


def text_model() -> tuple:
    """Sentences as they are: a vectorizer inside of the model would ask for them."""
    return running()[0], (spec((64, 1), "string"), spec((64,), "int32"))


def only_hard_rows(y_true, y_pred):
    """A loss over as many rows as happen to be wrong."""
    import keras

    values = keras.losses.mean_squared_error(y_true, y_pred)
    return values[values > 0.5]


def doubled_if_large(y_true, y_pred):
    """A loss with an `if` of Python."""
    import keras

    loss = keras.ops.mean((y_true - y_pred) ** 2)
    return 2 * loss if loss > 1 else loss


def spectral(matrix):
    """Return eigenvalues of a matrix that need not be symmetric."""
    import keras

    return keras.ops.eig(matrix)[0]


def of_squares(loss: Callable) -> tuple:
    """Return a loss with its gradient, for predictions that are a matrix."""
    return with_gradient(loss, spec((4, 4)), spec((4, 4)))


BAD = "not for a TPU"
REFUSED = [
    Program(BAD, "transformer, mixed_float16", lambda: transformer("mixed_float16"), "operation"),
    Program(BAD, "batch of unknown size", lambda: running(None), "dynamic shape"),
    Program(
        BAD,
        "mean over the hard rows",
        lambda: of_squares(only_hard_rows),
        "dynamic shape",
    ),
    Program(BAD, "text in the batch", text_model, "string"),
    Program(BAD, "CNN, 500,000 images", lambda: convolutional(500_000), "memory"),
    Program(BAD, "`if loss > 1`", lambda: of_squares(doubled_if_large), "value"),
    Program(BAD, "eigenvalues", lambda: (spectral, spec((4, 4))), "operation"),
]


def programs() -> list[Program]:
    """Return everything to compile."""
    return [*MODELS, *lesson_programs(), *losses(), *REFUSED]
