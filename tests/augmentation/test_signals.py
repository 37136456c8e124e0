"""Series and sound: what changes changes by as much as was asked, and the rest stays."""

import keras
import numpy as np
import pytest
from keras import ops

from coursekit.augmentation import add_noise, jitter, pitch_shift, scale, time_stretch

ON_JAX = keras.backend.backend() == "jax"
RATE = 8000  # samples in a second
TIME = np.arange(RATE) / RATE
WAVES = np.sin(2 * np.pi * np.arange(50) / 10) * np.ones((200, 1))


def tone(frequency, phase=0.3):
    return np.sin(2 * np.pi * frequency * TIME + phase).astype("float32")


def peak(sound):
    """Return the strongest frequency of the middle, in hertz."""
    middle = sound[len(sound) // 4 : -len(sound) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return spectrum.argmax() * RATE / len(middle)


@pytest.mark.any_backend
def test_jitter_adds_independent_noise_of_mean_0():
    noise = jitter(WAVES, seed=0, std=0.2) - WAVES
    assert noise.shape == WAVES.shape
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 0.2) < 0.01
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=0.06)  # many copies: the original
    assert abs(np.corrcoef(noise[:, 0], noise[:, 1])[0, 1]) < 0.3
    assert abs(np.corrcoef(noise[0], noise[1])[0, 1]) < 0.5


@pytest.mark.any_backend
@pytest.mark.parametrize("channels", [0, 3])
def test_scale_has_one_factor_a_series(channels):
    waves = WAVES if not channels else np.repeat(WAVES[..., None], channels, axis=-1)
    factors = scale(waves, seed=0, std=0.1)[:, 3:8] / waves[:, 3:8]  # no sine is 0 or 1 here
    factors = np.ma.masked_invalid(np.where(np.abs(waves[:, 3:8]) > 0.1, factors, np.nan))
    first = factors.reshape(len(waves), -1).mean(axis=1)
    np.testing.assert_allclose(np.ma.ptp(factors.reshape(len(waves), -1), axis=1), 0, atol=1e-5)
    assert abs(first.mean() - 1) < 0.03 and abs(first.std() - 0.1) < 0.02


@pytest.mark.any_backend
def test_scale_keeps_zeros():
    changed = scale(WAVES, seed=1, std=0.1)
    np.testing.assert_allclose(changed[np.abs(WAVES) < 1e-12], 0, atol=1e-6)
    assert (np.sign(changed[:, 1:5]) == np.sign(WAVES[:, 1:5])).all()


@pytest.mark.any_backend
@pytest.mark.parametrize("snr_db", [20.0, 0.0, -10.0])
def test_noise_of_the_strength_that_was_asked(snr_db):
    sounds = np.stack([tone(440), 5 * tone(300)])
    noise = add_noise(sounds, seed=0, snr_db=snr_db) - sounds
    ratio = 10 * np.log10((sounds**2).mean(axis=1) / (noise**2).mean(axis=1))
    np.testing.assert_allclose(ratio, snr_db, atol=0.3)
    assert abs(np.corrcoef(noise)[0, 1]) < 0.1
    assert (add_noise(np.zeros(10), seed=0) == 0).all()


@pytest.mark.any_backend
@pytest.mark.parametrize("rate", [0.5, 0.8, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("frequency", [440, 1234])
def test_stretching_changes_the_length_and_not_the_pitch(rate, frequency):
    sound = time_stretch(tone(frequency), rate)
    assert sound.shape == (round(RATE / rate),)
    assert abs(peak(sound) / frequency - 1) < 0.01
    middle = sound[1000:-1000]
    assert 0.6 < np.sqrt((middle**2).mean()) < 0.8  # as loud: sqrt(1/2)


@pytest.mark.any_backend
def test_stretching_moves_events():
    """A click at half the time is at half the time afterwards; at rate 1 nothing changes."""
    sound = tone(440) * (TIME > 0.5)
    slow = time_stretch(sound, 0.5)
    assert np.abs(slow[:7500]).max() < 0.05 and np.abs(slow[8500:15000]).max() > 0.8
    np.testing.assert_allclose(time_stretch(sound, 1.0)[:7500], sound[:7500], atol=1e-4)


@pytest.mark.any_backend
@pytest.mark.parametrize("semitones", [-12, -5, 0, 4, 12])
def test_shifting_changes_the_pitch_and_not_the_length(semitones):
    sound = pitch_shift(tone(440), semitones)
    assert sound.shape == (RATE,)
    assert abs(peak(sound) / (440 * 2 ** (semitones / 12)) - 1) < 0.01


@pytest.mark.any_backend
def test_a_batch_is_its_rows():
    sounds = np.stack([tone(440), tone(700)])
    for change in (lambda x: time_stretch(x, 0.7), lambda x: pitch_shift(x, 3)):
        both = change(sounds)
        for row, sound in zip(both, sounds, strict=True):
            np.testing.assert_allclose(row, change(sound), atol=1e-4)


@pytest.mark.any_backend
@pytest.mark.parametrize("change", [jitter, scale, add_noise])
def test_seeds_and_kinds(change):
    assert (change(WAVES, 1) == change(WAVES, 1)).all()
    assert (change(WAVES, 1) != change(WAVES, 2)).any()
    generator = keras.random.SeedGenerator(0)
    assert (change(WAVES, generator) != change(WAVES, generator)).any()
    assert ops.is_tensor(change(ops.convert_to_tensor(WAVES), 1))
    assert change(np.ones((2, 600), "int16"), 1).dtype == "float32"


@pytest.mark.slow
@pytest.mark.skipif(ON_JAX, reason="tf.data needs the TensorFlow backend")
def test_in_a_dataset():
    import tensorflow as tf

    draws = keras.random.SeedGenerator(0)
    data = tf.data.Dataset.from_tensor_slices(np.stack([tone(440)] * 5)).batch(2)
    data = data.map(lambda x: add_noise(scale(jitter(x, draws), draws), draws))
    data = data.map(lambda x: pitch_shift(time_stretch(x, 2.0), 12))
    batches = [batch.numpy() for batch in data]
    assert [b.shape for b in batches] == [(2, 4000), (2, 4000), (1, 4000)]
    assert (batches[0] != batches[1]).any()


@pytest.mark.any_backend
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("change", [lambda x: time_stretch(x, 1.3), lambda x: pitch_shift(x, 5)])
def test_half_precision_is_computed_in_float32(change, dtype):
    sound = tone(440).astype(dtype)
    got = change(sound)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, change(sound.astype("float32")), atol=2e-3)


BAD_NUMBERS = [np.nan, np.inf, -np.inf, True, "loud", None]
NUMBERS = {
    "jitter": (lambda v: jitter(WAVES, 0, std=v), "std"),
    "scale": (lambda v: scale(WAVES, 0, std=v), "std"),
    "add_noise": (lambda v: add_noise(WAVES, 0, snr_db=v), "snr_db"),
    "time_stretch": (lambda v: time_stretch(tone(440), v), "rate"),
    "pitch_shift": (lambda v: pitch_shift(tone(440), v), "semitones"),
}


@pytest.mark.any_backend
@pytest.mark.parametrize("value", BAD_NUMBERS)
@pytest.mark.parametrize("call, name", NUMBERS.values(), ids=NUMBERS)
def test_what_is_no_number_is_refused(call, name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}={value!r}"):
        call(value)


@pytest.mark.any_backend
@pytest.mark.parametrize("x", [np.array(["a", "b"]), np.array([1j, 2.0]), [None, 1.0]])
def test_only_real_numbers_are_augmented(x):
    for change in (jitter, add_noise):
        with pytest.raises(ValueError, match=r"must be real numbers\. Received: dtype="):
            change(x, 0)


REFUSED = {
    "scalar_noise": (lambda: add_noise(1.0, 0), "must hold waveforms"),
    "scalar_stretch": (lambda: time_stretch(1.0, 2.0), "at least 512 samples"),
    "negative_seed": (lambda: add_noise(WAVES, -1), "seed=-1"),
    "true_seed": (lambda: jitter(WAVES, True), "seed=True"),
    "half_seed": (lambda: jitter(WAVES, 2.0), "seed=2.0"),
    "loud": (lambda: add_noise(WAVES, 0, snr_db=-1e6), "snr_db=-1000000.0"),
    "slow": (lambda: time_stretch(tone(440), 1e-300), "rate=1e-300"),
    "jitter": (lambda: jitter(WAVES, 0, std=-1.0), "std=-1.0"),
    "scale": (lambda: scale(WAVES, 0, std=-1.0), "std=-1.0"),
    "no_batch": (lambda: scale(WAVES[0], 0), "One series alone is x"),
    "seed": (lambda: jitter(WAVES, "a"), "seed='a'"),
    "rate": (lambda: time_stretch(tone(440), 0), "rate=0"),
    "short": (lambda: time_stretch(tone(440)[:511], 2.0), "at least 512 samples"),
}


@pytest.mark.any_backend
@pytest.mark.parametrize("make, words", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_right_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
