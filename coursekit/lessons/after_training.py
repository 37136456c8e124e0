"""What happens to a model after training? Checks, hints, quiz and cards."""

import contextlib
import zlib
from types import SimpleNamespace

import numpy as np

from coursekit.exercises import Lesson, Wrong, brief, expect, learner_code, lesson
from coursekit.lessons import _after_training as parts
from coursekit.lessons._combined import Several, combined

__all__ = ["check", "parts"]

check = Lesson("after_training", "What happens to a model after training?")


def _named(fits, faults, groups, most=2, **told) -> Wrong | None:
    """Return what tells the first combination of faults that fits, or None."""
    for chosen in combined(groups, most):
        if fits(chosen):
            key = "one" if len(chosen) == 1 else "several"
            return Several((f"{faults[fault]}." for fault in chosen), key, **told)
    return None


# --------------------------------------------------------------------------------------------------

ROUNDED = {
    "power": "the largest integer is 2 to the power of bits - 1. One pattern of bits is 0, and the "
    "others are as many below 0 as above: that leaves one less on each side",
    "no_sign": "the integers go up to what all bits could count. One bit goes to the sign",
    "no_sign_power": "the integers go up to 2 to the power of bits. One bit goes to the sign, and "
    "one pattern to 0",
    "below": "below 0 the integers go one further than above. Both sides end at the same integer, "
    "so that 0 is in the middle",
    "fixed": "the steps are the same for every kernel; the largest weight of a column sets them",
    "bits": "the number of bits is taken for the largest integer; so many bits count further",
    "whole": "all columns share one scale. A column of small weights loses by it",
    "rows": "there is a scale for each row; wanted is one for each column",
    "highest": "the scale comes from the highest weight of a column, with its sign; a negative one "
    "may be further from 0",
    "lowest": "the scale comes from the lowest weight of a column; a positive one may be further "
    "from 0",
    "range": "the scale comes from the range, highest less lowest; here the integers count from 0 "
    "to both sides",
    "mean": "the scale comes from the mean size of the weights; the largest must fit too",
    "deviation": "the scale comes from the standard deviation; the largest weight must fit too",
    "cut": "the digits after the point are cut off, which pulls all weights towards 0; the nearest "
    "integer is wanted",
    "down": "all weights are rounded down, and so shifted; the nearest integer is wanted",
    "up": "all weights are rounded up, and so shifted; the nearest integer is wanted",
    "not": "nothing is rounded",
    "integers": "you return the integers. The net computes with integer times scale",
    "no_scale_first": "the weights are rounded before they are divided by the scale",
    "inverse": "the scale is upside down: divide by it for the integer, multiply for the weight",
    "steps": "a step is the way from -max to max by 2 to the power of bits, less 1. The largest "
    "weight must be a whole number of steps; count the steps from 0 to it",
    "affine": "2 to the power of bits values are spread from the lowest weight of a column to the "
    "highest. Zero is not 0 any more; here the integer 0 must mean 0",
    "normalised": "the weights become shares of the largest of their column; their size is lost. "
    "Integer times scale gives it back",
    "abs": "the signs are lost",
    "double": "every weight is twice what it should be",
    "minus": "every weight has the other sign",
    "half": "every weight is half of what it should be",
    "whole_numbers": "the weights are cut to whole numbers at the end; only the integers are whole",
    "offset": "zero is not 0 any more: you count from the lowest weight. Here the integer 0 must "
    "mean 0",
}
ROUNDED_GROUPS = (
    ("power", "no_sign", "no_sign_power", "bits", "below", "steps"),
    ("whole", "rows"),
    ("highest", "lowest", "range", "mean", "deviation", "fixed"),
    ("cut", "down", "up", "not", "no_scale_first"),
    (
        "integers",
        "inverse",
        "offset",
        "affine",
        "normalised",
        "abs",
        "minus",
        "half",
        "double",
        "whole_numbers",
    ),
)


@check.exercise(
    title="A kernel of few bits",
    messages={
        "one": "for {bits} bits, the first column {column} becomes {got}.",
        "several": "for {bits} bits, the first column {column} becomes {got}. Several things at "
        "once:",
        "zeros": "a column of zeros becomes {got}. Its scale is 0, and 0 / 0 is no number: what "
        "should stay of zeros?",
        "zeros_moved": "all is right but a column of zeros, which becomes {got}. It stays zeros.",
        "no_step": "for {bits} bits every weight becomes NaN or infinite. Print the largest "
        "integer. One way to get this is `2 ^ 3`: in Python `^` is no power, `**` is.",
        "pair": "you return {got} things. Wanted is one array: integers times scales, in the shape "
        "of `w`.",
        "as_it_was": "you return the kernel as it was, all bits of it.",
        "some_bits": "right for {right} bits, not for {bits}. The largest integer depends on them.",
        "wrong": "for {bits} bits, the first column {column} becomes {got}. Take its largest "
        "weight first: which integer must it be?",
    },
    hints=[
        "Three steps: the scale of each column, the integers, and back to weights.",
        "The scale is what one step of the integer is worth: the column's largest weight, without "
        "its sign, is the largest integer times the scale.",
        "`largest = 2 ** (bits - 1) - 1`; `scale = np.abs(w).max(axis=0) / ...`; "
        "`np.round(w / scale) * ...`; and mind a scale of 0.",
    ],
    why="With 8 bits the integers go from -127 to 127: one bit for the sign, 0 once. A scale for "
    "each unit costs four bytes and keeps a large weight of one from coarsening all.",
    alternative="`np.rint` with `np.maximum(scale, 1e-12)` in place of the zeros; or a loop over "
    "the columns.",
)
def quantized(answer):
    expect.function(answer, "`quantized`")
    cases, made = _kernels(), []
    for w, bits in cases:
        given = w.copy()
        with np.errstate(all="ignore"):
            found = answer(given, bits)
        if not np.array_equal(given, w):
            raise Wrong("mutated", argument="w")
        if isinstance(found, tuple) and len(found) != len(w):
            raise Wrong("pair", got=len(found))
        if not w.any(axis=0).all() and np.shape(found) == w.shape:
            column = np.asarray(found, "float64")[:, ~w.any(axis=0)]
            if not np.isfinite(column).all():
                raise Wrong("zeros", got=column.ravel())
        if np.shape(found) == w.shape and w.any(axis=0).all():
            with contextlib.suppress(TypeError, ValueError):
                if not np.isfinite(np.asarray(found, "float64")).any():
                    raise Wrong("no_step", bits=bits)
        made.append(expect.array(found, w.shape, what="`quantized(...)`"))
    pairs = zip(made, cases, strict=True)
    right = [np.allclose(found, _rounded(*case), atol=1e-5) for found, case in pairs]
    if all(right):
        return
    if all(np.allclose(m, w) for m, (w, _) in zip(made, cases, strict=True)):
        raise Wrong("as_it_was")
    at = right.index(False)
    w, bits = cases[at]
    zeros = ~w.any(axis=0)
    others = np.allclose(made[at][:, ~zeros], _rounded(w, bits)[:, ~zeros], atol=1e-5)
    if right.count(False) == 1 and others:
        raise Wrong("zeros_moved", got=np.round(made[at][:, zeros].ravel(), 3))
    told = {"bits": bits, "column": np.round(w[:, 0], 2).tolist(),
            "got": np.round(made[at][:, 0], 3).tolist()}  # fmt: skip

    def fits(faults):
        with np.errstate(all="ignore"):
            theirs = [np.nan_to_num(_rounded(*case, faults)) for case in cases]
        return all(np.allclose(m, t, atol=1e-5) for m, t in zip(made, theirs, strict=True))

    if found := _named(fits, ROUNDED, ROUNDED_GROUPS, **told):
        raise found
    if any(right):
        fine = " and ".join(str(b) for (_, b), ok in zip(cases, right, strict=True) if ok)
        raise Wrong("some_bits", right=fine, bits=bits)
    raise Wrong("wrong", **told)


def _kernels():
    rng = np.random.default_rng(0)
    found = []
    for shape, bits in (((4, 3), 4), ((6, 5), 3), ((3, 2), 8), ((5, 4), 2)):
        w = np.round(rng.normal(0, 1, shape), 2) + 0.004
        w[:, 0] = -np.abs(w[:, 0])  # a column below 0
        w[:, 1] = np.abs(w[:, 1]) * 3
        found.append((w, bits))
    found[1][0][:, 2] = 0.0
    return found


def _rounded(w, bits, faults=()):
    largest = {"power": 2 ** (bits - 1), "below": 2 ** (bits - 1), "no_sign": 2**bits - 1,
               "no_sign_power": 2**bits, "bits": bits, "steps": (2**bits - 1) / 2}  # fmt: skip
    top = next((largest[f] for f in faults if f in largest), 2 ** (bits - 1) - 1)
    axes = {"whole": None, "rows": 1}
    axis = next((axes[f] for f in faults if f in axes), 0)
    size = {
        "highest": lambda: w.max(axis=axis, keepdims=True),
        "lowest": lambda: -w.min(axis=axis, keepdims=True),
        "range": lambda: w.max(axis=axis, keepdims=True) - w.min(axis=axis, keepdims=True),
        "mean": lambda: np.abs(w).mean(axis=axis, keepdims=True),
        "deviation": lambda: w.std(axis=axis, keepdims=True),
        "fixed": lambda: np.ones((1, 1)),
    }
    extent = next((size[f]() for f in faults if f in size),
                  np.abs(w).max(axis=axis, keepdims=True))  # fmt: skip
    scale = extent / top
    scale = np.where(scale == 0, 1, scale)
    if "inverse" in faults:
        scale = 1 / scale
    low = w.min(axis=axis, keepdims=True) if {"offset", "affine"} & {*faults} else 0.0
    if "affine" in faults:
        scale = (w.max(axis=axis, keepdims=True) - low) / (2**bits - 1)
        scale = np.where(scale == 0, 1, scale)
    ratio = (np.round(w) if "no_scale_first" in faults else w - low) / scale
    if "no_scale_first" in faults:
        return ratio if "integers" in faults else ratio * scale
    ways = {"cut": np.trunc, "down": np.floor, "up": np.ceil, "not": lambda v: v}
    integers = next((ways[f] for f in faults if f in ways), np.round)(ratio)
    if "below" in faults:
        integers = np.clip(integers, -top, top - 1)
    if "integers" in faults:
        return integers + 0.0
    if "normalised" in faults:
        return integers / top
    factors = {"minus": -1, "half": 0.5, "double": 2}
    found = (integers * scale + low) * next((factors[f] for f in faults if f in factors), 1)
    found = np.abs(found) if "abs" in faults else found
    return np.trunc(found) if "whole_numbers" in faults else found


# --------------------------------------------------------------------------------------------------

WEIGHTS = 101_632
OFF = {
    "step": (1 / 7, 14.3), "two_steps": (2 / 7, 28.6), "of_range": (1 / 28, 3.57),
    "of_patterns": (1 / 16, 1 / 15, 1 / 30, 1 / 32, 1 / 8, 2 / 15),
    "off_scale": (0.5,), "turned": (14,),
}  # fmt: skip


@check.exercise(
    title="Choose the bits",
    messages={
        "too_many": "{got} bits: {size} bytes of kernels, before biases and scales. That is more "
        "than there is.",
        "fewer": "{got} bits fit: {size} bytes of kernels. More would fit too.",
        "bits": "`bits` is one of 16, 8, 6, 4, 3, 2, and not {got}. A byte is 8 bits.",
        "all_patterns": "`bits` is right. {got} is the number of patterns. The integers reach as "
        "far below 0 as above, and 0 is there once.",
        "one_side": "`bits` is right. {got} counts one side of 0.",
        "no_zero": "`bits` is right. {got} leaves 0 itself out.",
        "values": "`bits` is right, `values` is not {got}. List the integers for two bits: -1, 0, "
        "1. And for these bits?",
        "step": "`bits` and `values` are right. {got} is a whole step. How far is the nearest "
        "integer at most?",
        "two_steps": "`bits` and `values` are right. {got} is two steps. How far is the nearest "
        "integer at most?",
        "of_range": "`bits` and `values` are right. {got} is half a step as a share of the range, "
        "from lowest to highest; asked is the share of the largest weight.",
        "of_patterns": "`bits` and `values` are right. {got} divides by the number of patterns or "
        "values. How many steps lead from 0 to the largest weight?",
        "turned": "`bits` and `values` are right. {got} is upside down: how many of these errors "
        "make the largest weight.",
        "off_scale": "`bits` and `values` are right. {got} is the error in steps. How large is a "
        "step, if the largest weight is 1?",
        "off": "`bits` and `values` are right, `off` is not {got}. How large is a step, if the "
        "largest weight is 1? Rounding moves by half a step at most.",
    },
    hints=[
        "What is left for the kernels? 60,000 bytes, less four for each bias and scale.",
        "101,632 weights at b bits are 101,632 b / 8 bytes. The integers go from -(2^(b-1) - 1) to "
        "2^(b-1) - 1.",
        "From 0 to the largest weight there are 2^(b-1) - 1 steps; rounding moves by half of one.",
    ],
    why="4 bits: 50,816 bytes and 1,104 more. The integers -7 to 7 are 15 values. A step is 1/7 of "
    "the largest weight, and rounding moves by half of that: 1/14.",
    alternative="6 bits by pruning too, if half the weights are gone and their places cost "
    "nothing: they do cost.",
)
def choose_bits(bits, values, off):
    got = expect.numeral(bits, "`bits`")
    if got != 4:
        if got not in (16, 8, 6, 3, 2):
            raise Wrong("bits", got=brief(got))
        size = f"{WEIGHTS * got / 8:,.0f}"
        raise Wrong("too_many" if got > 4 else "fewer", got=f"{got:.0f}", size=size)
    count = expect.numeral(values, "`values`")
    if count != 15:
        keys = {16: "all_patterns", 8: "one_side", 7: "one_side", 14: "no_zero"}
        raise Wrong(keys.get(count, "values"), got=brief(count))
    got = expect.numeral(off, "`off`")
    share = got / 100 if 7 <= got <= 7.3 else got  # in percent
    if not (expect.is_rounded(share, 1 / 14, 2) or np.isclose(share, 0.07)):
        key = next((k for k, v in OFF.items() if any(np.isclose(share, w, rtol=0.02) for w in v)),
                   "off")  # fmt: skip
        raise Wrong(key, got=brief(got))


# --------------------------------------------------------------------------------------------------

BYTES = {
    "plain": "{bytes} bytes are the weights as they lie in memory. A 0 takes four bytes there, as "
    "any other number does: nothing became smaller by setting weights to 0",
    "nonzero": "{bytes} bytes are four for each weight that is not 0. A file must also say where "
    "they stand",
    "count": "{bytes} is the number of weights; it does not change by setting some to 0",
    "left": "{bytes} is the number of weights that are not 0, and no number of bytes",
    "kernels": "{bytes} bytes leave the biases out",
    "packed_kernels": "{bytes} bytes are the kernels, compressed; the biases are left out. `raw` "
    "holds all",
    "first": "{bytes} bytes are the first weight alone; the file holds all",
    "thousands": "{bytes} are kilobytes; bytes are asked",
    "thousands_2": "{bytes} are kilobytes of 1,024; bytes are asked",
    "plain_thousands": "{bytes} are kilobytes, of the weights as they lie in memory. Bytes "
    "are asked, and a 0 takes four of them there, as any other number does",
    "bits": "{bytes} are bits; bytes are asked",
    "plain_bits": "{bytes} are bits, of the weights as they lie in memory. Bytes are asked, "
    "in a file that profits from zeros",
}
RATES = {
    "train": "{rate} is the accuracy on the rows that it was trained on: those say nothing of new "
    "images",
    "test": "{rate} is the accuracy on the test rows. The table serves a choice, and rows that "
    "serve a choice cannot judge its outcome: the test set is not for this",
    "error": "{rate} is the share that is wrong",
    "percent": "{rate} is in percent; a share is asked",
    "right": "{rate} is the number of right rows; a share is asked",
    "train_error": "{rate} is the share that is wrong, and of the rows that it was trained on",
    "test_error": "{rate} is the share that is wrong, and of the test rows, which choose nothing",
    "train_percent": "{rate} is in percent, and of the rows that it was trained on",
    "test_percent": "{rate} is in percent, and of the test rows, which choose nothing",
    "all": "{rate} is the accuracy on all rows together; most of them were trained on",
    "loss": "{rate} is the loss, and the accuracy is asked",
    "confidence": "{rate} is the mean of the largest probabilities: how sure it is, not how often "
    "it is right",
}


@check.exercise(
    title="A row of the table",
    messages={
        "count_of": "two numbers are wanted, bytes and accuracy, and you return {got}.",
        "turned": "the accuracy comes first, then the bytes. Wanted is bytes first.",
        "bytes": "the accuracy is right.",
        "rate": "the bytes are right.",
        "both": "two things:",
        "other_bytes": "the accuracy is right. Your weights take {bytes} bytes; they lie in memory "
        "with {plain}. Compress all of them together.",
        "other_rate": "the bytes are right. Your accuracy is {rate}, which is none of these "
        "rows'. Compare the class of the largest score with the label.",
        "wrong": "neither the bytes, {bytes}, nor the accuracy, {rate}, come out. Print `len(raw)` "
        "first.",
        "changed": "your function changes the model. It is to be measured, not trained.",
    },
    hints=[
        "Zeros are numbers. What makes a file of many zeros short?",
        "`zlib.compress(raw, 9)` is the short one. And the rows: which have neither trained the "
        "model nor are kept for the very end?",
        "`len(...)` of the compressed bytes, and the mean of `scores.argmax(axis=1) == ...` on "
        "`data.validation`.",
    ],
    why="Pruned weights are still stored: only a compressor, or a format that keeps places and "
    "values, makes the file shorter. A table serves a choice, so it is measured on validation "
    "rows.",
    alternative="`model.evaluate(data.validation.x, data.validation.y, verbose=0)[1]`, where the "
    "model is compiled with that metric.",
    seconds=60,
)
def row(answer):
    expect.function(answer, "`row`")
    cases = [_planted(seed) for seed in (0, 1)]
    found = []
    for model, data in cases:
        before = model.get_weights()
        with learner_code():
            pair = answer(model, data)
        after = model.get_weights()
        if any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True)):
            raise Wrong("changed")
        pair = list(pair.values()) if isinstance(pair, dict) else pair
        if isinstance(pair, int | float | np.number):
            raise Wrong("count_of", got=brief(pair))
        pair = expect.items(pair, 4, "`row(...)`")
        if len(pair) != 2:
            raise Wrong("count_of", got=len(pair))
        named = zip(pair, ("the number of bytes", "the accuracy"), strict=True)
        found.append([expect.number(one, what) for one, what in named])
    rights = [_measures(*case) for case in cases]
    size_ok = all(_near(f[0], r[0]["packed"], 0.1) and f[0] != r[0]["packed_kernels"]
                  for f, r in zip(found, rights, strict=True))  # fmt: skip
    rate_ok = all(_near(f[1], r[1]["validation"]) for f, r in zip(found, rights, strict=True))
    if size_ok and rate_ok:
        return
    if all(_near(f[1], r[0]["packed"], 0.05) for f, r in zip(found, rights, strict=True)):
        raise Wrong("turned")

    def which(column, texts, tolerance):
        for key in texts:
            if all(_near(f[column], r[column][key], tolerance)
                   for f, r in zip(found, rights, strict=True)):  # fmt: skip
                return texts[key]
        return None

    told = {"bytes": f"{found[0][0]:,.6g}", "rate": f"{found[0][1]:.4g}",
            "plain": f"{rights[0][0]['plain']:,}"}  # fmt: skip
    size, rate = which(0, BYTES, 0.002), which(1, RATES, 1e-3)
    if rate_ok:
        raise Several([f"{size}."], "bytes", **told) if size else Wrong("other_bytes", **told)
    if size_ok:
        raise Several([f"{rate}."], "rate", **told) if rate else Wrong("other_rate", **told)
    if size and rate:
        raise Several([f"{size}.", f"{rate}."], "both", **told)
    raise Wrong("wrong", **told)


def _near(got, right, tolerance=1e-3) -> bool:
    return abs(got - right) <= tolerance * abs(right)


def _planted(seed):
    """Return a compiled net with many zeros, and rows that it gets right to different shares."""
    import keras

    rng = np.random.default_rng(seed)
    stack = [keras.Input((6,)), keras.layers.Dense(200, activation="relu"), keras.layers.Dense(4)]
    model = keras.Sequential(stack)
    weights = []
    for w in model.get_weights():
        weights.append(rng.normal(size=w.shape).astype("float32") * (rng.random(w.shape) > 0.8))
    model.set_weights(weights)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"])
    made = {}
    for name, rows, right in (("train", 90, 0.9), ("validation", 40, 0.7), ("test", 60, 0.55)):
        x = rng.normal(size=(rows, 6)).astype("float32")
        y = np.asarray(model(x)).argmax(axis=1)
        wrong = rng.permutation(rows)[: round(rows * (1 - right))]
        y[wrong] = (y[wrong] + 1) % 4
        made[name] = SimpleNamespace(x=x, y=y)
    return model, SimpleNamespace(**made)


def _measures(model, data):
    weights = model.get_weights()
    raw = b"".join(w.tobytes() for w in weights)
    size, left = sum(w.size for w in weights), sum(np.count_nonzero(w) for w in weights)
    packed = len(zlib.compress(raw, 9))
    kernels = b"".join(w.tobytes() for w in weights if w.ndim == 2)
    sizes = {"packed": packed, "packed_kernels": len(zlib.compress(kernels, 9)),
             "plain": len(raw), "nonzero": 4 * left, "count": size, "left": left,
             "kernels": len(kernels), "first": weights[0].nbytes,
             "thousands": packed / 1000, "thousands_2": packed / 1024, "bits": 8 * packed,
             "plain_thousands": len(raw) / 1000, "plain_bits": 8 * len(raw)}  # fmt: skip
    hits = {name: np.asarray(model(part.x)).argmax(axis=1) == part.y
            for name, part in vars(data).items()}  # fmt: skip
    scores = np.asarray(model(data.validation.x))
    rates = {name: hit.mean() for name, hit in hits.items()}
    held = rates["validation"]
    rates |= {f"{part}_error": 1 - rates[part] for part in ("train", "test")}
    rates |= {f"{part}_percent": 100 * rates[part] for part in ("train", "test")}
    rates |= {"error": 1 - held, "percent": 100 * held, "right": hits["validation"].sum(),
              "all": np.concatenate([*hits.values()]).mean(),
              "loss": parts.log_loss(scores, data.validation.y),
              "confidence": parts.softmax(scores).max(axis=1).mean()}  # fmt: skip
    return sizes, rates


# --------------------------------------------------------------------------------------------------

SETS = {
    "trained": "the limit comes from rows that the net was trained on. It is surer of those than "
    "of new ones, so the sets are too small",
    "together": "the limit comes from trained and held-out rows together. The net is surer of "
    "those that it has seen",
    "no_one": "the new row is not counted: among {n} held-out scores it has {places} places, not "
    "{n}",
    "no_one_index": "the new row is not counted: among {n} held-out scores it has {places} places, "
    "not {n}",
    "no_one_down": "the new row is not counted, and k is rounded down: both leave too few covered",
    "quantile": "the limit is a quantile of the held-out scores alone: the new row is not counted. "
    "Among {n} scores it has {places} places",
    "down": "k is rounded down; then too few are covered",
    "nearest": "k is rounded to the nearest; up is safe",
    "recipe": "the limit is one place too high, but for the largest k. (`np.quantile` with "
    '`method="higher"` goes there.) How many held-out scores are at most your limit?',
    "between_level": "k is right, and the limit lies between two held-out scores, as `np.quantile` "
    "puts it; take the k-th itself",
    "between": "the limit lies between two held-out scores, as `np.quantile` puts it; take the "
    "k-th itself",
    "tail": "the place comes from the wrong end: `miss` is the share to leave out, not to cover",
    "floor_one": "k is rounded down, and one added. Where (n + 1)(1 - miss) is a whole number, "
    "that is one too high",
    "average": "the limit is the mean of the held-out scores; the k-th smallest is wanted",
    "p_below": "p itself is compared with the limit; a class's score is 1 - p",
    "descending": "the k-th largest score is taken; the k-th smallest is wanted",
    "unsorted": "the scores are not sorted: the k-th row's score is no k-th smallest",
    "next": "the limit is one place too high",
    "best": "the held-out scores are those of the likeliest class; wanted are those of the right "
    "one",
    "own": "the held-out scores are p itself, without 1 -",
    "every": "the scores of all classes are among the held-out ones; only those of right classes "
    "belong there",
    "mixed": "`p[:, y]` takes, of each row, the classes of all rows; one of each row is wanted",
    "new_rows": "the limit comes from the very rows that ask, and their labels are not known",
    "strict": "a class whose score equals the limit is left out; it belongs to the set",
    "against": "you return the classes that are left out",
    "plain": "the limit is 1 - miss itself: no held-out row is asked",
    "sure": "the classes of a probability of at least 1 - miss are in: that trusts the "
    "probabilities, and no held-out row is asked",
    "likeliest": "each set holds the likeliest class, and no other: no held-out row is asked",
    "likeliest_one": "each set holds one class, the likeliest: no held-out row is asked",
    "mass": "you add up the likeliest classes until their sum reaches 1 - miss: that trusts the "
    "probabilities, and no held-out row is asked",
}
SETS_GROUPS = (
    ("trained", "together"),
    ("no_one", "no_one_index", "no_one_down", "quantile", "down", "nearest", "between",
     "between_level", "tail", "descending", "unsorted", "next", "recipe", "floor_one", "average"),
    ("best", "own", "every", "mixed", "new_rows"),
    ("strict", "against", "p_below"),
)  # fmt: skip
CASES = (
    (50, 0.2, 3),
    (10, 0.1, 4),
    (30, 0.27, 3),
    (23, 0.4, 5),
    (22, 0.4, 4),
    (12, 0.1, 3),
    (19, 0.25, 3),
)


@check.exercise(
    title="Sets that keep a promise",
    messages={
        "one": "with {n} held-out rows and miss={miss} the first rows' sets are {got}.",
        "several": "with {n} held-out rows and miss={miss} the first rows' sets are {got}. Several "
        "things at once:",
        "all": "every set holds all classes. That keeps any promise and says nothing.",
        "nothing": "every set is empty, and so misses every class.",
        "few": "with {n} held-out rows and miss={miss}, k is larger than {n}: no score is that "
        "far, so nothing may be left out. You return {got}.",
        "few_raised": "with {n} held-out rows and miss={miss}, k is larger than {n}, and there is "
        "no such score. Then nothing may be left out. Your code stops there: {error}",
        "numbers": "a set is a truth value for each class, and you return numbers such as {got}.",
        "labels": "you return one class for each row, {got}. Wanted is a truth value for each "
        "class of each row.",
        "wrong": "with {n} held-out rows and miss={miss} the first rows' sets are {got}. Print the "
        "limit, and how many held-out scores are at most that.",
    },
    hints=[
        "Which rows may set the limit? Then: a score for each of them, sorted; and the k-th.",
        "k is the smallest whole number with k / (n + 1) at least 1 - miss. Sorted in Python, the "
        "k-th stands at k - 1.",
        "`k = int(np.ceil((n + 1) * (1 - miss)))`; if k is above n, the limit is infinite; at the "
        "end `1 - p <= limit`.",
    ],
    why="The score of a new row is as likely to take each of the n + 1 places. Below the k-th of "
    "the held-out ones it lands with a chance of k / (n + 1), whatever the net is worth.",
    alternative='`np.quantile(scores, np.ceil((n + 1) * (1 - miss)) / n, method="inverted_cdf")`, '
    "where that level is not above 1.",
)
def sets(answer):
    expect.function(answer, "`sets`")
    cases = [_held_out(*case) for case in CASES]
    made = [_sets_of(answer, case) for case in cases]
    few = _held_out(7, 0.05, 3)
    told_few = {"n": 7, "miss": 0.05}
    right = [np.array_equal(m, _sets(case)) for m, case in zip(made, cases, strict=True)]
    if all(right):
        try:
            last = _sets_of(answer, few)
        except (IndexError, ValueError) as error:
            raise Wrong("few_raised", error=brief(str(error)), **told_few) from None
        if not last.all():
            raise Wrong("few", got=_two(last), **told_few)
        return
    at = right.index(False)
    n, miss = len(cases[at].held_out[1]), cases[at].miss
    told = {"n": n, "places": n + 1, "miss": miss, "got": _two(made[at])}

    def fits(faults):
        return all(np.array_equal(m, _sets(c, faults)) for m, c in zip(made, cases, strict=True))

    if all(m.all() for m in made):
        raise Wrong("all")
    if not any(m.any() for m in made):
        raise Wrong("nothing")
    for fault in ("plain", "sure", "likeliest", "likeliest_one", "mass"):
        if fits((fault,)):
            raise Several([f"{SETS[fault]}."], "one", **told)
    raise _named(fits, SETS, SETS_GROUPS, most=3, **told) or Wrong("wrong", **told)


def _held_out(n, miss, classes):
    """Return a case; probabilities are multiples of 1/64, so that some scores equal the limit."""
    rng = np.random.default_rng(n)

    def rows(count, sure):
        p = rng.multinomial(64 - classes, rng.dirichlet(np.full(classes, 1 / sure), count)) + 1
        likely = [rng.choice(classes, p=row / 64) for row in p]
        y = np.where(rng.random(count) < (0.5 if sure < 3 else 0.05), likely, p.argmax(axis=1))
        return p / 64, y

    return SimpleNamespace(p=rows(300, 2)[0], miss=miss, train=rows(3 * n, 6), held_out=rows(n, 2))


def _sets(case, faults=()):
    p = case.p
    (a, b), (c, d) = case.train, case.held_out
    held = {"trained": (a, b), "together": (np.concatenate([a, c]), np.concatenate([b, d]))}
    q, y = next((held[f] for f in faults if f in held), (c, d))
    if "new_rows" in faults:
        q, y = p, p.argmax(axis=1)
    of = {"best": q.max(axis=1), "every": q.ravel(), "mixed": q[:, y].ravel()}
    scores = 1 - next((of[f] for f in faults if f in of), q[np.arange(len(y)), y])
    scores = 1 - scores if "own" in faults else scores
    n, in_order = len(scores), scores
    scores = np.sort(scores)
    share = 1 - case.miss
    right = np.ceil((n + 1) * share)
    places = {"no_one": np.ceil(n * share), "no_one_index": np.floor(n * share) + 1,
              "no_one_down": np.floor(n * share), "quantile": np.ceil((n - 1) * share) + 1,
              "down": np.floor((n + 1) * share), "nearest": np.round((n + 1) * share),
              "tail": np.ceil((n + 1) * case.miss), "next": right + 1,
              "floor_one": np.floor((n + 1) * share) + 1,
              "recipe": min(right + 1, n), "descending": n - right + 1}  # fmt: skip
    k = int(next((places[f] for f in faults if f in places), right))
    limit = np.inf if k > n else scores[max(k, 1) - 1]
    if "unsorted" in faults and k <= n:
        limit = in_order[k - 1]
    if "between" in faults:
        limit = np.quantile(scores, share)
    if "between_level" in faults:
        limit = np.quantile(scores, min(right / n, 1))
    if "average" in faults:
        limit = scores.mean()
    if "plain" in faults:
        limit = share
    if "sure" in faults:
        return p >= share
    if "likeliest" in faults:
        return p == p.max(axis=1, keepdims=True)
    if "likeliest_one" in faults:
        return np.arange(p.shape[1]) == p.argmax(axis=1)[:, None]
    if "mass" in faults:
        order = np.argsort(-p, axis=1, kind="stable")
        before = np.take_along_axis(p, order, 1).cumsum(axis=1) - np.take_along_axis(p, order, 1)
        inside = np.zeros(p.shape, bool)
        np.put_along_axis(inside, order, before < share, 1)
        return inside
    inside = 1 - p < limit if "strict" in faults else 1 - p <= limit
    inside = p <= limit if "p_below" in faults else inside
    return ~inside if "against" in faults else inside


def _sets_of(answer, case):
    p = case.p.copy()
    found = answer(p, case.miss, _copied(case.train), _copied(case.held_out))
    if not np.array_equal(p, case.p):
        raise Wrong("mutated", argument="p")
    if isinstance(found, list | tuple) and len(found) == len(p) and _numbered(found, p.shape[1]):
        found = [np.isin(np.arange(p.shape[1]), list(one)) for one in found]
    found = expect.array(found, what="`sets(...)`")
    if found.shape == (len(case.p),):
        raise Wrong("labels", got=found[:3])
    found = expect.array(found, case.p.shape, what="`sets(...)`")
    if not np.isin(found, (0, 1)).all():
        raise Wrong("numbers", got=found[0])
    return found.astype(bool)


def _numbered(found, classes) -> bool:
    """Say whether each row's set is given as the numbers of its classes, of different counts."""
    kinds = (set, frozenset, list, tuple, np.ndarray)
    return (all(isinstance(one, kinds) for one in found)
            and any(isinstance(one, set | frozenset) or len(one) != classes
                    or list(one) == list(range(classes)) for one in found)
            and all(np.asarray(k).dtype.kind in "iu" for one in found for k in one))  # fmt: skip


def _copied(pair):
    return tuple(map(np.copy, pair))


def _two(found) -> str:
    """Write the sets of the first two rows: [0, 2] and [1]."""
    two = ["[" + ", ".join(str(k) for k in np.flatnonzero(one)) + "]" for one in found[:2]]
    return " and ".join(two)


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Three tests a day",
    messages={
        "one_test": "`alarms`: {got} come from one test. There are three a day.",
        "one_day": "`alarms`: {got} is what to expect of one day.",
        "days": "`alarms`: {got} is the number of days with one or more, if the tests are "
        "independent. Count the alarms.",
        "no_level": "`alarms`: {got} is the number of tests. Each is wrong at the rate of its "
        "level.",
        "never": "`alarms`: 0 would need a level of 0. At 0.01 a test is wrong once in a hundred "
        "times, without any drift.",
        "alarms": "`alarms` is not {got}. How many tests are made in the 300 days, and at which "
        "rate is each of them wrong?",
        "level_one": "`alarms` is right. At {got} each test alone gives one false alarm in 300 "
        "days. There are three.",
        "level_day": "`alarms` is right. {got} divides by the tests of a day, and forgets the "
        "days.",
        "level_same": "`alarms` is right. {got} is the level of today, with the alarms that you "
        "counted.",
        "level_alarms": "`alarms` is right. {got} is the number of tests, or of alarms; a level is "
        "a rate between 0 and 1.",
        "level_range": "`alarms` is right. {got} is no rate: a level lies between 0 and 1.",
        "level_slip": "`alarms` is right. {got} times the number of tests in 300 days is {makes} "
        "alarms; wanted is one.",
        "renamed_seen": "the numbers are right. Look at C again: does any image change, or any "
        "answer of the model?",
        "seen": "the numbers are right. {letters} changes the images that arrive, so what goes in "
        "or comes out changes too.",
        "at_once": "the rest is right. Training on at once takes images without labels, or with "
        "old ones, and does not know whether anything is wrong: brighter images did no harm.",
        "silence": "the rest is right. A higher level hides the next alarm, of which you do not "
        "know yet what it is.",
        "roll_back": "the rest is right. An older model meets the same images. Was it the model "
        "that changed?",
    },
    hints=[
        "A test at level 0.01 gives an alarm in one case of a hundred where nothing has changed.",
        "300 days, three tests: 900 times 0.01. For one alarm, solve 900 times level = 1.",
        "A test without labels sees images and answers. Which drift leaves both as they were?",
    ],
    why="Expected alarms add up, also for tests that are not independent. What a label means is "
    "in no image: only labels tell. And an alarm says that something changed, not that it harms: "
    "that takes a few labels too.",
    alternative="Fewer, later alarms: two days in a row before anybody is called.",
)
def alarms(count, level, unseen, then):
    got = expect.numeral(count, "`alarms`")
    if not np.isclose(got, 9):
        near = {"one_test": (3,), "one_day": (0.03, 0.01), "no_level": (900, 300, 90_000),
                "days": (300 * (1 - 0.99**3), 8.9)}  # fmt: skip
        key = next((k for k, v in near.items() if any(np.isclose(got, w, rtol=1e-3) for w in v)),
                   "never" if got == 0 else "alarms")  # fmt: skip
        raise Wrong(key, got=brief(got))
    got = expect.numeral(level, "`level`")
    if not expect.is_rounded(got, 1 / 900, 2):
        near = {"level_one": (1 / 300, 0.0033), "level_day": (1 / 3, 0.01 / 3, 0.33),
                "level_same": (0.01,), "level_alarms": (900, 300, 9, 3, 1)}  # fmt: skip
        key = next((k for k, v in near.items() if any(np.isclose(got, w, rtol=5e-3) for w in v)),
                   "level_slip" if 0 < got < 1 else "level_range")  # fmt: skip
        if np.isclose(got, 0.01 / 3, rtol=0.02):
            key = "level_one"
        raise Wrong(key, got=brief(got), makes=brief(900 * got))
    letters = expect.letters(unseen, "ABC", "`unseen`")
    if "C" not in letters:
        raise Wrong("renamed_seen")
    if len(letters) > 1:
        raise Wrong("seen", letters=letters[0])
    chosen = expect.choice(then, "pqrs", "`then`")
    wrong = {"p": "at_once", "q": "silence", "s": "roll_back"}
    if chosen in wrong:
        raise Wrong(wrong[chosen])


# --------------------------------------------------------------------------------------------------

check.prediction(
    "predict_pruned",
    answer="b",
    reasons={
        "a": "What was cut out is gone, but the rest can learn to do without it.",
        "b": "It falls far below half, and two epochs bring it to 0.8: some points are still "
        "missing.",
        "c": "Compare it with the net that lost nothing and had two more epochs too.",
    },
)
check.prediction(
    "predict_student",
    answer="a",
    reasons={
        "a": "If there is a difference, it is smaller than the spread of these seeds.",
        "b": "That is what distillation is known for. Look at the spread of the seeds.",
        "c": "It is not told apart from the labels here.",
    },
)
check.prediction(
    "predict_drift",
    answer="c",
    reasons={
        "a": "Moving an image round changes no pixel's value: their mean stays.",
        "b": "Look at what is right: the brighter images hardly harm.",
        "c": "An alarm is no harm, and silence is no safety.",
    },
)
check.question(
    "quiz_1",
    "A file of a pruned model is as large as before. Why?",
    options={
        "a": ("the zeros are in the wrong place", "They take four bytes at any place."),
        "b": ("a 0 is stored as any number is", "A compressor or a sparse format makes it short."),
        "c": ("too few weights were pruned", "Not even 99 % change the size of an array."),
    },
    answer="b",
)
check.question(
    "quiz_2",
    "Conformal sets cover 90 % of the very rows that set the limit. What does that show?",
    options={
        "a": ("nothing: it is so by construction", "The limit was chosen to do just that."),
        "b": ("that the model is good", "It holds for a bad one, too; its sets are large."),
        "c": ("that new rows are covered", "That takes rows that had no part in it."),
    },
    answer="a",
)
check.question(
    "quiz_3",
    "A temperature of 2 is put under the scores. Which answers change?",
    options={
        "a": ("those with probabilities near 1/2", "They move, and keep their order."),
        "b": ("all that were wrong", "The largest score stays the largest."),
        "c": ("none, only how sure they are", "Dividing by one number keeps the order."),
    },
    answer="c",
)
check.question(
    "quiz_4",
    f"From {lesson('transfer')}: what does a net lose that is trained on with new data alone?",
    options={
        "a": ("nothing, it adds to what it knows", "Nothing holds the old weights in place."),
        "b": ("much of the old task", "Some old rows among the new ones keep most of it."),
        "c": ("its first layers", "They change least."),
    },
    answer="b",
)
check.question(
    "quiz_5",
    f"From {lesson('precision')}: what do the weights of bfloat16 keep of float32?",
    options={
        "a": ("its range, and fewer digits", "Eight bits of exponent, as float32 has."),
        "b": ("its digits, and less range", "That is nearer to what float16 does."),
        "c": ("both, in half the bytes", "Sixteen bits must lose something."),
    },
    answer="a",
)
check.card(
    "What does int8 store of a Dense layer in Keras?",
    "The kernel as integers from -127 to 127, and a float32 scale for each unit. Biases, "
    "convolutions and batch norms stay float32.",
)
check.card(
    "Why is the int8 file of a compiled model still large?",
    "It holds the optimizer's state: two float32 for each weight with Adam.",
)
check.card(
    "When does pruning make a file smaller?",
    "When zeros are not stored: compressed, or as places and values. And retrain, zeros kept.",
)
check.card(
    "Where does distillation help?",
    "Where the student has images without labels, and the teacher answers them. With all labels "
    "it showed nothing here.",
)
check.card(
    "What does a temperature do?",
    "It divides the scores, fitted to the log loss of held-out rows. It changes how sure a net is "
    "and no decision.",
)
check.card(
    "The limit of conformal sets?",
    "The k-th smallest score of n held-out rows, k = ceil((n + 1)(1 - miss)). The promise holds on "
    "average over draws of rows.",
)
check.card(
    "Which drift needs labels to be seen?",
    "One of meaning: the same images, the same answers, other labels.",
)
