"""Optimizers: checks, hints, quiz and cards."""

import re

import numpy as np

from coursekit.exercises import Lesson, Wrong, expect

check = Lesson("optimizers", "Which optimizer, and why does Adam not care?")

STEPS = 50
START = (1.0, 10.0)


def _ravine(across, along):
    return (100 * across**2 + along**2) / 2


def _keras_path(optimizer):
    """Return Keras's points on the ravine, (51, 2), and the gradient at each."""
    from coursekit.training import trace_path

    path = trace_path(optimizer, _ravine, START, STEPS)
    return path.points, path.gradients[:STEPS].astype("float64")


def _parts(result, names: str) -> list[np.ndarray]:
    """Return the parts of a step's result, such as "w, v", as arrays of shape (2,)."""
    wanted = names.split(", ")
    if len(wanted) == 1:
        return [expect.array(result, shape=(2,), what=f"the returned {names}")]
    found = expect.items(result, at_most=len(wanted) + 1, what="the returned value")
    if len(found) != len(wanted) or any(np.ndim(part) == 0 for part in found):
        raise Wrong("parts", names=names, got=result)
    return [
        expect.array(part, shape=(2,), what=f"the returned {name}")
        for part, name in zip(found, wanted, strict=True)
    ]


def _follow(step, gradients, names: str, *settings, start: float = 0.0) -> np.ndarray:
    """Run a step function over given gradients; return the points, the start first.

    `t`, counted from 1, is passed on to steps that keep two averages.
    """
    w, *state = [np.array(START), *(np.full(2, start) for _ in names.split(", ")[1:])]
    points = [w]
    for t, gradient in enumerate(gradients, start=1):
        time = (t,) if len(state) == 2 else ()
        with np.errstate(all="ignore"):
            result = step(w, *state, gradient.copy(), *time, *settings)
        w, *state = [part.astype("float64") for part in _parts(result, names)]
        points.append(w)
    return np.array(points)


def _equal(ours, theirs) -> bool:
    return np.allclose(ours, theirs, rtol=1e-3, atol=1e-3)


def _first_off(ours, theirs) -> int:
    """Return the first step whose points differ."""
    return int(np.argmin([_equal(a, b) for a, b in zip(ours, theirs, strict=True)]))


def _seen(point) -> tuple:
    return tuple(float(value) for value in np.round(point, 4))


def _explain(ours, theirs, slips: dict, default: str, later: str | None = None) -> None:
    """Raise the message of the slip that gives the learner's points, or the default one.

    `later` is the default where step 1 agrees.
    """
    step = _first_off(ours, theirs)
    seen = {"step": step, "got": _seen(ours[step]), "wanted": _seen(theirs[step])}
    for key, points in slips.items():
        if _equal(ours, points):
            raise Wrong(key, **seen)
    raise Wrong(later if later and step > 1 else default, **seen)


# --------------------------------------------------------------------------------------------------

MOMENTUM_SLIPS = {
    "forgot_v": lambda w, v, g, lr, mu: (w + mu * v - lr * g, v),
    "lagging": lambda w, v, g, lr, mu: (w + v, mu * v - lr * g),
    "ema": lambda w, v, g, lr, mu: (w - lr * (mu * v + (1 - mu) * g), mu * v + (1 - mu) * g),
    "uphill": lambda w, v, g, lr, mu: (w + mu * v + lr * g, mu * v + lr * g),
    "nesterov": lambda w, v, g, lr, mu: (w + mu * (mu * v - lr * g) - lr * g, mu * v - lr * g),
    "frictionless": lambda w, v, g, lr, mu: (w + v - lr * g, v - lr * g),
    "no_rate": lambda w, v, g, lr, mu: (w + mu * v - g, mu * v - g),
    "rate_twice": lambda w, v, g, lr, mu: (w + lr * (mu * v - lr * g), mu * v - lr * g),
}


@check.exercise(
    title="Write momentum",
    messages={
        "parts": "return two arrays, `{names}`, each with two numbers. We got {got}.",
        "order": "the first array that you return is the move, the new `v`. The order is `w, v`.",
        "forgot_v": "step 1 agrees with Keras. After step {step} your w is {got}, Keras's is "
        "{wanted}: yours moves as if step 1 had never happened. Do you return the new `v`, or the "
        "old one?",
        "lagging": "after step {step} your w is {got}, Keras's is {wanted}: your w moves by the "
        "`v` that came in, one step late. Update `v` first, then move by the new one.",
        "ema": "after step {step} your w is {got}, Keras's is {wanted}: your `v` is an average, "
        "with a factor 1 - mu before the gradient. Keras adds the whole step, so your speed is "
        "1 - mu of Keras's.",
        "uphill": "after step {step} your w is {got}, Keras's is {wanted}: yours moves along the "
        "gradient, and the loss grows. One sign is turned.",
        "nesterov": "after step {step} your w is {got}, Keras's is {wanted}: this is Nesterov's "
        "variant, which looks one step ahead. Keras has it as `nesterov=True`; here we want the "
        "plain one.",
        "frictionless": "steps before {step} agree. There your w is {got}, Keras's is {wanted}: "
        "your `v` never slows down. Which factor below 1 should the old `v` get?",
        "no_rate": "after step {step} your w is {got}, Keras's is {wanted}: your step is the "
        "whole gradient. Where is `lr`?",
        "rate_twice": "after step {step} your w is {got}, Keras's is {wanted}: the rate is in `v` "
        "and again in the move of `w`. Once is enough.",
        "differs": "after step {step} your w is {got}, Keras's is {wanted}. Step 1 starts from "
        "`v = 0`, so it is plain descent, `w - lr * grad`. Compare yours with that first.",
        "later": "step 1 agrees with Keras, so the push of the gradient is right. After step "
        "{step} your w is {got}, Keras's is {wanted}. The old `v` matters from step 2 on: "
        "how much of it is kept, and with which sign?",
        "hard_coded": "with lr=0.019 and mu=0.9 all is equal to Keras. With lr={lr} and mu={mu}, "
        "after step {step}, your w is {got} and Keras's is {wanted}. Is one of the two a fixed "
        "number in your code, or does something live on from an earlier call?",
    },
    hints=[
        "`v` is the move of the last step. The new move keeps a part of it and adds plain "
        "descent's move.",
        "New `v`: `mu` times the old `v`, minus `lr` times the gradient. Then `w` moves by it.",
        "`v = mu * v - lr * grad`, then `return w + v, v`.",
    ],
    hints_for={
        "forgot_v": "The caller hands back whatever `v` you return. Which `v` must it be?",
    },
    why="The velocity keeps a share mu of the last move and adds the new downhill push. Opposite "
    "pushes cancel in it, equal ones add up.",
    alternative="PyTorch writes `v = mu * v + grad`, then `w - lr * v`. At a constant rate the "
    "weights are the same; after a change of rate they are not.",
    seconds=60,
)
def momentum_step(answer):
    import keras

    expect.function(answer, "`momentum_step`")
    for lr, mu in ((0.019, 0.9), (0.01, 0.5)):
        points, gradients = _keras_path(keras.optimizers.SGD(lr, momentum=mu))
        ours = _follow(answer, gradients, "w, v", lr, mu)
        if _equal(ours, points):
            continue
        if _equal(ours[1], points[1] - points[0]):
            raise Wrong("order")
        if mu == 0.9:
            slips = {key: _follow(slip, gradients, "w, v", lr, mu)
                     for key, slip in MOMENTUM_SLIPS.items()}  # fmt: skip
            _explain(ours, points, slips, "differs", later="later")
        step = _first_off(ours, points)
        got, wanted = _seen(ours[step]), _seen(points[step])
        raise Wrong("hard_coded", lr=lr, mu=mu, step=step, got=got, wanted=wanted)


# --------------------------------------------------------------------------------------------------


def settled(losses) -> int:
    """Return the first step from which the loss stays within 1 % of the first one.

    Without such a step the result is the number of steps that were taken, plus 1.
    """
    losses = np.asarray(losses)
    return int(np.flatnonzero(~(losses <= 0.01 * losses[0]))[-1]) + 1


def moves(optimizer, gradients) -> np.ndarray:
    """Return how far a Keras optimizer moves one weight at each of the gradients."""
    import keras

    weight, places = keras.Variable(0.0), [0.0]
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [weight])
        places.append(float(weight))
    return np.diff(places)


def _gentle_losses(mu: float) -> np.ndarray:
    """Follow momentum down the valley of ratio 20, at a rate of 0.095."""
    steep = np.array([20.0, 1.0])
    w, v, losses = np.array(START), np.zeros(2), []
    for _ in range(1001):
        losses.append(float((steep * w**2).sum() / 2))
        v = mu * v - 0.095 * steep * w
        w = w + v
    return np.array(losses)


@check.exercise(
    title="How much friction?",
    messages={
        "range": "`mu` is the share of the speed that is kept, from 0 to below 1: {got} is not.",
        "plain": "`mu=0` keeps nothing of the last move: that is plain descent, {steps} steps. How "
        "many are they with a little momentum?",
        "no_gain": "with mu={mu} it takes {steps} steps, and plain descent {plain}: momentum "
        "costs more here than it gains. The friction is 1 - mu; is it too low?",
        "slow": "with mu={mu} it takes {steps} steps, plain descent {plain}. That is a gain, "
        "and there is a mu with fewer than {goal} steps. Try steps of 0.1 up and down.",
        "touch": "with mu={mu} the loss first falls below 1 % at step {got}. It rises again, and "
        "stays there from step {steps} on. Count until it stays: `steps_with(mu)`.",
        "count": "with mu={mu} the loss stays within 1 % from step {steps} on; you say {got}. "
        "`steps_with(mu)` counts them.",
        "cut": "with mu={mu} the loss is still outside 1 % after the 100 steps that we trace. It "
        "stays inside from step {steps} on. Is there enough friction, 1 - mu?",
    },
    hints=[
        "Too little momentum crawls, too much overshoots. Trace a few values between 0 and 0.9.",
        "`steps_with(0.5)` is the number of steps with a mu of 0.5.",
        "Loop over `mu` in 0.1, 0.2, ..., 0.9, print `mu` and `steps_with(mu)`, and take the best.",
    ],
    why="In a valley of ratio k the best momentum grows with k: about 0.6 for 20, about 0.8 for "
    "100. The usual 0.9 suits valleys that are steeper still.",
    alternative="every mu from about 0.45 to 0.65 needs less than half the steps of plain descent. "
    "At the best rate for it, theory gives mu = ((sqrt(k) - 1) / (sqrt(k) + 1))^2, or 0.40.",
)
def friction(mu, steps):
    mu, got = expect.number(mu, "`mu`"), expect.number(steps, "`steps`")
    if not 0 <= mu < 1:
        raise Wrong("range", got=mu)
    plain, losses = settled(_gentle_losses(0)), _gentle_losses(mu)
    right, goal = settled(losses), 13
    first = int(np.argmax(losses <= 0.01 * losses[0]))
    if got == 101 and right > 101:
        raise Wrong("cut", mu=mu, steps=right)
    if got != right and got == first:
        raise Wrong("touch", mu=mu, got=int(got), steps=right)
    if got != right:
        raise Wrong("count", mu=mu, got=got, steps=right)
    if mu == 0:
        raise Wrong("plain", steps=right)
    if right >= plain:
        raise Wrong("no_gain", mu=mu, steps=right, plain=plain)
    if right >= goal:
        raise Wrong("slow", mu=mu, steps=right, plain=plain, goal=goal)


# --------------------------------------------------------------------------------------------------


def _adam(corrects="mv", t_from=0, rooted=True, keeps_hats=False, means=(1, 1), keep=True, sign=1):
    """Make Adam's step, with the slips that learners make."""

    def step(w, m, v, g, t, lr, beta_1, beta_2, epsilon):
        m_new = beta_1 * m + (1 - beta_1 if means[0] else 1) * g
        v_new = beta_2 * v + (1 - beta_2 if means[1] else 1) * g**2
        m_hat = m_new / (1 - beta_1 ** (t + t_from)) if "m" in corrects else m_new
        v_hat = v_new / (1 - beta_2 ** (t + t_from)) if "v" in corrects else v_new
        scale = np.sqrt(v_hat) if rooted else v_hat
        w = w - sign * lr * m_hat / (scale + epsilon)
        if keeps_hats:
            return w, m_hat, v_hat
        return (w, m_new, v_new) if keep else (w, m, v)

    return step


def _swapped_betas(w, m, v, g, t, lr, beta_1, beta_2, epsilon):
    return _adam()(w, m, v, g, t, lr, beta_2, beta_1, epsilon)


ADAM_SLIPS = {
    "no_correction": _adam(corrects=""),
    "only_m": _adam(corrects="m"),
    "only_v": _adam(corrects="v"),
    "kept_hats": _adam(keeps_hats=True),
    "t_off": _adam(t_from=1),
    "no_root": _adam(rooted=False),
    "forgot": _adam(keep=False),
    "uphill": _adam(sign=-1),
    "sums": _adam(means=(0, 0)),
    "sum_m": _adam(means=(0, 1)),
    "sum_v": _adam(means=(1, 0)),
    "betas": _swapped_betas,
}


def _paper_adam(w, m, v, g, t, lr, beta_1, beta_2, epsilon):
    return _adam()(w, m, v, g, t, lr, beta_1, beta_2, epsilon)


def _keras_adam(w, m, v, g, t, lr, beta_1, beta_2, epsilon):
    """Adam as Keras computes it: epsilon is added before the bias correction."""
    m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
    rate = lr * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
    return w - rate * m / (np.sqrt(v) + epsilon), m, v


@check.exercise(
    title="Write Adam",
    messages={
        "parts": "return three arrays, `{names}`, each with two numbers. We got {got}.",
        "order": "your function returns `w` in another place than first. The order is `w, m, v`.",
        "no_correction": "after step {step} your w is {got}, Keras's is {wanted}: your first step "
        "is about 3.16 times too long. Both averages start at 0 and are too small at first, `m` "
        "by a factor 0.1 and the root of `v` by 0.03. Divide each by its correction.",
        "only_m": "after step {step} your w is {got}, Keras's is {wanted}: `m` is corrected, `v` "
        "is not. It starts at 0 too.",
        "only_v": "after step {step} your w is {got}, Keras's is {wanted}: `v` is corrected, `m` "
        "is not. It starts at 0 too.",
        "kept_hats": "step 1 agrees. After step {step} your w is {got}, Keras's is {wanted}: you "
        "return the corrected averages, and the next step corrects them again. Return the plain "
        "`m` and `v`.",
        "t_off": "after step {step} your w is {got}, Keras's is {wanted}: the correction is one "
        "step ahead. `t` is 1 at the first step already.",
        "no_root": "after step {step} your w is {got}, Keras's is {wanted}: you divide by `v`, "
        "which has the size of a squared gradient. Which function makes it a gradient's size?",
        "forgot": "step 1 agrees. After step {step} your w is {got}, Keras's is {wanted}: yours "
        "starts from empty averages again. Do you return the new `m` and `v`?",
        "uphill": "after step {step} your w is {got}, Keras's is {wanted}: yours moves along the "
        "gradient, and the loss grows.",
        "sums": "after step {step} your w is {got}, Keras's is {wanted}: `m` and `v` are sums, not "
        "averages. The new gradient gets the weight 1 - beta.",
        "sum_m": "after step {step} your w is {got}, Keras's is {wanted}: `m` is a sum, not an "
        "average. The new gradient gets the weight 1 - beta_1.",
        "sum_v": "after step {step} your w is {got}, Keras's is {wanted}: `v` is a sum, not an "
        "average. The new square gets the weight 1 - beta_2.",
        "betas": "after step {step} your w is {got}, Keras's is {wanted}: the two betas are "
        "swapped. `beta_1` is for `m`, the mean of the gradients.",
        "differs": "after step {step} your w is {got}, Keras's is {wanted}. At step 1 both "
        "corrected averages are known: the gradient and its square. So each weight moves by `lr`.",
        "later": "step 1 agrees with Keras. After step {step} your w is {got}, Keras's "
        "is {wanted}. Look at what changes with time: the averages that you return and use, and "
        "the power `t` in each correction.",
        "hard_coded": "with the default betas all is equal to Keras. With lr=0.1, beta_1=0.8, "
        "beta_2=0.99, after step {step}, your w is {got} and Keras's is {wanted}. Is a number "
        "fixed in your code, or does something live on from an earlier call?",
        "no_epsilon": "50 steps agree with Keras. For a gradient of 1e-6 your first step is {got} "
        "of the rate: `epsilon` does not take part. At a gradient of 0 that is 0 / 0.",
        "epsilon_inside": "50 steps agree with Keras. For a gradient of 1e-6 your first step is "
        "{got} of the rate, and the paper's is {wanted}: your `epsilon` stands under the root. "
        "RMSprop has it there; Adam adds it to the root.",
        "epsilon": "50 steps agree with Keras. For a gradient of 1e-6 your first step is {got} of "
        "the rate; the paper's is {paper} and Keras's is {keras}. Where do you add `epsilon`?",
    },
    hints=[
        "Two running averages, one of `grad` and one of `grad**2`. Each starts at 0, so each is "
        "too small at first, by a factor that you know.",
        "`m = beta_1 * m + (1 - beta_1) * grad`, and `v` alike with `beta_2` and `grad**2`. The "
        "factor is `1 - beta_1**t`, or `1 - beta_2**t`.",
        "`m_hat = m / (1 - beta_1**t)`, `v_hat` alike, then "
        "`w - lr * m_hat / (np.sqrt(v_hat) + epsilon)`. Return that with `m` and `v`.",
    ],
    hints_for={
        "no_correction": "After one step `m` is (1 - beta_1) times the gradient. Divide by what is "
        "too much or too little: `1 - beta_1**t`.",
        "kept_hats": "Give the corrected ones names of their own, and return the others.",
    },
    why="`m` says where to, the root of `v` says how large gradients are here, and the corrections "
    "make both honest from the first step on. So the scale of the gradients cancels.",
    alternative="Keras computes `lr * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + "
    "epsilon)`. That is the same up to the place of epsilon, which shows for tiny gradients only.",
    praise="Equal to Keras's Adam over 50 steps, twice. Only for tiny gradients, like the "
    "1e-6 above, would the place of epsilon tell.",
    seconds=60,
)
def adam_step(answer):
    import keras

    expect.function(answer, "`adam_step`")
    names = "w, m, v"
    for lr, *betas in ((0.3, 0.9, 0.999), (0.1, 0.8, 0.99)):
        points, gradients = _keras_path(keras.optimizers.Adam(lr, *betas))
        settings = (lr, *betas, 1e-7)
        ours = _follow(answer, gradients, names, *settings)
        if _equal(ours, points):
            continue
        if betas[0] == 0.9:
            averages = 0.1 * gradients[0], 0.001 * gradients[0] ** 2
            if any(_equal(ours[1], average) for average in averages):
                raise Wrong("order")
            slips = {key: _follow(slip, gradients, names, *settings)
                     for key, slip in ADAM_SLIPS.items()}  # fmt: skip
            _explain(ours, points, slips, "differs", later="later")
        step = _first_off(ours, points)
        raise Wrong("hard_coded", step=step, got=_seen(ours[step]), wanted=_seen(points[step]))
    _judge_epsilon(answer)


def _judge_epsilon(answer) -> None:
    """Tell the places of epsilon apart, where it matters: at gradients of 1e-6."""

    def inside(w, m, v, g, t, lr, beta_1, beta_2, epsilon):
        return w - lr * g / np.sqrt(g**2 + epsilon), m, v

    def first_share(step):
        zero = np.zeros(2)
        result = step(zero, zero.copy(), zero.copy(), np.full(2, 1e-6), 1, 0.1, 0.9, 0.999, 1e-7)
        return -float(_parts(result, "w, m, v")[0][0]) / 0.1

    got, paper, keras = map(first_share, (answer, _paper_adam, _keras_adam))
    if np.isclose(got, paper, rtol=0.01) or np.isclose(got, keras, rtol=0.01):
        return
    if np.isclose(got, 1, rtol=0.01):
        raise Wrong("no_epsilon", got=got)
    if np.isclose(got, first_share(inside), rtol=0.05):
        raise Wrong("epsilon_inside", got=got, wanted=paper)
    raise Wrong("epsilon", got=got, paper=paper, keras=keras)


# --------------------------------------------------------------------------------------------------

FOUR = ("sgd", "momentum", "rmsprop", "adam")


@check.exercise(
    title="The loss times 1,000",
    messages={
        "names": 'answer with a list of these names: "sgd", "momentum", "rmsprop", "adam". {got} '
        "is not one of them.",
        "all": "you name all four. Two of them divide by the size of the gradients: there the "
        "factor 1,000 stands above and below the line, and cancels.",
        "none_needs": "you name none. Plain descent's step is the rate times the gradient, and the "
        "gradient is 1,000 times as large now.",
        "reversed": "it is the other way round. Which of the four divide by the size of the "
        "gradients? Those do not notice.",
        "missing": "`{names}` is missing. Its step grows with the gradient: nothing in it divides "
        "the factor away.",
        "extra": "`{names}` does not belong here: it divides by a running root mean square of "
        "the gradients, which grows by the same factor.",
    },
    hints=[
        "A factor before the loss is the same factor before each gradient. Follow it through each "
        "update.",
        "SGD: rate times gradient. Momentum: a sum of those. RMSprop and Adam: gradient divided by "
        "a root mean square of gradients.",
        'Two of the four, as in `["...", "..."]`: those without a division.',
    ],
    why="SGD and momentum move in proportion to the gradient, so their rate must shrink by 1,000. "
    "RMSprop and Adam divide by the size of the gradients, so the factor cancels (up to epsilon).",
    alternative="AdaGrad and AdamW divide too. AdamW's decay does not even see the gradient.",
)
def needs_new_rate(answer):
    if isinstance(answer, str):
        answer = [word for word in re.findall(r"\w+", answer) if word.lower() != "and"]
    if isinstance(answer, dict):
        raise Wrong("type", what="your answer", wanted="a list of names", got="a dict")
    given = expect.items(answer, at_most=8, what="your answer")
    names = set()
    for name in given:
        text = name.strip().lower() if isinstance(name, str) else name
        if text not in FOUR:
            raise Wrong("names", got=name)
        names.add(text)
    missing = [n for n in ("sgd", "momentum") if n not in names]
    extra = [n for n in ("rmsprop", "adam") if n in names]
    if not names:
        raise Wrong("none_needs")
    if names == set(FOUR):
        raise Wrong("all")
    if len(missing) == 2:
        raise Wrong("reversed")
    if missing:
        raise Wrong("missing", names=missing[0])
    if extra:
        raise Wrong("extra", names=extra[0])


# --------------------------------------------------------------------------------------------------


class _Direction:
    """Adam's direction, with the averages that it keeps; counts its calls."""

    def __init__(self):
        self.m, self.v, self.t = np.zeros(2), np.zeros(2), 0

    def __call__(self, gradient):
        self.t += 1
        gradient = np.asarray(gradient, "float64")
        zero = np.zeros(2)
        w, self.m, self.v = _adam()(zero, self.m, self.v, gradient, self.t, 1, 0.9, 0.999, 1e-7)
        return -w


ADAGRAD_SLIPS = {
    "adagrad_no_root": lambda w, acc, g, lr, e: (w - lr * g / (acc + g**2 + e), acc + g**2),
    "adagrad_forgets": lambda w, acc, g, lr, e: (w - lr * g / np.sqrt(acc + g**2 + e), acc),
    "adagrad_late": lambda w, acc, g, lr, e: (w - lr * g / np.sqrt(acc + e), acc + g**2),
    "adagrad_last": lambda w, acc, g, lr, e: (w - lr * g / np.sqrt(g**2 + e), g**2),
}
RMSPROP_SLIPS = {
    "rmsprop_forgets": lambda w, s, g, lr, rho, e: (
        w - lr * g / np.sqrt(rho * s + (1 - rho) * g**2 + e),
        s,
    ),
    "rmsprop_sum": lambda w, s, g, lr, rho, e: (
        w - lr * g / np.sqrt(rho * s + g**2 + e),
        rho * s + g**2,
    ),
    "rmsprop_swapped": lambda w, s, g, lr, rho, e: (
        w - lr * g / np.sqrt((1 - rho) * s + rho * g**2 + e),
        (1 - rho) * s + rho * g**2,
    ),
    "rmsprop_no_root": lambda w, s, g, lr, rho, e: (
        w - lr * g / (rho * s + (1 - rho) * g**2 + e),
        rho * s + (1 - rho) * g**2,
    ),
}
ADAMW_SLIPS = {
    "adamw_l2": lambda w, g, lr, decay, adam: w - lr * adam(g + decay * w),
    "adamw_no_rate": lambda w, g, lr, decay, adam: w - lr * adam(g) - decay * w,
    "adamw_no_decay": lambda w, g, lr, decay, adam: w - lr * adam(g),
    "adamw_grows": lambda w, g, lr, decay, adam: w - lr * adam(g) + lr * decay * w,
    "adamw_after": lambda w, g, lr, decay, adam: (w - lr * adam(g)) * (1 - lr * decay),
}


@check.exercise(
    title="Three updates to mend",
    messages={
        "parts": "return two arrays, `{names}`, each with two numbers. We got {got}.",
        "adagrad_no_root": "AdaGrad: after step {step} your w is {got}, Keras's is {wanted}. You "
        "divide by a sum of squares, so that the step shrinks when gradients grow. Which function "
        "turns squares back into the size of a gradient?",
        "adagrad_forgets": "AdaGrad: step 1 agrees. After step {step} your w is {got}, Keras's is "
        "{wanted}: you return the old sum, so the next step knows nothing of this one.",
        "adagrad_late": "AdaGrad: after step {step} your w is {got}, Keras's is {wanted}: you "
        "divide by the old sum. The new square belongs to it before you divide.",
        "adagrad_last": "AdaGrad: after step {step} your w is {got}, Keras's is {wanted}. You "
        "divide by the last gradient alone. AdaGrad adds up all squares so far.",
        "adagrad": "AdaGrad: after step {step} your w is {got}, Keras's is {wanted}. Squares add "
        "up without end, and the root of the sum divides the step.",
        "uphill": "{name}: after step {step} your w is {got}, Keras's is {wanted}: yours moves "
        "along the gradient, and the loss grows. One sign is turned.",
        "rmsprop_forgets": "RMSprop: step 1 agrees. After step {step} your w is {got}, Keras's is "
        "{wanted}: you return the old average, so the next step knows nothing of this one.",
        "rmsprop_sum": "RMSprop: after step {step} your w is {got}, Keras's is {wanted}. Your "
        "`avg` settles at ten times the mean square. In an average the weights add up to 1: which "
        "weight should the new square get?",
        "rmsprop_swapped": "RMSprop: after step {step} your w is {got}, Keras's is {wanted}. The "
        "weights are swapped: `rho`, 0.9, belongs to the old average.",
        "rmsprop_no_root": "RMSprop: after step {step} your w is {got}, Keras's is {wanted}. The "
        "root is gone: a mean of squares has to become the size of a gradient.",
        "rmsprop": "RMSprop: after step {step} your w is {got}, Keras's is {wanted}. The average "
        "keeps `rho` of itself and takes 1 - rho of the new square.",
        "adamw_l2": "AdamW: after step {step} your w is {got}, Keras's is {wanted}. The decay goes "
        "through `adam`, which divides it by the size of the gradients: that is L2 inside Adam. "
        "Take it out of the gradient.",
        "adamw_no_rate": "AdamW: after step {step} your w is {got}, Keras's is {wanted}. Your "
        "decay is `decay * w` in each step. It is multiplied by the rate too.",
        "adamw_no_decay": "AdamW: after step {step} your w is {got}, Keras's is {wanted}: that is "
        "Adam, without any decay.",
        "adamw_grows": "AdamW: after step {step} your w is {got}, Keras's is {wanted}. Your "
        "weights grow away from 0; decay pulls them towards it.",
        "adamw_both": "AdamW: in the ravine yours agrees with Keras's. Where the data give no "
        "gradient, after step {step}, your w is {got} and Keras's is {wanted}. Does part of the "
        "decay still go through `adam`?",
        "adamw_after": "AdamW: after step {step} your w is {got}, Keras's is {wanted}. You shrink "
        "the weight after the step. AdamW shrinks the weight that it came from.",
        "adamw_calls": "AdamW: `adam` keeps its averages and moves them at each call. You call it "
        "{got} times in 50 steps: once a step.",
        "adamw": "AdamW: after step {step} your w is {got}, Keras's is {wanted}. The step is "
        "`lr` times Adam's direction for the plain gradient, and `lr * decay * w` on top.",
    },
    hints=[
        "One fault each. Ask of AdaGrad: which unit has what you divide by? Of RMSprop: do the "
        "weights of the average add up to 1? Of AdamW: what happens to the decay inside `adam`?",
        "AdaGrad lost its square root. RMSprop's new square needs the weight 1 - rho. AdamW must "
        "give `adam` the plain gradient.",
        "`w - lr * grad / np.sqrt(acc + epsilon)`; `rho * avg + (1 - rho) * grad**2`; "
        "`w - lr * (adam(grad) + decay * w)`.",
    ],
    hints_for={
        "adamw_l2": "`adam(grad)` alone is Adam's direction. Where does `decay * w` go instead?",
    },
    why="AdaGrad divides by the root of all squares so far, RMSprop by the root of their running "
    "mean. AdamW decays the weight itself, out of reach of that division.",
    alternative="`np.sqrt(acc) + epsilon` (PyTorch's place) is as good here. AdamW may shrink "
    "first: `w * (1 - lr * decay) - lr * adam(grad)`.",
    seconds=60,
)
def mended(adagrad_step, rmsprop_step, adamw_step):
    import keras

    for step, name in ((adagrad_step, "adagrad_step"), (rmsprop_step, "rmsprop_step"),
                       (adamw_step, "adamw_step")):  # fmt: skip
        expect.function(step, f"`{name}`")
    points, gradients = _keras_path(keras.optimizers.Adagrad(2.0))
    _compare("adagrad", adagrad_step, ADAGRAD_SLIPS, points, gradients, "w, acc", (2.0, 1e-7), 0.1)
    points, gradients = _keras_path(keras.optimizers.RMSprop(0.1))
    settings = (0.1, 0.9, 1e-7)
    _compare("rmsprop", rmsprop_step, RMSPROP_SLIPS, points, gradients, "w, avg", settings)
    points, gradients = _keras_path(keras.optimizers.AdamW(0.3, weight_decay=0.1))

    def follow(step, gradients=gradients):
        direction = _Direction()

        def adam(gradient):
            return direction(gradient)

        return _follow(step, gradients, "w", 0.3, 0.1, adam), direction.t

    ours, calls = follow(adamw_step)
    if calls > STEPS:
        raise Wrong("adamw_calls", got=calls)
    if not _equal(ours, points):
        slips = {key: follow(slip)[0] for key, slip in ADAMW_SLIPS.items()}
        _explain(ours, points, slips, "adamw")
    ours, _ = follow(adamw_step, np.zeros((STEPS, 2)))
    shrunk = np.array(START) * (1 - 0.3 * 0.1) ** np.arange(STEPS + 1)[:, None]
    if not _equal(ours, shrunk):
        _explain(ours, shrunk, {}, "adamw_both")


def _compare(name, step, slips, points, gradients, names, settings, start=0.0) -> None:
    ours = _follow(step, gradients, names, *settings, start=start)
    if not _equal(ours, points):
        if _equal(ours[1] - ours[0], points[0] - points[1]):
            title = {"adagrad": "AdaGrad", "rmsprop": "RMSprop"}[name]
            raise Wrong("uphill", name=title, step=1, got=_seen(ours[1]), wanted=_seen(points[1]))
        wrong = {key: _follow(slip, gradients, names, *settings, start=start)
                 for key, slip in slips.items()}  # fmt: skip
        _explain(ours, points, wrong, name)


# --------------------------------------------------------------------------------------------------

UPDATES = 9000  # 90 epochs of 100 updates


@check.exercise(
    title="An optimizer for a ResNet",
    messages={
        "not_one": "give a Keras optimizer, as in `keras.optimizers.SGD(...)`; this is {got}.",
        "literal": "AdamW, constant, at {rate}: the first branch of the quoted tree, read to the "
        "letter. Every ResNet has batch normalization, so the branch for CNNs would never be "
        "reached. Read it as layer normalization. (AdamW with a tuned rate and a schedule is a "
        "fair answer.)",
        "other": "{got} is not what the corrected tree says for a CNN. It says SGD with momentum; "
        "AdamW with weight decay, tuned, is a fair answer too.",
        "no_momentum": "plain SGD, with momentum 0. The recipe for CNNs has momentum.",
        "momentum": "momentum {got} is far from the usual 0.9. How many past steps does it "
        "remember: about 1 / (1 - momentum)?",
        "rate": "the highest rate is {got}. For {name} on a CNN we would start to look between "
        "{low} and {high}.",
        "constant": "the rate stays at {got} for all 9,000 updates. The recipe lets it fall to "
        "about 0 along a cosine: `keras.optimizers.schedules.CosineDecay`.",
        "epochs": "from update {when} on the rate is about 0, {got}: nothing is learned in the "
        "rest. Schedules count updates, not epochs: 90 epochs of 100 updates are 9,000.",
        "hot": "the rate starts at {start} and is still {got} at the last of 9,000 updates. It "
        "should have fallen to about 0.",
    },
    hints=[
        "Batch normalization does not make a transformer of it. Which row is left?",
        "`keras.optimizers.SGD` with `momentum=0.9`, and a `CosineDecay` as its learning rate.",
        "`keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 9000), momentum=0.9)`",
    ],
    why="A ResNet is a CNN: SGD with momentum 0.9, from a rate of 0.1 along a cosine to 0, is the "
    "recipe that most published results come from.",
    alternative="AdamW with weight decay, a tuned rate near 0.001 and a cosine is competitive.",
)
def resnet(optimizer):
    import keras

    from coursekit.optimizers import ScheduledMomentumSGD

    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise Wrong("not_one", got=optimizer)
    rates = _rates(optimizer)
    top, name = float(rates.max()), type(optimizer).__name__
    constant = np.ptp(rates) < 1e-6 * top
    if isinstance(optimizer, keras.optimizers.SGD | ScheduledMomentumSGD):
        momentum, low, high = float(optimizer.momentum), 0.01, 0.5
        if momentum == 0:
            raise Wrong("no_momentum")
        if not 0.5 <= momentum <= 0.99:
            raise Wrong("momentum", got=momentum)
    elif isinstance(optimizer, keras.optimizers.Adam) and optimizer.weight_decay:
        low, high = 1e-4, 1e-2
        if constant and np.isclose(top, 3e-4):
            raise Wrong("literal", rate=top)
    else:
        without = " without weight decay" if isinstance(optimizer, keras.optimizers.Adam) else ""
        raise Wrong("other", got=name + without)
    if constant:
        raise Wrong("constant", got=top)
    if not low <= top <= high:
        raise Wrong("rate", got=top, name=name, low=low, high=high)
    asleep = int(np.flatnonzero(rates >= 1e-4 * top)[-1]) + 1
    if asleep <= 16:  # before update 7,200
        raise Wrong("epochs", when=asleep * 450, got=float(rates[asleep]))
    if rates[-1] > 0.1 * top:
        raise Wrong("hot", start=float(rates[0]), got=float(rates[-1]))


def _rates(optimizer) -> np.ndarray:
    """Return the rates at every 450th update and at the last; the optimizer stays as it is."""
    now = int(optimizer.iterations)
    rates = []
    try:
        for step in [*range(0, UPDATES, 450), UPDATES - 1]:
            optimizer.iterations.assign(step)
            rates.append(float(optimizer.learning_rate))
    finally:
        optimizer.iterations.assign(now)
    return np.array(rates)


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_momentum",
    reasons={
        "a": "The steps across cancel and the steps along add up, so the same rate goes further.",
        "b": "Crossings have opposite signs and cancel in the velocity; the small downhill parts "
        "agree and grow. That outweighs the overshoot here, though not everywhere.",
        "c": "It does run past the bottom and has to come back. In this valley the gain is larger; "
        "the exercise on friction has one where it is not.",
    },
    answer="b",
)
check.prediction(
    "predict_first",
    reasons={
        "a": "That is plain descent, where the step is the rate times the gradient. Adam divides "
        "the gradient by its own size.",
        "b": "At step 1 the corrected mean is the gradient itself, and the corrected mean square "
        "is its square. What is left of their ratio is the sign.",
        "c": "Without bias correction it would be 0.1 / sqrt(0.001), or 3.16, times the rate. The "
        "correction is there to prevent that.",
    },
    answer="b",
)
check.prediction(
    "predict_turned",
    reasons={
        "a": "For SGD and momentum yes: they know no axes. Dividing each parameter by its own "
        "gradients does depend on the axes.",
        "b": "SGD and momentum add up gradients as vectors. Turned gradients give the turned path, "
        "step for step.",
        "c": "They scale along the axes of the parameters. In the turned ravine both parameters "
        "see steep and flat mixed, and scaling each cannot part them.",
    },
    answer="c",
)
check.prediction(
    "predict_decay",
    reasons={
        "a": "In plain SGD the two agree. Adam divides the penalty's gradient by its own size, and "
        "what is left is a full step.",
        "b": "AdamW shrinks by rate times decay, 0.1 %. Inside Adam the penalty is the only "
        "gradient, so it becomes a step of one rate, 0.01, whatever the penalty.",
        "c": "That would be 1 - decay. The rate multiplies the decay too.",
    },
    answer="b",
)
check.question(
    "quiz_1",
    "Momentum 0.9, a gradient g that never changes. How large do the steps become?",
    options={
        "a": ("0.9 lr g", "The old speed adds to the new push: steps grow beyond lr g."),
        "b": ("1.9 lr g", "That is the second step. The third keeps 0.9 of it and adds lr g."),
        "c": ("10 lr g", "1 + 0.9 + 0.81 + ... adds up to 1 / (1 - 0.9)."),
    },
    answer="c",
)
check.question(
    "quiz_2",
    "AdaGrad has seen 100 equal gradients (its sum began at 0). How long is the 100th step?",
    options={
        "a": ("lr", "So it was at the first step. By now the sum holds 100 squares."),
        "b": ("lr / 10", "The root of 100 squares is 10 gradients. The rate only ever shrinks."),
        "c": ("lr / 100", "The sum is 100 squares; AdaGrad divides by its root."),
    },
    answer="b",
)
check.question(
    "quiz_3",
    "You set `weight_decay=0.01` in `keras.optimizers.Adam`. What do you get?",
    options={
        "a": (
            "AdamW",
            "In Keras the decay of every optimizer is decoupled. It also pulls at biases, unless "
            "`exclude_from_weight_decay` names them.",
        ),
        "b": (
            "Adam with an L2 penalty",
            "So it is in PyTorch's Adam. In Keras an L2 penalty is a regularizer of the layer.",
        ),
        "c": ("an error", "Every Keras optimizer takes `weight_decay`."),
    },
    answer="a",
)
check.question(
    "quiz_4",
    "From the lesson on the loop: you call `compile` again between two calls of `fit`. What is "
    "lost?",
    options={
        "a": ("the weights", "They belong to the model and stay."),
        "b": (
            "the optimizer's state",
            "Velocities and averages start at 0 again, and so does the count of updates.",
        ),
        "c": ("nothing", "The new optimizer knows nothing of the old one's averages."),
    },
    answer="b",
)
check.question(
    "quiz_5",
    "From the lesson on the loop: 1,000 rows, batches of 64, 10 epochs. How many updates does the "
    "optimizer make?",
    options={
        "a": ("150", "15 full batches an epoch, and a smaller one. It makes an update too."),
        "b": ("160", "1000 / 64, rounded up, is 16 an epoch. A schedule counts these, too."),
        "c": ("10", "That is the number of epochs. Each epoch makes many updates."),
    },
    answer="b",
)  # fmt: skip
check.card(
    "What does momentum do in a narrow valley, and what does it cost?",
    "Steps across the valley cancel, steps along it add up, to 1 / (1 - mu) times the plain step. "
    "It costs overshoot: a lower mu means more friction.",
)
check.card(
    "AdaGrad against RMSprop?",
    "AdaGrad divides by the root of the sum of all squares: good for rare features, and its rate "
    "only falls. RMSprop divides by the root of a running mean, which forgets.",
)
check.card(
    "Why does Adam correct its averages?",
    "The mean of the gradients (first moment) and of their squares (second moment, an uncentred "
    "variance) start at 0 and are too small at first. Without the correction the first step is "
    "3.16 rates long, with the usual betas; with it, one rate.",
)
check.card(
    "What does Adam not care about, and what does it care about?",
    "Not about the scale of the loss, nor of each parameter's gradients. It does care about the "
    "axes: turn the valley, and its path changes. SGD's and momentum's turns with it.",
)
check.card(
    "AdamW against an L2 penalty in Adam?",
    "AdamW shrinks each weight by rate times decay. An L2 penalty is divided by the size of the "
    "gradients: weights with large gradients decay less.",
)
check.card(
    "Which optimizer do you try first?",
    "Transformers and layer normalization: AdamW, 3e-4. CNNs: SGD, 0.1, momentum 0.9, cosine. "
    "Reinforcement learning: Adam, 3e-4. Else Adam, and SGD if validation lags. Then tune "
    "the rate.",
)
