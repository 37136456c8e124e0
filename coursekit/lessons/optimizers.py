"""Optimizers: checks, hints, quiz and cards."""

import itertools
import re

import numpy as np

from coursekit.exercises import Lesson, Wrong, expect
from coursekit.lessons import _optimizers as parts

__all__ = ["check", "parts", "settled"]

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


def _points(step, gradients, states: int, *settings, start: float = 0.0) -> np.ndarray:
    """Return the points of a step of our own, as `_follow` does of the learner's."""
    w, *state = [np.array(START), *(np.full(2, start) for _ in range(states))]
    points = [w]
    with np.errstate(all="ignore"):
        for t, gradient in enumerate(gradients, start=1):
            time = (t,) if states == 2 else ()
            result = step(w, *state, gradient, *time, *settings)
            w, *state = result if states else (result,)
            points.append(w)
    return np.array(points)


def _equal(ours, theirs) -> bool:
    return np.allclose(ours, theirs, rtol=1e-3, atol=1e-3)


def _first_off(ours, theirs) -> int:
    """Return the first step whose points differ."""
    return int(np.argmin([_equal(a, b) for a, b in zip(ours, theirs, strict=True)]))


def _seen(point) -> tuple:
    return tuple(float(value) for value in np.round(point, 4))


def _judge(ours, theirs, run, slips: dict, default: str, later: str | None = None) -> None:
    """Raise the message of the slip, or of the two together, that gives the learner's points.

    `slips` has for each key its settings of the step and its words, and `run(**settings)` gives
    the points of such a step. Without one: `default`, or `later` where step 1 agrees.
    """
    if _equal(ours, theirs):
        return
    step = _first_off(ours, theirs)
    seen = {"step": step, "got": _seen(ours[step]), "wanted": _seen(theirs[step])}
    for count in (1, 2):
        for keys in itertools.combinations(slips, count):
            parts = [slips[key][0] for key in keys]
            settings = {name: value for part in parts for name, value in part.items()}
            if len(settings) < sum(map(len, parts)):  # they exclude each other
                continue
            points = run(**settings)
            if _equal(ours, points) and not _equal(points, theirs):
                words = [f"{slips[key][1].rstrip('.?')}." for key in keys]
                if count == 1:
                    raise Wrong(keys[0], **seen)
                raise Wrong("two", first=words[0], second=words[1], **seen)
    raise Wrong(later if later and step > 1 else default, **seen)


WHERE = "after step {step} your w is {got}, Keras's is {wanted}: "
TWO = WHERE + "two things at once would give that. One: {first} The other: {second}"


def _messages(slips: dict, name: str = "") -> dict[str, str]:
    """Return the message of each slip; `name` says of which update."""
    return {key: name + WHERE + words for key, (_, words) in slips.items()}


# --------------------------------------------------------------------------------------------------


def _momentum(
    kept=lambda lr, mu: mu,
    push=lambda lr, mu: lr,
    sign=1,
    of=lambda g: g,
    move="new",
    back="new",
):
    """Make momentum's step, with the slips that learners make."""

    def step(w, v, g, lr, mu):
        g = of(g)
        new = kept(lr, mu) * v - sign * push(lr, mu) * g
        w = w + {"new": new, "old": v, "ahead": mu * new - sign * lr * g, "scaled": lr * new,
                 "and push": new - sign * lr * g, "unslowed": v - lr * g}[move]  # fmt: skip
        return w, {"new": new, "old": v, "w": w, "push": -lr * g, "turned": mu * v + lr * g}[back]

    return step


MOMENTUM_SLIPS: dict[str, tuple[dict, str]] = {
    "forgot_v": ({"back": "old"}, "yours moves as if the steps before had never happened. Do you "
                 "return the new `v`, or the old one?"),
    "lagging": ({"move": "old"}, "your w moves by the `v` that came in, one step late. Update `v` "
                "first, then move by the new one."),
    "ema": ({"push": lambda lr, mu: (1 - mu) * lr}, "your `v` is an average, with a factor 1 - mu "
            "before the gradient. Keras adds the whole step, so your speed is 1 - mu of Keras's."),
    "uphill": ({"sign": -1}, "yours moves along the gradient, and the loss grows. One sign is "
               "turned."),
    "nesterov": ({"move": "ahead"}, "this is Nesterov's variant, which looks one step ahead. Keras "
                 "has it as `nesterov=True`; here we want the plain one."),
    "frictionless": ({"kept": lambda lr, mu: 1}, "your `v` never slows down. Which factor below 1 "
                     "should the old `v` get?"),
    "no_rate": ({"push": lambda lr, mu: 1}, "your step is the whole gradient. Where is `lr`?"),
    "rate_twice": ({"move": "scaled"}, "the rate is in `v` and again in the move of `w`. Once is "
                   "enough."),
    "complement": ({"kept": lambda lr, mu: 1 - mu}, "you keep 1 - mu of the old `v`. Which is the "
                   "share that stays, mu or 1 - mu?"),
    "minus": ({"kept": lambda lr, mu: -mu}, "the old `v` comes in with a minus, so that each move "
              "undoes a part of the last one."),
    "mu_all": ({"push": lambda lr, mu: mu * lr}, "`mu` multiplies the gradient's push too. It "
               "belongs to the old `v` alone."),
    "mu_twice": ({"kept": lambda lr, mu: mu**2}, "the old `v` gets `mu` twice."),
    "push_twice": ({"move": "and push"}, "the gradient counts twice, inside of `v` and again in "
                   "the move of `w`."),
    "double": ({"push": lambda lr, mu: 2 * lr}, "your push is twice the rate times the gradient."),
    "exchanged": ({"kept": lambda lr, mu: lr, "push": lambda lr, mu: mu}, "`lr` and `mu` have "
                  "changed places."),
    "top_speed": ({"kept": lambda lr, mu: 0, "push": lambda lr, mu: lr / (1 - mu)}, "you move "
                  "at the final speed, 1 / (1 - mu) times plain, from the start. There is no "
                  "memory in that: `v` has to grow step by step."),
    "half": ({"push": lambda lr, mu: lr / 2}, "your push is half of the rate times the gradient."),
    "summed": ({"of": lambda g: g * 0 + g.sum()}, "both weights get the same push, from the sum of "
               "the gradients. Each has a gradient of its own."),
    "signs": ({"of": np.sign}, "your push has the rate's length whatever the gradient: you take "
              "its sign alone."),
    "root_mu": ({"kept": lambda lr, mu: np.sqrt(mu)}, "the old `v` keeps the root of `mu`."),
    "unslowed": ({"move": "unslowed"}, "the old `v` goes into the move of `w` in full. There, too, "
                 "a share `mu` of it is kept."),
    "kept_push": ({"back": "push"}, "the `v` that you return is the last push alone. The next step "
                  "needs the whole move."),
    "turned_v": ({"back": "turned"}, "the `v` that you return has the gradient with a plus, the "
                 "move of `w` with a minus. They are the same `v`."),
    "w_for_v": ({"back": "w"}, "the second array that you return is `w` again, and the next step "
                "takes it for the velocity."),
}  # fmt: skip


@check.exercise(
    title="Write momentum",
    messages={
        "parts": "return two arrays, `{names}`, each with two numbers. We got {got}.",
        "order": "the first array that you return is the move, the new `v`. The order is `w, v`.",
        **_messages(MOMENTUM_SLIPS),
        "two": TWO,
        "differs": "after step {step} your w is {got}, Keras's is {wanted}. Step 1 starts from "
        "`v = 0`, so it is plain descent, `w - lr * grad`. Compare yours with that first.",
        "later": "step 1 agrees with Keras, so the push of the gradient is right. After step "
        "{step} your w is {got}, Keras's is {wanted}. The old `v` matters from step 2 on: "
        "how much of it is kept, and with which sign?",
        "fixed": "with lr=0.019 and mu=0.9 all is equal to Keras. With lr={lr} and mu={mu} yours "
        "still moves as if {seen}. Is that number written into your code?",
        "hard_coded": "with lr=0.019 and mu=0.9 all is equal to Keras. With lr={lr} and mu={mu}, "
        "after step {step}, your w is {got} and Keras's is {wanted}. One way to get this is a "
        "variable that lives on from an earlier call.",
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

        def run(lr=lr, mu=mu, gradients=gradients, **settings):
            return _points(_momentum(**settings), gradients, 1, lr, mu)

        if mu == 0.9:
            _judge(ours, points, run, MOMENTUM_SLIPS, "differs", later="later")
        for seen in ({"mu": 0.9}, {"lr": 0.019}, {"lr": 0.019, "mu": 0.9}):
            if _equal(ours, run(**seen)):
                words = " and ".join(f"{name} were {value}" for name, value in seen.items())
                raise Wrong("fixed", lr=lr, mu=mu, seen=words)
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
        "touch": "with mu={mu} the loss first falls below 1 % at step {got}, and then it rises "
        "again. Count until it stays there: `steps_with(mu)`.",
        "plain_count": "{got} is the number of steps with a mu of 0; yours is {mu}.",
        "other_count": "{got} is the number of steps with momentum 0.9; your mu is {mu}.",
        "count": "with mu={mu} it does not take {got} steps until the loss stays within 1 %. "
        "`steps_with(mu)` counts them.",
        "cut": "with mu={mu} the loss is still outside 1 % after the 100 steps that we trace: it "
        "overshoots again and again. Is there enough friction, 1 - mu?",
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
        raise Wrong("cut", mu=mu)
    if got != right:
        others = {first: "touch", plain: "plain_count", settled(_gentle_losses(0.9)): "other_count"}
        raise Wrong(others.get(got, "count"), mu=mu, got=got)
    if mu == 0:
        raise Wrong("plain", steps=right)
    if right >= plain:
        raise Wrong("no_gain", mu=mu, steps=right, plain=plain)
    if right >= goal:
        raise Wrong("slow", mu=mu, steps=right, plain=plain, goal=goal)


# --------------------------------------------------------------------------------------------------


def _corrected(average, beta, t):
    return average / (1 - beta**t)


def _both(correct) -> dict:
    return {"hat_m": correct, "hat_v": correct}


def _uncorrected(average, beta, t):
    return average


def _adam(
    hat_m=_corrected,
    hat_v=_corrected,
    old=lambda beta: beta,
    add_m=lambda beta: 1 - beta,
    add_v=lambda beta: 1 - beta,
    square=lambda g, m: g**2,
    size=np.sqrt,
    towards="mean",
    back="plain",
    sign=1,
    push=lambda lr, t: lr,
    swapped=False,
    crossed=False,
    stays=True,
):
    """Make Adam's step, with the slips that learners make."""

    def step(w, m, v, g, t, lr, beta_1, beta_2, epsilon):
        if swapped:
            beta_1, beta_2 = beta_2, beta_1
        new_m = old(beta_1) * m + add_m(beta_1) * g
        new_v = old(beta_2) * v + add_v(beta_2) * square(g, new_m)
        others = (beta_2, beta_1) if crossed else (beta_1, beta_2)
        m_hat, v_hat = hat_m(new_m, others[0], t), hat_v(new_v, others[1], t)
        ahead = beta_1 * m_hat + (1 - beta_1) * g / (1 - beta_1**t)
        goes = {"mean": m_hat, "gradient": g, "old mean": hat_m(m, beta_1, t), "ahead": ahead,
                "sign": np.sign(m_hat)}[towards]  # fmt: skip
        w = stays * w - sign * push(lr, t) * goes / (size(v_hat) + epsilon)
        return w, *{"plain": (new_m, new_v), "hats": (m_hat, v_hat), "old": (m, v),
                    "m_hat": (m_hat, new_v), "v_hat": (new_m, v_hat),
                    "exchanged": (new_v, new_m)}[back]  # fmt: skip

    return step


ADAM_SLIPS: dict[str, tuple[dict, str]] = {
    "no_correction": (_both(_uncorrected), "your first step is about 3.16 times too long. Both "
                      "averages start at 0 and are too small at first, `m` by a factor 0.1 and the "
                      "root of `v` by 0.03. Divide each by its correction."),
    "only_m": ({"hat_v": _uncorrected}, "`m` is corrected, `v` is not. It starts at 0 too."),
    "only_v": ({"hat_m": _uncorrected}, "`v` is corrected, `m` is not. It starts at 0 too."),
    "kept_hats": ({"back": "hats"}, "you return the corrected averages, and the next step corrects "
                  "them again. Return the plain `m` and `v`."),
    "kept_m_hat": ({"back": "m_hat"}, "you return the corrected `m`, and the next step corrects it "
                   "again. Return the plain one."),
    "kept_v_hat": ({"back": "v_hat"}, "you return the corrected `v`, and the next step corrects it "
                   "again. Return the plain one."),
    "exchanged": ({"back": "exchanged"}, "you return `v` before `m`. The order is `w, m, v`."),
    "t_off": (_both(lambda a, beta, t: a / (1 - beta ** (t + 1))), "the correction is one step "
              "ahead. `t` is 1 at the first step already."),
    "power_of_all": (_both(lambda a, beta, t: a / (1 - beta) ** t), "the power takes in the whole "
                     "bracket. It belongs to beta alone: 1 - beta**t."),
    "multiplied": (_both(lambda a, beta, t: a * (1 - beta**t)), "you multiply by the corrections. "
                   "The averages are too small at first: divide."),
    "corrected_once": (_both(lambda a, beta, t: a / (1 - beta)), "the correction is that of step 1 "
                       "at every step. It has to fade: where is `t`?"),
    "no_root": ({"size": lambda v: v}, "you divide by `v`, which has the size of a squared "
                "gradient. Which function makes it a gradient's size?"),
    "outside_root": ({"hat_v": lambda a, beta, t: a / (1 - beta**t) ** 2}, "the correction of `v` "
                     "stands outside of the root. Correct `v` first, then take the root."),
    "forgot": ({"back": "old"}, "yours starts from empty averages again. Do you return the new "
               "`m` and `v`?"),
    "uphill": ({"sign": -1}, "yours moves along the gradient, and the loss grows."),
    "sums": ({"add_m": lambda beta: 1, "add_v": lambda beta: 1}, "`m` and `v` are sums, not "
             "averages. The new gradient gets the weight 1 - beta."),
    "sum_m": ({"add_m": lambda beta: 1}, "`m` is a sum, not an average. The new gradient gets the "
              "weight 1 - beta_1."),
    "sum_v": ({"add_v": lambda beta: 1}, "`v` is a sum, not an average. The new square gets the "
              "weight 1 - beta_2."),
    "shares": ({"old": lambda beta: 1 - beta, "add_m": lambda beta: beta,
                "add_v": lambda beta: beta}, "beta is the share of the *old* average that stays; "
               "you give it to the new gradient."),
    "betas": ({"swapped": True}, "the two betas are swapped. `beta_1` is for `m`, the mean of the "
              "gradients."),
    "not_squared": ({"square": lambda g, m: np.abs(g)}, "`v` averages the sizes of the gradients. "
                    "It is the mean of their squares, and the root comes later."),
    "unsquared": ({"square": lambda g, m: g, "size": lambda v: np.sqrt(np.abs(v))}, "`v` averages "
                  "the gradients themselves, not their squares."),
    "square_of_m": ({"square": lambda g, m: m**2}, "`v` averages the squares of `m`. It is the "
                    "mean of the squared gradients."),
    "belief": ({"square": lambda g, m: (g - m) ** 2}, "`v` averages the squared distance from `m` "
               "(an optimizer of its own, AdaBelief). Adam takes the square of the gradient."),
    "one_size": ({"square": lambda g, m: np.mean(g**2) + 0 * g}, "both weights have the same `v`. "
                 "Each weight has the mean of its own squares: no sum or mean over the weights."),
    "gradient": ({"towards": "gradient"}, "the direction is the gradient itself; that is RMSprop. "
                 "Adam goes along the mean of the gradients."),
    "old_mean": ({"towards": "old mean"}, "you move along the `m` that came in. Update it first."),
    "nadam": ({"towards": "ahead"}, "you look one step ahead, as Nadam does. Adam moves along the "
              "corrected `m` as it is."),
    "sign": ({"towards": "sign", "size": lambda v: np.ones_like(v)}, "each weight moves by the "
             "whole rate, always: you take the sign of `m` only. The ratio of `m` to the root of "
             "`v` becomes small where gradients disagree."),
    "sum_size": ({"square": lambda g, m: np.sum(g**2) + 0 * g}, "both weights have the same `v`, "
                 "from the squares of both. Each weight has the mean of its own squares."),
    "crossed": ({"crossed": True}, "each correction has the beta of the other average."),
    "times_root": ({"size": lambda v: 1 / np.sqrt(v)}, "you multiply by the root of `v`. Divide by "
                   "it: what has large gradients gets short steps."),
    "double": ({"push": lambda lr, t: 2 * lr}, "your steps are twice as long."),
    "only_move": ({"stays": False}, "you return the move. Return where `w` is after it."),
    "fading": ({"push": lambda lr, t: lr / np.sqrt(t)}, "the rate falls with the root of `t`. Here "
               "it stays as it is."),
    "no_rate": ({"push": lambda lr, t: 1}, "your steps are not scaled by the rate. Where is "
                "`lr`?"),
}  # fmt: skip


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
        **_messages(ADAM_SLIPS),
        "two": TWO,
        "differs": "after step {step} your w is {got}, Keras's is {wanted}. At step 1 both "
        "corrected averages are known: the gradient and its square. So each weight moves by `lr`.",
        "later": "step 1 agrees with Keras. After step {step} your w is {got}, Keras's "
        "is {wanted}. Look at what changes with time: the averages that you return and use, and "
        "the power `t` in each correction.",
        "fixed": "with the default betas all is equal to Keras. With lr=0.1, beta_1=0.8 and "
        "beta_2=0.99 yours still moves as if {seen}. Is that written into your code?",
        "hard_coded": "with the default betas all is equal to Keras. With lr=0.1, beta_1=0.8, "
        "beta_2=0.99, after step {step}, your w is {got} and Keras's is {wanted}. One way to get "
        "this is a variable that lives on from an earlier call.",
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

        def run(lr=lr, betas=betas, gradients=gradients, **settings):
            return _points(_adam(**settings), gradients, 2, lr, *betas, 1e-7)

        if betas[0] == 0.9:
            averages = 0.1 * gradients[0], 0.001 * gradients[0] ** 2
            if any(_equal(ours[1], average) for average in averages):
                raise Wrong("order")
            _judge(ours, points, run, ADAM_SLIPS, "differs", later="later")
        for rate, first, second in itertools.product((lr, 0.3), (0.8, 0.9), (0.99, 0.999)):
            if _equal(ours, run(rate, (first, second))):
                values = {"lr": (rate, lr), "beta_1": (first, 0.8), "beta_2": (second, 0.99)}
                seen = [f"{name} were {got}" for name, (got, told) in values.items() if got != told]
                raise Wrong("fixed", seen=" and ".join(seen))
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


OTHER_NAMES = {
    "sgd": ["plain sgd", "sgd without momentum", "plain descent", "gradient descent", "plain"],
    "momentum": ["sgd with momentum", "sgd + momentum"],
    "rmsprop": ["rms prop"],
    "adam": [],
}


def _named(answer) -> list[str]:
    """Return which of the four a text names: "SGD and SGD with momentum", "both", "all"."""
    if not isinstance(answer, str):
        raise Wrong("names", got=answer)
    names = []
    for part in re.split(r"[,;&/\n]|\band\b", re.sub(r"\b(both|only|just)\b", " ", answer.lower())):
        words = re.sub(r"[^a-z ]", " ", part).split()
        if words in (["all"], ["all", "four"], ["every", "one"]):
            names += FOUR
        elif words and words not in (["none"], ["no", "one"], ["nobody"]):
            try:
                names.append(expect.name(" ".join(words), OTHER_NAMES))
            except Wrong:
                if not set(words) <= set(FOUR):
                    raise Wrong("names", got=f'"{part.strip()}"') from None
                names += words
    return names


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
        "missing": "`{names}` is right, and one more has steps that grow with the gradient: "
        "nothing in it divides the factor away.",
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
    if isinstance(answer, dict):
        raise Wrong("type", what="your answer", wanted="a list of names", got="a dict")
    given = [answer] if isinstance(answer, str) else expect.items(answer, 8, "your answer")
    names = {name for one in given for name in _named(one)}
    missing = [n for n in ("sgd", "momentum") if n not in names]
    extra = [n for n in ("rmsprop", "adam") if n in names]
    if not names:
        raise Wrong("none_needs")
    if names == set(FOUR):
        raise Wrong("all")
    if len(missing) == 2:
        raise Wrong("reversed")
    if extra:
        raise Wrong("extra", names=extra[0])
    if missing:
        raise Wrong("missing", names="sgd" if "sgd" in names else "momentum")


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


def _adaptive(
    old, add, square=lambda g: g**2, size=np.sqrt, uses="new", back="new", push=1, stays=True
):
    """Make AdaGrad's or RMSprop's step: the old squares and the new one, each with a weight."""

    def step(w, kept, g, lr, *settings):
        rho, epsilon = settings if len(settings) == 2 else (None, *settings)
        new = old(rho) * kept + add(rho) * square(g)
        divides = {"new": new, "old": kept, "last": square(g), "own": new - 0.1,
                   "both": new.sum(), "mean": new.mean()}[uses]  # fmt: skip
        w = stays * w - (lr if push == "sign" else push * lr) * g / size(divides + epsilon)
        return w, {"new": new, "old": kept, "root": np.sqrt(new)}[back]

    return step


def _adagrad(old=lambda rho: 1, add=lambda rho: 1, **slips):
    return _adaptive(old, add, **slips)


def _rmsprop(old=lambda rho: rho, add=lambda rho: 1 - rho, **slips):
    return _adaptive(old, add, **slips)


def _common(name: str, what: str) -> dict[str, tuple[dict, str]]:
    """Return the slips that AdaGrad and RMSprop share."""
    return {
        f"{name}_no_root": ({"size": lambda a: a}, f"you divide by a {what} of squares, so that "
                            "the step shrinks when gradients grow. Which function turns squares "
                            "back into the size of a gradient?"),
        f"{name}_forgets": ({"back": "old"}, f"you return the old {what}, so the next step knows "
                            "nothing of this one."),
        f"{name}_late": ({"uses": "old"}, f"you divide by the old {what}. The new square belongs "
                         "to it before you divide."),
        f"{name}_last": ({"uses": "last"}, "you divide by the last gradient alone. The earlier "
                         f"ones count too, through the {what}."),
        f"{name}_sizes": ({"square": np.abs}, f"your {what} adds the sizes of the gradients, not "
                          "their squares."),
        f"{name}_keeps_root": ({"back": "root"}, f"you return the root of the {what}. The next "
                               "step adds a square to it: return the squares."),
        f"{name}_cube_root": ({"size": np.cbrt}, "you take the third root. Of squares it is the "
                              "second."),
        f"{name}_both": ({"uses": "both"}, f"both weights are divided by the same {what}. Each has "
                         "its own."),
        f"{name}_mean": ({"uses": "mean"}, "both weights are divided by the mean of both. Each "
                         f"has its own {what}."),
        f"{name}_only_move": ({"stays": False}, "you return the move. Return where `w` is after "
                              "it."),
        f"{name}_uphill": ({"push": -1}, "yours moves along the gradient, and the loss grows. One "
                           "sign is turned."),
    }  # fmt: skip


ADAGRAD_SLIPS = _common("adagrad", "sum") | {
    "adagrad_own": ({"uses": "own"}, "your sum starts at 0. Go on from the `acc` that comes in: "
                    "Keras starts it at 0.1, not at 0."),
    "adagrad_as_rmsprop": ({"old": lambda rho: 0.9, "add": lambda rho: 0.1}, "your `acc` is a "
                           "running mean, as RMSprop's. AdaGrad adds up all squares."),
}  # fmt: skip
RMSPROP_SLIPS = _common("rmsprop", "running mean") | {
    "rmsprop_sum": ({"add": lambda rho: 1}, "your `avg` settles at ten times the mean square. In "
                    "an average the weights add up to 1: which weight should the new square get?"),
    "rmsprop_swapped": ({"old": lambda rho: 1 - rho, "add": lambda rho: rho}, "the weights are "
                        "swapped: `rho`, 0.9, belongs to the old average."),
    "rmsprop_rho_twice": ({"add": lambda rho: rho}, "both parts have the weight `rho`. Those of an "
                          "average add up to 1."),
    "rmsprop_endless": ({"old": lambda rho: 1, "add": lambda rho: 1}, "your `avg` is a sum, as "
                        "AdaGrad's, and never forgets."),
    "rmsprop_all_old": ({"old": lambda rho: 1}, "the old average keeps its whole weight. Which "
                        "share of it should stay?"),
}  # fmt: skip


def _adamw(
    push=lambda lr: lr, decay_by=lambda lr: lr, inside=0, sign=1, after=False, of="w", plain=False,
    stays=True,
):  # fmt: skip
    """Make AdamW's step, with the slips that learners make."""

    def step(w, g, lr, decay, adam):
        moved = stays * w - push(lr) * (g if plain else adam(g + inside * decay * w))
        pulled = {"w": moved if after else w, "sign": np.sign(w), "one": 1.0, "square": w**2}[of]
        return moved - sign * decay_by(lr) * decay * pulled

    return step


ADAMW_SLIPS: dict[str, tuple[dict, str]] = {
    "adamw_l2": ({"inside": 1, "sign": 0}, "the decay goes through `adam`, which divides it by the "
                 "size of the gradients: that is L2 inside Adam. Take it out of the gradient."),
    "adamw_no_rate": ({"decay_by": lambda lr: 1}, "your decay is `decay * w` in each step. It is "
                      "multiplied by the rate too."),
    "adamw_rate_twice": ({"decay_by": lambda lr: lr**2}, "your decay is multiplied by the rate "
                         "twice."),
    "adamw_no_decay": ({"sign": 0}, "that is Adam, without any decay."),
    "adamw_grows": ({"sign": -1}, "your weights grow away from 0; decay pulls them towards it."),
    "adamw_after": ({"after": True}, "you shrink the weight after the step. AdamW shrinks the "
                    "weight that it came from."),
    "adamw_constant": ({"of": "one"}, "your pull is `lr * decay` for every weight. It is a share "
                       "of the weight itself."),
    "adamw_signs": ({"of": "sign"}, "your pull looks at the sign of the weight alone, as L1 does. "
                    "It is a share of the weight."),
    "adamw_plain": ({"plain": True}, "you move along the gradient itself. `adam(grad)` is the "
                    "direction."),
    "adamw_only_move": ({"stays": False}, "you return the move. Return where `w` is after it."),
    "adamw_bare": ({"push": lambda lr: 1}, "Adam's direction is not multiplied by `lr`."),
    "adamw_uphill": ({"push": lambda lr: -lr}, "yours moves along the gradient, and the loss "
                     "grows."),
    "adamw_half": ({"decay_by": lambda lr: lr / 2}, "your decay is half of `lr * decay * w`."),
    "adamw_twice": ({"decay_by": lambda lr: 2 * lr}, "your decay is twice `lr * decay * w`."),
}  # fmt: skip


@check.exercise(
    title="Three updates to mend",
    messages={
        "parts": "return two arrays, `{names}`, each with two numbers. We got {got}.",
        **_messages(ADAGRAD_SLIPS, "AdaGrad: "),
        **_messages(RMSPROP_SLIPS, "RMSprop: "),
        **_messages(ADAMW_SLIPS, "AdamW: "),
        "order": "{name}: the first array that you return is the one you keep. The order is "
        "`{names}`.",
        "two": "{name}: " + TWO,
        "adagrad": "AdaGrad: after step {step} your w is {got}, Keras's is {wanted}. Squares add "
        "up without end, and the root of the sum divides the step.",
        "rmsprop": "RMSprop: after step {step} your w is {got}, Keras's is {wanted}. The average "
        "keeps `rho` of itself and takes 1 - rho of the new square.",
        "fixed": "{name}: with one set of numbers all is equal to Keras. With {told}, after step "
        "{step}, your w is {got} and Keras's is {wanted}. Is a number written into your code, or "
        "does something live on from an earlier call?",
        "no_epsilon": "{name}: a first gradient of 0 gives {got}. That is 0 / 0: `epsilon` is "
        "there to prevent it.",
        "adamw_both": "AdamW: in the ravine yours agrees with Keras's. Where the data give no "
        "gradient, after step {step}, your w is {got} and Keras's is {wanted}. One way to get "
        "this: part of the decay still goes through `adam`.",
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
    kinds = keras.optimizers
    for rate in (2.0, 0.5):
        told = (rate, 1e-7)
        points, gradients = _keras_path(kinds.Adagrad(rate))
        _compare("adagrad", adagrad_step, points, gradients, told, 0.1, first=rate == 2.0)
    for rate, rho in ((0.1, 0.9), (0.3, 0.5)):
        told = (rate, rho, 1e-7)
        points, gradients = _keras_path(kinds.RMSprop(rate, rho))
        _compare("rmsprop", rmsprop_step, points, gradients, told, 0.0, first=rho == 0.9)
    for rate, decay in ((0.3, 0.1), (0.1, 0.4)):
        points, gradients = _keras_path(kinds.AdamW(rate, weight_decay=decay))
        _compare_adamw(adamw_step, points, gradients, rate, decay)


KINDS = {
    "adagrad": ("AdaGrad", _adagrad, ADAGRAD_SLIPS, "w, acc", "lr={0}"),
    "rmsprop": ("RMSprop", _rmsprop, RMSPROP_SLIPS, "w, avg", "lr={0} and rho={1}"),
}


def _compare(kind, answer, points, gradients, told, start, first) -> None:
    """Hold AdaGrad or RMSprop against Keras; slips are looked for with the first numbers."""
    name, make, slips, names, words = KINDS[kind]
    ours = _follow(answer, gradients, names, *told, start=start)
    if _equal(ours, points):
        if first:
            return
        with np.errstate(all="ignore"):  # a gradient of 0, at the first step
            still, _ = answer(np.array(START), np.zeros(2), np.zeros(2), *told)
        if not _equal(np.asarray(still), START):
            raise Wrong("no_epsilon", name=name, got=_seen(np.asarray(still)))
        return
    if first:
        if any(_equal(ours[1], start + part * gradients[0] ** 2) for part in (1, 0.1)):
            raise Wrong("order", name=name, names=names)

        def run(**settings):
            return _points(make(**settings), gradients, 1, *told, start=start)

        _judge_of(name, ours, points, run, slips, kind)
    step = _first_off(ours, points)
    seen = {"step": step, "got": _seen(ours[step]), "wanted": _seen(points[step])}
    raise Wrong("fixed", name=name, told=words.format(*told), **seen)


def _judge_of(name, ours, points, run, slips, default) -> None:
    """Do as `_judge` does, and say of which update it speaks."""
    try:
        _judge(ours, points, run, slips, default)
    except Wrong as wrong:
        raise Wrong(wrong.key, **{**wrong.values, "name": name}) from None


def _compare_adamw(answer, points, gradients, rate, decay) -> None:
    def follow(step, gradients=gradients, by=_follow, names="w"):
        direction = _Direction()
        return by(step, gradients, names, rate, decay, lambda g: direction(g)), direction.t

    ours, calls = follow(answer)
    if calls > STEPS:
        raise Wrong("adamw_calls", got=calls)
    if not _equal(ours, points):
        if decay != 0.1:
            step = _first_off(ours, points)
            seen = {"step": step, "got": _seen(ours[step]), "wanted": _seen(points[step])}
            raise Wrong("fixed", name="AdamW", told=f"lr={rate} and decay={decay}", **seen)

        def run(**settings):
            return follow(_adamw(**settings), by=_points, names=0)[0]

        _judge_of("AdamW", ours, points, run, ADAMW_SLIPS, "adamw")
    ours, _ = follow(answer, np.zeros((STEPS, 2)))
    shrunk = np.array(START) * (1 - rate * decay) ** np.arange(STEPS + 1)[:, None]
    if not _equal(ours, shrunk):
        step = _first_off(ours, shrunk)
        raise Wrong("adamw_both", step=step, got=_seen(ours[step]), wanted=_seen(shrunk[step]))


# --------------------------------------------------------------------------------------------------

UPDATES = 9000  # 90 epochs of 100 updates
LOOKS = np.unique([*range(0, 900, 30), *range(900, UPDATES, 300), UPDATES - 1])


@check.exercise(
    title="Down the tree",
    messages={
        "not_one": "{what}: give a Keras optimizer, as in `keras.optimizers.SGD(...)`; this is "
        "{got}.",
        "literal": "AdamW, constant, at {rate}: the first branch of the quoted tree, read to the "
        "letter. Every ResNet has batch normalization, so the branch for CNNs would never be "
        "reached. Read it as layer normalization. (AdamW with a tuned rate and a schedule is a "
        "fair answer.)",
        "other": "{got} is not what the corrected tree says for a CNN. It says SGD with momentum; "
        "AdamW with weight decay, tuned, is a fair answer too.",
        "no_momentum": "plain SGD, with momentum 0. The recipe for CNNs has momentum.",
        "momentum": "momentum {got} is far from the usual 0.9. How many past steps does it "
        "remember: about 1 / (1 - momentum)?",
        "rate": "the highest rate is {got}. For {name} on a ResNet we would start to look between "
        "{low} and {high}.",
        "constant": "the rate stays at {got} for all 9,000 updates. The recipe lets it fall to "
        "about 0 along a cosine: `keras.optimizers.schedules.CosineDecay`.",
        "epochs": "the rate has fallen from {top} to {got} by update {when} already. 90 epochs of "
        "100 updates are 9,000 updates, and a schedule counts those, not epochs.",
        "asleep": "from update {when} on the rate is about 0, {got}: nothing is learned in the "
        "rest of the 9,000 updates.",
        "hot": "the rate starts at {start} and is still {got} at the last of 9,000 updates. It "
        "should have fallen to about 0.",
        "walker_kind": "`walker` is {got}. The robot has no right answers to compare with, only "
        "pay: which row of the tree speaks of that?",
        "walker_decay": "`walker` has a weight decay of {got}. In Keras that makes AdamW of it; "
        "its row of the tree has none.",
        "walker_rate": "`walker` has a rate of {got}; its row of the tree names another.",
    },
    hints=[
        "Batch normalization does not make a transformer of a ResNet: which row is left? And a "
        "robot's pay is its reward.",
        "`keras.optimizers.SGD` with `momentum=0.9`, and a `CosineDecay` as its learning rate. The "
        "robot's row has a rate of its own.",
        "`SGD(keras.optimizers.schedules.CosineDecay(0.1, 9000), momentum=0.9)`, and "
        "`keras.optimizers.Adam(...)` with the rate of its row.",
    ],
    why="A ResNet is a CNN: SGD with momentum 0.9, from a rate of 0.1 along a cosine to 0, is the "
    "recipe that most published results come from. A robot that is paid learns by reinforcement; "
    "Adam at 3e-4 is what the tree quotes for it, a place to start.",
    alternative="AdamW with weight decay, a tuned rate near 0.001 and a cosine is competitive.",
)
def resnet(resnet, walker):
    _judge_resnet(resnet)
    _judge_walker(walker)


def _without_scale(optimizer, what):
    """Return the optimizer inside of a loss scale, or what is given."""
    import keras

    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise Wrong("not_one", what=what, got=optimizer)
    while isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    return optimizer


def _judge_walker(optimizer) -> None:
    import keras

    optimizer = _without_scale(optimizer, "`walker`")
    kind, decay = type(optimizer), optimizer.weight_decay
    if kind is not keras.optimizers.Adam and (kind is not keras.optimizers.AdamW or decay):
        raise Wrong("walker_kind", got=kind.__name__)
    if decay:
        raise Wrong("walker_decay", got=decay)
    rate = float(_rates(optimizer).max())
    if not np.isclose(rate, 3e-4, rtol=0.01):
        raise Wrong("walker_rate", got=rate)


def _judge_resnet(optimizer) -> None:
    import keras

    from coursekit.optimizers import ScheduledMomentumSGD

    optimizer = _without_scale(optimizer, "`resnet`")
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
        if constant and np.isclose(top, 3e-4, rtol=1e-3):
            raise Wrong("literal", rate=top)
    else:
        without = " without weight decay" if isinstance(optimizer, keras.optimizers.Adam) else ""
        raise Wrong("other", got=name + without)
    if constant:
        raise Wrong("constant", got=top)
    if not low <= top <= high:
        raise Wrong("rate", got=top, name=name, low=low, high=high)
    cold, asleep = (LOOKS[np.flatnonzero(rates > share * top)[-1] :][1:2] for share in (0.11, 1e-4))
    if cold.size and cold[0] <= 900:  # nine tenths are gone after a tenth of the run
        raise Wrong("epochs", top=top, got=float(rates[cold[0] == LOOKS][0]), when=int(cold[0]))
    if asleep.size and asleep[0] <= 7200:
        raise Wrong("asleep", when=int(asleep[0]), got=float(rates[asleep[0] == LOOKS][0]))
    if rates[-1] > 0.1 * top:
        raise Wrong("hot", start=float(rates[0]), got=float(rates[-1]))


def _rates(optimizer) -> np.ndarray:
    """Return the rates at the updates `LOOKS`; the optimizer stays as it is."""
    now = int(optimizer.iterations)
    rates = []
    try:
        for step in LOOKS:
            optimizer.iterations.assign(int(step))
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
        "a": "They scale along the axes of the parameters. In the turned ravine both parameters "
        "see steep and flat mixed, and scaling each cannot part them.",
        "b": "SGD and momentum add up gradients as vectors. Turned gradients give the turned path, "
        "step for step.",
        "c": "For SGD and momentum yes: they know no axes. Dividing each parameter by its own "
        "gradients does depend on the axes.",
    },
    answer="a",
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
        "b": ("lr / 100", "The sum is 100 squares; AdaGrad divides by its root."),
        "c": ("lr / 10", "The root of 100 squares is 10 gradients. The rate only ever shrinks."),
    },
    answer="c",
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
    "Reinforcement learning: Adam, 3e-4. Else Adam, and SGD if validation lags. Those are places "
    "to start: then tune the rate.",
)
check.card(
    "A new optimizer is said to beat AdamW. What do you ask?",
    "Was AdamW tuned as long, with several seeds? Is the budget in updates or in seconds? Muon may "
    "be ahead per update, and each of its steps costs more, the more so for small batches.",
)
