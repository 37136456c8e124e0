"""What the lesson on structured losses prepares, draws and measures."""

from collections.abc import Mapping

import numpy as np

from coursekit import datasets, plots

Pair = tuple[np.ndarray, np.ndarray]


def pairs(y: np.ndarray, count: int = 30_000) -> Pair:
    """Return the row numbers of random pairs, of which about half are similar."""
    a, b = np.random.default_rng(0).integers(len(y), size=(2, count))
    keep = (y[a] == y[b]) | (np.arange(count) % 9 == 0)
    return a[keep], b[keep]


def planes(stages: Mapping, known: Pair, new: Pair) -> None:
    """Draw where nets place new digits, and how often the nearest known digit is of their class.

    Each stage has several nets: the first is drawn, the shares are those of all.
    """
    fig, axes = plots.figure("Losses of distance bring like to like", columns=3, height=3.6)
    for ax, (stage, nets) in zip(axes, stages.items(), strict=True):
        places = np.array(nets[0](new[0]))
        for k in range(10):
            ax.plot(*places[new[1] == k].T, ls="", marker=f"${k}$", ms=6, color=f"C{k}")
        like = [_nearest_is_like(net, known, new) for net in nets]
        ax.set(title=f"{stage}: {min(like):.0%} to {max(like):.0%}", xticks=[], yticks=[])
    plots.show(
        fig,
        alt="Digits of writers not trained on, in the plane. Before: one mixed cloud. After "
        "either loss: one heap for each digit, with a few strays.",
    )


def _nearest_is_like(net, known: Pair, new: Pair) -> float:
    places, others = np.array(net(new[0])), np.array(net(known[0]))
    gaps = ((places[:, None] - others) ** 2).sum(axis=-1)
    return float(np.mean(known[1][gaps.argmin(axis=1)] == new[1]))


def brain_slices() -> tuple[Pair, Pair]:
    """Return slices of a head at a quarter of their size with their masks: training, validation."""
    brain = datasets.load_brain()

    def quarter(part):
        blocks = [v.reshape(-1, 26, 4, 22, 4).mean((2, 4)) for v in (part.x / 255, part.y)]
        return blocks[0][..., None].astype("float32"), (blocks[1] > 0.5).astype("int32")

    return quarter(brain.train), quarter(brain.validation)


def squares(seed: int, rows: int = 200) -> Pair:
    """Return images of noise with one square of 3 x 3 pixels in each, and the masks."""
    rng = np.random.default_rng(seed)
    y = np.zeros((rows, 24, 24), "int32")
    for mask, (a, b) in zip(y, rng.integers(0, 21, (rows, 2)), strict=True):
        mask[a : a + 3, b : b + 3] = 1
    return (rng.normal(size=y.shape) + 1.5 * y)[..., None].astype("float32"), y


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean over images of intersection over union; an image without either has 1."""
    mask, truth = np.reshape(mask, truth.shape) > 0, truth > 0
    union = (mask | truth).sum((1, 2))
    both = (mask & truth).sum((1, 2))
    return float(np.where(union == 0, 1.0, both / np.maximum(union, 1)).mean())


def iou_at_best_cut(net, train: Pair, valid: Pair) -> float:
    """Return the IoU on validation images, with the cut of the logits that is best in training."""
    seen, new = np.array(net(train[0])), np.array(net(valid[0]))
    best = max(np.linspace(-5, 3, 33), key=lambda cut: iou(seen > cut, train[1]))
    return iou(new > best, valid[1])


def copied(train: Pair, valid: Pair) -> float:
    """Return the IoU of copying, for each validation image, the mask of the nearest one."""
    gaps = ((valid[0][:, None] - train[0][None]) ** 2).sum((2, 3, 4))
    return iou(train[1][gaps.argmin(axis=1)], valid[1])


def cut_masks(valid: Pair, said: Mapping[str, np.ndarray]) -> None:
    """Draw the first image and what each loss makes of it, with a slider for the cut.

    `said` has for each loss the probabilities of all pixels of the validation images.
    """
    image, truth = valid[0][0, ..., 0], valid[1]
    said = {name: np.reshape(p, truth.shape) for name, p in said.items()}
    cuts = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)

    def draw(cut):
        fig, axes = plots.figure("One new image, and its masks", columns=5, height=3)
        axes[0].imshow(image, cmap="gray_r")
        axes[0].set(title="image")
        masks = {"true mask": truth} | {name: p > cut for name, p in said.items()}
        for ax, (name, mask) in zip(axes[1:], masks.items(), strict=True):
            ax.imshow(mask[0], cmap="gray_r", vmin=0, vmax=1)
            ax.set(title=name, xlabel=f"IoU of all images {iou(mask, truth):.2f}")
        for ax in axes:
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
        return fig

    def words(cut):
        scores = ", ".join(f"{name} {iou(p > cut, truth):.2f}" for name, p in said.items())
        return (
            "An image that was not trained on, its true mask, and after training with each loss "
            f"the pixels whose probability is above {cut}. IoU over all new images: {scores}."
        )

    plots.explore(draw, cuts, words, "the cut, a probability", start=cuts.index(0.5))
