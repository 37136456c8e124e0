"""What the lessons train, as tpu_compile.py compiles it: whole epochs of several models, and steps.

On a TPU `fit_many` computes all models of one architecture as one program, an epoch a call. The
shapes are those of the lessons; the data are zeros, since only their shapes count.
"""

from collections.abc import Callable

import numpy as np

FASHION = 8000, 2000  # rows for training and for validation


def stacked(build: Callable, models: int, shape: tuple, classes: int = 10, **settings) -> tuple:
    """Return an epoch of several models with its arguments, as `fit_many` would run it.

    build: from a number to a compiled model.
    shape: of x.
    settings: `rows`, one array for each model; `held`, how many rows are for validation, or their
        numbers for each model; `y`; `batch_size`.
    """
    from coursekit.training.many._data import Data
    from coursekit.training.many._jax import groups, pull
    from coursekit.training.many._jax_stack import Stack
    from coursekit.training.many._run import Member

    x, y = np.zeros(shape, "float32"), settings.get("y")
    y = np.zeros(len(x), "int32") if y is None else y
    rows, held = settings.get("rows", [np.arange(len(x))] * models), settings.get("held")
    data, feeds = Data(x, y, None), [(x, y, None)]
    if isinstance(held, int):
        feeds.append((x[:held], y[:held], None))
        held = [np.arange(held)] * models
    elif held is not None:
        feeds.append(feeds[0])
    members = []
    for k in range(models):
        members.append(Member(build(k), rows[k], held and held[k], [], k))
        members[k].model._symbolic_build(data_batch=data.take(np.arange(2)))
        members[k].groups = groups(members[k].model)
    stack = Stack(members, feeds, settings.get("batch_size", 32))
    states = [pull(member.groups) for member in members]
    return stack.epoch, states, feeds, stack._sweeps(len(feeds))


def compiled(model, optimizer, loss=None, **options):
    """Compile for class numbers and logits, or for another loss."""
    import keras

    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], **options)
    return model


def running(make: Callable, models: int, batch_size: int = 64, held: int | None = None) -> tuple:
    """The running model on Fashion-MNIST, several times; `make` gives an optimizer."""
    from coursekit.lessons import running_model

    def build(seed):
        return compiled(running_model(seed), make())

    shape = (FASHION[0], 28, 28)
    return stacked(build, models, shape, batch_size=batch_size, held=held)


def one_cycle():
    """The rate and the momentum of a cycle, as in the lesson on schedules."""
    from coursekit.optimizers import ScheduledMomentumSGD
    from coursekit.schedules import OneCycle

    rate = OneCycle(0.3, total_steps=3 * -(-FASHION[0] // 64))
    return ScheduledMomentumSGD(rate, momentum=rate.momentum())


def one_cycle_adam():
    """The same for Adam's beta_1."""
    from coursekit.optimizers import ScheduledBetaAdam
    from coursekit.schedules import OneCycle

    rate = OneCycle(0.01, total_steps=3 * -(-FASHION[0] // 64))
    return ScheduledBetaAdam(rate, rate.momentum(0.95, 0.85))


def warmed_up():
    """A large batch's rate."""
    import keras

    from coursekit.schedules import Warmup

    return keras.optimizers.SGD(Warmup(0.8, 16))


def remedied(before: tuple = (), after: tuple = (), norm: tuple = (), optimizer=None) -> tuple:
    """Four networks of the lesson on regularization, each on its own 400 digits."""
    import keras

    layers = keras.layers

    def build(seed):
        keras.utils.set_random_seed(seed)
        stack = [keras.Input((28, 28, 1)), *[make() for make in before], layers.Flatten()]
        stack += [layers.Dense(128, kernel_regularizer="l2"), *[make() for make in norm]]
        stack += [layers.ReLU(), *[make() for make in after], layers.Dense(10)]
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
        made = optimizer() if optimizer else keras.optimizers.AdamW(0.001, weight_decay=0.1)
        return compiled(keras.Sequential(stack), made, loss)

    rows = [np.random.default_rng(seed).choice(8000, 400, replace=False) for seed in range(4)]
    return stacked(build, 4, (8000, 28, 28, 1), y=np.zeros((8000, 10), "float32"), rows=rows)


def augmented() -> tuple:
    """Shifts, turns and erased patches, drawn inside of the step."""
    import keras

    layers = keras.layers
    return remedied(
        before=(
            lambda: layers.RandomTranslation(0.15, 0.15, fill_mode="constant"),
            lambda: layers.RandomRotation((0.08, 0.1), fill_mode="constant"),
            lambda: layers.RandomErasing((1, 1), scale=(0.05, 0.1), fill_value=1),
            layers.RandomFlip,
        )
    )


def normalized() -> tuple:
    """Batch normalization and dropout."""
    import keras

    layers = keras.layers
    return remedied(after=(lambda: layers.Dropout(0.3),), norm=(layers.BatchNormalization,))


def zeros() -> tuple:
    """L1 with exact zeros."""
    import keras

    from coursekit.optimizers import OrthantwiseL1

    return remedied(optimizer=lambda: OrthantwiseL1(keras.optimizers.SGD(0.1), 0.001))


def segmenters() -> tuple:
    """Three nets that outline brains, by cross-entropy and Dice."""
    import keras

    from coursekit.losses import CrossentropyDice

    def build(seed):
        keras.utils.set_random_seed(seed)
        convolutions = [
            keras.layers.Conv2D(8, 3, padding="same", dilation_rate=rate, activation="relu")
            for rate in (1, 2, 4)
        ]
        net = keras.Sequential([keras.Input((26, 22, 1)), *convolutions, keras.layers.Conv2D(1, 1)])
        loss = CrossentropyDice(ce_weight=0.5, from_logits=True)
        net.compile(keras.optimizers.Adam(0.01), loss)
        return net

    masks = np.zeros((100, 26, 22), "int32")
    return stacked(build, 3, (100, 26, 22, 1), y=masks, batch_size=8)


def side_tasks(policy: str) -> tuple:
    """Three nets of the lesson on precision, with a loss near the smallest numbers."""
    import keras

    from coursekit.precision import precision

    layers = keras.layers

    def build(seed):
        keras.utils.set_random_seed(seed)
        with precision(policy):
            stack = [keras.Input((28, 28)), layers.Rescaling(1 / 255), layers.Flatten()]
            stack += [layers.Dense(64, "relu"), layers.Dense(10, dtype="float32")]
            return compiled(keras.Sequential(stack), keras.optimizers.Adam(), loss_weights=[1e-5])

    shape = (FASHION[0], 28, 28)
    return stacked(build, 3, shape, batch_size=256, held=FASHION[1])


def folds(*stack: Callable) -> tuple:
    """Ten folds of the 1,797 digits, as tools/benchmarks/cross_validation.py trains its models."""
    import keras

    def build(seed):
        keras.utils.set_random_seed(seed)
        made = [make() for make in stack]
        model = keras.Sequential([keras.Input((64,)), *made, keras.layers.Dense(10)])
        return compiled(model, "adam")

    held = np.array_split(np.arange(1797), 10)
    rows = [np.setdiff1d(np.arange(1797), one) for one in held]
    return stacked(build, 10, (1797, 64), rows=rows, held=held)


def folds_of_an_mlp() -> tuple:
    """Two hidden layers of 64 units."""
    import keras

    return folds(*[lambda: keras.layers.Dense(64, activation="relu")] * 2)


def folds_of_a_cnn() -> tuple:
    """Two convolutions of the 8 x 8 pixels."""
    import keras

    layers = keras.layers
    return folds(
        lambda: layers.Reshape((8, 8, 1)),
        lambda: layers.Conv2D(16, 3, activation="relu", padding="same"),
        layers.MaxPooling2D,
        lambda: layers.Conv2D(32, 3, activation="relu", padding="same"),
        layers.Flatten,
    )


def in_the_open() -> tuple:
    """The loop in the open: one update of `train_until`."""
    import keras

    from coursekit.lessons import running_model
    from coursekit.training._jax_step import pure_step
    from coursekit.training._loss import checked_loss

    loss = checked_loss(keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    variables, step = pure_step(running_model(), loss, keras.optimizers.Adam(0.01))
    return step, [v.value for v in variables], np.zeros((64, 28, 28)), np.zeros(64, "int32")


def gradients_of_a_batch() -> tuple:
    """What `value_and_gradients` compiles."""
    from coursekit.lessons import running_model
    from coursekit.training.gradients import _program, step_variables

    model = compiled(running_model(), "adam")
    x, y = np.zeros((64, 28, 28), "float32"), np.zeros(64, "int32")
    model._symbolic_build(data_batch=(x[:2], y[:2]))
    parts = model.trainable_variables, step_variables(model)
    values = [[v.value for v in part] for part in parts]
    program = _program(model, True)

    def step(*arguments):
        return program(*arguments[:4], None, arguments[4]), model.name  # keeps the model

    return (lambda *given: step(*given)[0]), *values, x, y, np.float32(1)


def walked() -> tuple:
    """One step of `trace_path` in a valley of two weights."""
    import keras

    from coursekit.training.gradients import loss_and_gradients

    def valley(a, b):
        loss = (keras.ops.square(a) + 20 * keras.ops.square(b)) / 2
        return loss, loss

    return loss_and_gradients(valley), np.float32(4), np.float32(1.2)


def six_blocks(mode: str | None) -> tuple:
    """A step of six blocks on many rows, for `compile_step`: remembered or, "full", recomputed."""
    import keras

    from coursekit.lessons._backpropagation import block

    hidden = inputs = keras.Input((256,))
    with keras.RematScope(mode):
        for _ in range(6):
            hidden = block(256)(hidden)
    model = compiled(keras.Model(inputs, keras.layers.Dense(10)(hidden)), "sgd")
    return model, (keras.KerasTensor((8192, 256)), keras.KerasTensor((8192,), "int32"))


def lessons() -> list[tuple[str, Callable[[], tuple]]]:
    """Return for all that is trained its name, and what makes arguments of `compile_function`."""
    import keras

    o = keras.optimizers
    return [
        ("training loop: an update in the open", in_the_open),
        ("training loop: value_and_gradients", gradients_of_a_batch),
        ("gradient descent: a step of trace_path", walked),
        ("backpropagation: 6 blocks", lambda: six_blocks(None)),
        ("backpropagation: 6 blocks, recomputed", lambda: six_blocks("full")),
        ("optimizers: 12 models, SGD with momentum", lambda: running(lambda: o.SGD(0.1, 0.9), 12)),
        ("optimizers: 12 models, AdamW", lambda: running(lambda: o.AdamW(0.01), 12)),
        ("schedules: 9 models, one cycle", lambda: running(one_cycle, 9)),
        ("schedules: 3 models, one cycle of beta_1", lambda: running(one_cycle_adam, 3)),
        ("overfitting: 3 models, validation", lambda: running(o.Adam, 3, held=FASHION[1])),
        ("regularization: 4 models, augmentation", augmented),
        ("regularization: 4 models, batch norm, dropout", normalized),
        ("regularization: 4 models, exact zeros", zeros),
        ("custom losses: 3 segmenters", segmenters),
        ("precision: 3 models, bfloat16", lambda: side_tasks("mixed_bfloat16")),
        ("precision: 3 models, float16", lambda: side_tasks("mixed_float16")),
        (
            "distribution: 6 models, 512 rows, warmup",
            lambda: running(warmed_up, 6, 512, held=FASHION[1]),
        ),
        ("cross-validation: 10 folds, MLP", folds_of_an_mlp),
        ("cross-validation: 10 folds, CNN", folds_of_a_cnn),
    ]
