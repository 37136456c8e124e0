"""Hyperparameter search: checks, hints, quiz and cards; and its small trainings."""

import numpy as np

from coursekit import datasets
from coursekit.exercises import Lesson, Wrong, expect, learner_code, lesson, with_article
from coursekit.lessons import _side_by_side
from coursekit.lessons._combined import slips_found

check = Lesson("hyperparameter_search", "Where should the next trial go?")


def train(settings, epochs: int = 3) -> np.ndarray:
    """Train a small network on the digits of seven writers for each setting, side by side.

    Args:
        settings: dicts of learning_rate (of Adam), batch_size, units and dropout.
        epochs: of each training.

    Returns:
        Accuracies on three other writers, of shape (settings, epochs).
    """
    digits = datasets.load_digits().train
    held = digits.groups["writer"] >= 7
    return _trained(settings, epochs, (digits.x[held], digits.y[held]))


def defend(setting, epochs: int = 3) -> np.ndarray:
    """Train three seeds of one setting; return accuracies on two writers who chose nothing."""
    DEFENDED.append(dict(setting))
    return _defend(setting, epochs)


DEFENDED: list[dict] = []  # settings that have met the writers who chose nothing


def _defend(setting, epochs: int = 3) -> np.ndarray:
    held = datasets.load_digits().validation
    return _trained([setting] * 3, epochs, (held.x, held.y))[:, -1]


def _trained(settings, epochs, held) -> np.ndarray:
    digits = datasets.load_digits().train
    rows = np.flatnonzero(digits.groups["writer"] < 7)
    data, held = ((x.reshape(-1, 64), y) for x, y in ((digits.x[rows], digits.y[rows]), held))
    found = np.zeros((len(settings), epochs))
    for size in sorted({int(s["batch_size"]) for s in settings}):
        own = [k for k, s in enumerate(settings) if int(s["batch_size"]) == size]
        found[own] = _side_by_side.train([settings[k] for k in own], own, data, held, epochs)
    return found


def walk(table: np.ndarray, rate: int, batch: int) -> list[tuple[int, int]]:
    """Tune the rate, then the batch size, in turn; return all places until nothing changes."""
    places = [(rate, batch)]
    while True:
        before = rate, batch
        rate = int(table[:, batch].argmin())
        places.append((rate, batch))
        batch = int(table[rate].argmin())
        places.append((rate, batch))
        if (rate, batch) == before:
            return places


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="How large is a grid?",
    messages={
        "sum": "{got} is 10 x 5, the number of values there are. A trial picks one value of each "
        "hyperparameter, and every combination is a trial.",
        "swapped": "{got} is 10 to the 5th: five hyperparameters with ten values each. Here ten "
        "hyperparameters have five values.",
        "one_short": "{got} would be right for one hyperparameter less.",
        "one_more": "{got} would be right for one hyperparameter more.",
        "added": "{got} is 10 + 5. Python makes that of `5^10`, too, where `^` compares bits.",
        "squared": "{got} is right for two hyperparameters; there are ten.",
        "chosen": "{got} is the number of ways to choose five things of ten. Here each of ten "
        "takes one of five values.",
        "two_values": "{got} counts two values for each hyperparameter: there are five.",
        "number": "you answer {got}. Start with two hyperparameters of five values: 5 x 5 trials. "
        "How many with a third one?",
    },
    hints=[
        "One hyperparameter has 5 trials. Each further one multiplies their number.",
        "V values and D hyperparameters: V x V x ... x V, D times.",
        "`grid_size = ... ** ...`",
    ],
    why="Each of the D hyperparameters multiplies the number of trials by V, so a full grid has "
    "V^D of them: 5^10 is 9,765,625.",
    alternative="`len(list(itertools.product(range(5), repeat=10)))` counts them, slowly; "
    "`np.prod([5] * 10)` multiplies.",
)
def grid_size(answer):
    got, right = expect.numeral(answer, "`grid_size`"), 5**10
    rounded = [float(f"{right:.{digits}e}") for digits in range(1, 7)]
    if min(abs(got - value) for value in rounded) < 0.01:  # a sum of logarithms is not exact
        return
    known = {"sum": 50, "swapped": 10**5, "one_short": 5**9, "one_more": 5**11, "added": 15,
             "squared": 25, "chosen": 252, "two_values": 2**10}  # fmt: skip
    expect.no_slips(got, right, "`grid_size`", neighbours=known, tolerance=1e-6)
    raise Wrong("number", got=f"{got:.10g}")


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Thirty random trials",
    messages={
        "expected": "{got} is 30 x 0.05: how many of the trials you expect in the best 5 %. A "
        "probability is at most 1.",
        "certain": "{got} would be certain. Each trial misses the best 5 % with probability 0.95, "
        "and all thirty may miss.",
        "all_miss": "{got} is the probability that all thirty miss. We asked for the opposite.",
        "one": "{got} is what one trial reaches. Thirty have thirty chances.",
        "one_misses": "{got} is the probability that one trial misses.",
        "exactly_one": "{got} is the probability that exactly one trial is good. Two or more are "
        "as welcome.",
        "one_short": "{got} is what 29 trials reach.",
        "one_more": "{got} is what 31 trials reach.",
        "all_good": "{got}: 0.05 to the 30th is the probability that *all* are good, and what it "
        "leaves to 1, that not all are.",
        "ratio": "{got} is a number of trials divided by another one. Ask first with what "
        "probability one trial misses.",
        "outside": "{got} is no probability: those lie between 0 and 1.",
        "percent": "{got} is right in percent. Give a probability between 0 and 1, or write %.",
        "number": "you answer {got}. One trial misses with probability 0.95. With what probability "
        "do all thirty miss?",
    },
    hints=[
        "It is easier to ask for the opposite: that no trial lands in the best 5 %.",
        "Thirty independent misses: 0.95 x 0.95 x ..., thirty factors.",
        "`thirty_random = 1 - ... ** 30`",
    ],
    why="All thirty miss with probability 0.95^30, about 0.21; so at least one lands in the best "
    "5 % with 0.785. The number of hyperparameters does not occur in it. With sixty it is 0.954, a "
    "common budget. (The best 5 % of the space you draw from: a bad space has a bad best.)",
    alternative="`scipy.stats.binom.sf(0, 30, 0.05)`, or a simulation: "
    "`np.mean(rng.random((100_000, 30)).min(1) < 0.05)`.",
)
def thirty_random(answer):
    got, right = expect.numeral(answer, "`thirty_random`"), 1 - 0.95**30
    if abs(got - right) < 0.005:  # a simulation will do
        return
    for value, key, room in (
        (1.5, "expected", 1e-3), (1.0, "certain", 1e-6), (0.95**30, "all_miss", 5e-3),
        (0.05, "one", 1e-6), (0.95, "one_misses", 1e-6), (1 - 0.95**29, "one_short", 3e-3),
        (1 - 0.95**31, "one_more", 3e-3), (30 * 0.05 * 0.95**29, "exactly_one", 3e-3),
        (0.05**30, "all_good", 1e-30), (0.5, "ratio", 1e-6), (1 / 30, "ratio", 1e-4),
        (100 * right, "percent", 0.6),
    ):  # fmt: skip
        if abs(got - value) < room:
            raise Wrong(key, got=got)
    raise Wrong("number" if 0 <= got <= 1 else "outside", got=got)


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Draw learning rates",
    messages={
        "count": "for `count=4000` the number of your rates is {got}.",
        "exponents": "your values lie from {low} to {high}: these look like exponents. Raise 10 "
        "to them.",
        "logarithms": "your values lie from {low} to {high}: these look like natural logarithms of "
        "rates. Take `np.exp` of them.",
        "range": "your values lie from {low} to {high}; the rates should be from 0.0001 to 0.1.",
        "uniform": "{share} of your rates are above 0.01. So the two decades below it, where the "
        "best rate may well lie, share what is left. Draw the exponent uniformly instead.",
        "few": "of your rates below {below}, {count}, there are only {got} different ones. Then a "
        "search tries these alone there, as a grid does. Are they rounded?",
        "same": "two calls with generators of different seeds return the same rates. Draw from "
        "`rng`.",
        "decades": "the decades from 0.0001, 0.001 and 0.01 get {got} of your rates; a third each "
        "is wanted.",
    },
    hints=[
        "A rate of 0.001 differs from 0.01 as much as 0.01 does from 0.1: by a factor.",
        "Draw the exponent uniformly between -4 and -1, then take 10 to that power.",
        "`return 10 ** rng.uniform(..., ..., count)`",
    ],
    hints_for={"range": "Which base belongs to the exponents -4 and -1?"},
    why="Learning rates act by factors, so each decade should get as many trials. A uniform draw "
    "puts 90 % of them into the top decade.",
    alternative="`np.exp(rng.uniform(np.log(1e-4), np.log(1e-1), count))`; in KerasTuner "
    '`hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")`.',
)
def sample_rates(answer):
    expect.function(answer, "`sample_rates`")
    draws = []
    for seed in (1, 2):
        with learner_code():
            got = answer(np.random.default_rng(seed), 4000)
        if isinstance(got, tuple | list) or hasattr(got, "__next__"):
            got = expect.items(got, at_most=5000)
        draws.append(expect.array(got, what="the result").astype(float).ravel())
    rates = draws[0]
    if len(rates) != 4000:
        raise Wrong("count", got=len(rates))
    low, high = float(rates.min()), float(rates.max())
    if low >= -4.01 and high <= -0.99:
        raise Wrong("exponents", low=low, high=high)
    if low >= np.log(0.99e-4) and high <= np.log(0.101):
        raise Wrong("logarithms", low=low, high=high)
    if low < 0.9999e-4 or high > 0.10001:
        raise Wrong("range", low=low, high=high)
    for below in (1e-3, 1e-2, 1.0):
        some = rates[rates < below]
        if len(some) > 100 and len(np.unique(some)) < len(some) / 2:
            raise Wrong("few", count=len(some), got=len(np.unique(some)), below=below)
    if np.array_equal(*draws):
        raise Wrong("same")
    top = float(np.mean(rates > 0.01))
    if top > 0.85:
        raise Wrong("uniform", share=f"{top:.0%}")
    thirds = np.histogram(np.log10(rates), [-5, -3, -2, 0])[0] / len(rates)
    if np.abs(thirds - 1 / 3).max() > 0.05:
        raise Wrong("decades", got=", ".join(f"{share:.0%}" for share in thirds))


# --------------------------------------------------------------------------------------------------

KINDS = {
    "kernel": "parameter",
    "bias": "parameter",
    "embedding": "parameter",
    "gamma": "parameter",
    "layers": "hyperparameter",
    "dropout_rate": "hyperparameter",
    "batch_size": "hyperparameter",
    "initial_rate": "hyperparameter",
    "moving_mean": "state",
    "adam_moment": "state",
    "iterations": "state",
    "rate_at_step_500": "state",
}


KIND_MESSAGES = {
    "moving_hyper": "nobody sets the moving mean of batch normalization before training: the "
    "layer computes it from the batches it meets.",
    "moving_parameter": "the moving mean is stored among the weights, and Keras counts it as "
    "non-trainable: no gradient reaches it. Which word is for what training merely keeps?",
    "scheduled": "no gradient moves the rate at step 500: a schedule computes it from the step. "
    "What you set is the schedule.",
    "initial": "you write the initial rate into the recipe before training, and training never "
    "changes it.",
    "moment": "Adam's moments come from gradients, but predictions do not use them: they are the "
    "optimizer's memory.",
    "iterations": "the counter is neither chosen nor learned: it goes up by one a step.",
    "parameter_wrong": "these are moved by gradient steps, and predictions use them: "
    "{parameter_wrong}.",
    "hyper_wrong": "these you set before training, and no step changes them: {hyper_wrong}.",
}


@check.exercise(
    title="Parameter, hyperparameter or state?",
    messages={
        "keys": "the answer needs the twelve keys of the stub; {got}.",
        "kind": 'for {name} you wrote {got}; choose "parameter", "hyperparameter" or "state".',
        **KIND_MESSAGES,
        "several": "some of the twelve are another kind.",
    },
    hints=[
        "Ask of each: do I set it before training? If not: does the gradient of the loss move it?",
        "Four of each. What training keeps without learning it by gradient, it needs to go on.",
        "The moving mean, Adam's moment, the counter, the scheduled rate: computed on the way.",
    ],
    why="Parameters live inside the model and gradients move them; hyperparameters are set "
    "outside, before training; the rest is state, kept to continue.",
    alternative="Of the rate at step 500 one can say that the schedule, a hyperparameter, fixes "
    'it: "hyperparameter" is accepted.',
)
def kinds(answer):
    if not isinstance(answer, dict):
        raise Wrong("type", what="`kinds`", wanted="a dict", got=with_article(answer))
    given = {str(k).strip().lower(): v for k, v in answer.items()}
    missing = [k for k in KINDS if k not in given]
    extra = [k for k in given if k not in KINDS]
    if missing or extra:
        words = [f"missing: {', '.join(missing)}"] * bool(missing)
        words += [f"unknown: {', '.join(extra)}"] * bool(extra)
        raise Wrong("keys", got="; ".join(words))
    words = {name: _kind(name, value) for name, value in given.items()}
    special = {
        ("moving_mean", "hyperparameter"): "moving_hyper",
        ("moving_mean", "parameter"): "moving_parameter",
        ("rate_at_step_500", "parameter"): "scheduled",
        ("adam_moment", "parameter"): "moment",
        ("adam_moment", "hyperparameter"): "moment",
        ("iterations", "parameter"): "iterations",
        ("iterations", "hyperparameter"): "iterations",
        ("initial_rate", "parameter"): "initial",
        ("initial_rate", "state"): "initial",
    }
    found: dict[str, list[str]] = {}
    for name, wanted in KINDS.items():
        got = words[name]
        if got == wanted or (name, got) == ("rate_at_step_500", "hyperparameter"):
            continue
        key = "parameter_wrong" if wanted == "parameter" else "hyper_wrong"
        found.setdefault(special.get((name, got), key), []).append(name.replace("_", " "))
    if found:
        names = {key: ", ".join(some) for key, some in found.items() if key in LISTED}
        raise slips_found(list(found), KIND_MESSAGES, **names)


LISTED = ("parameter_wrong", "hyper_wrong")


def _kind(name: str, value) -> str:
    text = str(value).strip(" .").lower().replace("hyper-", "hyper").replace("hyper p", "hyperp")
    text = text.removeprefix("a ")
    for kind in ("parameter", "hyperparameter", "state"):
        if text and (kind.startswith(text) or text == kind + "s"):
            return kind
    raise Wrong("kind", name=name, got=repr(value))


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="One at a time",
    messages={
        "pair": "return two numbers, the row of the rate and the column of the batch size; you "
        "return {got}.",
        "range": "you return {got}, which lies outside the table of {shape}.",
        "joint": "you return {got}, the lowest place of the whole table, as a joint search does. "
        "Turns look along one column or one row.",
        "one_change": "you return {got}: the best rate for the first batch size, and there you "
        "stop. Now the batch size, then the rate again, until nothing changes.",
        "one_round": "you return {got}, where one round ends. After the batch size has changed, "
        "another rate may be better: go on until a round changes nothing.",
        "some_rounds": "you return {got}, a place on the way, after some rounds: go on until a "
        "round changes nothing.",
        "batch_first": "you return {got}, where turns end that begin with the batch size. Begin "
        "with the rate.",
        "neighbour": "you return {got}, where steps to the next cell end. A turn looks along the "
        "whole column or row.",
        "better_turn": "you return {got}, where it ends if each time the better one of the two "
        "turns is taken. They come in turn, whichever helps more.",
        "at_once": "you return {got}, where it ends if both are changed at once, each for the old "
        "value of the other. The batch size is chosen for the *new* rate.",
        "wrong_axis": "you return {got}: row and column are exchanged on the way. `loss[:, batch]` "
        "is a column, one loss for each rate.",
        "highest": "you return {got}, where the turns end if each takes the highest loss. Lower is "
        "better.",
        "swapped": "you return {got}: column first. Return the row (rate), then the column.",
        "rate_stands": "you return {got}. One way to get this: to stop as soon as the rate stays "
        "what it was. The batch size may still change, and after it the rate.",
        "stayed": "you return {got}, where you started; in column {batch} another row is lower.",
        "not_settled": "from rate {rate} and batch {batch} you return {got}. There one more change "
        "of the {which} alone lowers the loss.",
        "elsewhere": "from rate {rate} and batch {batch} you return {got}. No single change helps "
        "there, and yet turns that begin with the rate end at another place.",
    },
    hints=[
        "Hold the batch size: one column of the table. Where is it lowest?",
        "Then hold that rate: one row. Repeat both until the pair stays what it was.",
        "`rate = loss[:, batch].argmin()`, then `batch = loss[rate].argmin()`, in a `while` loop.",
    ],
    hints_for={"one_round": "Put both lines into a loop, and remember the pair from before."},
    why="Each turn moves along one axis, so the walk stops where no single change helps, although "
    "changing both would. Where it stops depends on where it started.",
    alternative="`np.argmin(loss[:, batch])` in a fixed number of rounds, such as 20: more rounds "
    "than needed change nothing.",
)
def in_turn(answer):
    expect.function(answer, "`in_turn`")
    cases, places = list(_tables()), []
    for table, rate, batch in cases:
        given = table.copy()
        with learner_code():
            got = answer(given, rate, batch)
        if not np.array_equal(given, table):
            raise Wrong("mutated", argument="loss")
        if isinstance(got, dict):
            got = [got[name] for name in ("rate", "batch") if name in got]
        got = expect.array(got, what="the result").ravel()
        if len(got) != 2 or (got != np.round(got)).any():
            raise Wrong("pair", got=got)
        places.append(tuple(map(int, got)))
    wanted = [_turns(*case) for case in cases]
    if places == wanted:
        return
    k = next(k for k, (a, b) in enumerate(zip(places, wanted, strict=True)) if a != b)
    (table, rate, batch), got = cases[k], places[k]
    shown = {"got": got, "rate": rate, "batch": batch}
    for key, way in OTHER_WALKS.items():
        if places == [tuple(map(int, way(*case))) for case in cases]:
            raise Wrong(key, **shown)
    if not (0 <= got[0] < table.shape[0] and 0 <= got[1] < table.shape[1]):
        raise Wrong("range", got=got, shape=" x ".join(map(str, table.shape)))
    if all(place in walk(*case) for place, case in zip(places, cases, strict=True)):
        raise Wrong("some_rounds", **shown)
    column, row = table[:, got[1]], table[got[0]]
    if min(column.min(), row.min()) < table[got]:
        raise Wrong("not_settled", which="rate" if column.min() < table[got] else "batch size",
                    **shown)  # fmt: skip
    raise Wrong("elsewhere", **shown)


def _steps(moves):
    """Return a walk that takes the lowest of the places that `moves` gives, until none is lower."""

    def walk(table, rate, batch):
        place = rate, batch
        while True:
            best = min(moves(table, *place), key=lambda one: table[one])
            if table[best] >= table[place]:
                return place
            place = best

    return walk


def _next_cells(table, rate, batch):
    near = ((rate + 1, batch), (rate - 1, batch), (rate, batch + 1), (rate, batch - 1))
    return [(r, b) for r, b in near if 0 <= r < table.shape[0] and 0 <= b < table.shape[1]]


def _both_turns(table, rate, batch):
    return [(int(table[:, batch].argmin()), batch), (rate, int(table[rate].argmin()))]


def _at_once(table, rate, batch):
    for _ in range(30):
        rate, batch = int(table[:, batch].argmin()), int(table[rate].argmin())
    return rate, batch


def _wrong_axis(table, rate, batch):
    for _ in range(30):
        rate = min(int(table[min(rate, len(table) - 1)].argmin()), len(table) - 1)
        batch = int(table[:, min(batch, table.shape[1] - 1)].argmin())
    return rate, batch


def _first_change(table, rate, batch):
    return int(table[:, batch].argmin()), batch


def _first_round(table, rate, batch):
    best = int(table[:, batch].argmin())
    return best, int(table[best].argmin())


def _rate_stands(table, rate, batch):
    while (best := int(table[:, batch].argmin())) != rate:
        rate, batch = best, int(table[best].argmin())
    return rate, batch


OTHER_WALKS = {
    "stayed": lambda table, rate, batch: (rate, batch),
    "joint": lambda table, rate, batch: np.unravel_index(table.argmin(), table.shape),
    "one_change": _first_change,
    "one_round": _first_round,
    "batch_first": lambda table, rate, batch: _turns(table.T, batch, rate)[::-1],
    "neighbour": _steps(_next_cells),
    "better_turn": _steps(_both_turns),
    "at_once": _at_once,
    "wrong_axis": _wrong_axis,
    "highest": lambda table, rate, batch: _turns(-table, rate, batch),
    "swapped": lambda table, rate, batch: _turns(table, rate, batch)[::-1],
    "rate_stands": _rate_stands,
}


def _turns(table, rate, batch) -> tuple[int, int]:
    return walk(table, rate, batch)[-1]


def _tables():
    """Return tables and starts; on one of the first two each wrong way ends elsewhere."""
    first = np.random.default_rng(119).random((7, 7))
    yield first, 3, 1
    yield first, int(first[:, 1].argmin()), 1  # the first turn changes nothing
    rows, columns = np.mgrid[0:9, 0:7]
    for across, start in ((3.0, (8, 1)), (4.0, (0, 6))):
        valley = across * (rows - 1.2 * columns) ** 2 + (rows + columns - 7.3) ** 2
        yield valley / 50 + 0.01 * np.sin(5.0 * rows + 3.0 * columns), *start
    stairs = np.full((9, 8), 9.0) + np.arange(8) / 100  # twelve turns down
    for k in range(8):
        stairs[k, k] = -2 * k
        stairs[k, min(k + 1, 7)] = -2 * k - 1
    stairs[0, 0] = -20
    yield stairs, 8, 1


# --------------------------------------------------------------------------------------------------

NAMES = ("learning_rate", "batch_size", "units", "dropout")
LIMITS = {
    "learning_rate": (1e-5, 1.0),
    "batch_size": (1, 1024),
    "units": (1, 1024),
    "dropout": (0.0, 0.95),
}


@check.exercise(
    title="Sixty trainings",
    messages={
        "settings": "`plan` should be a list of dicts with the keys learning_rate, batch_size, "
        "units and dropout; entry {place} is {got}.",
        "limits": "entry {place} of `plan` has {name} = {got}; sensible values lie from {low} to "
        "{high}.",
        "too_many": "`plan` has {got} trainings. The budget is 60.",
        "unspent": "`plan` has {got} trainings of 60. What is left could have found a better one.",
        "fixed": "{name} is {got} in every training. Four hyperparameters are to be searched.",
        "grid": "{count} trainings share {got} different learning rates, as in a grid. Drawn at "
        "random, sixty trainings try sixty.",
        "uniform": "{share} of your learning rates are above 0.01 and {few} of {count} below "
        "0.001, as in a uniform draw. Draw the exponent: then each decade gets a third.",
        "scores": "`scores` should hold one accuracy for each of the {wanted} trainings: "
        "`train(plan)[:, -1]`. It has shape {got}.",
        "not_planned": "`choice` is none of the settings in `plan`: {got}.",
        "place": "`choice` is {got}, a place in the plan. Give the setting itself, `plan[{got}]`.",
        "not_best": "your choice scored {got}; another training of the plan scored {best}. "
        "What speaks for a setting that is so much lower?",
        "chosen_score": "you report {got}, the score by which it was chosen: the highest of "
        "{count}, and luck helped it there. Which writers chose nothing?",
        "best_seed": "you report {got}, the best of the three seeds: a winner's score again. "
        "Report their mean.",
        "worst_seed": "you report {got}, the worst of the three seeds. That is cautious, and still "
        "a choice among them. Report their mean.",
        "percent": "you report {got}: percent, where an accuracy lies between 0 and 1.",
        "chosen_by_test": "you defended {count} settings, and chose one that was not the best of "
        "the plan but the best of those on the writers who chose nothing. Now they have chosen.",
        "reported": "you report {got}, and that is not the mean of what `defend(choice)` returns "
        "for your choice.",
    },
    hints=[
        "Random draws: each training then tries a new value of everything that matters.",
        "Rates by their exponent. Then `train(plan)[:, -1]`, `np.argmax`, `defend(choice)`.",
        "`plan = [{'learning_rate': 10 ** rng.uniform(-4, -1), ...} for _ in range(60)]`",
    ],
    hints_for={"chosen_score": "`defend(choice)` trains it anew and scores it on other writers."},
    why="Random settings with log-uniform rates spend sixty trainings on sixty values of each "
    "continuous hyperparameter. The winner's own score is too good, so other writers defend it.",
    alternative="Thirty random ones, then thirty more around the best; or a Latin hypercube, or "
    "`scipy.stats.qmc`.",
)
def sixty(plan, scores, choice, reported):
    plan = _settings(plan)
    rates = np.array([float(s["learning_rate"]) for s in plan])
    if len(plan) > 60:
        raise Wrong("too_many", got=len(plan))
    if len(plan) < 45:
        raise Wrong("unspent", got=len(plan))
    for name in NAMES:
        values = {float(s[name]) for s in plan}
        if len(values) == 1:
            raise Wrong("fixed", name=name, got=values.pop())
    distinct = len(np.unique(np.round(np.log10(rates), 3)))
    if distinct <= 12:
        raise Wrong("grid", count=len(plan), got=distinct)
    high, few = float(np.mean(rates > 0.01)), int(np.sum(rates < 0.001))
    # A search that refines around 0.01 is high, too; a uniform draw has its middle at 0.05.
    if high > 0.75 and few <= 3 and np.median(rates) > 0.03:
        raise Wrong("uniform", share=f"{high:.0%}", few=few, count=len(plan))
    scores = expect.array(scores, what="`scores`").astype(float)
    if scores.ndim == 2 and len(scores) == len(plan):  # accuracies after each epoch
        scores = scores[:, -1]
    if scores.size != len(plan):
        raise Wrong("scores", got=scores.shape, wanted=len(plan))
    if hasattr(choice, "to_dict"):
        choice = choice.to_dict()
    if isinstance(choice, int | np.integer) and 0 <= choice < len(plan):
        raise Wrong("place", got=int(choice))
    same = [k for k, s in enumerate(plan) if isinstance(choice, dict) and _equal(s, choice)]
    if not same:
        raise Wrong("not_planned", got=choice)
    best, own = float(scores.max()), float(scores.ravel()[same].max())
    if own < best - 0.02:
        raise Wrong("not_best", got=own, best=best)
    defended = _defend(plan[same[0]])
    before, DEFENDED[:] = [s for s in DEFENDED if any(_equal(s, p) for p in plan)], []
    others = [s for k, s in enumerate(before) if not any(_equal(s, t) for t in before[:k])]
    if len(others) > 1 and own < best:
        means = [_defend(s).mean() for s in others if not _equal(s, choice)]
        if any(_equal(s, choice) for s in others) and defended.mean() > max(means):
            raise Wrong("chosen_by_test", count=len(others))
    got = expect.array(reported, what="`reported`").astype(float)
    if got.shape == (3,) and np.allclose(np.sort(got), np.sort(defended), atol=0.006):
        return  # the three seeds
    got = expect.number(got, "`reported`")
    if min(abs(got - defended.mean()), abs(got - np.median(defended))) <= 0.006:
        return
    if abs(got - own) < 1e-6:
        raise Wrong("chosen_score", got=got, count=len(plan))
    for value, key in ((defended.max(), "best_seed"), (defended.min(), "worst_seed")):
        if abs(got - value) < 0.006:
            raise Wrong(key, got=got)
    if abs(got - 100 * defended.mean()) < 0.6:
        raise Wrong("percent", got=got)
    raise Wrong("reported", got=got)


def _settings(plan) -> list[dict]:
    if hasattr(plan, "to_dict") and hasattr(plan, "columns"):
        plan = plan.to_dict("records")
    plan = expect.items(plan, at_most=10**4, what="`plan`")
    for place, setting in enumerate(plan):
        if not isinstance(setting, dict) or not set(NAMES) <= set(setting):
            raise Wrong("settings", place=place, got=setting)
        for name, (low, high) in LIMITS.items():
            value = expect.number(setting[name], f"{name} of entry {place}")
            if not low <= value <= high:
                raise Wrong("limits", place=place, name=name, got=value, low=low, high=high)
    return plan


def _equal(one, other) -> bool:
    return set(NAMES) <= set(other) and all(
        np.isclose(float(one[name]), float(other[name])) for name in NAMES
    )


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_nine",
    reasons={
        "a": "Nine random points hold nine values of the setting that matters. The grid holds "
        "three, and repeats each for a setting that hardly counts.",
        "b": "The grid spreads evenly over the square. Of the setting that matters it still tries "
        "three values, each of them three times.",
        "c": "They have the same number of trials, and not the same number of values to try.",
    },
    answer="a",
)
check.prediction(
    "predict_turn",
    reasons={
        "a": "That would hold if each best rate were best for all batch sizes. Here they go up "
        "together.",
        "b": "The valley lies across the axes: from its floor every single change climbs, so the "
        "walk stops early. Where, depends on the start.",
        "c": "The joint search has seen all places, so nothing can be below it.",
    },
    answer="b",
)
check.prediction(
    "predict_race",
    reasons={
        "a": "Random search ignores what the trials have shown. The other two use it.",
        "b": "A bad setting costs halving an epoch, not nine. Bayesian optimisation has five "
        "trials to use what four have shown; how far that leads depends on the pool.",
        "c": "It learns only after its first full trainings; halving drops bad settings at once.",
    },
    answer="b",
)
check.question(
    "quiz_1",
    "Which three hyperparameters come with every training by gradient steps, whatever the model?",
    options={
        "a": ("layers, units, activations", "They describe a model; another one has others."),
        "b": (
            "learning rate, batch size, epochs",
            "How far, on how many rows, how often: success hangs on these three first.",
        ),
        "c": ("dropout, weight decay, momentum", "One can train without any of them."),
    },
    answer="b",
)
check.question(
    "quiz_2",
    "Does a wider layer help? You compare widths 16 and 64. What do you do with the learning rate?",
    options={
        "a": ("leave it to chance", "Then the rate decides the comparison, by accident."),
        "b": (
            "hold it at the value that was tuned for 16",
            "Then 64 competes with a rate made for another width.",
        ),
        "c": (
            "tune it for each width",
            "The width is the scientific question; the rate is a nuisance, whose best value may "
            "differ by width. Each width gets its best.",
        ),
    },
    answer="c",
)
check.question(
    "quiz_3",
    "A Gaussian process has found a good region. Its next trial lies far away from it. Why?",
    options={
        "a": ("it has forgotten the region", "Its prediction there is as good as before."),
        "b": ("a fault", "Without such trials it would never leave its first good region."),
        "c": (
            "uncertainty far away is large, and the bound adds it to the mean",
            "That is exploration: a place may be better where little is known.",
        ),
    },
    answer="c",
)
check.question(
    "quiz_4",
    f"From {lesson('cross_validation')}: of 60 trials you report the best score. It is ...",
    options={
        "a": ("unbiased, being cross-validated", "Each score is fair. The highest of 60 is not."),
        "b": (
            "too good: it was chosen",
            "Score the winner on rows that chose nothing, or repeat the search inside folds.",
        ),
        "c": ("too low", "Luck works upwards when the highest is chosen."),
    },
    answer="b",
)
check.question(
    "quiz_5",
    f"From {lesson('optimizers')}: the loss is multiplied by 1000. Which optimizer needs a new "
    "learning rate?",
    options={
        "a": ("SGD", "Its step is the rate times the gradient, which is 1000 times larger."),
        "b": ("Adam", "It divides by the size of the gradients; the factor cancels."),
        "c": ("both", "Adam's step does not change."),
    },
    answer="a",
)
check.card(
    "Name six kinds of hyperparameters.",
    "Learning rate; batch size; epochs; architecture (layers, units, activations); regularisation "
    "strength (lambda, dropout rate); the optimizer and its settings (momentum, betas).",
)
check.card(
    "Which three hyperparameters does a training's success hang on, whatever the model? And what "
    "limits the search for them?",
    "Learning rate, batch size and epochs. Hardware: how fast a trial is, and what fits.",
)
check.card(
    "Why do nine random trials beat a 3 by 3 grid?",
    "Settings differ in how much they matter. Random trials try nine values of each; the grid "
    "tries three of each, and repeats them (Bergstra and Bengio 2012).",
)
check.card(
    "What are scientific, nuisance and fixed hyperparameters?",
    "Scientific: what the question is about. Nuisance: tuned for each value of it, or the "
    "comparison is unfair. Fixed: held, and part of the answer's conditions.",
)
check.card(
    "What do GP and TPE stand for, and what are they for?",
    "Gaussian process and tree-structured Parzen estimator: surrogates that predict the score of "
    "an untried setting, so that the next trial balances good places and unknown ones.",
)
check.card(
    "How does Hyperband spend its epochs?",
    "Many settings for few epochs, the best third of them for three times as many, and so on; with "
    "several such brackets, in case early scores mislead.",
)
check.card(
    "The ResNet recipe says 0.1 for batch 256. Your batch is 64: where do you begin?",
    "At 0.025: the rate is scaled with the batch. Then tune around it. The rest of the recipe: SGD "
    "with momentum, weight decay 0.0001, cosine.",
)
check.card(
    "Name the transformer's usual start: optimizer, rate, warmup, clipping.",
    "AdamW, 0.0003, 2,000 to 4,000 steps, 1.0; weight decay 0.01, dropout and label smoothing 0.1.",
)
check.card(
    "Why does a plain paired t-test over folds find differences where there are none?",
    "It takes the folds for independent, and they share training rows; repeats make it worse. "
    "`coursekit.validation.compare` corrects for that.",
)
check.card(
    "When is one change at a time right?",
    "To find a fault, or to learn what a change does (ablation). For tuning it misses what two "
    "settings do together.",
)
