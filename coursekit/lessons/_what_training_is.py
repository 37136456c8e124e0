"""What the lesson on training draws, and the two nets that it takes ready-made."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from coursekit import datasets, plots

INSIDE = np.linspace(-np.pi, np.pi, 200)[:, None]
WIDTHS = (2, 4, 8, 16, 32, 64)


def wave(x: np.ndarray) -> np.ndarray:
    """Return the function to be learned, sin(3x)."""
    return np.sin(3 * x)


def bumps(width: int, start: str, seed: int) -> Any:
    """Return a net with one hidden layer of tanh units.

    Args:
        width: the number of hidden units.
        start: "spread" puts the bend of each unit elsewhere between -pi and pi, evenly but for a
            jitter; "keras" is what Keras does: every bias is 0, so that all bends are at 0.
        seed: of the start.
    """
    import keras

    keras.utils.set_random_seed(seed)
    hidden = keras.layers.Dense(width, activation="tanh")
    model = keras.Sequential([keras.Input((1,)), hidden, keras.layers.Dense(1)])
    if start == "spread":
        jitter = np.random.default_rng(seed).normal(0, 0.1, width)
        hidden.set_weights(
            [np.full((1, width), 3.0), -3 * (np.linspace(-np.pi, np.pi, width) + jitter)]
        )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


def largest_error(model: Any) -> float:
    """Return the largest error between -pi and pi."""
    return float(np.abs(np.asarray(model(INSIDE)) - wave(INSIDE)).max())


def straight_model(seed: int = 0) -> Any:
    """Return the running model without its hidden layer."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    before = [keras.Input((28, 28)), layers.Rescaling(1 / 255), layers.Flatten()]
    return keras.Sequential([*before, layers.Dense(10)])


def next_characters() -> tuple[np.ndarray, np.ndarray, int]:
    """Return 64 snippets of Hamlet as numbers, what follows, and how many symbols there are."""
    text = datasets.load_shakespeare().train
    number = {symbol: k for k, symbol in enumerate(sorted(set(text)))}
    rows = np.array([[number[c] for c in text[at : at + 17]] for at in range(0, 32000, 500)])
    return rows[:, :-1], rows[:, 1:], len(number)


def attention_block(symbols: int) -> Any:
    """Return one block of a transformer: for each of 16 characters a guess at the next one."""
    import keras

    layers = keras.layers
    characters = keras.Input((16,), dtype="int32")
    places = layers.Embedding(16, 32)(keras.ops.arange(16))
    hidden = layers.Embedding(symbols, 32)(characters) + places
    seen = layers.MultiHeadAttention(2, 16)(hidden, hidden, use_causal_mask=True)
    hidden = layers.LayerNormalization()(hidden + seen)
    return keras.Model(characters, layers.Dense(symbols, activation="softmax")(hidden))


def loss_curves(runs: Mapping[str, Sequence[float]]) -> None:
    """Draw the loss of several trainings, each on axes of its own."""
    fig, axes = plots.figure("One loop trained all of them", columns=len(runs), height=2.6)
    for ax, (name, losses) in zip(axes, runs.items(), strict=True):
        plots.curve(ax, losses, plots.TRAIN, markevery=[])
        ax.set(title=name, xlabel="step", ylim=(0, None))
        ax.title.set_fontsize(9)
    axes[0].set_ylabel("loss")
    told = ", ".join(f"{name} from {v[0]:.2f} to {v[-1]:.2f}" for name, v in runs.items())
    plots.show(fig, alt=f"The loss falls, quickly at first: {told}.")


def reach(nets: Mapping[tuple[int, str], Sequence[Any]]) -> None:
    """Show, for each width, what nets of both starts have learned, inside and outside."""
    x = np.linspace(-3 * np.pi, 3 * np.pi, 481)[:, None]
    said = {key: np.asarray(models[0](x))[:, 0] for key, models in nets.items()}
    errors = {key: [largest_error(model) for model in models] for key, models in nets.items()}
    titles = {"spread": "bends spread", "keras": "Keras's start: all bends at 0"}

    def draw(width):
        fig, axes = plots.figure("One hidden layer, two starts", columns=2)
        for ax, (start, title) in zip(axes, titles.items(), strict=True):
            ax.axvspan(-np.pi, np.pi, color="0.9", label="trained here")
            ax.plot(x, wave(x), color="0.5", lw=1, ls="--", label="sin(3x)")
            plots.curve(ax, said[width, start], plots.TRAIN, x=x[:, 0], label="net", marker="")
            ax.set(title=f"{title}\nlargest error inside {errors[width, start][0]:.2f}", xlabel="x",
                   ylim=(-3, 3))  # fmt: skip
            ax.title.set_fontsize(9)
        axes[0].set_ylabel("output")
        axes[1].legend(loc="upper left", fontsize=8)
        return fig

    def caption(width):
        inside = [f"{errors[width, start][0]:.2f}" for start in titles]
        return (
            f"{width} units, first seed. Largest error between -pi and pi: {inside[0]} with spread "
            f"bends, {inside[1]} from Keras's start. Outside, neither knows the wave."
        )

    plots.explore(draw, WIDTHS, caption, "hidden units", start=len(WIDTHS) - 1)


def fitted_curves(x, y, fits: Mapping[str, np.ndarray]) -> None:
    """Draw points, and polynomials through them."""
    fig, ax = plots.figure("Two fits of twelve points", "x", "y")
    ax.plot(x, y, "o", color="0.3", label="12 points to train on")
    dense = np.linspace(-1, 1, 400)
    for style, (name, fit) in zip(plots.COMPARE, fits.items(), strict=False):
        plots.curve(
            ax, np.clip(np.polyval(fit, dense), -9, 9), style, x=dense, label=name, marker=""
        )
    ax.set(ylim=(-5, 4))
    ax.legend()
    plots.show(
        fig,
        alt="Twelve points about a line. The line misses most of them a little; the wavy curve "
        "follows them more closely, strays between them, and leaves the picture beyond the last.",
    )


def pipeline() -> None:
    """Draw what there is around the loop, with the numbers of the lessons."""
    from coursekit.exercises import lesson

    stations = {
        "data": ("data",),
        "loss": ("losses", "custom_losses", "structured_losses"),
        "gradient\ndescent": (
            "training_loop",
            "gradient_descent",
            "backpropagation",
            "optimizers",
            "schedules",
        ),
        "generalizing": ("overfitting", "regularization"),
        "choosing": ("cross_validation", "hyperparameter_search"),
        "machines": ("precision", "distribution", "sharding"),
    }
    fig, ax = plots.figure("From data to a model that is used", height=1.7)
    arrow = {"arrowstyle": "-|>", "color": "0.3"}
    for place, (name, slugs) in enumerate(stations.items()):
        numbers = [lesson(slug).removeprefix("lesson ") for slug in slugs]
        box = {"boxstyle": "round,pad=0.5", "fc": "white", "ec": plots.TRAIN.color}
        at = 1.6 * place
        ax.text(at, 0, name, ha="center", va="center", fontsize=8, bbox=box)
        ax.text(at, -0.75, ", ".join(numbers), ha="center", va="center", fontsize=8)
        if place:
            ax.annotate("", (at - 0.62, 0), (at - 0.98, 0), arrowprops=arrow)
    ax.set(xlim=(-0.8, 1.6 * len(stations) - 0.8), ylim=(-1.1, 0.6))
    ax.axis("off")
    told = "; ".join(
        f"{name.replace(chr(10), ' ')}: {', '.join(map(lesson, slugs))}"
        for name, slugs in stations.items()
    )
    plots.show(fig, alt=f"The way of a model, station by station. {told}.")
