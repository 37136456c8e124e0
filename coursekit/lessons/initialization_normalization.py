"""Starts, norms, depth and width: checks, hints, quiz and cards."""

import itertools

import numpy as np

from coursekit.exercises import (
    Lesson,
    NotDone,
    Wrong,
    brief,
    expect,
    has_dots,
    learner_code,
    lesson,
)
from coursekit.lessons import _initialization_normalization as parts

__all__ = ["check", "parts"]

check = Lesson("initialization_normalization", "Why can some networks be deep and others not?")


# --------------------------------------------------------------------------------------------------

STARTS = {
    "glorot_deviation": {
        "the variance; the deviation is its root": 2 / 400,
        "the limit of the even draw; the deviation is asked here": (6 / 400) ** 0.5,
        "He's deviation, by the inputs alone": (2 / 300) ** 0.5,
        "He's variance, by the inputs alone": 2 / 300,
        "what the units alone give": (2 / 100) ** 0.5,
        "the root of 1 over the sum: the 2 is missing": (1 / 400) ** 0.5,
        "the root of 1 over the inputs": (1 / 300) ** 0.5,
        "the root of 2 over the number of weights": (2 / 30000) ** 0.5,
        "what the difference of inputs and units gives": (2 / 200) ** 0.5,
    },
    "glorot_limit": {
        "the deviation itself; a draw from -a to a has the variance a²/3": (2 / 400) ** 0.5,
        "the variance": 2 / 400,
        "the square of the limit": 6 / 400,
        "what comes of the inputs alone, or twice the deviation": (6 / 300) ** 0.5,
        "what the units alone give": (6 / 100) ** 0.5,
        "the root of 3 over the sum: a draw from -a to a has the variance a²/3": (3 / 400) ** 0.5,
        "three times the deviation": 3 * (2 / 400) ** 0.5,
        "the deviation divided by the root of 3; it is the other way": (2 / 1200) ** 0.5,
    },
    "he_variance": {
        "2 over the channels; the window has a size too": 2 / 16,
        "2 over the window; each of its places holds all the channels": 2 / 9,
        "2 over window times *filters*; the inputs of one unit count": 2 / 288,
        "1 over the inputs: relu halves, hence a 2": 1 / 144,
        "the deviation; the variance is asked here": (2 / 144) ** 0.5,
        "Glorot's, with the filters in it": 2 / 432,
        "2 over 3 times the channels; the window is 3 x 3": 2 / 48,
        "2 over the filters": 2 / 32,
        "2 over the number of all weights": 2 / 4608,
        "the number of inputs": 144,
    },
}  # fmt: skip
RIGHT_STARTS = {
    "glorot_deviation": (2 / 400) ** 0.5,
    "glorot_limit": (6 / 400) ** 0.5,
    "he_variance": 2 / 144,
}


@check.exercise(
    title="Three starts",
    messages={
        "seen": "`{name}` is {got}, and that is {what}.",
        "rough": "`{name}` is {got}: near, and not to three digits.",
        "glorot_deviation": "`glorot_deviation` is {got}. Which variance has Glorot's start? Its "
        "root is the deviation.",
        "glorot_limit": "the deviation is right. `glorot_limit` is {got}, and a draw between "
        "-{got} and {got} has the variance {variance}.",
        "he_variance": "Glorot's numbers are right. `he_variance` is {got}. How many numbers does "
        "a unit see, in a window of 3 x 3 with 16 channels?",
    },
    hints=[
        "Glorot: 2 over (inputs + units) is the variance. He: 2 over the inputs.",
        "The deviation is the root of the variance. For the limit solve a²/3 = variance.",
        "`(2 / 400) ** 0.5`, `(6 / 400) ** 0.5`, and 2 over 3 x 3 x 16 for the convolution.",
    ],
    why="Glorot: variance 2/400, deviation 0.0707, limit the root of 6/400, 0.1225. A unit of the "
    "convolution sees 3 x 3 x 16 = 144 numbers, so He's variance is 2/144 = 0.0139. How many "
    "filters there are does not matter to it.",
    alternative="draw: `keras.initializers.GlorotUniform()((300, 100))`, and look at its deviation "
    "and largest value; `HeNormal()((3, 3, 16, 32))`.",
)
def starts(glorot_deviation, glorot_limit, he_variance):
    given = {
        "glorot_deviation": glorot_deviation,
        "glorot_limit": glorot_limit,
        "he_variance": he_variance,
    }
    for name, answer in given.items():
        got, right = expect.numeral(answer, f"`{name}`"), RIGHT_STARTS[name]
        if expect.is_rounded(got, right, digits=3):
            continue
        for what, value in STARTS[name].items():
            if np.isclose(got, value, rtol=5e-3):
                raise Wrong("seen", name=name, got=got, what=what)
        if np.isclose(got, right, rtol=0.03):
            raise Wrong("rough", name=name, got=got)
        raise Wrong(name, got=got, variance=got**2 / 3)


# --------------------------------------------------------------------------------------------------

ZEROS = {
    "A": "the error on its way back to the first layer is multiplied by kernels that are all 0",
    "B": "its gradient is the error at the first layer, which came back through kernels of 0",
    "C": "its gradient has the error at the second layer in it, which came through a kernel of 0",
    "D": "its gradient is the error at the second layer, and the last kernel, which is 0, handed "
    "that on",
}


@check.exercise(
    title="All at zero",
    messages={
        "extra": "{letter} has a gradient of 0 ({net}): {why}.",
        "relu_kernel": "E with relu: its gradient is the outputs of the layer before, times the "
        "error. What does relu make of 0?",
        "sigmoid_kernel": "with relu, right. E with sigmoid: its gradient is the outputs of the "
        "layer before, times the error. What is the sigmoid of 0?",
        "bias": "F is missing ({net}). Its gradient is the error at the output itself; when is "
        "that 0?",
    },
    hints=[
        "Go forward first: what leaves each layer? Then back: what becomes of the error at a "
        "kernel of zeros?",
        "The error at the output is not 0: the net is wrong. Behind the last kernel it is.",
        "relu(0) = 0, sigmoid(0) = 0.5: one of them feeds the last layer something.",
    ],
    why="The error passes no kernel of zeros, so nothing below the last layer has a gradient. The "
    "last bias always has one. The last kernel's is the hidden outputs times the error: 0 with "
    "relu, 0.5 times the error with sigmoid. And then all units of a layer stay alike.",
    alternative="`value_and_gradients` from `coursekit.training` prints them: build the net with "
    '`kernel_initializer="zeros"`.',
)
def zeros(with_relu, with_sigmoid):
    for net, answer, right in (("relu", with_relu, "F"), ("sigmoid", with_sigmoid, "EF")):
        letters = expect.letters(answer, "ABCDEF")
        for letter in letters:
            if letter in ZEROS:
                raise Wrong("extra", letter=letter, net=net, why=ZEROS[letter])
        if "F" not in letters:
            raise Wrong("bias", net=net)
        if ("E" in letters) != ("E" in right):
            raise Wrong(f"{net}_kernel")


# --------------------------------------------------------------------------------------------------

FAULTS = {
    "always_batch": "at inference, too, you normalize by the batch; there it is the running "
    "averages' turn",
    "always_running": "in training you normalize by the running averages; there it is the batch's "
    "turn",
    "late": "in training you normalize by the running averages, just updated; the batch's own are "
    "meant",
    "ddof": "the batch's variance divides by n - 1; here it is the plain mean of the squares",
    "ddof_running": "the running variance takes up a variance that divides by n - 1 (PyTorch does "
    "so, Keras does not)",
    "one_number": "one mean and variance for all units together, where each has its own",
    "no_eps": "epsilon is missing",
    "other_eps": "epsilon is not 0.001, which is Keras's",
    "eps_outside": "epsilon is added to the root; it belongs under it",
    "no_root": "you divide by the variance; its root is meant",
    "not_centred": "the mean is not taken off",
    "no_gamma": "gamma is missing",
    "no_beta": "beta is missing",
    "exchanged": "gamma is added and beta multiplies: they have changed places",
    "momentum": "the running averages take 0.99 of the new and keep 0.01 of the old",
    "tenth": "the running averages keep 0.9 of the old and take 0.1 of the new",
    "exchanged_averages": "the running mean and the running variance come back in the other order",
    "not_kept": "in training the running averages come back unchanged",
    "mean_only": "in training the running variance comes back unchanged",
    "var_only": "in training the running mean comes back unchanged",
    "replaced": "in training the batch's own mean and variance come back in place of the running "
    "averages",
    "at_inference": "the running averages move at inference too",
    "deviation": "the running variance takes up the batch's deviation, not its variance",
    "no_sum": "the running averages take 0.01 of the new, and forget the old",
}


@check.exercise(
    title="Batch norm by hand",
    messages={
        "three": "you return {got}. Return three things: the output, the running mean and the "
        "running variance.",
        "rows": "for {rows} rows and {units} units, in {mode}, your {what} has the shape {got}. "
        "There is one mean and one variance for each *unit*, over the rows.",
        "one": "{fault}.",
        "several": "{count} things at once: {faults}.",
        "one_mode": "right in {right}. In {mode}, for x = {x}, gamma = {gamma}, beta = {beta} and "
        "running averages {mean} and {var}, your {what} is {got}.",
        "wrong": "in {mode}, for x = {x}, gamma = {gamma}, beta = {beta} and running averages "
        "{mean} and {var}, your {what} is {got}.",
    },
    hints=[
        "Two questions: which mean and variance normalize, and what becomes of the averages? Both "
        "have one answer in training and another at inference.",
        "`x.mean(axis=0)` and `x.var(axis=0)`: one for each unit. New average: `0.99 * mean + 0.01 "
        "* batch_mean`.",
        "`if training:` the batch's statistics normalize, and the averages move. Then one line for "
        "both modes: gamma times (x - m) / sqrt(v + 0.001), plus beta.",
    ],
    why="In training the batch's own statistics normalize and the averages follow slowly; at "
    "inference the averages stand in, and nothing changes: the answer for a row depends on that "
    "row only.",
    alternative="`keras.layers.BatchNormalization()` with its four weights set, called with "
    "`training=True` or `False`.",
)
def batch_norm(answer):
    expect.function(answer, "`batch_norm`")
    rng = np.random.default_rng(0)
    cases = []
    for rows, units, training in ((4, 3, True), (5, 2, True), (4, 3, False), (1, 2, False)):
        x = np.round(rng.normal(2, 0.3, (rows, units)), 2)
        gamma, beta, mean = (np.round(rng.uniform(0.5, 2, units), 1) for _ in range(3))
        cases.append((x, gamma, beta, mean, np.round(rng.uniform(0.2, 0.9, units), 2), training))
    made = [_three(answer, *case) for case in cases]
    fits = [_alike(got, _batch_norm(*case)) for got, case in zip(made, cases, strict=True)]
    if all(fits):
        return
    for faults in itertools.chain(*(itertools.combinations(FAULTS, k) for k in (1, 2, 3))):
        fitting = (_alike(a, _batch_norm(*b, faults)) for a, b in zip(made, cases, strict=True))
        if all(fitting):
            if len(faults) == 1:
                raise Wrong("one", fault=FAULTS[faults[0]])
            words = "; ".join(FAULTS[fault] for fault in faults)
            raise Wrong("several", count=len(faults), faults=words)
    k = fits.index(False)
    right = _batch_norm(*cases[k])
    names = ("output", "running mean", "running variance")
    off = next(j for j in range(3) if not np.allclose(made[k][j], right[j], atol=1e-4))
    x, gamma, beta, mean, var, training = cases[k]
    modes = {True: "training", False: "inference"}
    told = {"x": x, "gamma": gamma, "beta": beta, "mean": mean, "var": var,
            "mode": modes[training], "what": names[off], "got": made[k][off]}  # fmt: skip
    if all(fits[:2]) or all(fits[2:]):
        raise Wrong("one_mode", right=modes[not training], **told)
    raise Wrong("wrong", **told)


def _three(answer, x, gamma, beta, mean, var, training) -> list[np.ndarray]:
    arrays = [array.copy() for array in (x, gamma, beta, mean, var)]
    with np.errstate(all="ignore"):
        got = answer(*arrays, training)
    try:
        parts_of_it = expect.items(got, at_most=3, what="what you return")
    except Wrong as error:
        if error.key == "none":
            raise
        raise Wrong("three", got=brief(got)) from None
    if len(parts_of_it) != 3 or np.ndim(parts_of_it[0]) == 0:
        raise Wrong("three", got=brief(got))
    names, found = ("output", "running mean", "running variance"), []
    for value, name, wanted in zip(parts_of_it, names, (x, mean, var), strict=True):
        array = expect.array(value, what=f"the {name}")
        if array.size != wanted.size or (array.ndim > 1 and name == "output"
                                         and array.shape != wanted.shape):  # fmt: skip
            mode = "training" if training else "inference"
            raise Wrong("rows", rows=len(x), units=x.shape[1], mode=mode, what=name,
                        got=array.shape)  # fmt: skip
        found.append(array.reshape(wanted.shape))
    return found


def _alike(got, wanted) -> bool:
    return all(np.allclose(a, b, atol=1e-4) for a, b in zip(got, wanted, strict=True))


def _batch_norm(x, gamma, beta, mean, var, training, faults=()):
    has = set(faults).__contains__
    axis = None if has("one_number") else 0
    enough = len(x) > 1
    batch_mean = x.mean(axis=axis) + 0 * mean
    batch_var = x.var(axis=axis, ddof=int(has("ddof") and enough)) + 0 * var
    kept = mean, var
    if (training or has("at_inference")) and not has("not_kept"):
        taken = x.var(axis=axis, ddof=int((has("ddof") or has("ddof_running")) and enough))
        taken = np.sqrt(taken) if has("deviation") else taken
        old, new = (0.01, 0.99) if has("momentum") else (0.99, 0.01)
        old = 0.0 if has("no_sum") or has("replaced") else old
        new = 1.0 if has("replaced") else new
        old, new = (0.9, 0.1) if has("tenth") else (old, new)
        kept = (mean if has("var_only") else old * mean + new * batch_mean,
                var if has("mean_only") else old * var + new * taken)  # fmt: skip
    returned = kept[::-1] if has("exchanged_averages") else kept
    by_batch = not has("always_running") if training else has("always_batch")
    used_mean, used_var = (batch_mean, batch_var) if by_batch else (mean, var)
    if training and has("late"):
        used_mean, used_var = kept
    centred = x if has("not_centred") else x - used_mean
    eps = 0.0 if has("no_eps") or has("eps_outside") else 1e-5 if has("other_eps") else 1e-3
    with np.errstate(all="ignore"):
        spread = used_var + eps if has("no_root") else np.sqrt(used_var + eps)
        spread = spread + 1e-3 if has("eps_outside") else spread
        unit = centred / spread
    if has("exchanged"):
        gamma, beta = beta, gamma
    out = unit if has("no_gamma") else gamma * unit
    return (out if has("no_beta") else out + beta), *returned


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="What gamma and beta can do",
    messages={
        "two": "you return {got}. Return two things: gamma and beta.",
        "sizes": "for {units} units your {what} has the shape {got}.",
        "no_eps": "nearly: with the variance {var} your gamma is {got}, and what comes out is a "
        "little narrower than what went in. Something stands beside the variance under the root.",
        "swapped": "the right two numbers, in the other order.",
        "variance": "your gamma is the variance. What does batch norm divide by?",
        "inverse": "your gamma divides once more. Batch norm has divided; gamma is to undo it.",
        "gamma_one": "your gamma is 1, so what comes out has the deviation 1, whatever went in.",
        "beta_sign": "gamma is right. Your beta takes the mean off once more.",
        "beta_scaled": "gamma is right. Your beta is scaled; gamma does not touch beta, which is "
        "added last.",
        "beta_zero": "gamma is right. Your beta is 0, so what comes out has the mean 0.",
        "gamma": "for the mean {mean} and the variance {var} your gamma is {got}. Put it into the "
        "formula: is gamma / sqrt(var + 0.001) equal to 1?",
        "beta": "gamma is right. For the mean {mean} your beta is {got}. Put it into the formula.",
        "total_trained": "`undo` is right. {got} are the trained ones; the layer keeps others.",
        "total_one": "`undo` is right. {got} would be one number for each unit.",
        "total_three": "`undo` is right. {got} would be three numbers for each unit. Which belong "
        "to batch norm: look at the arguments of the exercise before.",
        "total": "`undo` is right. `total` is {got}. How many numbers does each unit have: look at "
        "the arguments of the exercise before.",
        "trained_all": "`total` is right. The running averages are kept, and no gradient moves "
        "them.",
        "trained_one": "`total` is right. {got} counts one for each unit. How many letters of the "
        "formula are trained?",
        "trained": "`total` is right. `trained` is {got}. Which of them does a gradient move?",
    },
    hints=[
        "Set the formula equal to x. What must stand in front of (x - mean), and what must be "
        "added?",
        "gamma / sqrt(var + 0.001) = 1, and beta = ... For the counts: which four numbers has each "
        "unit?",
        "`return np.sqrt(var + 0.001), ...`. Trained are the two that the formula names by Greek "
        "letters of their own.",
    ],
    why="With gamma = sqrt(var + epsilon) and beta = mean the layer gives back what it got: "
    "normalizing takes nothing away that training could not restore. Each unit has gamma, beta, a "
    "running mean and a running variance; the first two are trained.",
    alternative="`layer.count_params()`, and `sum(v.size for v in layer.trainable_variables)`.",
)
def undo(answer, total, trained):
    expect.function(answer, "`undo`")
    for mean, var in (
        (np.array([2.0, -1.0, 3.0]), np.array([0.01, 0.004, 9.0])),
        (np.array([0.5]), np.array([0.002])),
    ):
        _undone(answer, mean, var)
    count = expect.numeral(total, "`total`")
    if count != 256:
        key = {128: "total_trained", 64: "total_one", 192: "total_three"}.get(int(count), "total")
        raise Wrong(key, got=f"{count:g}")
    count = expect.numeral(trained, "`trained`")
    if count != 128:
        key = {256: "trained_all", 64: "trained_one"}.get(int(count), "trained")
        raise Wrong(key, got=f"{count:g}")


def _undone(answer, mean, var):
    got = answer(mean.copy(), var.copy())
    try:
        pair = expect.items(got, at_most=2, what="what you return")
    except Wrong as error:
        if error.key == "none":
            raise
        raise Wrong("two", got=brief(got)) from None
    if len(pair) != 2:
        raise Wrong("two", got=brief(got))
    found = []
    for value, name in zip(pair, ("gamma", "beta"), strict=True):
        array = expect.array(value, what=name)
        if array.size not in (1, mean.size):
            raise Wrong("sizes", units=mean.size, what=name, got=array.shape)
        found.append(np.broadcast_to(array.astype("float64").ravel(), mean.shape))
    gamma, beta = found
    right = np.sqrt(var + 1e-3)
    told = {"mean": mean, "var": var}

    def near(a, b):
        return np.allclose(a, b, rtol=1e-4, atol=1e-6)

    if near(gamma, mean) and near(beta, right):
        raise Wrong("swapped")
    if not near(gamma, right):
        slips = {"no_eps": np.sqrt(var), "variance": var, "gamma_one": np.ones_like(var),
                 "inverse": 1 / right}  # fmt: skip
        also = {"variance": var + 1e-3, "inverse": 1 / np.sqrt(var),
                "no_eps": np.sqrt(var) + 1e-3}  # fmt: skip
        for key in slips:
            if near(gamma, slips[key]) or (key in also and near(gamma, also[key])):
                raise Wrong(key, got=gamma, **told)
        raise Wrong("gamma", got=gamma, **told)
    if not near(beta, mean):
        if near(beta, -mean):
            raise Wrong("beta_sign")
        if near(beta, 0 * mean):
            raise Wrong("beta_zero")
        if any(near(beta, s * mean * f) for f in (right, 1 / right, np.sqrt(var)) for s in (1, -1)):
            raise Wrong("beta_scaled")
        raise Wrong("beta", got=beta, **told)


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="A block that begins as nothing",
    messages={
        "tensor": "`block` returns {got}; it is called with a tensor `h`, and returns one.",
        "size": "for an `h` of {units} units the block returns the shape {got}. What is added to "
        "`h` must have its size, whatever that is.",
        "cut_off": "what the block returns does not come from `h`.",
        "nothing": "the block has nothing to train.",
        "companions": "in training, row 0 gets another answer when the other rows change. Which "
        "norms look at one row only?",
        "no_skip": "ten times `h` gives the same output as `h`, and none of the two is like `h`. "
        "The norm comes first, and then `h` itself must be added.",
        "normed_sum": "ten times `h` gives the same output as `h`: the size of `h` is lost. One "
        "way to get this is to normalize the sum, or to add the normalized `h`. Add `h` itself.",
        "factor": "`h` is in the output {got} times, not once.",
        "no_norm": "we set all weights at random and took 10 `h` for `h`. What the block adds to "
        "its input changed, by {got} at most: its first Dense layer does not see a normalized `h`.",
        "adds_nothing": "with all weights at random the block still adds nothing to `h`.",
        "no_bend": "what the block adds is a straight function of the normalized `h`: two Dense "
        "layers with no bend between them.",
        "not_identity": "the structure is right. But at the start the block changes `h`, by {got} "
        "at most. Which weights, all 0, make the added part 0?",
        "dead": "the structure is right, and the block begins as nothing. But after {steps} steps "
        "of training it adds the same to every row. One way to get this is two layers that both "
        "start at 0: neither lets the other's gradient through; another, a relu behind the last.",
    },
    hints=[
        "Four steps: norm, Dense with relu, Dense without, add. The norm sees `h`, and what is "
        "added to is `h` itself.",
        "`layers.RMSNormalization()(h)` or `LayerNormalization`. The last Dense layer has "
        "`h.shape[-1]` units.",
        '`kernel_initializer="zeros"` on one of the Dense layers. On which one, so that the '
        "added part is 0, and its own gradient is not?",
    ],
    hints_for={"dead": "Only the last Dense layer starts at 0; the first one starts at random."},
    why="With the last kernel at 0 the block adds 0, so a stack of a hundred begins as the "
    "identity. That kernel's own gradient is what comes into it times the error, which is not 0: "
    "it learns. The norm before the first layer keeps its scale, however large `h` has grown.",
    alternative="`layers.LayerNormalization()`, any bend for relu; or a last norm whose gamma "
    "starts at 0, as some residual nets have it.",
    seconds=60,
)
def block(answer):
    import keras

    expect.function(answer, "`block`")
    keras.utils.set_random_seed(0)
    models = [_block_model(answer, units) for units in (8, 5)]
    rng = np.random.default_rng(0)
    for model, units in zip(models, (8, 5), strict=True):
        x = rng.normal(0, 2, (64, units)).astype("float32")
        with learner_code():
            start = np.asarray(model(x))
            _structure(model, x, rng)
        change = float(np.abs(start - x).max())
        if change > 1e-3:
            raise Wrong("not_identity", got=change)
    _learns(answer, rng)


def _block_model(answer, units):
    import keras

    h = keras.Input((units,))
    with learner_code():  # it may be a layer or a model
        out = answer(h)
    if has_dots(out):
        raise NotDone
    if out is None:
        raise Wrong("none", what="what `block` returns")
    if not isinstance(out, keras.KerasTensor):
        raise Wrong("tensor", got=brief(out))
    if tuple(out.shape) != (None, units):
        raise Wrong("size", units=units, got=tuple(out.shape))
    try:
        model = keras.Model(h, out)
    except ValueError:
        raise Wrong("cut_off") from None
    if not model.trainable_variables:
        raise Wrong("nothing")
    return model


def _structure(model, x, rng):
    """Judge what is added to what, with the weights set at random; then put them back."""
    before = model.get_weights()
    start, large = np.asarray(model(x)), np.asarray(model(10 * x))
    likeness = np.mean(np.sum(start * x, axis=1) / np.maximum(
        np.linalg.norm(start, axis=1) * np.linalg.norm(x, axis=1), 1e-9))  # fmt: skip
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, 0.5, variable.shape))
    try:
        others = np.concatenate([x[:1], 3 * rng.normal(size=x[1:].shape) + 5]).astype("float32")
        mine, again, theirs = (np.asarray(model(rows, training=True))[0] for rows in (x, x, others))
        if np.allclose(mine, again, atol=1e-4) and not np.allclose(mine, theirs, atol=1e-2):
            raise Wrong("companions")
        out, out_large = np.asarray(model(x)), np.asarray(model(10 * x))
        if _keeps_size(start, large) and _keeps_size(out, out_large):
            raise Wrong("normed_sum" if likeness > 0.3 else "no_skip")
        grown = out_large - out
        times = float(np.sum(grown * x) / np.sum(9 * x * x))
        left = np.abs(grown - 9 * times * x).max()
        if left < 0.1 and abs(times - 1) > 0.01:
            raise Wrong("factor", got=f"{times:.2g}")
        change = float(np.abs(grown - 9 * x).max())
        if change > 0.1:
            raise Wrong("no_norm", got=change)
        if np.abs(out - x).max() < 1e-5:
            raise Wrong("adds_nothing")
        both = (out - x) + (np.asarray(model(-x)) + x)
        if np.ptp(both, axis=0).max() < 1e-2:
            raise Wrong("no_bend")
    finally:
        model.set_weights(before)


def _keeps_size(out, out_large) -> bool:
    """Say whether ten times the input made no row of the output much longer."""
    lengths = [np.maximum(np.linalg.norm(rows, axis=1), 1e-6) for rows in (out, out_large)]
    return bool(np.median(lengths[1] / lengths[0]) < 2)


def _learns(answer, rng):
    import keras

    model = _block_model(answer, 8)
    x = rng.normal(0, 2, (64, 8)).astype("float32")
    with learner_code():
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(x, x + np.abs(x), batch_size=64, epochs=20, verbose=0)
        added = np.asarray(model(x)) - x
    if np.ptp(added, axis=0).max() < 1e-4:
        raise Wrong("dead", steps=20)


# --------------------------------------------------------------------------------------------------

LAYERS = ("first", "second", "last")
RATES = {
    "unchanged": 0.003,
    "up": 0.003 * 16,
    "root": 0.003 / 4,
    "squared": 0.003 / 256,
    "by_width": 0.003 / 4096,
    "by_inputs": 0.003 / 64,
}


@check.exercise(
    title="The rate for the large one",
    messages={
        "not_dict": "`wide_rates` should be a dict from layer to rate, but it is {got}.",
        "missing": "`wide_rates` has no rate for {layer}.",
        "first": "first: {got} changes the rate. But this layer is fed by the 64 inputs, as "
        "before: its sums have no more terms than they had.",
        "unchanged": "{layer}: {got} is the rate as it was. Its sums now have more terms, and each "
        "moves by the rate.",
        "up": "{layer}: {got} is larger. More terms move each sum already; what should each do?",
        "root": "{layer}: {got} divides by the root. That is how a sum of *random* terms grows; "
        "these moves all go the way that helps.",
        "squared": "{layer}: {got} divides by 16 twice.",
        "by_width": "{layer}: {got} divides by the width itself. The rate was tuned at 256 units: "
        "what counts is how many times wider it has become.",
        "by_inputs": "{layer}: {got} divides by 64, and that is neither width.",
        "other": "{layer}: {got}. How many times as many units feed this layer as when the rate "
        "was tuned?",
    },
    hints=[
        "For each layer: how many numbers feed it, before and now?",
        "First: 64 and 64. Second: 256 and 4,096. Last: the same as the second. The rate goes down "
        "as they go up.",
        '`{"first": 0.003, ...}`, and divide by 4096 / 256 where the input has grown.',
    ],
    why="A sum with 16 times as many terms moves 16 times as far at the same rate. So the layers "
    "that are fed by the hidden units get a sixteenth; the first one is fed by 64 inputs, as "
    "before.",
    alternative="one rate, and `Rescaling(256 / 4096)` before the second and the last layer, as in "
    "the cell above.",
)
def wide_rates(answer):
    if not isinstance(answer, dict):
        raise Wrong("not_dict", got=brief(answer))
    for layer in LAYERS:
        if layer not in answer:
            raise Wrong("missing", layer=layer)
        got = expect.numeral(answer[layer], f"the rate for {layer}")
        right = 0.003 if layer == "first" else 0.003 / 16
        if expect.is_rounded(got, right, digits=2):
            continue
        if layer == "first":
            raise Wrong("first", got=got)
        found = [key for key, value in RATES.items() if np.isclose(got, value, rtol=0.02)]
        raise Wrong(found[0] if found else "other", layer=layer, got=got)


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_twice",
    reasons={
        "a": "The second layer doubles what is twice as large already, and so does each one after.",
        "b": "The factors of the layers multiply, they do not add up.",
        "c": "Each of the 25 layers doubles: 2 to the power of 25.",
    },
    answer="c",
)
check.prediction(
    "predict_two",
    reasons={
        "a": "The deviation that it divides by is larger, too.",
        "b": "Of two different values one lies as far below the mean as the other above, and that "
        "distance is the deviation. All that is left is which one is larger.",
        "c": "In training only the batch itself counts.",
    },
    answer="b",
)
check.prediction(
    "predict_shift",
    reasons={
        "a": "Look at 0.5: it stays below the dotted line at all seeds.",
        "b": "Look at 1: it is far above the dotted line.",
        "c": "At 0.5 batch norm keeps its lead with the shift in it; at 1 it has lost it.",
    },
    answer="c",
)
check.prediction(
    "predict_deeper",
    reasons={
        "a": "Worse, on the very rows that they were trained on.",
        "b": "They could: twelve of them would only have to pass on what they get. Training does "
        "not find that.",
        "c": "Look at the training accuracy: the bands of the seeds are far apart.",
    },
    answer="a",
)
check.prediction(
    "predict_wide",
    reasons={
        "a": "More terms move each sum already, so a smaller rate has the same effect.",
        "b": "More terms move each sum, each by the rate.",
        "c": "So one hopes. Compare the stars on the left.",
    },
    answer="b",
)
check.question(
    "quiz_1",
    "A trained net with batch norm predicts one row, then the same row among a hundred others.",
    options={
        "a": ("the same answer", "At inference the running averages stand in for the batch."),
        "b": ("another answer", "In training it would be. `predict` takes the running averages."),
        "c": ("an error for the single row", "A single row needs no batch at inference."),
    },
    answer="a",
)
check.question(
    "quiz_2",
    "A language model is trained on two long texts at a time. Which norm?",
    options={
        "a": ("batch norm", "Of two rows it leaves little but signs, and their lengths differ."),
        "b": ("none, transformers need none", "Deep ones do: see the slider."),
        "c": ("RMS norm or layer norm", "Each looks at one place of one text, in both modes."),
    },
    answer="c",
)
check.question(
    "quiz_3",
    "Your inputs are standardized. Is there anything left for batch norm?",
    options={
        "a": ("no, it does the same", "The same formula, at another place."),
        "b": (
            "yes: it sets the scale inside, at each step",
            "The layers between change it while they learn.",
        ),
        "c": ("yes, and the inputs need not be scaled", "The first layer still sees them as is."),
    },
    answer="b",
)
check.question(
    "quiz_4",
    f"From {lesson('gradient_descent')}: what happens beyond the largest rate that a valley takes?",
    options={
        "a": ("the descent is slow", "That is a small rate."),
        "b": ("it stops", "The gradient grows with the height, and so do the steps."),
        "c": ("each step lands higher than the one before", "It jumps over the valley, farther."),
    },
    answer="c",
)
check.question(
    "quiz_5",
    f"From {lesson('losses')}: what loss do you expect of ten classes before training?",
    options={
        "a": ("about 2.3", "log 10: every class gets about a tenth."),
        "b": ("about 0.1", "That is the probability; the loss is minus its logarithm."),
        "c": ("about 10", "Only a net that is sure of the wrong class reaches that."),
    },
    answer="a",
)
check.card(
    "How large are weights at the start?",
    "He: variance 2 / inputs, for relu. Glorot (Keras's default): 2 / (inputs + units), evenly "
    "between plus and minus the root of 6 / (inputs + units). A convolution's inputs: window times "
    "channels. Never all alike.",
)
check.card(
    "Batch norm, in both modes?",
    "gamma (x - mean) / sqrt(var + 0.001) + beta, for each unit. Training: the batch's mean and "
    "variance, and the running averages move by 1 %. Inference: the running averages. Four numbers "
    "a unit, two trained.",
)
check.card(
    "Batch norm, layer norm, RMS norm: over what?",
    "Over the rows of a batch; over the units of one row; the same without the mean. Convolutional "
    "nets; transformers; today's language models, before each block.",
)
check.card(
    "Why does batch norm help?",
    "It bears larger rates and odd starts. Less covariate shift was the first explanation, and "
    "nets with batch norm and injected shift train well too, up to a strength. A smoother loss is "
    "the later one.",
)
check.card(
    "What do skip connections do?",
    "x + F(x) has slope F' + 1, and needs only F = 0 to do no harm. Plain deep nets are worse on "
    "training rows, with batch norm too (degradation, 2015). Hold the scale by a norm before F.",
)
check.card(
    "How does the best rate change with the width, with Adam?",
    "It falls about as 1/width for layers that are fed by the wider ones. With sums divided by the "
    "width (muP) it stays: tune small, train large.",
)
