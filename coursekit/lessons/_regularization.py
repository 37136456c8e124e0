"""What the lesson on regularization prepares and draws."""

import numpy as np

from coursekit import augmentation, plots

TO_GERMAN = {"film": "Film", "good": "gut", "end": "Schluss", "big": "gross"}
FROM_GERMAN = {"Film": "movie", "gut": "fine", "Schluss": "ending", "gross": "large"}


def there_and_back(text: str) -> str:
    """Translate four words into German and back; the dictionaries stand for a model."""
    german = [TO_GERMAN.get(word, word) for word in text.split()]
    return " ".join(FROM_GERMAN.get(word, word) for word in german)


def sounds() -> None:
    """Change a tone of one second and 440 Hz in four ways; print what is left of it."""
    tone = np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    ways = {
        "stretch by 2": augmentation.time_stretch(tone, 0.5),
        "an octave up": augmentation.pitch_shift(tone, 12),
        "jitter": augmentation.jitter(tone[None], seed=0, std=0.3)[0],
        "scaling": augmentation.scale(tone[None], seed=0, std=0.3)[0],
    }
    for name, sound in ways.items():
        hertz = np.abs(np.fft.rfft(sound)).argmax() * 8000 / len(sound)
        loudness = np.std(sound) / np.std(tone)
        print(f"{name:12} {len(sound) / 8000:.0f} s, {hertz:.0f} Hz, loudness {loudness:.2f}")


def table(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return 60 rows of 20 columns, of which the first two are nearly equal, and their target."""
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(60, 20))
    columns[:, 1] = columns[:, 0] + 0.1 * columns[:, 1]
    target = columns[:, 0] + columns[:, 1] - columns[:, 2] + 0.5 * columns[:, 3]
    return columns, target + rng.normal(size=60)


def exact_lines(strength: float) -> dict[str, np.ndarray]:
    """Fit three tables under each penalty, exactly; return the weights, a row for each table.

    The loss is the mean squared error plus `strength` times the penalty. scikit-learn halves the
    squared error, and the square of L2.
    """
    from sklearn.linear_model import ElasticNet, Lasso, Ridge

    exact = {"fit_intercept": False, "max_iter": 100_000}
    models = {
        "L2": Ridge(60 * strength, fit_intercept=False),
        "L1": Lasso(strength / 2, **exact),
        "elastic net": ElasticNet(3 * strength / 2, l1_ratio=1 / 3, **exact),
    }
    return {
        name: np.array([model.fit(*table(seed)).coef_ for seed in range(3)])
        for name, model in models.items()
    }


def lines(strength: float):
    """Draw the first eight weights under each penalty."""
    fig, axes = plots.figure(f"Three tables, strength {strength:g}", "column", columns=3)
    for ax, (name, rows) in zip(axes, exact_lines(strength).items(), strict=True):
        for seed, (weights, style) in enumerate(zip(rows, plots.COMPARE, strict=False)):
            look = {"color": style.color, "ms": 5, "label": f"table {seed}"}
            ax.plot(np.arange(8) + 0.2 * (seed - 1), weights[:8], style.marker, **look)
        ax.axhline(0, color="0.7", lw=1)
        ax.set(title=name, ylim=(-2, 3.2), xticks=range(8))
    axes[0].set_ylabel("weight")
    axes[2].legend()
    return fig


def lines_in_words(strength: float) -> str:
    """Say what `lines` shows."""
    parts = []
    for name, rows in exact_lines(strength).items():
        apart, zeros = np.abs(rows[:, 0] - rows[:, 1]), (rows == 0).sum(1)
        span = dict.fromkeys(map(str, (zeros.min(), zeros.max())))
        parts.append(
            f"{name}: the copies differ by {apart.max():.1f} at most, {' to '.join(span)} of 20 "
            "weights are exactly 0."
        )
    return f"Weights at strength {strength:g}. " + " ".join(parts)


def fit_line(optimizer, penalty=None) -> np.ndarray:
    """Fit a line to table 0 by 2,000 steps; return its weights."""
    import keras

    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense(1, use_bias=False, kernel_regularizer=penalty)
    line = keras.Sequential([keras.Input((20,)), dense])
    line.compile(optimizer, "mse")
    columns, target = table(0)
    hundredfold = np.tile(columns, (100, 1)), np.tile(target, 100)  # an epoch of 100 steps
    line.fit(*hundredfold, batch_size=60, epochs=20, shuffle=False, verbose=0)
    return line.get_weights()[0][:, 0]


def end(optimizer, l2=0.0, start=0.0, data=1.0, steps=200) -> float:
    """Return where one weight ends, under the loss `data * (w - 1)**2 + l2 * w**2`."""
    import keras

    w = keras.Variable([start])
    for _ in range(steps):
        optimizer.apply([2 * data * (w - 1) + 2 * l2 * w], [w])
    return float(keras.ops.convert_to_numpy(w)[0])


def error(net, images, labels) -> float:
    """Return the share of wrong predictions."""
    return float(np.mean(soft(net(images, training=False)).argmax(1) != labels))


def sixes_and_nines(nets, images, labels) -> list[int]:
    """Return for each net how often it takes a 6 for a 9, or a 9 for a 6."""
    rows = np.isin(labels, (6, 9))
    said = [soft(net(images[rows], training=False)).argmax(1) for net in nets]
    return [int(np.sum(digits + labels[rows] == 15)) for digits in said]


def soft(scores) -> np.ndarray:
    """Return the probabilities of logits, in NumPy."""
    import keras

    return keras.ops.convert_to_numpy(keras.ops.softmax(scores))


def thinned(mean, full, nets, images, labels) -> dict[str, np.ndarray]:
    """Show thinned networks against the full one, and the errors with units removed for good.

    Returns:
        For networks trained without and with dropout the errors, a row for each network: with 0,
        a quarter, a half and three quarters of the hidden units removed.
    """
    shares, rng = np.array([0, 0.25, 0.5, 0.75]), np.random.default_rng(0)

    def without(net, share):
        first, bias, top, last = net.get_weights()
        hidden = np.maximum(images.reshape(-1, 784) @ first + bias, 0)
        hidden *= (rng.permutation(128) >= share * 128) / (1 - share)
        return np.mean((hidden @ top + last).argmax(1) != labels)

    removed = {
        label: np.array(
            [[np.mean([without(n, s) for _ in range(5)]) for s in shares] for n in nets[name]]
        )
        for label, name in (("without dropout", "none"), ("with dropout", "dropout"))
    }
    fig, (left, right) = plots.figure(
        "Thinned networks, and networks with units removed", columns=2
    )
    left.plot(mean.ravel()[::7], full.ravel()[::7], ".", color=plots.COMPARE[0].color, ms=3)
    left.set(xlabel="mean probability of 200 thinned networks", ylabel="probability, full network")
    for (label, errors), style in zip(removed.items(), plots.COMPARE, strict=False):
        plots.band(right, errors, style, x=100 * shares, label=f"trained {label}")
    right.set(xlabel="hidden units removed, %", ylabel="validation error")
    right.legend()
    plots.show(
        fig,
        alt="Left: a point for each class of some digits, its probability by 200 thinned networks "
        "and by the full one. Right: error against the share of removed units, for networks "
        "trained without dropout and with it; bands over five seeds.",
    )
    return removed


def shifts_and_turns(shift: float = 0.05, turn: float = 0.03) -> list:
    """Return two layers: shift by a share of the image at most, turn by a share of a full turn."""
    import keras

    shifts = keras.layers.RandomTranslation(shift, shift, fill_mode="constant")
    turns = keras.layers.RandomRotation(turn, fill_mode="constant")
    for layer in (shifts, turns):  # Keras compiles neither, for TensorFlow's sake
        layer.supports_jit = keras.backend.backend() == "jax"
    return [shifts, turns]


def one_image_many(six, emoji, blend, ways) -> None:
    """Show a six and an emoji, and what each way makes of them."""
    import keras

    made = [keras.ops.convert_to_numpy(way(image, training=True)) for image, way in ways.values()]
    images = [six, *made[:4], blend, six[:, ::-1, ::-1], emoji, *made[4:]]
    names = list(ways)
    titles = ["a six", *names[:4], "mixup", "flip both ways", "an emoji", *names[4:]]
    fig = plots.images([np.squeeze(image[0]) for image in images], titles, "One image, many")
    plots.show(
        fig,
        alt="A handwritten 6; the same shifted, turned, noisy, with a patch over it; two digits "
        "blended; the 6 flipped both ways, which reads 9. An emoji; the same cropped "
        "elsewhere, and in other colours.",
    )


def with_remedy(model, before=(), after=()):
    """Return the running model with layers put before it, or before its last one, compiled."""
    import keras

    copies = [
        [type(part).from_config(part.get_config()) for part in put] for put in (before, after)
    ]
    *below, top = model.layers
    made = keras.Sequential([keras.Input((28, 28)), *copies[0], *below, *copies[1], top])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    made.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    return made


def gains(errors: dict[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """Return for each remedy its gain over none, paired by seed, and its 95 % margin."""
    from scipy import stats

    found = {}
    for name, some in errors.items():
        if name not in ("none", "flips"):
            gain = errors["none"] - some
            margin = stats.t.ppf(0.975, len(gain) - 1) * stats.sem(gain)
            found[name] = (float(gain.mean()), float(margin))
    return dict(sorted(found.items(), key=lambda item: -item[1][0]))


def race(errors: dict[str, np.ndarray]) -> None:
    """Show what each remedy gains, seed by seed, with its 95 % interval."""
    fig, ax = plots.figure("The same budget for each remedy", x="gain: error without, minus with",
                           height=3.6)  # fmt: skip
    found = gains(errors)
    for place, (name, (mean, margin)) in enumerate(reversed(found.items())):
        gain = errors["none"] - errors[name]
        ax.errorbar(mean, place, xerr=margin, fmt="kD", ms=5, capsize=4,
                    label="mean, 95 % interval" if not place else None)  # fmt: skip
        ax.plot(gain, [place] * len(gain), "|", color=plots.VALIDATION.color, ms=12,
                label="a seed" if not place else None)  # fmt: skip
    ax.axvline(0, color="0.5", lw=1)
    ax.set_yticks(range(len(found)), reversed(found))
    ax.legend(loc="lower right")
    plots.show(
        fig,
        alt="For each remedy what it gains in five seeds, their mean and its 95 % interval. To the "
        "right of zero it lowers the error.",
    )
