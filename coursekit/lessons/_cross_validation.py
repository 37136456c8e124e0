"""What the lesson on cross-validation prepares and draws."""

import numpy as np

from coursekit import datasets, plots
from coursekit.validation import WalkForward


def thirty_folds(recipe, x, y) -> None:
    """Show the accuracy of ten folds, shuffled in three ways."""
    from sklearn import model_selection as ms

    fig, ax = plots.figure("One recipe, thirty folds", x="accuracy of a fold", y="shuffle")
    for seed in range(3):
        folds = ms.StratifiedKFold(10, shuffle=True, random_state=seed)
        scores = ms.cross_val_score(recipe, x, y, cv=folds)
        height = seed + np.linspace(-0.2, 0.2, 10)
        ax.plot(scores, height, "s", color=plots.VALIDATION.color, alpha=0.7, label="a fold")
        ax.plot(scores.mean(), seed, "kx", ms=11, label="mean of ten")
        print(f"folds {scores.min():.2f} to {scores.max():.2f}, mean {scores.mean():.2f}")
    ax.set(yticks=range(3), xticks=[0.8, 0.85, 0.9, 0.95, 1], ylim=(-0.5, 2.5))
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(handles[:2], labels[:2], loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    plots.show(
        fig, alt="A square for each fold's accuracy and a cross for each mean, in three rows."
    )


def six_maps() -> None:
    """Show six ways to split fifteen rows."""
    from sklearn import model_selection as ms

    row, kind, group = np.arange(15), list("AAAAAAAAAABBBBB"), list("aaabbbccccddeee")
    sliding = WalkForward(5, window=4, horizon=2, embargo=1)
    maps = {
        "k-fold": (ms.KFold(5, shuffle=True, random_state=1).split(row), kind),
        "stratified": (ms.StratifiedKFold(5).split(row, kind), kind),
        "grouped": (ms.GroupKFold(5).split(row, groups=group), group),
        "leave one out": (ms.LeaveOneOut().split(row), " " * 15),
        "walk, growing": (WalkForward(5, horizon=2).split(row), " " * 15),
        "walk, sliding": (sliding.split(row), " " * 15),
    }
    fig, axes = plots.figure("Who trains, who validates", columns=6, height=2.9)
    for ax, (name, (folds, letters)) in zip(axes, maps.items(), strict=True):
        plots.splits(ax, folds, rows=15)
        ax.set_title(name, fontsize=9)
        ax.set_xticks(row + 0.5, letters, fontsize=6)
        ax.tick_params(length=0, labelsize=6)
    axes[0].set(ylabel="fold", xlabel="rows")
    for ax in axes[4:]:
        ax.set_xlabel("time")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    plots.show(
        fig,
        alt="Six maps, a line for each fold. Light blue rows train, hatched orange rows validate. "
        "Validation rows are scattered in k-fold, two of A and one of B in stratified, whole "
        "groups in grouped, one row each in leave one out. In walk-forward maps validation "
        "lies after training in every line; the last map slides, with a white gap between.",
    )


def emoji():
    """Return the pixels of 8 by 8 blocks, the classes, and the emoji's codes."""
    found = datasets.load_emoji32().train
    blocks = found.x.reshape(-1, 8, 4, 8, 4, 3).mean(axis=(2, 4))
    return blocks.reshape(len(found), -1), found.y, found.groups["code"]


def flights():
    """Return what is known before a flight, whether it was cancelled, and its day."""
    found = datasets.load_flights_cancelled().table
    weather = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
    known = found[["month", "day", "hour", "distance", *weather]]
    return known, found.cancelled, found.month * 100 + found.day


def births():
    """Return the target, the calendar's columns and the lags, without the first 28 days."""
    import pandas as pd

    found = datasets.load_us_births().table
    when = pd.DataFrame({"weekday": found.day_of_week, "since_start": found.index})
    lags = pd.DataFrame({f"lag_{days}": found.births.shift(days) for days in (7, 14, 28)})
    return found.births[28:], when[28:], lags[28:]


def births_error(model, inputs, cvs) -> np.ndarray:
    """Return the mean absolute error of each fold of some splitters."""
    from sklearn import model_selection as ms

    target, scoring = births()[0], "neg_mean_absolute_error"
    return -np.concatenate(
        [ms.cross_val_score(model, inputs, target, cv=cv, scoring=scoring) for cv in cvs]
    )


def winners(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the best accuracy of `count` coin tossers on 200 rows, and its own on 200 new rows.

    In 1,000 contests each.
    """
    rng = np.random.default_rng(0)
    best = rng.binomial(200, 0.5, (1000, count)).max(axis=1) / 200
    return best, rng.binomial(200, 0.5, 1000) / 200


def contest(count: int):
    """Draw the winner's accuracy on the rows that chose it, and on new rows."""
    fig, ax = plots.figure(f"The best of {count} coin tossers", x="accuracy", y="contests of 1,000")
    bins = np.arange(0.375, 0.7, 0.01)
    looks = ((plots.VALIDATION, "on the rows that chose it"), (plots.COMPARE[2], "on new rows"))
    for scores, (style, label) in zip(winners(count), looks, strict=True):
        ax.hist(scores, bins, color=style.color, alpha=0.5, label=label)
        ax.axvline(scores.mean(), color=style.color, ls=style.line)
    ax.set(ylim=(0, 320))  # above the highest bar, that of 200
    ax.legend(loc="upper right")
    return fig


def contest_in_words(count: int) -> str:
    """Say what `contest` shows."""
    best, new = winners(count)
    return (
        f"The best of {count}: on the rows that chose it {best.mean():.2f} on average, on new rows "
        f"{new.mean():.2f}."
    )


def nested_choice(tries: int = 40) -> tuple[float, float]:
    """Choose among ten numbers of neighbours for 60 rows of noise, labelled by a coin.

    Returns:
        Means over the tries: the winner's score in five folds, by which it was chosen; and the
        nested score, of a choice made anew within the training rows of each of five outer folds.
    """
    rng, many = np.random.default_rng(0), 2 * np.arange(10) + 1

    def right(train, validation):  # of each row and each number of neighbours
        far = ((x[validation][:, None] - x[train]) ** 2).sum(-1)
        votes = y[train][far.argsort(axis=1)].cumsum(axis=1)[:, many - 1] / many
        return (votes > 0.5) == y[validation][:, None]

    def folds(rows):
        parts = np.array_split(rows, 5)
        return [(np.setdiff1d(rows, part), part) for part in parts]

    def scores(rows):
        return np.concatenate([right(*fold) for fold in folds(rows)]).mean(axis=0)

    found = []
    for _ in range(tries):
        x, y, rows = rng.normal(size=(60, 3)), rng.integers(2, size=60), np.arange(60)
        outer = [right(train, part)[:, scores(train).argmax()] for train, part in folds(rows)]
        found.append((scores(rows).max(), np.concatenate(outer).mean()))
    promised, nested = np.mean(found, axis=0)
    return float(promised), float(nested)


def open_twice(vault) -> None:
    """Ask a vault for the test score of a model that always says 1, and once more."""
    for reason in ("the number for the report", "and once more, with a better seed"):
        try:
            score = vault.evaluate(lambda x, y: float(np.mean(y == 1)), reason=reason)
            print(f"{reason}: {score:.2f}")
        except RuntimeError as error:
            print(f"{reason}: {type(error).__name__}: {str(error).split('.')[0]}.")


def running(fold: int):
    """Build the running model for a fold, compiled."""
    import keras

    from coursekit.lessons import running_model

    net = running_model(seed=fold)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    return net


def mean_of_weights(models, x, y) -> float:
    """Return the accuracy of a network that has the mean of the models' weights."""
    import keras

    blend = keras.models.clone_model(models[0])
    layers = zip(*(model.get_weights() for model in models), strict=True)
    blend.set_weights([np.mean(some, axis=0) for some in layers])
    return float(np.mean(blend.predict(x, verbose=0).argmax(1) == y))


def centroid_runs(seed: int, sets: int, rounds: int, folds: int) -> np.ndarray:
    """Cross-validate a nearest-centroid classifier on many data sets; return a row for each."""
    rng = np.random.default_rng(seed)
    return np.array([centroid_scores(rng, rounds, folds) for _ in range(sets)])


def centroid_scores(rng, rounds: int, folds: int) -> np.ndarray:
    """Cross-validate a nearest-centroid classifier on 60 new rows, in so many folds a round."""
    y = np.arange(60) % 2
    x, scores = rng.normal(size=(60, 2)) + 0.8 * y[:, None], []
    for _ in range(rounds):
        for validation in rng.permutation(60).reshape(folds, -1):
            train = np.setdiff1d(np.arange(60), validation)
            centres = np.stack([x[train][y[train] == c].mean(0) for c in (0, 1)])
            distance = ((x[validation][:, None] - centres) ** 2).sum(-1)
            scores.append(np.mean(distance.argmin(1) == y[validation]))
    return np.array(scores)
