"""What the finder reads from a curve, on curves whose truth is known."""

import numpy as np
import pytest

from coursekit.callbacks._lr_curve import diverged, slopes, smooth, suggest

RATES = np.geomspace(1e-6, 10, 100)


def curve(fall_at=1e-2, start=2.3, depth=1.5, rise_at=0.3, noise=0.02, seed=0):
    """A loss that falls by `depth` around one rate, and explodes from another one on."""
    x = np.log10(RATES)
    losses = start - depth / (1 + np.exp(-3 * (x - np.log10(fall_at))))
    losses += np.where(rise_at < RATES, depth * (RATES / rise_at) ** 2, 0)
    losses += np.random.default_rng(seed).normal(0, noise, 100)
    keep = 100 if rise_at > 10 else 1 + int(np.argmax(rise_at * 3 < RATES))
    return RATES[:keep], losses[:keep], start


def read(rates, losses, first, steps=100):
    return suggest(rates, losses, first, steps)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fall_at", [1e-4, 1e-3, 1e-2, 1e-1])
def test_the_suggestion_follows_the_fall(fall_at, seed):
    rate, reason = read(*curve(fall_at, rise_at=30 * fall_at, noise=0.05, seed=seed))
    assert fall_at / 4 < rate < 4 * fall_at, reason
    assert "above its start from" in reason and "lowest at" in reason.lower()


@pytest.mark.parametrize("fall_at", [1e-4, 1e-3, 1e-2])
def test_the_rule_is_half_the_rate_where_the_slope_has_halved(fall_at):
    rate, _ = read(*curve(fall_at, rise_at=100 * fall_at, noise=0))
    assert rate / fall_at == pytest.approx(3.3, rel=0.1)  # by hand, with the width of the fits


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("shift", [0.0, -5.0])
def test_scale_and_sign_of_the_loss_do_not_matter(scale, shift):
    rates, losses, start = curve()
    expected, _ = read(rates, losses, start)
    rate, _ = read(rates, scale * (losses + shift), scale * (start + shift))
    assert rate == pytest.approx(expected, rel=1e-9)


def test_the_derivative_is_taken_in_the_logarithm_of_the_rate():
    slope = slopes(RATES, 3 * np.log(RATES))
    np.testing.assert_allclose(slope, 3, rtol=1e-9)


def test_smoothing_is_corrected_at_both_ends_and_does_not_lag():
    np.testing.assert_allclose(smooth(np.full(30, 7.0), 10), 7.0)
    ramp = np.arange(101.0)
    assert smooth(ramp, 10)[50] == pytest.approx(50)  # a forward average would say 41
    assert smooth([1.0, np.nan, 1.0], 5).tolist() == [1, 1, 1]
    noise = np.random.default_rng(0).normal(size=5000)
    assert 0.1 < smooth(noise, 10).std() < 0.25


REFUSED = {
    "nan at once": ((RATES[:1], np.array([2.3]), np.nan), "before any update"),
    "inf at once": ((RATES[:1], np.array([2.3]), np.inf), "before any update"),
    "breaks early": ((RATES[:4], np.array([1, 5, 25, np.inf]), 1.0), "too early to tell"),
    "data ended": ((RATES[:4], np.ones(4), 1.0), "ended after 4 of 100"),
    "no data": ((RATES[:0], np.ones(0), 1.0), "ended after 0 of 100"),
    "flat, exact": ((RATES, np.full(100, 2.3), 2.3), "whatever the rate"),
    "never falls": ((RATES, 2.3 + np.maximum(0, np.log10(RATES) + 2), 2.3), "never falls below"),
    "rises at once": ((RATES[:40], 1.1 ** np.arange(40), 1.0), "from the first rates on"),
    "still falls": (curve(fall_at=10, rise_at=99), "higher `highest`"),
    "falls at once": (curve(fall_at=1e-6, rise_at=1e-3), "lower `lowest`"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_no_suggestion_and_why(name):
    arguments, words = REFUSED[name]
    rate, reason = read(*arguments)
    assert rate is None
    assert words in reason, reason


@pytest.mark.parametrize("kind", ["normal", "standard_t"])
def test_noise_alone_gives_no_suggestion(kind):
    suggested = 0
    for seed in range(100):
        draw = getattr(np.random.default_rng(seed), kind)
        losses = draw(*([3] if kind == "standard_t" else []), size=101)
        suggested += read(RATES, losses[1:], losses[0])[0] is not None
    assert suggested <= 2


def test_the_same_fall_counts_once_the_noise_is_small():
    assert read(*curve(depth=0.2, noise=0.4, seed=1))[0] is None
    assert read(*curve(depth=0.2, noise=0.02, seed=1))[0] is not None


def test_nan_without_a_rise_is_not_divergence():
    rates, losses, start = curve()
    at = int(np.argmax(rates > 1e-2))  # in the middle of the fall
    rate, reason = read(rates[:at], [*losses[: at - 1], np.nan], start)
    assert rate is None and "NaN in the data" in reason
    at = int(np.argmax(rates > 1e-4))  # before it
    rate, reason = read(rates[:at], [*losses[: at - 1], np.nan], start)
    assert rate is None and "NaN in the data" in reason


def test_a_rise_to_infinity_after_the_fall_is_divergence():
    rates, losses, start = curve()
    losses = losses.copy()
    losses[-1] = np.inf
    assert read(rates, losses, start)[0] is not None


def test_diverged():
    start = [1.0, 1.1, 0.9, 1.0, 1.1, 0.9, 1.0, 1.1, 0.9, 1.0] * 2
    assert not diverged(start, 100)
    assert diverged([*start, np.nan], 100) and diverged([1.0, np.inf], 100)
    assert not diverged([*start, 9.0], 100)  # one bad batch
    assert diverged([*start, 9.0, 9.0, 9.0, 9.0], 100)
    assert not diverged([-v for v in start], 100)
    fallen = [*start, *np.linspace(1, 0.1, 40)]
    assert not diverged([*fallen, 2.0, 2.0, 2.0], 100)
    assert diverged([*fallen, *[9.0] * 20], 100)


def test_only_the_first_descent_counts():
    """After a spike the loss may fall lower still: that rate has broken the run once."""
    x = np.log10(RATES)
    losses = 2.3 - 1.2 / (1 + np.exp(-4 * (x + 3)))
    losses += np.where((x > -1.5) & (x < -0.5), 3.0, 0) - np.where(x > 0, 1.0, 0)
    rate, reason = read(RATES, losses, 2.3)
    assert 1e-4 < rate < 1e-2, reason
