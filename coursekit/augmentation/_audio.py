"""Sound: noise of a given strength, tempo without pitch, pitch without tempo."""

from typing import Any

import keras
import numpy as np
from keras import ops

from coursekit._checks import number, require
from coursekit.augmentation._arrays import draws, like, to_tensor

FRAME = 512  # samples in a frame of the spectrum; frames start every FRAME / 4 samples
HOP = FRAME // 4


def add_noise(x: Any, seed: int | keras.random.SeedGenerator, snr_db: float = 20.0) -> Any:
    """Add white noise with a given ratio of signal to noise.

    ```
    snr_db = 10 * log10(mean(x ** 2) / variance of the noise)      for each waveform
    ```

    Args:
        x: waveforms of shape (samples,) or (batch, samples).
        seed: an integer, or a `keras.random.SeedGenerator`.
        snr_db: in decibels, from -300 to 300: 20 is audible, 0 is as strong as the signal. Defaults
            to 20.

    Returns:
        Waveforms of the same shape. Silence stays silent.

    Raises:
        ValueError: for an `snr_db` out of range, and values that are no numbers.

    Example:
        >>> tone = np.sin(np.arange(8000) * 0.1)
        >>> noise = add_noise(tone, seed=0, snr_db=10) - tone
        >>> round(10 * np.log10(np.mean(tone**2) / np.mean(noise**2)))
        10
    """
    snr_db = number("snr_db", snr_db, least=-300, most=300)
    values = to_tensor(x)
    require(len(values.shape) > 0, "`x` must hold waveforms.", shape=tuple(values.shape))
    (seed,) = draws(seed, 1)
    power = ops.mean(ops.square(values), axis=-1, keepdims=True)
    std = ops.sqrt(power * 10 ** (-snr_db / 10))
    noise = keras.random.normal(ops.shape(values), dtype=values.dtype, seed=seed)
    return like(values + std * noise, x)


def time_stretch(x: Any, rate: float) -> Any:
    """Play faster or slower at the same pitch (a phase vocoder).

    The spectra of short frames are read at `rate` times the speed: magnitudes interpolated, phases
    advanced by what they advance from that frame to the next.

    Args:
        x: waveforms of shape (samples,) or (batch, samples), at least 512 samples long.
        rate: from 0.01 to 100: 2 takes half the time, 0.5 twice the time.

    Returns:
        Waveforms of `round(samples / rate)` samples.

    Raises:
        ValueError: for a rate out of range, and for waveforms that are too short.

    Numerics: computed in float32 at least. Sharp onsets are smeared, and behind several of them a
    sound gets quieter: phases of neighbouring frequencies then no longer fit together.

    Example:
        >>> time_stretch(np.sin(np.arange(8000) * 0.1), rate=2.0).shape
        (4000,)

    References:
        Flanagan and Golden, Phase vocoder, Bell System Technical Journal 45, 1966.
    """
    rate = number("rate", rate, least=0.01, most=100)
    values = to_tensor(x)
    dtype = keras.backend.standardize_dtype(values.dtype)
    if dtype in ("float16", "bfloat16"):  # no Fourier transform takes them
        return like(ops.cast(time_stretch(ops.cast(values, "float32"), rate), dtype), x)
    samples = values.shape[-1] if len(values.shape) else 0
    if samples is None or samples < FRAME:
        raise ValueError(
            f"Waveforms must have a known length of at least {FRAME} samples. "
            f"Received: shape {tuple(values.shape)}"
        )
    length = round(samples / rate)
    real, imag = ops.stft(values, FRAME, HOP, FRAME)
    frames = real.shape[-2]
    places = np.minimum(np.arange(length // HOP + 1) * rate, frames - 1)
    before = np.minimum(places.astype(int), frames - 2)
    magnitude = _between(ops.sqrt(real**2 + imag**2), places, axis=-2)
    phase = ops.arctan2(imag, real)
    now = ops.take(phase, before, axis=-2)
    # Frames are as far apart in the result as in x, so a step of phase needs no unwrapping.
    steps = ops.take(phase, before + 1, axis=-2) - now
    turned = ops.cumsum(steps, axis=-2) - steps
    # The phases of neighbouring frequencies fit together in one frame: a loud one, off the edges.
    loud = ops.sum(magnitude**2, axis=-1) * np.sin(np.pi * (places + 0.5) / frames)
    anchor = ops.one_hot(ops.argmax(loud, axis=-1), len(places), dtype=values.dtype)[..., None]
    phase = turned + ops.sum(anchor * (now - turned), axis=-2, keepdims=True)
    spectrum = (magnitude * ops.cos(phase), magnitude * ops.sin(phase))
    return like(ops.istft(spectrum, FRAME, HOP, FRAME, length=length), x)


def pitch_shift(x: Any, semitones: float) -> Any:
    """Shift the pitch at the same length: stretch the time, then read it faster.

    Args:
        x: waveforms of shape (samples,) or (batch, samples), at least 512 samples long.
        semitones: from -72 to 72: 12 is an octave up, twice every frequency; -12 an octave down.

    Returns:
        Waveforms of the same shape.

    Raises:
        ValueError: for `semitones` out of range, and for waveforms that are too short.

    Numerics: the second step interpolates between samples along straight lines, which dulls the
    highest octave.

    Example:
        >>> tone = np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
        >>> int(np.abs(np.fft.rfft(pitch_shift(tone, 12))).argmax())
        880
    """
    ratio = 2.0 ** (number("semitones", semitones, least=-72, most=72) / 12)
    values = to_tensor(x)
    stretched = time_stretch(values, 1 / ratio)
    places = np.minimum(np.arange(values.shape[-1]) * ratio, stretched.shape[-1] - 1)
    return like(_between(stretched, places, axis=-1), x)


def _between(values, places, axis):
    """Interpolate linearly at fractional places along an axis."""
    before = np.minimum(places.astype(int), values.shape[axis] - 2)
    part = ops.cast(places - before, values.dtype)
    part = ops.reshape(part, (-1,) + (1,) * (-axis - 1))
    return (1 - part) * ops.take(values, before, axis=axis) + part * ops.take(
        values, before + 1, axis=axis
    )
