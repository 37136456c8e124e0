"""What the lesson on losses prepares and draws."""

from collections.abc import Callable, Mapping

import numpy as np

from coursekit import datasets, plots
from coursekit.training import value_and_gradients


def bins_of(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return mean confidence, accuracy and share of rows, for each tenth that holds any."""
    tenth = np.minimum((confidence * 10).astype(int), 9)
    rows = [tenth == t for t in np.unique(tenth)]
    return np.array([(confidence[r].mean(), right[r].mean(), r.mean()) for r in rows]).T


def three_losses(mse: Callable, huber: Callable, mae: Callable) -> None:
    """Show three losses of one error, and how hard each pulls, with a slider for Huber's delta."""
    e = np.linspace(-4, 4, 401)

    def draw(delta):
        losses = {"mse": mse, "huber": lambda y, y_hat: huber(y, y_hat, delta), "mae": mae}
        fig, (left, right) = plots.figure("Squares let one error pull without limit", columns=2)
        for (name, loss), style in zip(losses.items(), plots.COMPARE, strict=False):
            values = np.array([loss(0, v) for v in e])
            plots.curve(left, values, style, x=e, label=name, marker="")
            plots.curve(right, np.gradient(values, e), style, x=e, label=name, marker="")
        left.set(xlabel="error", ylabel="loss", ylim=(0, 9))
        right.set(xlabel="error", ylabel="pull (slope of the loss)", ylim=(-8.5, 8.5))
        left.legend(loc="upper center")
        return fig

    def caption(delta):
        return (
            f"Delta {delta:g}: Huber is round up to an error of {delta:g}, then straight; it pulls "
            f"with {delta:g} at most. MSE's pull is a rising line; MAE's is -1 or 1, with a jump "
            "at 0."
        )

    plots.explore(draw, [0.25, 0.5, 1, 2, 3], caption, "delta", start=2)


def three_nets(shape: tuple, layers: Callable[[], list]) -> list:
    """Return a network of these layers from each of the seeds 0, 1 and 2, not yet compiled."""
    import keras

    nets = []
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        nets.append(keras.Sequential([keras.Input(shape), *layers()]))
    return nets


def neighbourhoods() -> dict[str, tuple]:
    """Return size, price (both in thousands) and which three are odd, for two places in Ames."""
    ames = datasets.load_ames().table
    found = {}
    for name, column in (("Northridge", "Lot_Area"), ("Edwards", "Gr_Liv_Area")):
        rows = ames[ames.Neighborhood == name]
        x, y = rows[column].to_numpy() / 1000, rows.Sale_Price.to_numpy() / 1000
        found[name] = x, y, y > 600 if name == "Northridge" else x > 4.6
    return found


def fit_line(loss: Callable, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return slope and intercept of the line with the lowest loss."""
    from scipy.optimize import minimize

    settings = {"method": "Nelder-Mead", "options": {"xatol": 1e-6, "fatol": 1e-9}}
    start = np.polyfit(x, y, 1)
    return minimize(lambda line: loss(y, line[0] * x + line[1]), start, **settings).x


def two_neighbourhoods(sales: Mapping[str, tuple], lines: Mapping[str, Mapping]) -> None:
    """Draw the sales of two places, with a line for each loss."""
    fig, axes = plots.figure("Two neighbourhoods, three losses each", columns=2, height=3.6)
    units = ("lot, 1,000 square feet", "living area, 1,000 square feet")
    for ax, name, unit in zip(axes, sales, units, strict=True):
        x, y, odd = sales[name]
        ax.plot(x, y, "o", color="0.6", ms=4)
        ax.plot(x[odd], y[odd], "kx", ms=9, label="the odd three")
        ends = np.array([x.min(), x.max()])
        for (loss, line), style in zip(lines[name].items(), plots.COMPARE, strict=False):
            plots.curve(ax, line[0] * ends + line[1], style, x=ends, label=loss, marker="")
        ax.set(title=name, xlabel=unit, ylabel="price, 1,000 dollars")
        ax.legend(fontsize=8)
    plots.show(
        fig, alt="Prices and three lines in each of two neighbourhoods; crosses mark odd sales."
    )


def bowl_and_valley() -> dict[str, tuple[int, int]]:
    """Draw MSE over two weights, for two columns and for one said twice; return what was found.

    Returns:
        For each pair of columns its rank, and the number of lowest points on the grid.
    """
    rows = datasets.load_ames().table.query("Neighborhood == 'Northridge'")
    prices = rows.Sale_Price.to_numpy() / 1000
    columns = {
        "lot, living area": rows[["Lot_Area", "Gr_Liv_Area"]].to_numpy(),
        "lot in feet, lot in metres": np.outer(rows.Lot_Area, [1, 0.0929]),
    }
    w, found = np.linspace(-150, 250, 81), {}
    grid = np.stack(np.meshgrid(w, w), axis=-1)
    fig, axes = plots.figure("A column said twice turns the bowl into a valley", columns=2)
    for ax, (name, x) in zip(axes, columns.items(), strict=True):
        x = (x - x.mean(0)) / x.std(0)
        surface = ((grid @ x.T - (prices - prices.mean())) ** 2).mean(axis=-1) / 1000
        levels = surface.min() + np.array([0.1, 1, 3, 10, 30, 100])
        lines = ax.contour(w, w, surface, levels=levels, cmap="viridis")
        ax.clabel(lines, fontsize=7, fmt="%.0f")
        ax.set(title=name, xlabel="first weight", ylabel="second weight")
        lowest = int((surface < surface.min() + 1e-9).sum())
        found[name] = int(np.linalg.matrix_rank(x)), lowest
    plots.show(
        fig,
        alt="Lines of equal MSE, in thousands. Left: closed ovals around one lowest point. Right: "
        "straight parallel lines along a valley.",
    )
    return found


def two_species() -> tuple[np.ndarray, np.ndarray]:
    """Return flipper length and bill depth, standardised, and +1 for Gentoo, -1 for Adelie."""
    birds = datasets.load_penguins().table.query("species != 'Chinstrap'").dropna()
    x = birds[["flipper_length_mm", "bill_depth_mm"]].to_numpy()
    return (x - x.mean(0)) / x.std(0), np.where(birds.species == "Gentoo", 1.0, -1.0)


def fit_margin(x: np.ndarray, y: np.ndarray, of: int | None = None) -> np.ndarray:
    """Return two weights and a bias of the lowest hinge loss, with an L2 penalty.

    The mean is over `of` rows, if some of them are left out: those that cost nothing.
    """
    from scipy.optimize import minimize

    count = of or len(y)

    def cost(v):
        hinges = np.maximum(0, 1 - y * (x @ v[:2] + v[2]))
        return hinges.sum() / count + 0.1 * np.sum(v[:2] ** 2)

    settings = {"method": "Nelder-Mead", "options": {"xatol": 1e-6, "fatol": 1e-10}}
    return minimize(cost, np.zeros(3), **settings).x


def two_sexes() -> tuple[np.ndarray, np.ndarray]:
    """Return four sizes of penguins, standardised, and 1 for a male."""
    birds = datasets.load_penguins().table.dropna()
    names = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    x = birds[names].to_numpy()
    return ((x - x.mean(0)) / x.std(0)).astype("float32"), (birds.sex == "male").to_numpy("float32")


def margin(x: np.ndarray, y: np.ndarray, v: np.ndarray, near: np.ndarray) -> None:
    """Draw two species, the boundary and its margin; hollow is what does not pull."""
    fig, ax = plots.figure("Only points near the margin place the boundary", height=3.6)
    for kind, style, name in ((-1, plots.COMPARE[0], "Adelie"), (1, plots.COMPARE[1], "Gentoo")):
        for pulls, filled in ((True, style.color), (False, "none")):
            some = (y == kind) & (near == pulls)
            label = f"{name}, {'pulls' if pulls else 'beyond the margin'}"
            ax.plot(*x[some].T, style.marker, mfc=filled, mec=style.color, ms=5, label=label)
    ends = np.array([-2.2, 2.4])
    for level, line in ((-1, ":"), (0, "-"), (1, ":")):
        label = {0: "boundary", 1: "margin"}.get(level, "")
        ax.plot(ends, (level - v[2] - v[0] * ends) / v[1], line, color="0.3", label=label)
    ax.set(xlabel="flipper length, standardised", ylabel="bill depth, standardised")
    ax.set_ylim(-2.5, 2.6)
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    plots.show(
        fig,
        alt="Two clouds with a straight boundary between two dotted margin lines. Filled points "
        "lie on or between the dotted lines; the hollow ones beyond them do not pull.",
    )


def pulls(errors: tuple[float, ...]) -> dict[str, list[float]]:
    """Return how hard Keras's losses pull at a row that is wrong by so much."""
    import keras
    from keras import ops

    k, yes, second = keras.losses, np.ones((1, 1), "float32"), np.array([[0.0, 1.0]], "float32")
    losses = {
        "MSE": lambda far: k.mean_squared_error(0 * far, far),
        "Huber": lambda far: k.huber(0 * far, far),
        "MAE": lambda far: k.mean_absolute_error(0 * far, far),
        "BCE": lambda far: k.binary_crossentropy(yes, -far, from_logits=True),
        "CCE": lambda far: k.categorical_crossentropy(
            second, ops.concatenate([far, 0 * far], axis=1), from_logits=True
        ),
        "focal": lambda far: k.binary_focal_crossentropy(yes, -far, from_logits=True),
        "hinge": lambda far: k.hinge(yes, -far),
    }

    def pull(loss, error):
        found = value_and_gradients(lambda far: ops.sum(loss(far)), {"far": np.full((1, 1), error)})
        return float(found.gradients["far"][0, 0])

    return {name: [pull(loss, error) for error in errors] for name, loss in losses.items()}


def answers_and_scores(nets, x: np.ndarray, y: np.ndarray) -> tuple[list, np.ndarray]:
    """Return what nets say of these rows, and how good that is.

    Returns:
        For each net its confidence and whether it is right; and three rows of scores, a column a
        net: log loss, accuracy and expected calibration error.
    """
    from keras import losses, ops

    loss_fn, answers, scores = losses.SparseCategoricalCrossentropy(from_logits=True), [], []
    for net in nets:
        logits = net(x)
        p = np.array(ops.softmax(logits))
        answers.append((p.max(axis=1), p.argmax(axis=1) == y))
        said, right, share = bins_of(*answers[-1])
        ece = np.sum(share * np.abs(said - right))
        scores.append((float(loss_fn(y, logits)), answers[-1][1].mean(), ece))
    return answers, np.transpose(scores)


def calibration(answers: Mapping[int, list]) -> None:
    """Draw how often a net is right against what it says, for numbers of epochs."""
    fig, ax = plots.figure("Trained for longer, it claims more than it keeps", height=3.6)
    ax.plot([0.3, 1], [0.3, 1], color="0.5", lw=1, label="calibrated")
    for (epochs, runs), style in zip(answers.items(), plots.COMPARE, strict=False):
        said, hit, _ = bins_of(*np.concatenate(runs, axis=1))
        keep = said > 0.3
        plots.curve(ax, hit[keep], style, x=said[keep], label=f"{epochs} epochs", markevery=1)
    ax.set(xlabel="confidence (probability of its answer)", ylabel="share that is right")
    ax.legend()
    plots.show(
        fig,
        alt="After 6 epochs the curve follows the diagonal. After 40 epochs it runs below it: the "
        "model is right less often than it says.",
    )
