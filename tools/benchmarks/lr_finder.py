"""What the learning rate finder costs, and how good its suggestions are.

    python tools/benchmarks/lr_finder.py --cost --grid --markdown table.md

Cost: seconds of `find_learning_rate` over seconds of the same number of steps of `fit`, side by
side in one run on a machine that does nothing else, the median of several. Once with fresh models,
where both trace their step, and once with a model whose step is traced already: the finder, which
leaves the model's own step alone, still traces one.

Grid: the validation loss at the end of training at the suggested rate, and at every rate of a grid
of four a decade; one run each for three seeds.
"""

import argparse
import time

from coursekit import lessons  # noqa: F401  (settles TensorFlow's settings before Keras loads)

import keras  # isort: skip
import numpy as np
import pandas as pd

from coursekit import datasets
from coursekit.callbacks import find_learning_rate
from coursekit.training import fit_many

L = keras.layers
SEEDS = (0, 1, 2)
OPTIMIZERS = {
    "SGD, momentum 0.9": (lambda rate: keras.optimizers.SGD(rate, momentum=0.9), (-4, 0.5)),
    "Adam": (keras.optimizers.Adam, (-5, -0.5)),
}


def images(load, rows):
    """Return training and validation images, scaled, and labels."""
    data = load()
    scale = float(data.train.x.max())
    parts = [(p.x[:rows] / scale, p.y[:rows]) for p in (data.train, data.validation)]
    return [(x.astype("float32"), y) for x, y in parts]


def table(load):
    """Return training and validation rows of a table: numbers and one-hot columns, standardized."""
    data = load()
    frame = data.table.copy()
    y = frame.pop(data.target)
    numbers, words = frame.select_dtypes("number"), frame.select_dtypes(exclude="number")
    columns = [numbers.fillna(numbers.median()), pd.get_dummies(words)]
    x = pd.concat(columns, axis=1).to_numpy("float32")
    order = np.random.default_rng(0).permutation(len(x))
    cut = len(x) * 3 // 4
    train = order[:cut]
    x = np.clip((x - x[train].mean(0)) / (x[train].std(0) + 1e-6), -5, 5)
    if y.dtype.kind == "f" or y.nunique() > 20:
        y = np.log(y.to_numpy("float64"))
        y = ((y - y[train].mean()) / y[train].std()).astype("float32")
    else:
        y = pd.Categorical(y).codes.astype("int64")
    return [(x[rows], y[rows]) for rows in (train, order[cut:])]


def dense(*units):
    """Return the hidden layers of an MLP."""
    return lambda: [L.Flatten(), *[L.Dense(n, activation="relu") for n in units]]


def conv():
    """Return the hidden layers of a small CNN."""
    look = {"strides": 2, "activation": "relu"}
    return [L.Reshape((28, 28, 1)), L.Conv2D(8, 3, **look), L.Conv2D(16, 3, **look), L.Flatten()]


TASKS = {  # data, hidden layers, epochs
    "Fashion-MNIST MLP": (lambda: images(datasets.load_fashion_mnist, 3000), dense(64, 64), 8),
    "Fashion-MNIST CNN": (lambda: images(datasets.load_fashion_mnist, 1500), conv, 8),
    "digits MLP": (lambda: images(datasets.load_digits, None), dense(64, 64), 15),
    "Ames MLP": (lambda: table(datasets.load_ames), dense(64, 64), 15),
    "penguins MLP": (lambda: table(datasets.load_penguins), dense(16), 30),
}


def build(data, hidden, make, rate, seed):
    """Return a compiled model."""
    x, y = data
    keras.utils.set_random_seed(seed)
    labels = y.dtype.kind == "i"
    outputs = int(y.max()) + 1 if labels else 1
    model = keras.Sequential([keras.Input(x.shape[1:]), *hidden(), L.Dense(outputs)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if labels else "mse"
    model.compile(make(float(rate)), loss)
    return model


def grid():
    """Yield the lines of a Markdown table: suggestions and losses against those of the grid."""
    yield "| task | optimizer | best of the grid | its loss | suggestions | loss there | ratio |"
    yield "|---|---|---|---|---|---|---|"
    ratios = []
    for task, (load, hidden, epochs) in TASKS.items():
        train, held_out = load()
        for name, (make, (low, high)) in OPTIMIZERS.items():
            rates = 10.0 ** np.arange(low, high + 0.1, 0.25)
            found = [
                find_learning_rate(build(train, hidden, make, 0.01, seed), *train).suggestion
                for seed in SEEDS
            ]
            settings = [(rate, seed) for seed in SEEDS for rate in rates]
            settings += [(r, seed) for r, seed in zip(found, SEEDS, strict=True) if r is not None]
            models = [build(train, hidden, make, *one) for one in settings]
            options = {"validation_data": held_out, "epochs": epochs, "verbose": 0}
            runs = fit_many(models, *train, seed=[seed for _, seed in settings], **options)
            losses = np.array([run.history["val_loss"][-1] for run in runs])
            losses = np.where(np.isfinite(losses), losses, np.inf)
            table = losses[: len(rates) * len(SEEDS)].reshape(len(SEEDS), -1).mean(0)
            ours = losses[len(rates) * len(SEEDS) :].mean()
            # Losses below 0.02 count as equal: they are those of a solved problem.
            ratio = max(ours, 0.02) / max(table.min(), 0.02)
            ratios.append(ratio)
            shown = ", ".join("none" if rate is None else f"{rate:.2g}" for rate in found)
            best = f"{rates[table.argmin()]:.2g} | {table.min():.3f}"
            yield f"| {task} | {name} | {best} | {shown} | {ours:.3f} | {ratio:.2f} |"
    yield f"\nGeometric mean of the ratios {np.exp(np.mean(np.log(ratios))):.2f}."


def seconds(function):
    """Return how long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def cost(steps=100, repeats=5):
    """Yield lines: the time of the finder in units of as many steps of `fit`."""
    yield "| task | fresh model | step traced before | more steps (1000) |"
    yield "|---|---|---|---|"
    for task in ("Fashion-MNIST MLP", "Fashion-MNIST CNN"):
        load, hidden, _ = TASKS[task]
        train, _ = load()
        make = OPTIMIZERS["Adam"][0]

        def fit(model, steps, train=train):
            rows = np.arange(steps * 32) % len(train[0])  # as many steps in one epoch
            x, y = train[0][rows], train[1][rows]
            return seconds(lambda: model.fit(x, y, verbose=0))

        def find(model, steps, train=train):
            # Rates of a run that goes to its end.
            options = {"lowest": 1e-6, "highest": 1e-3, "steps": steps}
            rows = np.arange(steps * 32) % len(train[0])
            x, y = train[0][rows], train[1][rows]
            return seconds(lambda: find_learning_rate(model, x, y, **options))

        columns = []
        for count, warm in ((steps, False), (steps, True), (1000, True)):
            ratios = []
            for seed in range(repeats):
                models = [build(train, hidden, make, 0.001, seed) for _ in range(2)]
                for model in models if warm else ():
                    fit(model, 2)
                plain = fit(models[0], count)
                ratios.append(find(models[1], count) / plain)
            columns.append(f"{np.median(ratios[1:]):.2f}")
        yield f"| {task} | {' | '.join(columns)} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cost", action="store_true", help="time the finder")
    parser.add_argument("--grid", action="store_true", help="compare with a grid of rates")
    parser.add_argument("--markdown", metavar="FILE", help="write the tables into this file too")
    options = parser.parse_args()
    lines = []
    for wanted, part in ((options.cost, cost), (options.grid, grid)):
        for line in part() if wanted else ():
            print(line, flush=True)
            lines.append(line)
    if options.markdown:
        with open(options.markdown, "w") as file:
            file.write("\n".join(lines) + "\n")
