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
        "lost": "both sums are 0: 1 is lost in both. Which two numbers does each add first?",
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
        raise Wrong("count", got=len(values) if len(values) < 10 else "more than nine")
    numbers = [
        expect.numeral(value, f"`{name}`") for name, value in zip("abc", values, strict=True)
    ]
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
        smallest, _, largest = sorted(map(abs, numbers))
        keys = {1.0: "small", 0.0: "lost" if largest >= 2**24 else "same"}
        key = keys.get(left, "same") if smallest == 1 else "same"
        raise Wrong(key, got=left, largest=f"{largest:.10g}")
    raise Wrong("sums", left=left, right=right)


# --------------------------------------------------------------------------------------------------


TRAINED = 2.3  # guessing among ten digits costs log(10), 2.303


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
        "untrained": "the runs agree, but a net with these weights is no better than one that "
        "guesses: its loss on the digits is {loss}. Was it trained?",
        "nothing": "`run` must return `model.get_weights()`, a list. You return {got}.",
        "others": "these are not the weights of a small net: their shapes are {got}.",
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
    arrays: list[np.ndarray] = []  # of the last run

    def weights(seed, before):
        keras.utils.set_random_seed(before)
        with learner_code():
            made = answer(seed)
        if has_dots(made):
            raise NotDone
        if not isinstance(made, list | tuple) or not made:
            raise Wrong("nothing", got=brief(made))
        arrays[:] = [expect.array(one, what="a weight") for one in made]
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
    net = parts.small()
    if [one.shape for one in arrays] != [one.shape for one in net.get_weights()]:
        raise Wrong("others", got=[one.shape for one in arrays])
    net.set_weights(arrays)
    x, y = parts.digits()
    loss = float(net.evaluate(x, y, verbose=0)[0])
    if loss > TRAINED:
        raise Wrong("untrained", loss=f"{loss:.2f}")


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
        "missing": "`restore` has not brought back {what}. From there the run goes on to other "
        "weights.",
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

    def resumed(more: int) -> tuple[dict, dict]:
        """Keep, train on, restore; return what there was and what there is."""
        interrupted = _fresh(0)
        _steps(interrupted, 0, 3)
        was = _groups(interrupted)
        with learner_code():
            kept = keep(interrupted)
        if has_dots(kept):
            raise NotDone
        if kept is None:
            raise Wrong("nothing")
        if _differ(_groups(interrupted), was):
            raise Wrong("moved")
        _steps(interrupted, 3, 3 + more)
        model = _fresh(1)
        with learner_code():
            told = restore(model, kept)
        if has_dots(told):
            raise NotDone
        return _groups(model), was

    missing = _differ(*resumed(0))
    if missing:
        more = f", nor {len(missing) - 1} more of what a step reads" * (len(missing) > 1)
        raise Wrong("missing", what=WORDS[missing[0]] + more)
    if _differ(*resumed(2)):
        raise Wrong("alias")


def _differ(one: dict, other: dict) -> list[str]:
    return [
        name for name in other
        if not all(np.array_equal(a, b) for a, b in zip(one[name], other[name], strict=True))
    ]  # fmt: skip


# --------------------------------------------------------------------------------------------------


FINALS = {  # the last accuracies of each setting, by seed
    "mean": [0.88, 0.93, 0.95],
    "single": [0.97, 0.80, 0.81],
    "early": [0.84, 0.85, 0.86],  # its earlier epochs are the best of all
    "worst": [0.50, 0.51, 0.52],
    "sum": [0.81, 0.82, 0.83, 0.82, 0.81],
    "median": [0.94, 0.945, 0.60],
    "steady": [0.895, 0.90, 0.905],
    "spread": [0.93, 0.40],
}


def _planted(seed: int) -> list[dict]:
    """A log in which the best mean and what else might be chosen are eight settings."""
    draw = np.random.default_rng(seed)
    dropouts = draw.choice([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 4, replace=False).tolist()
    rates = draw.choice([0.01, 0.02, 0.05], 2, replace=False).tolist()
    places = [(dropout, rate) for dropout in dropouts for rate in rates]
    runs = []
    for kind, place in zip(FINALS, draw.permutation(8), strict=True):
        dropout, rate = places[place]
        for k, final in enumerate(FINALS[kind]):
            curve = [0.99, 0.98] if kind == "early" else [0.5, 0.6]
            runs.append({"dropout": dropout, "rate": rate, "seed": k,
                         "val_accuracy": [*curve, final], "bits": f"{draw.integers(2**32):08x}"}
                        )  # fmt: skip
    return [runs[k] for k in draw.permutation(len(runs))]


def _settings(runs, score, best=max) -> tuple:
    of: dict[tuple, list] = {}
    for one in runs:
        of.setdefault((one["dropout"], one["rate"]), []).append(one["val_accuracy"])
    return best(of, key=lambda name: score(of[name]))


def _finals(score):
    return lambda curves: score([curve[-1] for curve in curves])


CHOICES = {
    "single": lambda runs: _settings(runs, _finals(max)),
    "worst": lambda runs: _settings(runs, _finals(np.mean), min),
    "early": lambda runs: _settings(runs, lambda curves: np.mean([max(c) for c in curves])),
    "sum": lambda runs: _settings(runs, _finals(sum)),
    "median": lambda runs: _settings(runs, _finals(np.median)),
    "steady": lambda runs: _settings(runs, _finals(min)),
    "last": lambda runs: _settings(runs, lambda curves: curves[-1][-1]),
}


def _chosen(answer, runs) -> tuple[float, float]:
    """Return the pair that the learner's function makes of a log."""
    got = answer([dict(one) for one in runs])
    if has_dots(got):
        raise NotDone
    pair = np.asarray(got).tolist() if hasattr(got, "__array__") else got
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise Wrong("pair", got=repr(got) if isinstance(got, str) else brief(got))
    if any(isinstance(one, tuple | list) for one in pair):
        raise Wrong("pair", got=brief(got))
    dropout, rate = (expect.number(one, "each of the two") for one in pair)
    return dropout, rate


@check.exercise(
    title="The best setting",
    messages={
        "single": "you choose the setting of the best single run. Its other seeds were far below: "
        "asked is the mean over the seeds.",
        "worst": "you choose the setting with the lowest mean.",
        "early": "you choose by an earlier epoch. The run ended with the last one of its curve.",
        "sum": "you choose the setting with the largest sum. It has more seeds than the others: "
        "asked is the mean.",
        "median": "you choose by the median, which overlooks a seed that went wrong. Asked is the "
        "mean.",
        "steady": "you choose the setting whose poorest run is the best of these. Asked is the "
        "mean over the seeds.",
        "last": "of each setting its last run in the log decides. Where are its other seeds?",
        "absent": "you choose {got}, and no run of that log has these settings. Another log holds "
        "other dropouts and rates.",
        "turned": "you return {got}, turned about: dropout comes first, then rate.",
        "pair": "wanted is a pair (dropout, rate). You return {got}.",
        "other": "in a log whose best mean is at {right}, you choose {got}.",
    },
    hints=[
        "Gather the runs of one setting first: those that differ in their seed only.",
        'The score of a run is `run["val_accuracy"][-1]`, that of a setting their mean.',
        "A dict from (dropout, rate) to a list of scores; then `max(scores, key=lambda s: "
        "np.mean(scores[s]))`.",
    ],
    why="One seed of a poor setting may be lucky. The mean over the seeds is what the next run "
    "will give, about.",
    alternative="`pandas.DataFrame(runs)` with a `groupby` over both columns.",
)
def best_setting(answer):
    expect.function(answer, "`best_setting`")
    logs = [_planted(seed) for seed in range(4)]
    pairs = [_chosen(answer, runs) for runs in logs]
    rights = [_settings(runs, _finals(np.mean)) for runs in logs]
    if np.allclose(pairs, rights):
        return
    for key, choose in CHOICES.items():
        if np.allclose(pairs, [choose(runs) for runs in logs]):
            raise Wrong(key)
    for runs, pair, right in zip(logs, pairs, rights, strict=True):
        got = "({:g}, {:g})".format(*pair)
        held = [(one["dropout"], one["rate"]) for one in runs]
        known, turned = (np.isclose(held, p).all(axis=1).any() for p in (pair, pair[::-1]))
        if not known:
            raise Wrong("turned" if turned else "absent", got=got)
        if not np.allclose(pair, right):
            raise Wrong("other", right="({:g}, {:g})".format(*right), got=got)


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
        letter = one.strip(" ().\n\t").upper() if isinstance(one, str) else ""
        if letter not in set("ABCDE"):
            raise Wrong("letter", case=case, got=brief(one))
        if letter != right:
            wrong[case] = letter
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
        "b": "The last bits differ from the first step on, and ten epochs make little of it.",
        "c": "A difference in the last bit has far to grow. See how far it comes in ten epochs.",
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
        "a": ("a seed holds for one draw", "It starts a sequence of draws."),
        "b": ("the function seeds only NumPy", "It seeds Python, NumPy and the backend."),
        "c": ("the start weights were drawn before", "They came from generators without a seed."),
    },
    answer="c",
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
        "a": ("it is another run", "Averages, count of steps, order and masks are others."),
        "b": ("it is worse by rule", "Nobody knows; it is another run."),
        "c": ("it is the run of ten epochs", "Adam's averages and its count began anew."),
    },
    answer="a",
)
check.question(
    "quiz_4",
    f"From {lesson('overfitting')}: early stopping watches a loss that differs by 0.02 between "
    "seeds. A gain of 0.01 in one run is ...",
    options={
        "a": ("a finding", "It is half of what chance does."),
        "b": ("proof that the seed was bad", "One run says nothing about its seed."),
        "c": ("within what chance does", "Several seeds, paired, would tell."),
    },
    answer="c",
)
check.question(
    "quiz_5",
    f"From {lesson('optimizers')}: what does Adam keep for each weight?",
    options={
        "a": ("nothing", "That is plain gradient descent."),
        "b": ("two averages", "Of the gradient, and of its square."),
        "c": ("one average", "That is momentum."),
    },
    answer="b",
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
