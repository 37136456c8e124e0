"""What the lesson on custom losses prepares, draws and tests with."""

from collections.abc import Callable, Mapping

import numpy as np

from coursekit import datasets, losses, plots
from coursekit.training import value_and_gradients

COLUMNS = ["hour", "temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib", "distance"]


def flights() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return x and y of training flights, then of validation flights: twelve scaled inputs."""
    data = datasets.load_flights_cancelled()
    medians = data.train[COLUMNS].median()

    def inputs(table):
        regional = table.carrier.isin(["EV", "MQ"])
        kinds = {"ewr": table.origin == "EWR", "lga": table.origin == "LGA", "regional": regional}
        return table[COLUMNS].fillna(medians).assign(**kinds).to_numpy("float32")

    x, x_valid = inputs(data.train), inputs(data.validation)
    mean, scale = x.mean(0), x.std(0)
    y, y_valid = (t.cancelled.to_numpy("float32") for t in (data.train, data.validation))
    return (x - mean) / scale, y, (x_valid - mean) / scale, y_valid


def focal_curves() -> None:
    """Draw focal loss and its pull for several values of gamma."""
    p = np.linspace(0.01, 0.99, 99)
    fig, (left, right) = plots.figure("Focal loss from gamma 0 to 5", columns=2, height=3.7)
    for g, style in zip((0, 0.5, 1, 2, 5), plots.COMPARE, strict=False):
        factor = (1 - p) ** g
        plots.curve(left, -factor * np.log(p), style, x=p, label=f"gamma {g}")
        plots.curve(right, factor * (1 - p - g * p * np.log(p)), style, x=p)
    left.set(xlabel="p, given to the true class", ylabel="loss", ylim=(0, 3))
    right.set(xlabel="p, given to the true class", ylabel="pull (slope along the logit)")
    left.legend()
    plots.show(fig, alt="Losses and their pulls against p, for five values of gamma.")


def found_by(y: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """Return, for each run of logits, the recall if the first k rows are flagged, k = 1, 2, ..."""
    return np.array([y[np.argsort(-z)].cumsum() / y.sum() for z in runs])


def four_ways(y: np.ndarray, logits: Mapping[str, np.ndarray]) -> None:
    """Show precision against recall, and recall against the share flagged, with a slider for it."""
    from sklearn.metrics import precision_recall_curve

    cuts, levels = np.linspace(0.01, 0.5, 50), np.linspace(0.02, 1, 50)
    found = {way: found_by(y, runs).mean(axis=0) for way, runs in logits.items()}

    def draw(percent):
        title = "Four ways to train, three seeds each"
        fig, (left, right) = plots.figure(title, columns=2, height=3.7)
        for (way, runs), style in zip(logits.items(), plots.COMPARE, strict=False):
            curves = [precision_recall_curve(y, z)[:2] for z in runs]
            bands = [np.interp(levels, rec[::-1], prec[::-1]) for prec, rec in curves]
            plots.band(left, bands, style, x=levels, label=way)
            recalls = found_by(y, runs)[:, (cuts * len(y)).astype(int) - 1]
            plots.band(right, recalls, style, x=cuts)
            at_half = np.mean(runs > 0), np.mean(runs[:, y == 1] > 0)
            right.plot(*at_half, style.marker, mec=style.color, mfc="none", ms=13, mew=2)
        left.axhline(y.mean(), color="0.4", lw=1, label="a random order")
        right.axvline(percent / 100, color="0.2", lw=1.5, ls=":")
        left.set(xlabel="recall", ylabel="precision")
        right.set(xlabel="share of flights flagged", ylabel="recall")
        left.legend()
        return fig

    def caption(percent):
        flagged = len(y) * percent // 100
        told = ", ".join(f"{way} {recall[flagged - 1]:.2f}" for way, recall in found.items())
        return (
            "Left: precision against recall, over the line of a random order. Right: recall "
            "against the share of flights flagged; large marks: where the cut at 0.5 falls. With "
            f"{percent} % flagged (dotted line), the mean recalls are: {told}."
        )

    plots.explore(draw, [1, 5, 10, 20, 30, 40, 50], caption, "flagged, in %", start=2)


Y_TRUE = np.array([[0.5, -1.0], [2.0, 0.3], [-0.7, 1.1], [0.0, 3.0]], "float32")
ERRORS = np.array([[0.8, -0.4], [-1.3, 0.6], [0.5, 2.0], [-0.9, -0.3]], "float32")
STEP = 0.01


def trouble_with(loss_fn: Callable) -> str:
    """Return what is wrong with a loss, in words, or "nothing found".

    Tried: one value per row; finite values and gradients for ordinary and exact predictions and for
    some that are 1,000 off; for the ordinary ones the gradient against finite differences.
    """
    try:
        loss_fn = losses.per_example(loss_fn)
        loss_fn(Y_TRUE, Y_TRUE + ERRORS)
    except ValueError:
        return "not one value per row"
    for name, off in (("ordinary", ERRORS), ("exact", 0 * ERRORS), ("1,000 off", 0 * ERRORS + 1e3)):
        values, slope = values_and_slope(loss_fn, Y_TRUE, Y_TRUE + off)
        if not (np.isfinite(values).all() and np.isfinite(slope).all()):
            return f"not finite for {name} predictions"
        for place in np.ndindex(*off.shape) if name == "ordinary" else ():
            change = np.zeros_like(off)
            change[place] = STEP
            ends = [np.sum(loss_fn(Y_TRUE, Y_TRUE + off + way * change)) for way in (1, -1)]
            if abs((ends[0] - ends[1]) / (2 * STEP) - slope[place]) > 1e-2:
                return "the gradient is not that of the loss"
    return "nothing found"


def values_and_slope(loss_fn: Callable, y_true: np.ndarray, y_pred: np.ndarray) -> tuple:
    """Return the values of a loss, and the gradient of their sum by the predictions."""
    from keras import ops

    def total(said):
        return ops.sum(loss_fn(ops.convert_to_tensor(y_true), said))

    found = value_and_gradients(total, {"said": np.array(y_pred, "float32")})
    return np.asarray(loss_fn(y_true, y_pred)), found.gradients["said"]
