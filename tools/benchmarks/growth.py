"""How the cost of a cross-validation grows: measured, on paper, and computed for other chips.

    python tools/benchmarks/growth.py                      measured, on both backends
    python tools/benchmarks/growth.py --figure growth.png  and drawn
    .venv-tpu/bin/python tools/benchmarks/growth.py --chips   what accelerators would take at least

Measured: folds, rows, epochs and models (`fit_many`, all on the same rows) change one at a time
from ten folds of the 1,797 digits, 20 epochs, batches of 32 rows. The unit is one `model.fit` of
the same network, rows and epochs on the same backend; the unit and all points take turns in a new
order in each round, and the medians of the rounds count. Run it on a machine that does nothing
else.

On paper: each of k models is built and checked, and takes a step for each batch of each epoch,

    cost = fixed + model k + step k epochs batches

with three numbers, none below zero, that fit all measured points best.

Computed: one step of k models as one program, as `fit_many` trains them on an accelerator, from the
compiled program's own counts and the chip's published figures (`CHIPS`): at least
max(operations / its operations a second, bytes / its bytes a second). For the v5e the TPU's own
compiler counts (it needs libtpu, and no TPU); for the H200 XLA's for the CPU, since there is no
compiler for it where there is no card. No step is faster, and a real one is slower, most of all
since each of its kernels has to be started, which these limits leave out.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings

import numpy as np

BASE = {"folds": 10, "rows": 1797, "epochs": 20}
STEPS = {"folds": (2, 5, 10, 20), "rows": (300, 900, 1797), "epochs": (5, 20, 50)}
MODELS = (1, 2, 5, 10, 20)
POINTS = [(name, value) for name, values in STEPS.items() for value in values]
POINTS += [("models", value) for value in MODELS]
BATCH = 32
SIZES = (1, 32, 64), (10, 32, 64), (32, 32, 64), (10, 512, 64), (10, 32, 1024), (10, 512, 1024)


def mlp():
    """Return the digits MLP 64-64-10, compiled."""
    import keras

    hidden = [keras.layers.Dense(64, activation="relu") for _ in range(2)]
    model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def calls():
    """Return the unit and, for each point, a call that does its work."""
    from coursekit import lessons  # noqa: F401  (settles TensorFlow's settings before Keras loads)

    from sklearn.datasets import load_digits  # isort: skip
    from sklearn.model_selection import KFold

    from coursekit.training import fit_many
    from coursekit.validation import cross_validate

    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype("float32"), y.astype("int64")

    def unit():
        train, held = next(KFold(BASE["folds"], shuffle=True, random_state=0).split(x))
        data = {"validation_data": (x[held], y[held]), "epochs": BASE["epochs"], "verbose": 0}
        mlp().fit(x[train], y[train], batch_size=BATCH, **data)

    def folds(name, value):
        now = {**BASE, name: value}
        cv, rows = KFold(now["folds"], shuffle=True, random_state=0), now["rows"]
        settings = {"epochs": now["epochs"], "batch_size": BATCH}
        options = {"cv": cv, "fit_kwargs": settings, "scoring": "accuracy", "verbose": 0}
        return lambda: cross_validate(mlp, x[:rows], y[:rows], **options)

    def models(value):
        options = {"epochs": BASE["epochs"], "batch_size": BATCH, "verbose": 0}
        return lambda: fit_many([mlp() for _ in range(value)], x, y, **options)

    points = [models(v) if name == "models" else folds(name, v) for name, v in POINTS]
    return [unit, *points]


def measure(rounds: int) -> list[list[float]]:
    """Return, for each round, the seconds of the unit and of each point."""
    todo, order, seconds = calls(), np.random.default_rng(0), []
    todo[0]()  # what is only done once in a process
    for _ in range(rounds):
        spent = [0.0] * len(todo)
        for k in order.permutation(len(todo)):
            start = time.perf_counter()
            todo[k]()
            spent[k] = time.perf_counter() - start
        seconds.append(spent)
    return seconds


def counts(name: str, value: int) -> tuple[int, int]:
    """Return how many models a point has, and how many steps all of them take."""
    now = {**BASE, name: value}
    if name == "models":
        return value, value * BASE["epochs"] * -(-BASE["rows"] // BATCH)
    train = now["rows"] - now["rows"] // now["folds"]
    return now["folds"], now["folds"] * now["epochs"] * -(-train // BATCH)


def on_paper(ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the three numbers that fit the measured ratios best, and what they say of each."""
    from scipy.optimize import nnls

    design = np.array([(1, *counts(*point)) for point in POINTS], float)
    numbers, _ = nnls(design / ratios[:, None], np.ones(len(ratios)))  # relative errors
    return numbers, design @ numbers


def compare(rounds: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Measure on both backends, each in a process of its own; print tables, return the ratios."""
    found = {}
    for backend in ("tensorflow", "jax"):
        command = [sys.executable, __file__, "--measure", "--rounds", str(rounds)]
        told = {"env": {**os.environ, "KERAS_BACKEND": backend}, "stdout": subprocess.PIPE}
        run = subprocess.run(command, text=True, check=True, **told)
        seconds = np.array(json.loads(run.stdout.splitlines()[-1]))
        each = seconds[:, 1:] / seconds[:, :1]
        ratios = np.median(each, axis=0)
        (fixed, model, step), paper = on_paper(ratios)
        load, unit = os.getloadavg()[0], np.median(seconds[:, 0])
        print(f"\n{backend}: one fit {unit:.1f} s, load {load:.1f}")
        print(f"on paper: {fixed:.3f} + {model:.4f} a model + {1e6 * step:.2f} a million steps\n")
        print("| | measured, in fits | lowest and highest round | on paper |\n|---|---|---|---|")
        for k, (name, value) in enumerate(POINTS):
            spread = f"{each[:, k].min():.2f} to {each[:, k].max():.2f}"
            print(f"| {value} {name} | {ratios[k]:.2f} | {spread} | {paper[k]:.2f} |")
        found[backend] = ratios, paper
    return found


def draw(found: dict, path: str) -> None:
    """Draw the cost against folds, rows, epochs and models; dashed on paper."""
    from coursekit import plots

    names = [*STEPS, "models"]
    fig, axes = plots.figure("Cost in units of one fit; dotted: on paper", columns=len(names))
    for ax, name in zip(axes, names, strict=True):
        at = [k for k, point in enumerate(POINTS) if point[0] == name]
        values = [POINTS[k][1] for k in at]
        for (backend, (ratios, paper)), style in zip(found.items(), plots.COMPARE, strict=False):
            plots.curve(ax, ratios[at], style, x=values, label=backend)
            ax.plot(values, paper[at], ":", color=style.color)
        ax.set(xlabel=name, xlim=(0, None), ylim=(0, None))
    axes[0].set_ylabel("fits")
    axes[0].legend()
    fig.savefig(path, dpi=110, metadata={"Software": None})


def step_of(models: int, batch: int, width: int):
    """Return one training step of several models as one program, and its arguments' shapes."""
    import jax
    import keras

    from coursekit.training.many._jax import Program, groups, pull

    hidden = [keras.layers.Dense(width, activation="relu") for _ in range(2)]
    model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    arrays = np.zeros((BASE["rows"], 64), "float32"), np.zeros(BASE["rows"], "int32"), None
    model._symbolic_build(data_batch=(arrays[0][:2], arrays[1][:2]))

    def step(state, arrays, rows):
        return jax.vmap(program._train_step, (0, None, 0))(state, arrays, rows)

    program = Program(model, [arrays], batch)
    state = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((models, *leaf.shape), leaf.dtype), pull(groups(model))
    )
    return step, (state, arrays, np.zeros((models, batch), "int32"))


def chips() -> None:
    """Print what a step, and ten folds, take at least on a v5e and on an H200."""
    import jax

    from coursekit.distribution.roofline import CHIPS
    from coursekit.distribution.tpu import compile_function

    v5e, h200 = CHIPS["TPU v5e"], CHIPS["H200"]
    columns = "models", "batch", "width", "million operations: v5e, CPU", "MB moved: v5e, CPU"
    columns += "a step on a v5e, µs", "on an H200, µs", "20 epochs: v5e, H200, ms"
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for models, batch, width in SIZES:
        step, arguments = step_of(models, batch, width)
        tpu = compile_function(step, *arguments)
        cpu = jax.jit(step).lower(*arguments).compile().cost_analysis()
        operations = tpu.operations, cpu["flops"]
        moved = tpu.accessed, cpu["bytes accessed"]
        seconds = [
            max(n / chip.operations, size / chip.memory_speed)
            for chip, n, size in zip((v5e, h200), operations, moved, strict=True)
        ]
        steps = BASE["epochs"] * -(-(BASE["rows"] * 9 // 10) // batch)
        both = [", ".join(f"{one / 1e6:.1f}" for one in pair) for pair in (operations, moved)]
        micro = [f"{1e6 * s:.1f}" for s in seconds]
        milli = ", ".join(f"{1e3 * s * steps:.1f}" for s in seconds)
        cells = map(str, (models, batch, width, *both, *micro, milli))
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--figure", metavar="PNG", help="draw the measured growth into this file")
    parser.add_argument("--chips", action="store_true", help="compute for chips that are not here")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.chips:
        os.environ.update(KERAS_BACKEND="jax", JAX_PLATFORMS="cpu")
        chips()
    elif options.measure:
        print(json.dumps(measure(options.rounds)))
    else:
        ratios = compare(options.rounds)
        if options.figure:
            draw(ratios, options.figure)
