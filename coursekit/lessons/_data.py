"""What the lesson on data prepares, trains and draws."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from coursekit import datasets, plots

COUNTS = (0, 32, 64, 80, 96)  # of wrong labels; there are 131 threes
SIZES = (40, 160, 320, 640, 1280)  # training rows
KINDS = {"any": "labels wrong at random", "threes": "threes called 8"}
BANDS = {"18 to 29": (18, 30), "30 to 44": (30, 45), "45 to 68": (45, 69)}  # years


# Labels -------------------------------------------------------------------------------------------


def mislabel(y: np.ndarray, count: int, kind: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the digits with so many wrong labels, and the rows that have one.

    Args:
        y: the right labels, 0 to 9.
        count: of wrong ones.
        kind: "any" changes any rows, each to any other digit; "threes" calls threes 8.
        seed: of the choice.
    """
    rng, given = np.random.default_rng(seed), y.copy()
    rows = rng.choice(np.flatnonzero(y == 3) if kind == "threes" else len(y), count, replace=False)
    given[rows] = 8 if kind == "threes" else (y[rows] + rng.integers(1, 10, count)) % 10
    return given, rows


def fit_mislabelled(nets: Mapping[tuple[int, str, int], Any], x, y, **settings) -> None:
    """Train each net on `x`, with labels made wrong as its key says: count, kind and seed."""
    from coursekit.training import fit_many

    rows = np.arange(len(x) * len(nets)).reshape(len(nets), -1)
    labels = np.concatenate([mislabel(y, *how)[0] for how in nets])
    x = np.concatenate([x] * len(nets))
    fit_many(list(nets.values()), x, labels, rows=list(rows), verbose=0, **settings)


def named_rightly(nets: Mapping[tuple[int, str, int], Any], x, y) -> dict[tuple, float]:
    """Show which digits nets with wrong labels still name, and return each net's accuracy."""
    said = {key: np.asarray(net(x)).argmax(axis=1) for key, net in nets.items()}
    found = {key: [np.mean(one[y == k] == k) for k in range(10)] for key, one in said.items()}
    seeds = sorted({seed for *_, seed in nets})

    def of(count, kind):
        return np.array([found[count, kind, seed] for seed in seeds])

    def draw(count):
        fig, axes = plots.figure("Digits of two new writers", x="digit", columns=2)
        for ax, (kind, title), style in zip(axes, KINDS.items(), plots.COMPARE, strict=False):
            ax.bar(range(10), of(count, kind).mean(axis=0), color=style.color, alpha=0.45)
            for one in of(count, kind):
                ax.plot(range(10), one, "o", color="0.2", ms=3)
            ax.set(title=f"{count} {title}", xticks=range(10), ylim=(0, 1.04))
        axes[0].set_ylabel("share named rightly")
        return fig

    def caption(count):
        threes = [f"{one:.2f}" for one in of(count, "threes")[:, 3]]
        any_three = f"{of(count, 'any')[:, 3].mean():.2f}"
        return (
            f"{count} wrong labels, bars: mean of three seeds, dots: each seed. Threes named "
            f"rightly: {any_three} if the wrong labels are any; {', '.join(threes)} at the three "
            "seeds if all are threes called 8."
        )

    plots.explore(draw, COUNTS, caption, "wrong labels", start=COUNTS.index(80))
    return {key: float(np.mean(one == y)) for key, one in said.items()}


def some_rows(rows: int, size: int, seed: int) -> np.ndarray:
    """Return so many of the rows, by lot, again and again up to 1,280."""
    return np.resize(np.random.default_rng(seed).permutation(rows)[:size], 1280)


def learning_curves(plan: Sequence[tuple[int, int, int]], nets: Sequence[Any], x, y) -> None:
    """Draw accuracy over the number of training rows, mean and deviation over seeds.

    Args:
        plan: of each net the training rows, the hidden units and the seed.
        nets: trained.
        x: inputs that they have not seen.
        y: the right answers.
    """
    accuracy: dict[str, dict[int, list]] = {}
    for (size, hidden, _), net in zip(plan, nets, strict=True):
        name = f"{hidden} hidden units" if hidden else "no hidden layer"
        hit = np.asarray(net(x)).argmax(axis=1) == y
        accuracy.setdefault(name, {}).setdefault(size, []).append(hit.mean())
    fig, ax = plots.figure("More rows help less and less", "training rows", "validation accuracy")
    for style, (name, runs) in zip(plots.COMPARE, accuracy.items(), strict=False):
        sizes, scores = list(runs), np.array(list(runs.values()))
        mean, sd = scores.mean(axis=1), scores.std(axis=1, ddof=1)
        ax.errorbar(sizes, mean, sd, color=style.color, ls=style.line, marker=style.marker,
                    capsize=3, label=name)  # fmt: skip
    ax.set_xscale("log")
    ax.set_xticks(sizes, sizes)
    ax.minorticks_off()
    ax.legend(loc="lower right")
    told = "; ".join(
        f"{name}: " + ", ".join(f"{np.mean(v):.2f} at {n}" for n, v in runs.items())
        for name, runs in accuracy.items()
    )
    plots.show(fig, alt=f"Mean of five seeds, bars of one standard deviation. {told}.")


# The bank -----------------------------------------------------------------------------------------


def loans() -> tuple[np.ndarray, np.ndarray, Any]:
    """Return columns of the credit data without gaps, which loans went bad, and the table."""
    table = datasets.load_credit_data().table.drop_duplicates().reset_index(drop=True)
    columns = table[["Seniority", "Amount", "Price", "Expenses", "Age"]].to_numpy(float)
    income = table.Income.fillna(table.Income.median()).to_numpy()
    columns = np.column_stack([columns, np.log(income), table.Income.isna()])
    return columns, (table.Status == "bad").to_numpy(float), table


def line_loss(columns, bad, train, new) -> tuple[float, float]:
    """Return the cross-entropy of a `Dense(1, "sigmoid")`, trained to the end, on both parts."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    scaled = (columns - columns[train].mean(axis=0)) / columns[train].std(axis=0)
    model = LogisticRegression(C=100).fit(scaled[train], bad[train])
    losses = [log_loss(bad[p], model.predict_proba(scaled[p])[:, 1]) for p in (train, new)]
    return float(losses[0]), float(losses[1])


def coded_branches(seed: int) -> dict[str, tuple[float, float]]:
    """Return the losses, on training and on new rows, with a branch by lot coded in two ways."""
    import pandas as pd

    columns, bad, _ = loans()
    rng = np.random.default_rng(seed)
    order, branch = rng.permutation(len(bad)), rng.integers(0, 500, len(bad))
    train, new = order[:2700], order[2700:]

    def shares(known, asked):
        share = pd.Series(bad[known]).groupby(branch[known]).mean()
        return share.reindex(branch[asked]).fillna(bad[known].mean()).to_numpy()

    coded = {"own row counted": np.zeros(len(bad)), "from other rows": np.zeros(len(bad))}
    for code in coded.values():
        code[new] = shares(train, new)
    coded["own row counted"][train] = shares(train, train)
    for fold in np.array_split(train, 5):
        coded["from other rows"][fold] = shares(np.setdiff1d(train, fold), fold)
    losses = {"no branch": line_loss(columns, bad, train, new)}
    for name, code in coded.items():
        losses[name] = line_loss(np.column_stack([columns, code]), bad, train, new)
    return losses


def refusals(seed: int, leave_out: Sequence[str] = ()) -> dict[str, tuple[float, ...]]:
    """Return for each age group the share of bad loans and two error rates, on new rows.

    A line on all columns refuses as many loans as go bad. The rates: of the good ones refused, of
    the bad ones granted.
    """
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    _, bad, table = loans()
    order = np.random.default_rng(seed).permutation(len(bad))
    train, new = order[:2700], order[2700:]
    kept = table.drop(columns=["Status", *leave_out])
    columns = pd.get_dummies(kept, dummy_na=True).assign(gap=table.Income.isna()).astype(float)
    columns = columns.fillna(columns.iloc[train].median())
    money = ["Income", "Assets", "Debt", "Amount", "Price"]
    columns[money] = np.log1p(columns[money])
    spread = columns.iloc[train].std().replace(0, 1)
    scaled = ((columns - columns.iloc[train].mean()) / spread).to_numpy()
    model = LogisticRegression(max_iter=500).fit(scaled[train], bad[train])
    risk = model.predict_proba(scaled)[:, 1]
    refused = risk[new] > np.quantile(risk[train], 1 - bad[train].mean())
    age, bad = table.Age.to_numpy()[new], bad[new] == 1
    found = {}
    for name, (low, high) in BANDS.items():
        here = (low <= age) & (age < high)
        found[name] = tuple(
            float(np.mean(v)) for v in (bad[here], refused[here & ~bad], ~refused[here & bad])
        )
    return found


def planted(seed: int) -> tuple[Any, Any]:
    """Return 400 loans with defects, shuffled, and the same loans without.

    20 incomes (10, if the seed is even) are the code 9999999, 15 ages negative, 40 homes spelt
    otherwise; 12 rows come twice, and 8 once more with the home spelt otherwise.
    """
    import pandas as pd

    table = loans()[2][["Status", "Home", "Age", "Income", "Amount"]]
    table = table.astype({"Home": object}).drop_duplicates(["Status", "Home", "Age", "Amount"])
    rare = (table.Income >= 600) | table.Home.isna()
    table = pd.concat([table[rare], table[~rare].sample(400 - rare.sum(), random_state=seed)])
    truth = table.sample(frac=1, random_state=seed).reset_index(drop=True)
    rng, dirty = np.random.default_rng(seed), truth.copy()
    usual = rng.permutation(np.flatnonzero((truth.Income < 400) & truth.Home.notna()))
    unknown = usual[: 20 if seed % 2 else 10]
    truth.loc[unknown, "Income"] = np.nan
    dirty.loc[unknown, "Income"] = 9999999
    dirty.loc[usual[20:35], "Age"] *= -1
    odd = [str.upper, str.title, lambda home: f" {home}", lambda home: f"{home} "]

    def respelt(homes):
        return [odd[k % 4](home) for k, home in enumerate(homes)]

    dirty.loc[usual[35:75], "Home"] = respelt(dirty.Home[usual[35:75]])
    again, once_more = dirty.loc[usual[75:87]], dirty.loc[usual[87:95]].copy()
    once_more["Home"] = respelt(once_more.Home)
    dirty = pd.concat([dirty, again, once_more]).sample(frac=1, random_state=seed)
    return dirty.reset_index(drop=True), truth


# Columns ------------------------------------------------------------------------------------------


def rings(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return 400 points on two rings about one centre, and which ring each is on."""
    rng = np.random.default_rng(seed)
    outer, angle = rng.integers(0, 2, 400), rng.uniform(0, 2 * np.pi, 400)
    radius = 1 + outer + rng.normal(0, 0.15, 400)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), outer


def best_line(columns: np.ndarray, kind: np.ndarray) -> float:
    """Return the accuracy of a `Dense(1, "sigmoid")`, trained to the end, on its own rows."""
    from sklearn.linear_model import LogisticRegression

    return float(LogisticRegression().fit(columns, kind).score(columns, kind))


def pieces(word: str, merges: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Cut a word into pieces: its characters, put together by the merges, in their order."""
    parts = list(word)
    for left, right in merges:
        k = 0
        while k < len(parts) - 1:
            if (parts[k], parts[k + 1]) == (left, right):
                parts[k : k + 2] = [left + right]
            k += 1
    return tuple(parts)


def commonest_pair(words: Mapping[str, int], merges) -> tuple[str, str]:
    """Return the neighbouring pieces that are met most often in words with these counts."""
    pairs: Counter = Counter()
    for word, count in words.items():
        for pair in itertools.pairwise(pieces(word, merges)):
            pairs[pair] += count
    return pairs.most_common(1)[0][0]


# Scales -------------------------------------------------------------------------------------------


def houses() -> tuple[np.ndarray, np.ndarray]:
    """Return area and baths of houses in Ames, and their prices in thousands of dollars."""
    table = datasets.load_ames().table
    columns = table[["Gr_Liv_Area", "Full_Bath"]].to_numpy(float)
    return columns, table.Sale_Price.to_numpy(float) / 1000


def new_neighbourhood(name: str = "Northridge_Heights") -> dict[str, float]:
    """Return how far off a line is on a neighbourhood that it has not seen, scaled in two ways."""
    (columns, price), new = houses(), datasets.load_ames().table.Neighborhood == name
    ones = np.ones((len(price), 1))

    def scaled(rows):
        return np.hstack([(columns - columns[rows].mean(axis=0)) / columns[rows].std(axis=0), ones])

    line = np.linalg.lstsq(scaled(~new)[~new], price[~new])[0]
    ways = {"the training rows": ~new, "its own": new}
    return {way: float(np.abs(scaled(rows)[new] @ line - price[new]).mean())
            for way, rows in ways.items()}  # fmt: skip


def steps_needed(columns: np.ndarray, y: np.ndarray) -> int:
    """Return the steps until 99 % of the reachable fall of the error are done, to two digits.

    By a line's formula instead of a walk, from the mean of y and weights of 0; the rate is 95 % of
    the largest that does not diverge.
    """
    y, ones = y - y.mean(), np.column_stack([columns, np.ones(len(columns))])
    curvatures, ways = np.linalg.eigh(2 * ones.T @ ones / len(ones))
    excess = (ways.T @ np.linalg.lstsq(ones, y)[0]) ** 2 * curvatures
    shrink = 1 - 1.9 / curvatures[-1] * curvatures

    def left(steps):
        return excess @ shrink ** (2 * steps) / excess.sum()

    low, high = 0, 1
    while left(high) > 0.01:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if left(middle) > 0.01 else (low, middle)
    return int(float(f"{high:.2g}"))


def two_paths(area: np.ndarray, baths: np.ndarray, y: np.ndarray) -> None:
    """Draw descent on two centred columns, and on the same ones standardised."""
    centred = np.column_stack([area / 100, baths])
    centred = centred - centred.mean(axis=0)
    y = (y - y.mean()) / y.std()
    fig, axes = plots.figure("The same houses, two scales", "weight of area", columns=2)
    told = []
    for ax, (name, columns) in zip(
        axes,
        {"centred": centred, "standardised": centred / centred.std(axis=0)}.items(),
        strict=True,
    ):
        curvature = 2 * columns.T @ columns / len(y)
        best = np.linalg.lstsq(columns, y)[0]
        rate = 0.8 * 2 / np.linalg.eigvalsh(curvature).sum()
        steps = [np.zeros(2)]
        while _excess(steps[-1], best, curvature) > 0.01 * _excess(steps[0], best, curvature):
            steps.append(steps[-1] - rate * curvature @ (steps[-1] - best))
        walk = np.array(steps)
        ends = [(low - 0.3 * (high - low) - 0.02, high + 0.3 * (high - low) + 0.02)
                for low, high in zip(np.minimum(walk.min(axis=0), best),
                                     np.maximum(walk.max(axis=0), best), strict=True)]  # fmt: skip

        def loss(a, b, best=best, curvature=curvature):
            a, b = a - best[0], b - best[1]
            square = curvature[0, 0] * a * a + curvature[1, 1] * b * b
            return (square + 2 * curvature[0, 1] * a * b) / 2

        plots.surface(ax, loss, x=ends[0], y=ends[1])
        plots.path(ax, walk, plots.TRAIN, label="descent", lw=1)
        told.append(f"{name}: {len(walk) - 1} steps")
        ax.set_title(told[-1])
    axes[0].set_ylabel("weight of baths")
    axes[1].legend(loc="lower right")
    plots.show(
        fig,
        alt=f"Rings of equal loss, and descent from the ring to the cross until 99 % of the fall "
        f"is done. {'; '.join(told)}. Left, with area in hundreds of square feet, the rings are a "
        "narrow valley: the path zig-zags across, then creeps along. Right they are rounder.",
    )


def _excess(w, best, curvature) -> float:
    return float((w - best) @ curvature @ (w - best) / 2)


# Drawings -----------------------------------------------------------------------------------------


def emoji(part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return emoji of 16 by 16 pixels as rows of 768 numbers, their classes and their vendors."""
    rows = getattr(datasets.load_emoji32(), part)
    small = rows.x.reshape(-1, 16, 2, 16, 2, 3).mean(axis=(2, 4)) / 255
    return small.reshape(len(small), -1).astype("float32"), rows.y, rows.groups["vendor"]


def emoji_namer(seed: int) -> Any:
    """Return a compiled net that takes such rows and gives probabilities of eight classes."""
    import keras

    keras.utils.set_random_seed(seed)
    hidden = keras.layers.Dense(64, activation="relu")
    model = keras.Sequential([keras.Input((768,)), hidden, keras.layers.Dense(8, "softmax")])
    model.compile(keras.optimizers.Adam(0.0005), "sparse_categorical_crossentropy")
    return model
