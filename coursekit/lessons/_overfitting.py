"""What the lesson on overfitting prepares and draws."""

import numpy as np

from coursekit import datasets, plots
from coursekit.lessons.overfitting import keras_stop
from coursekit.validation import BiasVariance


def truth(x):
    """Return the function behind the points: a V."""
    return 3 * np.abs(x - 0.2) - 1.5


def powers(x, degree: int) -> np.ndarray:
    """Return 1, x, ..., a column for each power, in a stable form."""
    return np.polynomial.legendre.legvander(x, degree)


def points(rows: int = 20):
    """Return places, and targets with noise of variance 0.09: to train on, and 2,000 new ones."""
    rng = np.random.default_rng(1)
    places, new = np.linspace(-1, 1, rows), rng.uniform(-1, 1, 2000)
    return (
        places,
        truth(places) + rng.normal(0, 0.3, rows),
        new,
        truth(new) + rng.normal(0, 0.3, 2000),
    )


def fit(degree: int):
    """Fit a polynomial to the twenty points; return its weights and both errors."""
    places, targets, new, new_targets = points()
    weights = np.linalg.lstsq(powers(places, degree), targets)[0]
    train = np.mean((powers(places, degree) @ weights - targets) ** 2)
    return weights, float(train), float(np.mean((powers(new, degree) @ weights - new_targets) ** 2))


def others(degree: int, count: int = 25) -> np.ndarray:
    """Fit a polynomial to other draws of the noise at the same places; return a row of each."""
    places, rng = points()[0], np.random.default_rng(2)
    targets = truth(places)[:, None] + rng.normal(0, 0.3, (len(places), count))
    return np.linalg.lstsq(powers(places, degree), targets)[0].T


def one_fit(degree: int):
    """Draw the twenty points, the truth, a polynomial through them, and fits to other noise."""
    places, targets, *_ = points()
    across = np.linspace(-1, 1, 300)
    fig, ax = plots.figure(f"Twenty points, degree {degree}", x="x", y="y")
    ax.plot(across, truth(across), color="0.6", label="truth")
    ax.plot(places, targets, "o", ms=4, color=plots.TRAIN.color, label="training points")
    for other in others(degree):
        ax.plot(across, powers(across, degree) @ other, color="0.75", lw=0.5, zorder=0)
    curve = powers(across, degree) @ fit(degree)[0]
    plots.curve(ax, curve, plots.VALIDATION, x=across, label="fit", marker="")
    ax.set(ylim=(-3, 4))
    ax.legend(loc="upper right")
    return fig


def one_fit_in_words(degree: int) -> str:
    """Say what `one_fit` shows."""
    _, train, new = fit(degree)
    apart = others(degree)
    across = np.linspace(-1, 1, 300)
    spread = float(np.std(powers(across, degree) @ apart.T, axis=1).mean())
    return (
        f"Degree {degree}: mean squared error {train:.2f} on its twenty points, {new:.2f} on 2,000 "
        f"new ones. The grey fits to other noise lie {spread:.2f} apart (standard deviation, on "
        "average)."
    )


def wide(units: int, penalty: float = 0.0, rows: int = 40) -> BiasVariance:
    """Fit the last layer of a random hidden layer, 50 times on new rows; split the error."""

    def f(x):
        return np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] / 2 + x[:, 3]

    rng, predictions = np.random.default_rng(0), []
    x_new = rng.normal(size=(300, 5))
    y_new = f(x_new) + rng.normal(0, 0.3, 300)
    for _ in range(50):
        x, hidden = rng.normal(size=(rows, 5)), rng.normal(size=(6, units)) / units**0.5
        y = f(x) + rng.normal(0, 0.3, rows)
        near, far = (np.maximum(np.c_[a, np.ones(len(a))] @ hidden, 0) for a in (x, x_new))
        ridge = near.T @ np.linalg.inv(near @ near.T + penalty * np.eye(rows)) if penalty else None
        weights = (np.linalg.pinv(near) if ridge is None else ridge) @ y
        predictions.append(far @ weights)
    return BiasVariance(predictions, y_new, f(x_new))


def widths() -> tuple[list[float], list[float]]:
    """Show the error against the width; return it, exact and with a penalty."""
    units = [2, 5, 10, 20, 30, 40, 50, 70, 100, 200, 400, 1000]
    exact = [wide(k) for k in units]
    penalised = [wide(k, penalty=0.3).error.value for k in units]
    errors, variances = ([getattr(r, p).value for r in exact] for p in ("error", "variance"))
    fig, ax = plots.figure("Widths from 2 to 1,000", "hidden units", "squared error on new rows")
    shown = {"variance": variances, "error": errors, "error with a penalty": penalised}
    for (label, values), style in zip(shown.items(), plots.COMPARE[1:], strict=False):
        plots.curve(ax, values, style, x=units, label=label, markevery=1)
    ax.axvline(40, color="0.6", lw=1, label="40 rows")
    ax.set(xscale="log", yscale="log", ylim=(0.3, 30))
    ax.legend()
    plots.show(
        fig,
        alt="Error and variance of the exact fit against the width, and the error with a penalty.",
    )
    for k, error in zip(units, errors, strict=True):
        if k in (2, 10, 30, 40, 50, 100, 1000):
            print(f"{k:4} units: error {error:.1f}")
    return errors, penalised


def houses():
    """Return ten scaled columns of the houses, and their scaled log prices."""
    found = datasets.load_ames().table.query("Sale_Condition == 'Normal'")
    found = found.sample(frac=1, random_state=0)
    columns = ["Gr_Liv_Area", "Total_Bsmt_SF", "Garage_Area", "Year_Built", "Year_Remod_Add",
               "Full_Bath", "TotRms_AbvGrd", "Fireplaces", "Longitude", "Latitude"]  # fmt: skip
    known, price = found[columns].to_numpy(), np.log(found.Sale_Price.to_numpy())
    known = ((known - known[:1600].mean(0)) / known[:1600].std(0)).astype("float32")
    return known, (price - price[:1600].mean()) / price[:1600].std()


def change_of_error(before, after, y) -> tuple[float, float]:
    """Return how the squared error changes, refit by refit and row by row, and its error."""
    change = (after.predictions[..., 0] - y) ** 2 - (before.predictions[..., 0] - y) ** 2
    parts = (change.mean(k).std(ddof=1) / change.shape[1 - k] ** 0.5 for k in (0, 1))
    return float(change.mean()), float(np.hypot(*parts))


def changes(by_epochs, y) -> dict[int, tuple[float, float]]:
    """Print how error, variance and bias change from 1 to 30 and from 30 to 200 epochs.

    Returns:
        By the last number of epochs the change of the error, and its standard error.
    """
    found = {}
    for first, last in ((1, 30), (30, 200)):
        before, after = by_epochs[first], by_epochs[last]
        found[last] = change_of_error(before, after, y)
        parts = (
            after.variance.value - before.variance.value,
            after.bias_squared_and_noise.value - before.bias_squared_and_noise.value,
        )
        print(
            "from {:2} to {:3} epochs: error {:+.2f} ± {:.2f} (standard error), variance {:+.2f}, "
            "bias squared {:+.2f}".format(first, last, *found[last], *parts)
        )
    return found


def watermark(images, rows) -> np.ndarray:
    """Scale images, and put a white square into the corner of some."""
    marked = images.astype("float32") / 255
    marked[rows, 1:4, 1:4] = 1.0
    return marked


def loss_and_accuracy(logs) -> dict[str, np.ndarray]:
    """Show loss and accuracy of several seeds; return them, a row for each seed."""
    curves = {name: np.array([log.history[name] for log in logs]) for name in logs[0].history}
    fig, axes = plots.figure("500 garments, 80 epochs, three seeds", columns=2, x="epoch")
    for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
        plots.band(ax, curves[name], plots.TRAIN)
        plots.band(ax, curves[f"val_{name}"], plots.VALIDATION)
        ax.set_ylabel(name)
        ax.legend()
    plots.show(fig, alt="Loss and accuracy over 80 epochs, in training and in validation.")
    return curves


def look(net, train, held_out, clean, wanted: int) -> dict[str, float]:
    """Return the signs of overfitting of one net."""
    import keras

    (x, y), (marked, y_valid) = train, held_out
    noise = np.random.default_rng(0).normal(0, 0.2, marked.shape).astype("float32")
    logits = net.predict(marked, verbose=0)
    shaken = net.predict(marked + noise, verbose=0)
    said = logits.argmax(1)
    sure = keras.ops.convert_to_numpy(keras.ops.softmax(logits)).max(1)
    rows = y_valid == wanted
    return {
        "training loss": net.evaluate(x, y, verbose=0)[0],
        "validation loss": net.evaluate(marked, y_valid, verbose=0)[0],
        "training accuracy": np.mean(net.predict(x, verbose=0).argmax(1) == y),
        "validation accuracy": np.mean(said == y_valid),
        "changed by noise": np.mean(said != shaken.argmax(1)),
        "confidence when wrong": sure[said != y_valid].mean(),
        "marked class found": np.mean(said[rows] == wanted),
        "the same, no mark": np.mean(net.predict(clean[rows], verbose=0).argmax(1) == wanted),
    }


def signs(early: list[dict], late: list[dict]) -> None:
    """Print the signs of overfitting of nets that stopped early and of those that went on."""
    print(f"{'mean of three seeds':22} stopped early   80 epochs")
    for sign in early[0]:
        one, other = (np.mean([seen[sign] for seen in seeds]) for seeds in (early, late))
        print(f"{sign:22} {one:13.2f} {other:11.2f}")


def replays(logs, patience: int) -> list[float]:
    """Print what early stopping would have done in several runs; return the accuracies it kept."""
    ends = [replay(log.history["val_loss"], patience) for log in logs]
    best = [epoch for _, epoch in ends]
    kept = [log.history["val_accuracy"][k - 1] for log, k in zip(logs, best, strict=True)]
    print(
        f"patience {patience}: epochs run {[run for run, _ in ends]}, best {best}, "
        f"accuracy {min(kept):.2f} to {max(kept):.2f}"
    )
    return kept


def replay(losses: list[float], patience: int) -> tuple[int, int]:
    """Return how many epochs early stopping would have run on these losses, and the best one."""
    return keras_stop(losses, patience)


def moved(net, start) -> float:
    """Return how far the weights of a net are from those of another one."""
    pairs = zip(net.get_weights(), start.get_weights(), strict=True)
    return float(np.sqrt(sum(np.sum((now - then) ** 2) for now, then in pairs)))


def play(kind, losses, **settings) -> str:
    """Play losses to an early stopping, on a model with one weight: the number of the epoch."""
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.stop_training = False  # as `fit` does
    stop = kind("val_loss", mode="min", **settings)
    stop.set_model(model)
    stop.on_train_begin()
    for epoch, loss in enumerate(losses):
        model.set_weights([np.full((1, 1), epoch + 1)])
        stop.on_epoch_end(epoch, {"val_loss": loss})
        if model.stop_training:
            break
    stop.on_train_end()
    return f"{epoch + 1} epochs run, weights of epoch {model.get_weights()[0].item():.0f}"


def _descend(curvature, goal, rate, steps=200):
    walk = [np.zeros(len(goal))]
    for _ in range(steps):
        walk.append(walk[-1] - rate * curvature @ (walk[-1] - goal))
    return np.array(walk)


def _ridge(curvature, goal, strengths):
    unit = np.eye(len(goal))
    return np.array([np.linalg.solve(curvature + s * unit, curvature @ goal) for s in strengths])


def stopping_and_penalty() -> float:
    """Show early stopping beside L2 penalties: paths of two weights, nearest penalties of ten.

    Returns:
        How far descent is from the nearest penalty at most, as a share of the whole way.
    """
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(30, 2)) @ [[1.0, 0.7], [0.0, 0.5]]  # two inputs that go together
    goal = np.linalg.lstsq(rows, rows @ [1.0, 2.0] + rng.normal(0, 0.3, 30))[0]
    two = rows.T @ rows / 30

    def bowl(a, b):
        p, q = a - goal[0], b - goal[1]
        return (two[0, 0] * p**2 + 2 * two[0, 1] * p * q + two[1, 1] * q**2) / 2

    strengths = np.geomspace(1000, 1e-3, 600)
    fig, (left, right) = plots.figure(
        "Stopping early, and its nearest penalty", columns=2, height=3.4
    )
    plots.surface(left, bowl, x=(-0.3, 3.0), y=(-0.3, 3.0))
    plots.path(left, _descend(two, goal, 0.1), plots.COMPARE[0], label="descent", markevery=20)
    ridge = _ridge(two, goal, strengths)
    plots.path(left, ridge, plots.COMPARE[1], label="L2, strong to weak", markevery=50)
    left.set(xlabel="first weight", ylabel="second weight")
    left.legend(fontsize=8, loc="lower right")
    ten, ones = np.diag(np.geomspace(1e-3, 1, 10)), np.ones(10)
    ridge, apart = _ridge(ten, ones, strengths), 0.0
    for rate, style in zip((0.5, 0.1), plots.COMPARE[2:], strict=False):
        gap = np.linalg.norm(_descend(ten, ones, rate)[1:, None] - ridge, axis=2)
        apart = max(apart, gap.min(axis=1).max() / 10**0.5)
        plots.curve(right, strengths[gap.argmin(axis=1)], style, label=f"rate {rate}")
    right.set(xlabel="steps of descent", ylabel="strength of the nearest penalty")
    right.set(xscale="log", yscale="log")
    right.legend(fontsize=8)
    plots.show(
        fig,
        alt="Left: on the rings of the loss both paths bend the same way, close together, to the "
        "minimum. Right, on logarithmic scales, for ten weights whose curvatures lie between 0.001 "
        "and 1: the nearest penalty weakens along straight lines as steps grow; one rate's line "
        "lies below the other's.",
    )
    return float(apart)
