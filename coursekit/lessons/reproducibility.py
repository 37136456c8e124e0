"""Could you run it again? Checks, hints, quiz and cards."""

import keras
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
from coursekit.lessons import _reproducibility as parts

__all__ = ["check", "parts"]

check = Lesson("reproducibility", "Could you run it again?")


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="One sum, two results",
    messages={
        "same": "both sums are {got}. Which number must be so large that 1 is lost beside it?",
        "small": "both sums are {got}: beside {largest} a float32 still tells 1 apart. It keeps "
        "about seven digits.",
        "turned": "that is the other way round: (a + b) + c is {left} and a + (b + c) is {right}.",
        "sums": "(a + b) + c is {left} and a + (b + c) is {right}. Wanted are 1 and 0.",
        "overflow": "{got} is beyond the largest float32, which is 3.4e38.",
        "count": "three numbers are wanted, and you give {got}.",
    },
    hints=[
        "Beside a large number a small one is rounded away. Two large ones may cancel each other.",
        "`a = -b`, so that a + b is 0. How large must b be for b + 1 to be b?",
        "`a, b, c = large, -large, 1.0`, with a large number of nine digits or more.",
    ],
    why="a + b is 0 and 1 is left. But b + c is rounded to b, and a + b is 0. Nothing is wrong: "
    "each sum was rounded right, in another order.",
    alternative="any a = -b from about 3.4e7 up, such as 1e10.",
)
def sums(answer):
    values = expect.items(answer, at_most=9, what="`a, b, c`")
    if len(values) != 3:
        raise Wrong("count", got=len(values))
    numbers = [expect.number(value, f"`{name}`") for name, value in zip("abc", values, strict=True)]
    for number in numbers:
        if abs(number) > float(np.finfo("float32").max):
            raise Wrong("overflow", got=f"{number:g}")
    with np.errstate(over="ignore", invalid="ignore"):
        a, b, c = (np.float32(number) for number in numbers)
        left, right = float((a + b) + c), float(a + (b + c))
    if (left, right) == (1.0, 0.0):
        return
    if (left, right) == (0.0, 1.0):
        raise Wrong("turned", left=left, right=right)
    if left == right:
        largest = max(map(abs, numbers))
        big = largest < 2**24 and sorted(map(abs, numbers))[0] == 1 and left == 1
        raise Wrong("small" if big else "same", got=left, largest=f"{largest:g}")
    raise Wrong("sums", left=left, right=right)


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Two equal runs",
    seconds=60,  # it trains, and on JAX compiles, three times
    messages={
        "global": "two runs with seed 1 differ if other code has drawn in between: {share} of the "
        "numbers are others. Something is drawn before the seed is set, or from a generator that "
        "`np.random.seed` does not reach.",
        "own": "two runs with seed 1 differ even from the same global seeds. There is a generator "
        "of its own in `run`: what is it seeded with?",
        "constant": "`run(1)` and `run(2)` give the same weights. The argument decides nothing.",
        "untrained": "the runs agree, and nothing was trained: these are the start weights.",
        "nothing": "`run` must return `model.get_weights()`, a list. You return {got}.",
    },
    hints=[
        "Three things draw here: the start weights, the choice of rows, and `fit` its order.",
        "`keras.utils.set_random_seed(seed)` seeds Python, NumPy and the backend. It must stand "
        "before the first draw.",
        "Its own generator: `np.random.default_rng(seed)`.",
    ],
    why="The start weights are drawn when the model is made, so the seed comes first. A generator "
    "of one's own is not reached by any global seed, and gets its own.",
    alternative="`rng = np.random.default_rng(seed)` may be replaced by `np.random.permutation` "
    "behind `set_random_seed`, which uses the global generator.",
)
def run(answer):
    expect.function(answer, "`run`")

    def weights(seed, before):
        keras.utils.set_random_seed(before)
        with learner_code():
            made = answer(seed)
        if has_dots(made):
            raise NotDone
        if not isinstance(made, list | tuple) or not made:
            raise Wrong("nothing", got=brief(made))
        arrays = [expect.array(one, what="a weight") for one in made]
        return np.concatenate([array.ravel() for array in arrays])

    first, again = weights(1, before=10), weights(1, before=11)
    if first.shape != again.shape or not np.array_equal(first, again):
        third = weights(1, before=10)
        if first.shape != third.shape or not np.array_equal(first, third):
            raise Wrong("own")
        share = np.mean(first != again) if first.shape == again.shape else 1.0
        raise Wrong("global", share=f"{share:.0%}")
    if np.array_equal(first, weights(2, before=10)):
        raise Wrong("constant")
    keras.utils.set_random_seed(1)
    start = np.concatenate([w.ravel() for w in parts.small().get_weights()])
    if start.shape == first.shape and np.array_equal(start, first):
        raise Wrong("untrained")


# --------------------------------------------------------------------------------------------------


def _fresh(seed: int):
    keras.utils.set_random_seed(seed)
    drop = keras.layers.Dropout(0.5, seed=3)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, "relu"), drop, keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def _steps(model, first: int, last: int) -> None:
    for k in range(first, last):
        draw = np.random.default_rng(k)
        model.train_on_batch(draw.normal(size=(8, 4)), draw.normal(size=(8, 1)))


def _copy(variable) -> np.ndarray:
    return np.asarray(variable).copy()


def _groups(model) -> dict[str, list]:
    slots = model.optimizer.variables
    seeds = [v for v in model.variables if "seed" in v.path]
    return {
        "weights": [_copy(v) for v in model.weights],
        "slots": [_copy(v) for v in slots if "momentum" in v.path or "velocity" in v.path],
        "iterations": [_copy(model.optimizer.iterations)],
        "seeds": [_copy(v) for v in seeds],
        "rate": [_copy(model.optimizer.learning_rate)],
    }


WORDS = {
    "weights": "the weights", "slots": "Adam's two averages of each weight",
    "iterations": "the optimizer's count of steps", "seeds": "the seed of dropout",
    "rate": "the learning rate",
}  # fmt: skip


@check.exercise(
    title="What a checkpoint must hold",
    seconds=60,
    messages={
        "missing": "after `restore`, {what} not as they were when `keep` was called. The run goes "
        "on to other weights.",
        "alias": "what `keep` returned has changed while the model trained on: it holds the "
        "model's own variables. A checkpoint needs copies.",
        "nothing": "`keep` returns None: nothing is kept.",
        "moved": "`keep` has changed the model that it was to keep.",
    },
    hints=[
        "What does a step read, besides its batch? What does it leave changed?",
        "`model.variables` holds weights and seeds, `model.optimizer.variables` the rest.",
        "`[np.asarray(v).copy() for v in [*model.variables, *model.optimizer.variables]]`, and "
        "`variable.assign(value)` for each of them.",
    ],
    why="A step reads weights, Adam's averages, its count of steps and the seed of dropout, and "
    "moves them all. `get_weights` returns the first of these four.",
    alternative="`model.get_weights()`, together with the optimizer's and the seed generator's "
    "variables.",
)
def keep_and_restore(keep, restore):
    expect.function(keep, "`keep`")
    expect.function(restore, "`restore`")
    whole = _fresh(0)
    _steps(whole, 0, 3)
    at_three = _groups(whole)
    interrupted = _fresh(0)
    _steps(interrupted, 0, 3)
    with learner_code():
        kept = keep(interrupted)
    if has_dots(kept):
        raise NotDone
    if kept is None:
        raise Wrong("nothing")
    if _differ(_groups(interrupted), at_three):
        raise Wrong("moved")

    def resumed():
        model = _fresh(1)
        with learner_code():
            told = restore(model, kept)
        if has_dots(told):
            raise NotDone
        return _groups(model)

    now = resumed()
    missing = _differ(now, at_three)
    if missing:
        words = [WORDS[name] for name in missing]
        told = words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
        plural = len(words) > 1 or words[0].endswith("s")
        raise Wrong("missing", what=f"{told} {'are' if plural else 'is'}")
    _steps(interrupted, 3, 5)
    if _differ(resumed(), at_three):
        raise Wrong("alias")


def _differ(one: dict, other: dict) -> list[str]:
    return [
        name for name in other
        if not all(np.array_equal(a, b) for a, b in zip(one[name], other[name], strict=True))
    ]  # fmt: skip


# --------------------------------------------------------------------------------------------------


def _planted(seed: int) -> list[dict]:
    """A log whose best mean, best single run, best early epoch and worst mean are four settings."""
    draw = np.random.default_rng(seed)
    places = [(0.3, 0.02), (0.3, 0.2), (0.5, 0.02), (0.5, 0.2)]
    order = draw.permutation(4)
    finals = {  # of three seeds
        0: [0.90, 0.91, 0.92],  # the best mean
        1: [0.97, 0.80, 0.81],  # the best single run
        2: [0.84, 0.85, 0.86],  # the best epoch, and the best mean over epochs, earlier
        3: [0.70, 0.71, 0.72],  # the worst
    }
    runs = []
    for kind, place in enumerate(order):
        dropout, rate = places[place]
        for k, final in enumerate(finals[kind]):
            curve = [0.99, 0.98] if kind == 2 else [0.5, 0.6]
            runs.append({"dropout": dropout, "rate": rate, "seed": k,
                         "val_accuracy": [*curve, final]})  # fmt: skip
    return [runs[k] for k in draw.permutation(len(runs))]


def _settings(runs, score, best=max) -> tuple:
    of: dict[tuple, list] = {}
    for one in runs:
        of.setdefault((one["dropout"], one["rate"]), []).append(one["val_accuracy"])
    return best(of, key=lambda name: score(of[name]))


CHOICES = {
    "single": lambda runs: _settings(runs, lambda curves: max(c[-1] for c in curves)),
    "worst": lambda runs: _settings(runs, lambda curves: np.mean([c[-1] for c in curves]), min),
    "early": lambda runs: _settings(runs, lambda curves: np.mean([max(c) for c in curves])),
}


@check.exercise(
    title="The best setting",
    messages={
        "single": "you choose the setting of the best single run. Its other seeds were far below: "
        "asked is the mean over the seeds.",
        "worst": "you choose the setting with the lowest mean.",
        "early": "you choose by an earlier epoch. The run ended with the last one of its curve.",
        "turned": "the two numbers are right and turned about: dropout comes first, then rate.",
        "pair": "wanted is a pair (dropout, rate). You return {got}.",
        "other": "in a log whose best mean is at {right}, you choose {got}.",
    },
    hints=[
        "Gather the runs of one setting first: those that differ in their seed only.",
        'The score of a run is `run["val_accuracy"][-1]`, that of a setting the mean of three.',
        "A dict from (dropout, rate) to a list of scores; then `max(scores, key=lambda s: "
        "np.mean(scores[s]))`.",
    ],
    why="One seed of a poor setting may be lucky. The mean over the seeds is what the next run "
    "will give, about.",
    alternative="`pandas.DataFrame(runs)` with a `groupby` over both columns.",
)
def best_setting(answer):
    expect.function(answer, "`best_setting`")
    for seed in range(4):
        runs = _planted(seed)
        got = answer([dict(one) for one in runs])
        if has_dots(got):
            raise NotDone
        if not isinstance(got, tuple | list) or len(got) != 2:
            raise Wrong("pair", got=brief(got))
        pair = tuple(expect.number(one, "each of the two") for one in got)
        right = _settings(runs, lambda curves: np.mean([c[-1] for c in curves]))
        if np.allclose(pair, right):
            continue
        for key, choose in CHOICES.items():
            if all(np.allclose(answer(_planted(k)), choose(_planted(k))) for k in range(4)):
                raise Wrong(key)
        if np.allclose(pair[::-1], right):
            raise Wrong("turned")
        raise Wrong("other", right="({:g}, {:g})".format(*right), got="({:g}, {:g})".format(*pair))


# --------------------------------------------------------------------------------------------------

CASES = {"start": "A", "rows": "B", "killed": "C", "machine": "E"}
TOLD = {
    "start": "the start weights come from the global generators",
    "rows": "a generator of one's own hears of no global seed",
    "killed": "a seed starts the draws anew; an interrupted run must go on in their middle",
    "machine": "no seed decides in which order another processor adds",
}


@check.exercise(
    title="Which would have saved it?",
    messages={
        "one": "not {got} for `{case}`: {told}.",
        "several": "{count} of the four are not right: {cases}.",
        "names": "wanted is a dict with the keys start, rows, killed, machine. You give {got}.",
        "letter": "for `{case}` you give {got}. Wanted is one letter, A to E.",
    },
    hints=[
        "Ask of each: who draws, and who has seeded it?",
        "Three of the five letters are about draws. What is left where none was drawn?",
    ],
    why="A seed makes draws come again from the start (A, B); a checkpoint lets them go on (C); "
    "and what is rounded otherwise was never drawn: there is only the record (E).",
    alternative="small letters.",
)
def saved(answer):
    if not isinstance(answer, dict) or set(answer) != set(CASES):
        raise Wrong("names", got=brief(answer))
    if any(has_dots(one) for one in answer.values()):
        raise NotDone
    wrong = {}
    for case, right in CASES.items():
        one = answer[case]
        if not isinstance(one, str) or one.strip().upper() not in set("ABCDE"):
            raise Wrong("letter", case=case, got=brief(one))
        if one.strip().upper() != right:
            wrong[case] = one.strip().upper()
    if len(wrong) == 1:
        ((case, got),) = wrong.items()
        raise Wrong("one", case=case, got=got, told=TOLD[case])
    if wrong:
        raise Wrong("several", count=len(wrong), cases=", ".join(wrong))


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_additions",
    reasons={
        "a": "A float32 sum is rounded after each addition, so its last bits depend on the order.",
        "b": "The last bits differ from the first step on, and the difference grows slowly.",
        "c": "That would take many more steps: a difference in the last bit has far to grow.",
    },
    answer="b",
)
check.prediction(
    "predict_backup",
    reasons={
        "a": "Weights and Adam's averages came back. What else does the rest of the run draw?",
        "b": "Rounding would touch the last digits. Look at the largest difference.",
        "c": "The order of the rows and dropout's masks start anew: the rest is another training.",
    },
    answer="c",
)
check.question(
    "quiz_1",
    "`keras.utils.set_random_seed(0)` stands below the lines that make the model. Two starts of "
    "the script give other results. Why?",
    options={
        "a": ("the start weights were drawn before", "They came from generators without a seed."),
        "b": ("the function seeds only NumPy", "It seeds Python, NumPy and the backend."),
        "c": ("a seed holds for one draw", "It starts a sequence of draws."),
    },
    answer="a",
)
check.question(
    "quiz_2",
    "Same code, versions and seeds, another processor: the losses differ in the sixth digit.",
    options={
        "a": ("a bug in the seeds", "Then they would differ from the first digits on."),
        "b": ("to be expected", "It adds in another order, and rounds otherwise."),
        "c": ("float32 is broken there", "Each sum is rounded right, in its own order."),
    },
    answer="b",
)
check.question(
    "quiz_3",
    "A run stopped at epoch 6 of 10. You load its weights and train four epochs with a new Adam.",
    options={
        "a": ("it is the run of ten epochs", "Adam's averages and its count began anew."),
        "b": ("it is worse by rule", "Nobody knows; it is another run."),
        "c": ("it is another run", "Averages, count of steps, order and masks are others."),
    },
    answer="c",
)
check.question(
    "quiz_4",
    f"From {lesson('overfitting')}: early stopping watches a loss that differs by 0.02 between "
    "seeds. A gain of 0.01 in one run is ...",
    options={
        "a": ("a finding", "It is half of what chance does."),
        "b": ("within what chance does", "Several seeds, paired, would tell."),
        "c": ("proof that the seed was bad", "One run says nothing about its seed."),
    },
    answer="b",
)
check.question(
    "quiz_5",
    f"From {lesson('optimizers')}: what does Adam keep for each weight?",
    options={
        "a": ("nothing", "That is plain gradient descent."),
        "b": ("one average", "That is momentum."),
        "c": ("two averages", "Of the gradient, and of its square."),
    },
    answer="c",
)
check.card(
    "Five sources of chance in a training?",
    "The start weights, the split, the order of the rows, dropout's masks, and the order of "
    "additions, which no seed reaches.",
)
check.card(
    "What does `keras.utils.set_random_seed` cover, and what not?",
    "Python's, NumPy's and the backend's global generators. Not generators of your own, not what "
    "was drawn before, not the order in which hardware adds.",
)
check.card(
    "What must a checkpoint hold for the same bits?",
    "Weights, the optimizer's averages and count, random states, the place in the order of the "
    "rows, metrics and the callbacks' state; each file whole or not there.",
)
check.card(
    "Which four questions must a log answer?",
    "Which setting was best, over seeds? What did one change do? What did the run stand on? Can I "
    "have it again?",
)
check.card(
    "Why do two machines give other bits?",
    "Float sums depend on their order: (a + b) + c is not a + (b + c). Threads, vector width and "
    "libraries choose the order.",
)
