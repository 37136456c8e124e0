"""What the lesson on hyperparameter search prepares and draws."""

import itertools
from types import SimpleNamespace

import numpy as np

from coursekit import plots
from coursekit.lessons.hyperparameter_search import walk


def landscape(a, b, peak, second):
    """Return a score that falls off from a peak; `second` tells how much setting b matters."""
    return np.exp(-(((a - peak[0]) / 0.1) ** 2) - second * ((b - peak[1]) / 0.1) ** 2)


def nine_trials(ways: dict) -> None:
    """Show nine points of each way on a landscape where setting a matters."""
    a, b = np.meshgrid(np.linspace(0, 1, 80), np.linspace(0, 1, 80))
    fig, axes = plots.figure(
        "Nine trials, three ways", "setting a", "setting b", columns=3, height=3.8
    )
    for ax, (way, nine) in zip(axes, ways.items(), strict=True):
        points = nine()
        ax.contourf(a, b, landscape(a, b, (0.32, 0.5), 0.01), 12, cmap="Greys", vmin=0, vmax=2)
        plots.trials(ax, points)
        ax.set_title(way)
        print(f"{way}: {len(np.unique(points[:, 0].round(9)))} values of a")
    plots.show(
        fig,
        alt="Three squares over the same grey ridge, which runs along setting b, with nine points "
        "each. Ticks on the upper and right edges mark the values tried of each setting.",
    )


def null_experiment(rng, rounds: int) -> tuple[SimpleNamespace, SimpleNamespace]:
    """Cross-validate two classifiers that are equally good, on 60 new rows, in ten folds a round.

    Each knows two of four columns, which carry the label alike. The results are as `compare` takes
    them.
    """
    y, rows = np.arange(60) % 2, np.arange(60)
    x = rng.normal(size=(60, 4)) + 0.5 * y[:, None]
    scores, folds = [], []
    for _ in range(rounds):
        for validation in rng.permutation(60).reshape(10, 6):
            train = np.setdiff1d(rows, validation)
            folds.append((train, validation))
            centres = np.stack([x[train[y[train] == k]].mean(0) for k in (0, 1)])
            squares = (x[validation][:, None] - centres) ** 2
            both = squares[..., :2].sum(-1), squares[..., 2:].sum(-1)
            scores.append([np.mean(far.argmin(1) == y[validation]) for far in both])
    one, other = np.array(scores).T
    first, second = (SimpleNamespace(scores={"accuracy": s}, folds=folds) for s in (one, other))
    return first, second


def plain_p_value(one, other) -> float:
    """Return the p-value of the plain paired t-test, which takes the folds for independent."""
    from scipy import stats

    return float(stats.ttest_rel(one.scores["accuracy"], other.scores["accuracy"]).pvalue)


RATES, BATCHES = 2.0 ** np.arange(-6, 2), 2 ** np.arange(2, 10)


def valley() -> np.ndarray:
    """Return the loss by rate and batch size: noisy gradients in a bowl, for a fixed work.

    Exactly: the squared distance shrinks by `kept` a step, and each step adds noise.
    """
    rates, loss = RATES[:, None], np.zeros((8, 8))
    steps = 4096 / (BATCHES + 32)  # an update costs its rows, and as much as 32 more
    for curvature in (1.0, 0.1, 0.01):
        kept = ((1 - rates * curvature) ** 2).clip(max=1 - 1e-9)
        noise = (3 * curvature * rates) ** 2 / BATCHES
        loss += curvature / 2 * (9 * kept**steps + noise * (1 - kept**steps) / (1 - kept))
    return loss


def three_walks() -> None:
    """Show where tuning in turn leads from three places of the valley."""
    loss, columns, rows = valley(), np.log2(BATCHES), np.log2(RATES)
    fig, ax = plots.figure("Loss by rate and batch size", "batch size", "learning rate")
    seen = np.log(loss).clip(max=1.5)
    shown = ax.contourf(columns, rows, seen, 14, cmap="Greys_r", vmin=-4.5, vmax=1)
    fig.colorbar(shown, ax=ax, label="logarithm of the loss")
    for start, style in zip(((4, 1), (7, 7), (0, 3)), plots.COMPARE, strict=False):
        places = walk(loss, *start)
        at, to = np.array(places).T
        plots.curve(ax, rows[at], style, columns[to], label=f"from batch {BATCHES[start[1]]}", lw=3)
        for (r0, b0), (r1, b1) in itertools.pairwise(places):
            if (r0, b0) != (r1, b1):
                ends = {"xy": (columns[b1], rows[r1]), "xytext": (columns[b0], rows[r0])}
                ax.annotate(
                    "", **ends, arrowprops={"arrowstyle": "-|>", "color": "k", "shrinkB": 7}
                )
        r, b = places[-1]
        print(f"ends at rate {RATES[r]:.3g}, batch {BATCHES[b]}, loss {loss[r, b]:.3f}")
    r, b = np.unravel_index(loss.argmin(), loss.shape)
    ax.plot(columns[b], rows[r], "*", ms=16, color="white", mec="black", label="best pair")
    print(f"best pair: rate {RATES[r]:.3g}, batch {BATCHES[b]}, loss {loss[r, b]:.3f}")
    ax.set(xlim=(1.8, 9.2), ylim=(-6.2, 1.2))
    ax.set_xticks(columns, BATCHES)
    ax.set_yticks(rows, RATES.round(3))
    ax.legend(loc="upper left", fontsize=7)
    plots.show(
        fig,
        alt="Map of the loss, dark where it is low: a valley from corner to corner. Arrows lead "
        "from three starts along columns and rows to three ends; a star marks the lowest pair.",
    )


def believe(tried, scores, places):
    """Fit a Gaussian process to the trials; return its mean and sd at some places."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern

    gp = GaussianProcessRegressor(Matern(0.5, nu=2.5), alpha=1e-3, optimizer=None, normalize_y=True)
    return gp.fit(tried, scores).predict(places, return_std=True)


def true_score(exponent):
    """Return a score with a low and a high peak over the exponent of the rate."""
    high = np.exp(-(((exponent + 1.9) / 0.5) ** 2))
    return high + 0.6 * np.exp(-(((exponent + 3.3) / 0.4) ** 2))


LINE = np.linspace(-4, -1, 200)[:, None]


def bayesian_trials(count: int) -> np.ndarray:
    """Return so many trials: two to begin with, then where mean + 2 sd is highest."""
    tried = np.array([[-3.9], [-3.2]])
    while len(tried) < count:
        mean, sd = believe(tried, true_score(tried[:, 0]), LINE)
        tried = np.vstack([tried, LINE[np.argmax(mean + 2 * sd)]])
    return tried


def belief(count: int):
    """Draw what a Gaussian process believes after so many trials, and where it goes next."""
    tried, after = bayesian_trials(count), bayesian_trials(count + 1)
    title = f"{count} trials: the next one where mean + 2 sd is highest"
    fig, ax = plots.figure(title, "log10 of the rate", "score")
    ax.plot(LINE, true_score(LINE), "k:", label="true score")
    mean, sd = believe(tried, true_score(tried[:, 0]), LINE)
    plots.surrogate(ax, LINE, mean, sd, tried[:, 0], true_score(tried[:, 0]), after[-1, 0])
    ax.set(ylim=(-0.6, 2.2))
    ax.legend(fontsize=8, loc="upper right", ncols=2)
    return fig


def belief_in_words(count: int) -> str:
    """Say what `belief` shows."""
    tried, after = bayesian_trials(count), bayesian_trials(count + 1)
    return (
        f"After {count} trials the best score is {true_score(tried).max():.2f}. The next trial is "
        f"at {after[-1, 0]:.1f}."
    )


class Pool:
    """Sixty settings, drawn and trained once; searches look their accuracies up."""

    def __init__(self, seed: int):
        from coursekit.lessons.hyperparameter_search import train

        rng = np.random.default_rng(seed)
        self.settings = [
            {"learning_rate": 10 ** rng.uniform(-4, -1), "batch_size": int(rng.choice([32, 128])),
             "units": int(rng.choice([8, 64])), "dropout": float(rng.choice([0, 0.5]))}
            for _ in range(60)
        ]  # fmt: skip
        self.curves = train(self.settings, epochs=9)
        self.places = np.array(
            [
                [np.log10(s["learning_rate"]) / 3, np.log2(s["batch_size"]) / 2,
                 np.log2(s["units"]) / 3, 2 * s["dropout"]]
                for s in self.settings
            ]
        )  # fmt: skip


def random_search(pool: Pool, rng) -> list[tuple[int, int]]:
    """Return nine random trials of nine epochs."""
    return [(9, int(k)) for k in rng.permutation(60)[:9]]


def bayesian(pool: Pool, rng) -> list[tuple[int, int]]:
    """Return four random trials and five where mean + 2 sd is highest, of nine epochs."""
    tried = list(rng.permutation(60)[:4])
    while len(tried) < 9:
        mean, sd = believe(pool.places[tried], pool.curves[tried, -1], pool.places)
        bound = mean + 2 * sd
        bound[tried] = -np.inf
        tried.append(int(bound.argmax()))
    return [(9, int(k)) for k in tried]


def _leaders(pool, runs):
    """Return, after each epoch spent, the final accuracy of the setting that leads."""
    spent, best, found = 0, (0, -1.0, 0), np.full(81, np.nan)
    for epochs, k in runs:
        spent += epochs  # a promoted setting trains anew
        best = max(best, (epochs, pool.curves[k, epochs - 1], k))
        found[spent - 1 :] = pool.curves[best[2], -1]
    return found


def race(pools: list[Pool], searches: dict, repeats: int = 60) -> dict[str, list]:
    """Run each search on each pool, `repeats` times with the same draws; show the first pool.

    Returns:
        For each search but the first, and each pool: by how many points of accuracy what it names
        is ahead of what the first one names, and two standard errors of that.
    """
    from scipy import stats

    fig, ax = plots.figure("Three searches, on the first pool", "epochs spent", "accuracy, mean")
    ends = []
    for number, pool in enumerate(pools):
        found = {
            name: np.array([_leaders(pool, search(pool, np.random.default_rng(seed)))
                            for seed in range(repeats)])
            for name, search in searches.items()
        }  # fmt: skip
        ends.append({name: runs[:, -1] for name, runs in found.items()})
        for (name, runs), style in zip(found.items(), plots.COMPARE, strict=False):
            if number == 0:
                curve = runs[:, 8:].mean(0)
                plots.curve(ax, curve, style, np.arange(9, 82), name, markevery=9)
    ax.axhline(pools[0].curves[:, -1].max(), color="0.5", lw=1, label="best of all sixty")
    ax.legend()
    alt = "Mean accuracy of the setting that each search names, against the epochs it has spent."
    plots.show(fig, alt=alt)
    first, *others = searches
    leads: dict[str, list] = {name: [] for name in others}
    for number, named in enumerate(ends, 1):
        for name, found in leads.items():
            ahead = 100 * (named[name] - named[first])  # repeat by repeat
            found.append((ahead.mean(), 2 * stats.sem(ahead)))
            lead = "{:.1f} points, two standard errors {:.1f}".format(*found[-1])
            print(f"pool {number}: {name:8} ahead of {first} by {lead}")
    return leads


def widths(pools: list[Pool]) -> tuple[np.ndarray, np.ndarray]:
    """Return the accuracies of 8 and of 64 units: at the best rate, and at the five lowest.

    Each has a row for each pool.
    """
    tuned, low = np.zeros((len(pools), 2)), np.zeros((len(pools), 2))
    for place, pool in enumerate(pools):
        rates = np.array([s["learning_rate"] for s in pool.settings])
        wide = np.array([s["units"] == 64 for s in pool.settings])
        for k, some in enumerate((~wide, wide)):
            final = pool.curves[some, -1]
            tuned[place, k] = final.max()
            low[place, k] = final[np.argsort(rates[some])][:5].mean()
    return tuned, low


def small(hp):
    """Build a network of 32 units with a rate to be tuned, compiled."""
    import keras

    hidden, out = keras.layers.Dense(32, "relu"), keras.layers.Dense(10)
    net = keras.Sequential([keras.Input((64,)), hidden, out])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.Adam(hp.Choice("rate", [0.001, 0.01, 0.1])), loss)
    return net


def running(hp):
    """Build the running model with a rate to be tuned, compiled."""
    import keras

    from coursekit.lessons import running_model

    net = running_model(seed=0)
    rate = hp.Float("rate", 1e-3, 1.0, sampling="log")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.SGD(rate, momentum=0.9), loss)
    return net


def twenty_oracles(objective) -> None:
    """Print how many seeds twenty oracles of KerasTuner have that were all given one."""
    from keras_tuner.oracles import RandomSearchOracle

    for seed in (0, 1):
        seeds = {RandomSearchOracle(objective, seed=seed).seed for _ in range(20)}
        print(f"seed={seed}: twenty oracles have {len(seeds)} seeds")


def small_resnet():
    """Build a small network of the ResNet's kind: a convolution, then a block that is added."""
    import keras

    def normed(kernel):
        return lambda x: keras.layers.BatchNormalization(momentum=0.9)(  # few steps to average
            keras.layers.Conv2D(16, kernel, padding="same", use_bias=False)(x)
        )

    inputs = keras.Input((8, 8))
    x = keras.layers.ReLU()(normed(3)(keras.layers.Reshape((8, 8, 1))(inputs)))
    x = keras.layers.ReLU()(x + normed(3)(keras.layers.ReLU()(normed(3)(x))))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10)(x))


def small_transformer():
    """Build a small transformer: one block, whose words are the eight rows of a digit."""
    import keras

    layers = keras.layers
    inputs = keras.Input((8, 8))
    places = layers.Flatten()(inputs)  # a kernel for each row tells the rows apart
    x = layers.Reshape((8, 32))(layers.Dense(256)(places)) + layers.Dense(32)(inputs)
    for part in (
        lambda x: layers.MultiHeadAttention(2, 16)(x, x),
        lambda x: layers.Dense(32)(layers.Dense(64, "gelu")(x)),
    ):
        x = x + layers.Dropout(0.1)(part(layers.LayerNormalization()(x)))
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling1D()(x)))


def around(build, recipe, rate: float, smoothing: float = 0.0, epochs: int = 8) -> np.ndarray:
    """Train three seeds at a tenth of a rate, at the rate and at ten times as much.

    Returns:
        The accuracies on three writers that did not train: a row for each rate.
    """
    import keras

    from coursekit import datasets
    from coursekit.training import fit_many

    digits = datasets.load_digits().train
    seen, labels = digits.groups["writer"] < 7, np.eye(10)[digits.y]
    models = []
    for factor, seed in itertools.product((0.1, 1, 10), range(3)):
        keras.utils.set_random_seed(seed)
        models.append(build())
        optimizer = recipe(factor * rate, epochs * -(-int(seen.sum()) // 64))
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
        models[-1].compile(optimizer, loss, metrics=["accuracy"])
    histories = fit_many(
        models, digits.x[seen], labels[seen], validation_data=(digits.x[~seen], labels[~seen]),
        epochs=epochs, batch_size=64, seed=list(range(3)) * 3, verbose=0,
    )  # fmt: skip
    last = np.reshape([history.history["val_accuracy"][-1] for history in histories], (3, 3))
    for factor, three in zip((0.1, 1, 10), last, strict=True):
        print(f"{build.__name__} at rate {factor * rate:.2g}: accuracy", *three.round(2))
    return last
