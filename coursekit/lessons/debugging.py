"""Debugging: checks, hints, quiz and cards."""

import numpy as np

from coursekit.exercises import Lesson, NotDone, Wrong, brief, expect, has_dots, lesson
from coursekit.lessons import _debugging as parts

__all__ = ["check", "parts"]

check = Lesson("debugging", "It does not learn. Now what?")


# --------------------------------------------------------------------------------------------------

TEN = {"digits": 1.0, "bits": np.log2(10), "share": 0.1, "count": 10.0, "wrong": 0.9}
TWO = {"share": 0.5, "bits": 1.0, "digits": np.log10(2)}
NUMBER = {"nothing": 0.0, "half": 0.5, "both": 2.0}


@check.exercise(
    title="Before the first step",
    messages={
        "negative": "`{what}` is {got}, below 0. None of these three losses ever is: every row "
        "adds 0 or more.",
        "ten_digits": "ten classes: {got} is the logarithm with base 10. Keras takes the natural "
        "one.",
        "ten_bits": "ten classes: {got} counts in bits. Keras takes the natural logarithm.",
        "ten_share": "ten classes: {got} is the probability of the right class. The loss is made "
        "of it.",
        "ten_count": "ten classes: {got} is their number, and no loss.",
        "ten_wrong": "ten classes: {got} is how often a guess is wrong. Cross-entropy is no count.",
        "ten": "ten classes: the loss is not {got}. Which probability has the right class if the "
        "model knows nothing? What does cross-entropy make of a probability?",
        "two_share": "ten classes are right. Yes or no: {got} is the probability, and no loss yet.",
        "two_bits": "ten classes are right. Yes or no: {got} is in bits.",
        "two_digits": "ten classes are right. Yes or no: {got} is the logarithm with base 10.",
        "two_ten": "ten classes are right. Yes or no: {got} is for ten. How likely is each of two?",
        "two": "ten classes are right. Yes or no: the loss is not {got}. It is the same sum as for "
        "ten, with another probability.",
        "number_nothing": "the classes are right. A loss of {got} would mean that each answer is "
        "exact.",
        "number_half": "the classes are right. {got} would have a factor 1/2; Keras's mean squared "
        "error has none.",
        "number_both": "the classes are right. {got} is the mean square between two targets drawn "
        "at random. The model answers about 0.",
        "number": "the classes are right. The mean squared error is not {got}. What is the mean "
        "square of numbers with mean 0 and variance 1?",
    },
    hints=[
        "A model that knows nothing gives each class the same probability.",
        "Cross-entropy is the negative natural logarithm of the right class's probability.",
        "`-np.log(1 / 10)`, the same for two; and the variance of the targets.",
    ],
    why="-ln(1/10) = 2.303 and -ln(1/2) = 0.693. An answer near 0 to targets of mean 0 and "
    "variance 1 has their variance as its mean squared error: 1.",
    alternative="`np.log(10)`, `np.log(2)`.",
)
def first_loss(ten_classes, yes_or_no, standardized):
    for name, answer, right, slips in (
        ("ten", ten_classes, np.log(10), TEN),
        ("two", yes_or_no, np.log(2), TWO | {"ten": np.log(10)}),
        ("number", standardized, 1.0, NUMBER),
    ):
        got = expect.numeral(answer, f"`{_FIRST[name]}`")
        if got < 0:
            raise Wrong("negative", what=_FIRST[name], got=brief(got))
        if not expect.is_rounded(got, right, 3 if right >= 1 else 2):
            near = (k for k, v in slips.items() if np.isclose(got, v, rtol=0.01, atol=1e-9))
            key = next(near, None)
            raise Wrong(f"{name}_{key}" if key else name, got=brief(got))


_FIRST = {"ten": "ten_classes", "two": "yes_or_no", "number": "standardized"}


# --------------------------------------------------------------------------------------------------

FLOORS = {
    "shares": -(0.9 * np.log(0.9) + 0.1 * np.log(0.1 / 9)),
    "one_term": -np.log(0.91),
    "one_term_shares": -np.log(0.9),
    "right_only": -0.91 * np.log(0.91),
    "one_other": -(0.91 * np.log(0.91) + 0.01 * np.log(0.01)),
    "others": -0.09 * np.log(0.01),
    "share": 0.1,
    "zero": 0.0,
    "digits": 0.5003 / np.log(10),
    "bits": 0.5003 / np.log(2),
}
RUNS = {"1": "P", "2": "B", "3": "PR", "4": "R"}
VERDICTS = {
    ("1", "B"): "its loss is near 0 and all ten are right: nothing is left to ask of this test.",
    ("1", "R"): "nothing disturbs it, and its loss is near 0.",
    ("2", "P"): "all ten answers are right, and yet the loss cannot get below 1.46. What is right "
    "and cannot become sure?",
    ("2", "R"): "no dropout, no smoothing: what would you leave out to repeat it?",
    ("3", "B"): "its loss is high because the targets are never sure. How high is it at best?",
    ("4", "P"): "three of ten rows are wrong.",
    ("4", "B"): "half of its units are missing at each step, others each time. That alone can do "
    "this.",
}


@check.exercise(
    title="Four runs on ten rows",
    messages={
        "shares": "{got} leaves 0.9 at the right class. Keras gives 0.1 to all ten classes alike, "
        "so the right one gets a share of it back.",
        "one_term": "{got} counts the right class alone. The other nine have 0.01 each, and count.",
        "part": "{got} leaves out some of the ten targets: the right class has one, and each of "
        "the others.",
        "zero": "{got} would need a probability near 1, and the targets say 0.91. Being too sure "
        "costs as well.",
        "share": "{got} is the smoothing itself.",
        "base": "{got} has another logarithm; Keras takes the natural one.",
        "floor": "`floor` is not {got}. Cross-entropy is least if the model gives exactly the "
        "targets. Which are they, and what is their loss then?",
        "keys": "`verdicts` should be a dict with the entries {wanted}.",
        "verdict": "the floor is right. Run {run}: not {letter}; {why}",
    },
    hints=[
        "Smoothing of 0.1 and ten classes: the right one has 0.9 + 0.1/10, each other 0.1/10.",
        "The least loss is the sum of -t ln t over the targets t. Compare run 3 with it.",
        "A test is valid if a healthy model passes it: would one, with half of its units missing?",
    ],
    why="-(0.91 ln 0.91 + 9 x 0.01 ln 0.01) = 0.500: run 3 is at its floor, passed (or repeated "
    "without smoothing, which is as good). Run 2 is right everywhere and cannot become sure: "
    "accuracy hides that. Dropout disturbs run 4; without it the test means something.",
    alternative="R for run 3.",
)
def ten_rows(floor, verdicts):
    got = expect.numeral(floor, "`floor`")
    if not expect.is_rounded(got, -(0.91 * np.log(0.91) + 0.09 * np.log(0.01))):
        key = next((k for k, v in FLOORS.items() if np.isclose(got, v, rtol=0.01)), "floor")
        families = {"one_term_shares": "one_term", "right_only": "one_term", "one_other": "part",
                    "others": "part", "digits": "base", "bits": "base"}  # fmt: skip
        raise Wrong("zero" if 0 <= got < 0.02 else families.get(key, key), got=brief(got))
    if isinstance(verdicts, dict):
        verdicts = {str(key): letter for key, letter in verdicts.items()}
    if not isinstance(verdicts, dict) or set(verdicts) != set(RUNS):
        raise Wrong("keys", wanted="1, 2, 3 and 4")
    for run, right in RUNS.items():
        if has_dots(verdicts[run]):
            raise NotDone
        letter = expect.choice(verdicts[run], "PBR", f"the verdict on run {run}")
        if letter not in right:
            raise Wrong("verdict", run=run, letter=letter, why=VERDICTS[run, letter])


# --------------------------------------------------------------------------------------------------


def _layers(kind: str) -> tuple[dict, bool]:
    """Return a layer's gradients, and whether it is in trouble."""
    rng = np.random.default_rng(len(kind))
    kernel, bias = rng.normal(size=(4, 3)).astype("float32"), rng.normal(size=3).astype("float32")
    zero, lost = 0 * kernel, kernel.copy()
    lost[1, 2] = {"one NaN": np.nan, "minus infinity": -np.inf}.get(kind, np.inf)
    below = -np.abs(kernel)
    below[0, 0] = 0
    made = {
        "healthy": (kernel, bias, False),
        "small": (1e-10 * kernel, 1e-10 * bias, False),
        "cancels": (np.array([[1.0], [-1.0]], "float32"), np.zeros(1, "float32"), False),
        "some zeros": (kernel * (kernel > 0), 0 * bias, False),
        "only its bias": (zero, bias, False),
        "negative": (below, -np.abs(bias), False),
        "all alike": (zero + 0.5, 0 * bias + 0.5, False),
        "all 0": (zero, 0 * bias, True),
        "one NaN": (lost, bias, True),
        "one infinity": (lost, bias, True),
        "minus infinity": (lost, bias, True),
        "NaN in its bias": (kernel, np.full(3, np.nan, "float32"), True),
    }[kind]
    return {f"{kind}/kernel": made[0], f"{kind}/bias": made[1]}, made[2]


CASES = (
    ("healthy", "all 0", "some zeros"),
    ("small", "one NaN", "cancels", "NaN in its bias"),
    ("only its bias", "negative", "one infinity", "all alike", "minus infinity"),
)
REASONS = {
    "healthy": "nothing is wrong with it.",
    "small": "its gradients are near 1e-10. That is small and not 0: of a loss a billion times as "
    "large they would be usual.",
    "cancels": "its gradients are 1 and -1: their sum is 0, they are not.",
    "some zeros": "some of its gradients are 0, as relu makes them. In trouble is a layer of which "
    "all are.",
    "only its bias": "its kernel has the gradient 0, its bias has not: it moves.",
    "negative": "none of its gradients is above 0, which is no fault.",
    "all alike": "its gradients are all 0.5: alike, and not 0.",
    "all 0": "all its gradients are 0: no step moves it.",
    "one NaN": "one number is NaN. NaN is neither equal to anything nor above or below it.",
    "one infinity": "one number is infinite. It is not NaN, and no step survives it.",
    "minus infinity": "one number is infinite, below 0. No step survives it.",
    "NaN in its bias": "its kernel is sound, its bias is NaN.",
}


@check.exercise(
    title="Layers in trouble",
    messages={
        "words": "you return {got}. Wanted is a list of names of layers.",
        "paths": "you return {got}, the path of a variable. Wanted is the name of its layer.",
        "unknown": "{got} is the name of no layer that we gave.",
        "missed": 'you leave out the layer "{name}": {why}',
        "accused": 'you name the layer "{name}": {why}',
    },
    hints=[
        "For each layer: join its gradients, or ask of each array.",
        "`np.isfinite` is false for NaN and for infinity. `np.any(g)` is true if a number is "
        "not 0.",
        "`[name for name, found in by_layer.items() if not any(...) or not all(...)]`, with "
        "`found.values()` inside.",
    ],
    why="A sum can cancel, and a comparison with NaN is false: ask each number. `np.any(g)` asks "
    "for one that is not 0; NaN counts as one, so finiteness is asked by itself.",
    alternative="join the arrays by `np.concatenate([g.ravel() for g in found.values()])`.",
)
def trouble(answer):
    expect.function(answer, "`in_trouble`")
    for kinds in CASES:
        made = {kind: _layers(kind) for kind in kinds}
        given = {kind: {path: g.copy() for path, g in made[kind][0].items()} for kind in kinds}
        with np.errstate(all="ignore"):
            told = answer(given)
            got = expect.items(told, at_most=20, what="`in_trouble(...)`")
        if isinstance(told, dict) and any(
            type(v) in (bool, np.bool_) and not v for v in told.values()
        ):
            raise Wrong("words", got=brief(told))
        names = [str(one) for one in got if isinstance(one, str)]
        if len(names) < len(got):
            raise Wrong("words", got=brief(got))
        for name in names:
            if name not in kinds:
                raise Wrong("paths" if "/" in name else "unknown", got=repr(name))
        for kind, (_, ill) in made.items():
            if (kind in names) != ill:
                raise Wrong("missed" if ill else "accused", name=kind, why=REASONS[kind])


# --------------------------------------------------------------------------------------------------

STAGE_SLIPS = {"before": -1, "after": 1}


@check.exercise(
    title="The stage that breaks it",
    messages={
        "range": "you ask for {got} stages of {stages}: `learns` takes a whole number from 0 to "
        "{stages}.",
        "before": "{stages} stages, number {right} breaks it: you return {got}, the last one that "
        "still learns.",
        "after": "{stages} stages, number {right} breaks it: you return {got}, one too far.",
        "wrong": "{stages} stages, number {right} breaks it: you return {got}.",
        "one_by_one": "{stages} stages took you {calls} trainings, one after the other; {budget} "
        "are enough. Which training rules out half of what is left?",
        "known": "{stages} stages took you {calls} trainings; {budget} are enough. You train what "
        "is known: 0 stages learn, and all of them do not.",
        "many": "{stages} stages took you {calls} trainings; {budget} are enough. Does each of "
        "yours rule out half of what is left?",
        "stage": "your function is right. In our pipeline the stage is not {got}: {found}.",
        "stage_range": "your function is right. {got} is no stage from 1 to 5.",
    },
    hints=[
        "Keep two numbers: how many stages are known to learn, and how many are known not to.",
        "Train in the middle of the two, and move one of them there.",
        "`while bad - good > 1: middle = (good + bad) // 2`, then `good = middle` or "
        "`bad = middle`.",
    ],
    why="Each training halves what is left: 3 for eight stages, 10 for a thousand. It needs one "
    "set-up that works, and one that does not.",
    alternative="`bisect.bisect` on `range(stages)` with a key; a recursion on halves.",
)
def culprit(answer, stage):
    expect.function(answer, "`culprit`")
    for stages, right in ((8, 6), (8, 1), (8, 8), (5, 4), (16, 11), (2, 2), (1, 1)):
        asked: list[int] = []

        def learns(k, stages=stages, right=right, asked=asked):
            number = expect.number(k, "what you give to `learns`")
            if number != int(number) or not 0 <= number <= stages:
                raise Wrong("range", got=brief(number), stages=stages)
            asked.append(int(number))
            return int(number) < right

        got = expect.number(answer(learns, stages), "`culprit(...)`")
        told = {"stages": stages, "right": right, "got": f"{got:g}"}
        if got != right:
            raise Wrong({right - 1: "before", right + 1: "after"}.get(got, "wrong"), **told)
        budget = int(np.ceil(np.log2(stages)))
        if len(asked) > budget:
            told |= {"calls": len(asked), "budget": budget}
            steps = np.abs(np.diff(asked))
            if len(asked) > 2 and (steps == 1).all():
                raise Wrong("one_by_one", **told)
            raise Wrong("known" if {0, stages} & set(asked) else "many", **told)
    got = expect.numeral(stage, "`stage`")
    if got not in range(1, 6):
        raise Wrong("stage_range", got=brief(got))
    if got != 4:
        raise Wrong("stage", got=f"{got:g}",
                    found="up to there it learns" if got < 4 else "it fails earlier")  # fmt: skip


# --------------------------------------------------------------------------------------------------

BUGS = {
    "order": ["rows and labels out of order", "misaligned", "labels out of order"],
    "shapes": ["shape", "shape mismatch", "broadcasting", "broadcast"],
    "softmax twice": ["double softmax", "two softmax", "softmax"],
    "scale": ["unscaled", "unscaled input", "unscaled inputs", "inputs not scaled",
              "scale of the inputs"],
    "rate too high": ["high rate", "learning rate too high", "high learning rate", "rate",
                      "learning rate"],
    "no gradient": ["zero gradient", "no gradients", "gradient 0"],
    "too few layers": ["layers"],
    "rate too low": ["low rate", "learning rate too low", "low learning rate"],
}  # fmt: skip
TESTS = ("first_loss", "ten_rows", "look", "gradients", "simpler")
FOUND = {
    "B": ("shapes", ["look"]),
    "C": ("softmax twice", ["ten_rows"]),
    "D": ("no gradient", ["gradients"]),
    "E": ("scale", ["look", "simpler"]),
    "F": ("rate too high", ["gradients", "simpler"]),
}
CLAIMS = {
    "order": "`.look()` shows rows and what they are called. Do they not fit here?",
    "shapes": "`.look()` shows the shapes. One class number for ten outputs is what this loss "
    "takes.",
    "softmax twice": "That stops at a loss of 1.46 with every answer right. Does this one, on ten "
    "rows?",
    "scale": "`.look()` shows the range of x. Is it another one than in project A?",
    "rate too high": "`.gradients()` shows how far one step moves the weights. Is that far, here?",
    "no gradient": "`.gradients()` shows a gradient for each layer. Is one of them 0 here?",
    "too few layers": "A healthy net of as many layers learns such pictures: the grey curve. And "
    "more layers would not show what is wrong.",
    ("rate too low", "B"): "Short steps alone prove nothing: one try of `.simpler()` learns at "
    "the same rate. What did it replace?",
    "rate too low": "The rate is one with which a healthy net learns, or a larger one. Raise it "
    "only when every test is passed and the loss still falls.",
}
LIMITS = {
    ("first_loss", "E"): "A first loss far off says: inputs or weights are too large. Which of the "
    "two?",
    ("first_loss", ""): "Its first loss is as expected, or nearly. It speaks for no bug.",
    ("ten_rows", "B"): "Ten rows say that model, loss or loop is broken, and alike answers do not "
    "say why. Which test prints what meets in the loss?",
    ("ten_rows", "D"): "Ten rows are learned here: the last layer alone can do that.",
    ("ten_rows", ""): "Ten rows not learned say that something is broken, and not what.",
    ("look", ""): "Rows, labels, ranges and shapes are as in a healthy project.",
    ("gradients", "E"): "The step is far too long, true, and at an unusual range of x any usual "
    "rate would be. What makes it so?",
    ("gradients", ""): "Every layer has a gradient, so that is not what tells.",
    ("simpler", ""): "It learns with a plain net and a plain loss at once: the fault is in what "
    "they replace. Where in there, another test tells.",
}


@check.exercise(
    title="Five projects",
    messages={
        "keys": "`found` should be a dict with the entries B, C, D, E and F.",
        "pair": 'project {name}: give a bug and a test, such as ("order", "look"), not {got}.',
        "bug": 'project {name}: "{bug}"? {why}',
        "rate_of_scale": 'project {name}: "{bug}"? One step does move the weights too far. But '
        "this rate suits a healthy net. Which range has x?",
        "test": 'project {name}: "{bug}" is right. But can "{test}" tell it from other bugs? {why}',
    },
    hints=[
        "Begin with the tests that cost nothing: `first_loss` and `look`, for all five.",
        "Two have their first loss, their rows and their shapes in order, and cannot learn ten "
        "rows. What do their answers and steps look like?",
        "One learns ten rows and lags on all: go through its layers, one by one.",
    ],
    why="B: targets (800,) against outputs (800, 1) make a square of all pairs in a loss of one's "
    "own. C: a softmax of a softmax cannot be surer than e / (e + 9), a loss of 1.46. D: units "
    "that switch have the slope 0, so nothing below them trains. E: pixels from 0 to 255, and the "
    "first step kills. F: one step moves weights by 30 % of their size and more.",
    alternative="simpler for E and F.",
)
def projects(found):
    if not isinstance(found, dict) or set(found) != set(FOUND):
        raise Wrong("keys")
    chosen = {}
    for name in FOUND:
        pair = found[name].tolist() if isinstance(found[name], np.ndarray) else found[name]
        if has_dots(pair):
            raise NotDone
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Wrong("pair", name=name, got=brief(pair))
        if any(has_dots(one) for one in pair):
            raise NotDone
        test = pair[1].strip(" .()") if isinstance(pair[1], str) else pair[1]
        bug = expect.name(pair[0], BUGS, f"the bug of {name}")
        chosen[name] = bug, expect.name(test, TESTS, f"the test of {name}")
    for name, (bug, test) in chosen.items():
        right, tests = FOUND[name]
        if bug != right:
            key = "rate_of_scale" if (name, bug) == ("E", "rate too high") else "bug"
            raise Wrong(key, name=name, bug=bug, why=CLAIMS.get((bug, name), CLAIMS[bug]))
        if test not in tests:
            why = LIMITS.get((test, name), LIMITS[test, ""])
            raise Wrong("test", name=name, bug=bug, test=test, why=why)


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_moves",
    reasons={
        "a": "Ten times the step, on the same data and loss. If one of those is wrong, no step "
        "mends it.",
        "b": "More layers can fit more, also what is wrong. They do not say what was.",
        "c": "A treatment before a diagnosis: it fails, and you know as little as before.",
    },
    answer="c",
)
check.prediction(
    "predict_next",
    reasons={
        "a": "Model, loss and loop have passed. What is left are the data, and they cost nothing "
        "to look at.",
        "b": "Ten rows were learned at this rate. What would another one show about the other 790?",
        "c": "The net has room for ten rows by heart, so it is not broken. More of it is no test.",
    },
    answer="a",
)
check.prediction(
    "predict_doctor",
    reasons={
        "a": "Loss, gradients and split are those of a healthy run. What is wrong is what the "
        "model may read.",
        "b": "For that the loss on rows held back would have to rise. They are as easily cheated.",
        "c": "It compares rows, and none stands on both sides.",
    },
    answer="a",
)
check.question(
    "quiz_1",
    "Ten rows are at accuracy 1.0 and loss 1.5, with no dropout and no smoothing. And now?",
    options={
        "a": ("look for what keeps it from being sure", "A softmax twice, for instance."),
        "b": ("train on more rows", "They cannot be easier than ten by heart."),
        "c": ("passed: all ten are right", "A sound model becomes sure of ten rows."),
    },
    answer="a",
)
check.question(
    "quiz_2",
    "Ten rows are learned by heart. What does that rule out?",
    options={
        "a": ("wrong labels", "Ten wrong labels are learned by heart as well."),
        "b": ("a loss that cannot fall", "It fell, nearly to 0."),
        "c": ("overfitting", "By heart is what overfitting is."),
    },
    answer="b",
)
check.question(
    "quiz_3",
    "`examine` finds nothing, and the loss is better than it can be. What next?",
    options={
        "a": ("a smaller rate", "It would get there more slowly."),
        "b": ("ship it", "A loss below what chance allows is a symptom too."),
        "c": ("look at what the model reads", "Silence is no proof; attention can be seen."),
    },
    answer="c",
)
check.question(
    "quiz_4",
    f"From {lesson('losses')}: what is binary cross-entropy at a probability of 0.5?",
    options={
        "a": ("0.69", "-ln 0.5."),
        "b": ("0.5", "That is the probability; the loss is its negative logarithm."),
        "c": ("1.0", "In bits; Keras takes the natural logarithm."),
    },
    answer="a",
)
check.question(
    "quiz_5",
    f"From {lesson('backpropagation')}: a unit's slope is 0 on every row. What trains below it?",
    options={
        "a": ("its biases", "They are blamed through the same slope."),
        "b": ("everything, more slowly", "A factor of 0 leaves nothing to be slow with."),
        "c": ("nothing that is reached through it alone", "Zero times anything is zero."),
    },
    answer="c",
)
check.card(
    "What should the loss be before the first step?",
    "That of knowing nothing: ln(classes), 2.303 for ten and 0.693 for two; for a standardized "
    "number and the squared error, 1.",
)
check.card(
    "Ten rows by heart: how, and what does it prove?",
    "Without dropout, smoothing and penalties, until the loss is near 0. If not, scale, "
    "model, loss, rate or loop is at fault. It says nothing about the labels.",
)
check.card(
    "A run does not learn: in which order do you test?",
    "First loss, ten rows by heart, rows and labels by eye, gradients by layer, then from a set-up "
    "that works, stage by stage. No treatment before that.",
)
check.card(
    "How many trainings find the one bad stage of 16?",
    "4: each one rules out half of what is left.",
)
check.card(
    "What is a finding of a doctor worth?",
    "As much as its evidence: do the one experiment that decides. And its silence proves nothing.",
)
check.card(
    "Slow, but learning: four remedies?",
    "A higher rate, with care; Adam or RMSprop; warm-up, where the first steps are the dangerous "
    "ones; normalization between layers.",
)
