"""What the lesson on rewards draws, and what it learns from a judge of pairs."""

from collections.abc import Mapping

import numpy as np

from coursekit import plots
from coursekit.lessons import _grid as grid
from coursekit.lessons._carts import softmax

# The grid -----------------------------------------------------------------------------------------

ARROWS = ("\N{UPWARDS ARROW}", "\N{DOWNWARDS ARROW}", "\N{LEFTWARDS ARROW}", "\N{RIGHTWARDS ARROW}")
WORDS = {"G": "goal\n+1", "c": "coin\n+0.2", "X": "pit\n-1"}


def values() -> None:
    """Show the values of all places with a slider: sweep after sweep of value iteration."""
    found = grid.sweeps(10)

    def draw(sweep):
        fig, ax = plots.figure("What a place is worth", height=4.2)
        V, Q = found[sweep], grid.action_values(found[sweep])
        ax.imshow(V.reshape(5, 5), cmap="Blues", vmin=0, vmax=1.4)
        for s, sign in enumerate(grid.TEXT):
            row, column = divmod(s, 5)
            if sign in WORDS:
                ax.text(column, row, WORDS[sign], ha="center", va="center", fontsize=9)
                continue
            best = np.flatnonzero(np.isclose(Q[s], Q[s].max(), atol=1e-9))
            arrow = ARROWS[best[0]] if len(best) == 1 else ""
            start = "start\n" if sign == "S" else ""
            told = f"{start}{np.round(V[s], 2) + 0.0:.2f} {arrow}"
            ax.text(column, row, told, ha="center", va="center", fontsize=9)
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        return fig

    def caption(sweep):
        V = found[sweep]
        if sweep == 0:
            return "Before the first sweep every place is worth 0."
        change = np.abs(V - found[sweep - 1]).max()
        return (
            f"After sweep {sweep} the start is worth {V[grid.START]:.2f}, and "
            f"{np.sum(V > 0.005)} places are worth something. Largest change: {change:.3f}."
        )

    plots.explore(draw, range(11), caption, "sweep")


def exploration(epsilons, earned: np.ndarray, worth: np.ndarray) -> None:
    """Draw what agents earned while they learned, and what their best moves are worth."""
    fig, axes = plots.figure("How much should an agent try?", "share of random moves", columns=2)
    for ax, runs, name in ((axes[0], earned, "reward of an episode"),
                           (axes[1], worth, "value of the moves found")):  # fmt: skip
        plots.band(ax, runs.T, plots.COMPARE[0], x=epsilons)
        ax.set(ylabel=name)
    best = grid.value_of(grid.action_values(grid.sweeps(60)[-1]).argmax(axis=1))
    axes[1].axhline(best, color="black", lw=0.8, ls=":")
    axes[1].annotate("the best there is", (1, best), ha="right", va="bottom", fontsize=8)
    told = "; ".join(
        f"{e:g}: {a:.2f} and {b:.2f}"
        for e, a, b in zip(epsilons, earned.mean(axis=1), worth.mean(axis=1), strict=True)
    )
    plots.show(
        fig,
        alt="Without random moves nearly all agents earn the coin. Some random moves find the goal "
        "and earn most; with random moves alone the goal is found, and nothing is earned. Left, "
        f"rewards count in full; right, discounted. Means of ten seeds, left and right: {told}.",
    )


# The cart -----------------------------------------------------------------------------------------


def courses(found: Mapping[str, np.ndarray]) -> None:
    """Draw the lengths of episodes, a panel for each way, a line for each seed."""
    fig, axes = plots.figure("Five seeds each", "share of the training", columns=len(found))
    told = []
    for ax, (name, runs) in zip(np.atleast_1d(axes), found.items(), strict=True):
        for style, run in zip(plots.COMPARE, runs, strict=False):
            plots.curve(ax, run, style, x=np.linspace(0, 1, len(run)), lw=1.2, ms=3)
        ax.set_title(name, fontsize=9)
        ax.set(ylim=(0, 205))
        half = runs[:, runs.shape[1] // 2 - 5 : runs.shape[1] // 2 + 5].mean(axis=1)
        told.append(f"{name}: {half.min():.0f} to {half.max():.0f}")
    axes[0].set(ylabel="steps until the pole falls")
    plots.show(
        fig,
        alt="Episodes grow from about 20 steps towards 200, the most there is, and some lines fall "
        f"back. Shortest and longest half-way: {'; '.join(told)}.",
    )


# A judge of pairs ---------------------------------------------------------------------------------

REFERENCE = softmax(np.array([1.2, 0.8, 0.4, 0.0, -0.4, -0.8]))
QUALITY = np.array([0.0, 0.4, 1.6, 0.8, 1.2, 0.2])  # what the judge goes by


def judged(pairs: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs of different answers from the reference; return the better ones, and the worse.

    The judge prefers a to b with the probability sigmoid(quality of a - quality of b).
    """
    rng, found = np.random.default_rng(seed), []
    while len(found) < pairs:
        a, b = rng.choice(len(REFERENCE), 2, p=REFERENCE)
        if a != b:
            right = rng.random() < 1 / (1 + np.exp(QUALITY[b] - QUALITY[a]))
            found.append((a, b) if right else (b, a))
    better, worse = np.array(found).T
    return better, worse


def by_pairs(better, worse, beta: float, steps: int = 300) -> np.ndarray:
    """Return the policy that minimizes the loss of DPO, by gradient descent from the reference."""
    one_hot, start = np.eye(len(REFERENCE)), np.log(REFERENCE)
    differs, z = one_hot[better] - one_hot[worse], start.copy()
    for _ in range(steps):
        margin = beta * (differs @ (z - start))
        z += 4 / beta * (differs / (1 + np.exp(margin))[:, None]).mean(axis=0)
    return softmax(z)


def scores_from(better, worse) -> np.ndarray:
    """Return the score of each answer for which the judge's choices are most likely; mean 0."""
    z = np.log(by_pairs(better, worse, 1.0) / REFERENCE)
    return z - z.mean()


def by_reward(scores, beta: float, group: bool, seed: int, steps: int = 300) -> np.ndarray:
    """Return the policy after policy gradients on eight answers a step; reward less the leash.

    Args:
        scores: of each answer.
        beta: the weight of the leash, log(policy / reference).
        group: subtract the mean of the eight.
        seed: of the answers drawn.
        steps: the number of steps.
    """
    rng, one_hot, z = np.random.default_rng(seed), np.eye(len(REFERENCE)), np.log(REFERENCE)
    for _ in range(steps):
        p = softmax(z)
        drawn = rng.choice(len(p), 8, p=p)
        reward = scores[drawn] - beta * np.log(p[drawn] / REFERENCE[drawn])
        advantage = reward - reward.mean() if group else reward
        z = z + 0.3 * (advantage[:, None] * (one_hot[drawn] - p)).mean(axis=0)
    return softmax(z)


def policies(best: np.ndarray, found: Mapping[str, list[np.ndarray]]) -> None:
    """Draw the reference and the best policy as bars, and each run's policy as points."""
    fig, ax = plots.figure("Three ways to one policy", "answer", "probability")
    places = np.arange(1, len(best) + 1)
    ax.bar(places - 0.15, REFERENCE, 0.3, color="0.85", label="before")
    ax.bar(places + 0.15, best, 0.3, color="0.6", label="best by the scores")
    for k, (style, (name, runs)) in enumerate(zip(plots.COMPARE, found.items(), strict=False)):
        for number, run in enumerate(runs):
            look = {"color": style.color, "marker": style.marker, "ls": "", "ms": 4}
            at = places + 0.03 + 0.06 * k
            ax.plot(at, run, label=name if number == 0 else None, **look)
    ax.legend(fontsize=8)
    off = {name: [np.abs(run - best).max() for run in runs] for name, runs in found.items()}
    told = "; ".join(f"{name} {max(each):.2f}" for name, each in off.items())
    plots.show(
        fig,
        alt="Most of the probability has moved to answer 3, the best by the scores. Largest "
        f"distance of a point from its bar: {told}.",
    )
