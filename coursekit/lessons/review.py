"""The review: the whole course, and its own checks, hints, quiz and cards."""

from collections.abc import Mapping
from importlib import import_module

import numpy as np

from coursekit.exercises import Lesson, NotDone, WholeCourse, Wrong, expect, has_dots, lesson
from coursekit.lessons import _decks as decks
from coursekit.lessons import _review as parts

__all__ = ["check", "course", "decks", "parts"]

check = Lesson("review", "What do you still know?")


course = WholeCourse(
    lambda slug: import_module(f"coursekit.lessons.{slug}").check, without=check.slug
)

check.prediction(
    "predict_score",
    reasons={
        "a": "that would be so if no guess were ever right.",
        "b": "10 known, and a third of the other 15 by luck.",
        "c": "that would take more than half of the guesses; with three options luck has a third.",
    },
    answer="b",
)


def _asked(given, names, what: str) -> dict:
    """Return the learner's dict by name; raises for what is none, or lacks or adds a name."""
    known = {name.casefold(): name for name in names}
    if not isinstance(given, Mapping):
        raise Wrong("type", what=f"`{what}`", wanted="a dict as in the stub", got=repr(given))
    found = {known.get(str(key).strip().casefold(), key): value for key, value in given.items()}
    if set(found) != set(names):
        listed = ", ".join(map(str, names))
        raise Wrong("type", what=f"`{what}`", wanted=f"a dict with {listed}", got=list(found))
    if any(has_dots(value) for value in found.values()):
        raise NotDone
    return found


# --------------------------------------------------------------------------------------------------

CHANGES = {
    "a": "relu and He's start keep the blame from shrinking from layer to layer",
    "b": "clipping shortens gradients that are too long",
    "c": "a larger rate makes each step longer, and helps where the slopes are healthy",
    "d": "more epochs go on in the same way",
    "e": "dropout is for nets that fit the training rows too well",
    "f": "equal rates let the discriminator keep up with the generator",
    "g": "old rows among the new ones keep the old task in the loss",
    "h": "a smaller rate makes each step shorter",
}
SEEN = {
    "A": "Compare the gradients of its first and of its last kernel: what comes between?",
    "B": "Its gradients are of like size in both kernels, and the loss falls a little at a time.",
    "C": "It has no labels and no accuracy. What does it make, and which of its two nets is blind?",
    "D": "It learns its new task well. What in its loss speaks for the old one?",
}
MENDS = {"A": "a", "B": "c", "C": "f", "D": "g"}


@check.exercise(
    title="Four prescriptions",
    messages={
        "not_this": "run {run}: ({letter}) is not what it lacks: {does}. {seen}",
        "slowly": "run {run}: ({letter}) would mend it some day: its loss does fall. At a "
        "thousandth of a useful step it takes a thousand times the epochs. Asked is the same "
        "budget.",
        "clip": "run {run}: clipping makes long gradients shorter, and never a short one longer. "
        "Those of its first kernel are more than a thousand times shorter than its last one's.",
        "forgets_slower": "run {run}: a smaller rate forgets less, and learns less: both are the "
        "same steps. {seen}",
    },
    hints=[
        "Ask of each run first: do gradients arrive at the first layer, and is the loss of what "
        "you want at all?",
        "Vanishing gradients, steps that are too short, a collapsed generator, a forgotten task.",
        'One letter for each: `{"A": "...", ...}`. Each is another one.',
    ],
    why="A: eight sigmoid layers multiply the blame by less than a quarter each. B: healthy "
    "slopes, tiny steps. C: a discriminator at a tenth of the rate is fooled, and nothing asks "
    "for variety. D: no new row speaks for the old task.",
    alternative="For A also batch norm or skips; for B Adam; for C another loss; for D EWC.",
)
def prescriptions(answer):
    given = _asked(answer, MENDS, "mends")
    chosen = {
        run: expect.choice(letter, CHANGES, f"the mend of {run}") for run, letter in given.items()
    }
    for run, letter in sorted(chosen.items()):
        if letter == MENDS[run]:
            continue
        told = {"run": run, "letter": letter, "does": CHANGES[letter], "seen": SEEN[run]}
        keys = {"Ab": "clip", "Bd": "slowly", "Dh": "forgets_slower"}
        raise Wrong(keys.get(run + letter, "not_this"), **told)


# --------------------------------------------------------------------------------------------------

ROWS = "ABCDEFGHIJKLMNO"
ZERO = {"rows": 8, "weights": 1_024, "moments": 256}
ZERO_SLIPS = {
    "rows": {64: "all 64 rows go to a worker where the model is split, not the batch",
             16: "16 rows are those of four workers; here are eight"},
    "weights": {128: "128 weights are an eighth: a worker of ZeRO fetches what it lacks, and "
                "multiplies its rows by all",
                256: "256 are the columns of one of four workers that split the layer; a worker of "
                "ZeRO multiplies by all",
                2_048: "2,048 are Adam's numbers, two for each weight"},
    "moments": {2_048: "2,048 are all moments: that is plain data parallelism",
                512: "512 are the share of one of four workers; here are eight",
                128: "128 would be one number for each weight of a share; Adam keeps two",
                1_024: "1,024 would be one number for each weight, and all of them; Adam keeps "
                "two, and ZeRO shares them out"},
}  # fmt: skip


@check.exercise(
    title="The two that are wrong",
    messages={
        "fine": "row {letter} holds. Of the two runs above neither speaks against it.",
        "one_more": "{found} is wrong, and one more. Which row does the other run speak against?",
        "unnamed": "name two rows by their letters, as they stand in the table.",
        "keras_scaled": "`by_keras` {got}: that is the level after a scaling at prediction. Keras "
        "does it in training: look at the second number of each line above.",
        "other_level": "`{name}` {got} belongs to units of level 1, those of the run above. Here "
        "their level is another.",
        "by_keras": "`by_keras` is not {got}. At prediction, what does Keras's layer do to a unit?",
        "row_rate": "`by_row` {got}: that is scaled by the rate, the share that is dropped. The "
        "row says the share that is kept.",
        "row_divided": "`by_row` {got} is divided by the share that is kept: that is done in "
        "training. The row multiplies.",
        "row_nothing": "`by_row` {got}: the row asks for a scaling, and this is none.",
        "by_row": "`by_row` is not {got}. By what does the row scale, and which level stands there "
        "before?",
        "zero_slip": "`{name}`: {slip}.",
        "zero": "`{name}` is not {got}. See how four workers came by theirs in the table above.",
    },
    hints=[
        "The first run is about one row, the table of workers about another.",
        "A rate of 0.8 keeps a fifth of the units. Adam keeps two numbers for each weight.",
        "ZeRO: rows are shared out, weights are all used, the moments are shared out.",
    ],
    why="Keras scales in training, so at prediction the level is 2 as it is; scaled once more it "
    "is 2 x 0.2. With ZeRO a worker has 64 / 8 rows, uses all 1,024 weights, and keeps "
    "2 x 1,024 / 8 moments: data parallelism with its state spread.",
    alternative='The letters as a list, `["J", "O"]`.',
)
def corrected(rows, by_keras, by_row, zero):
    named = expect.letters(rows, ROWS, "`rows`")
    level, theirs = expect.numeral(by_keras, "`by_keras`"), expect.numeral(by_row, "`by_row`")
    given = _asked(zero, ZERO, "zero")
    for letter in named:
        if letter not in "JO":
            raise Wrong("fine", letter=letter)
    if len(named) != 2:
        raise Wrong("one_more", found=named[0]) if named else Wrong("unnamed")
    for name, got, of_one in (("by_keras", level, 1), ("by_row", theirs, 0.2)):
        if np.isclose(got, of_one):
            raise Wrong("other_level", name=name, got=got)
    if not np.isclose(level, 2):
        scaled = any(expect.is_rounded(level, value) for value in (0.4, 1.6, 10.0, 2.5))
        raise Wrong("keras_scaled" if scaled else "by_keras", got=level)
    if not expect.is_rounded(theirs, 0.4):
        slips = {"row_rate": 1.6, "row_divided": 10.0, "row_nothing": 2.0}
        shown = [key for key, value in slips.items() if expect.is_rounded(theirs, value)]
        raise Wrong(shown[0] if shown else "by_row", got=theirs)
    for name, right in ZERO.items():
        got = expect.numeral(given[name], f"`{name}`")
        if got != right:
            slip = ZERO_SLIPS[name].get(got)
            raise Wrong("zero_slip", name=name, slip=slip) if slip else Wrong(
                "zero", name=name, got=f"{got:g}")  # fmt: skip


# --------------------------------------------------------------------------------------------------

REASONS = {
    "A": "one number, normalized to a sum of 1, is always 1",
    "B": "two things have nearly one name",
    "C": "it is a first explanation, and experiments speak against it",
    "D": "the object keeps its state until somebody replaces it",
    "E": "what holds at this place need not hold further on",
    "F": "what is measured is the recipe, not one of its results",
    "G": "the numbers are not independent of each other",
    "H": "it makes things smaller, and never larger",
}
STATEMENTS = {  # why each is wrong ("" if it holds), and where to look
    1: ("A", f"What does softmax's loss do with one class only? ({lesson('losses')})"),
    2: ("B", f"Draw the rate of `CosineDecay` over its steps. ({lesson('schedules')})"),
    3: ("C", "Read what was tried by planting the very shift that it is said to remove. "
        f"({lesson('initialization_normalization')})"),
    4: ("D", f"Print the first loss of both. ({lesson('training_loop')})"),
    5: ("D", f"Print a weight before and after. ({lesson('training_loop')})"),
    6: ("E", "Stand on the side of a long narrow valley and look downhill. "
        f"({lesson('gradient_descent')})"),
    7: ("F", "Ten nets, one recipe. On how many rows did each learn? "
        f"({lesson('cross_validation')})"),
    8: ("G", f"How many rows do two training sets share? ({lesson('cross_validation')})"),
    9: ("H", f"Clip a gradient of 1e-9 at 1. ({lesson('initialization_normalization')})"),
    10: ("", "To say the common class every time scores 0.95 there."),
    11: ("", "It is what early stopping watches, with patience for its wobbles."),
    12: ("", "A score on rows that chose the model is the best of several, luck included."),
}  # fmt: skip


@check.exercise(
    title="Nine that sound right",
    messages={
        "unknown": "there are statements 1 to 12, and {got} is none of them.",
        "accused": "statement {number} holds. {look}",
        "reason": "statement {number} is wrong, but ({letter}), {reason}, is not why. {look}",
        "missed": "so far all is right, and {count} of the nine left to find. {look}",
        "unnamed": "none of the statements is named. Nine of the twelve are wrong.",
    },
    hints=[
        "Ask of each: which small run would show that it is false?",
        "One reason serves twice. Three statements hold.",
        'Two of the nine: `{4: "D", 5: "D"}`.',
    ],
    why="Each of the nine is a habit of speech that a run of a second refutes, or that leaves out "
    "half: 1, 2, 4, 5, 6 and 9 are run below; 7 and 8 are counted in the lesson on validation; 3 "
    "is contested, which is not the same as settled.",
    alternative="The numbers as texts, or small letters.",
)
def sorter(wrong):
    if not isinstance(wrong, Mapping):
        raise Wrong("type", what="`wrong`", wanted="a dict as in the stub", got=repr(wrong))
    if has_dots(wrong) or any(has_dots(value) for value in wrong.values()):
        raise NotDone
    given = {}
    for key, value in wrong.items():
        number = expect.numeral(key, "a statement's number")
        if number not in STATEMENTS:
            raise Wrong("unknown", got=key)
        given[int(number)] = expect.choice(value, REASONS, f"the reason of {number:g}")
    if not given:
        raise Wrong("unnamed")
    for number, letter in sorted(given.items()):
        right, look = STATEMENTS[number]
        if not right:
            raise Wrong("accused", number=number, look=look)
        if letter != right:
            raise Wrong("reason", number=number, letter=letter, reason=REASONS[letter], look=look)
    left = [n for n, (right, _) in STATEMENTS.items() if right and n not in given]
    if left:
        look = STATEMENTS[left[0]][1]
        raise Wrong("missed", count=len(left), look=look)


# --------------------------------------------------------------------------------------------------

EVIDENCE = {
    "K": "nothing: it is kept",
    "A": "a score on rows that had no part in the training or the choice",
    "B": "a curve of validation rows beside it",
    "C": "a run for each change alone",
    "D": "statistics of the training rows alone",
    "E": "a run that was stopped and goes on to the same weights",
}
PRACTICES = {  # what each line of the log lacks, and where to look
    "start simple": ("K", "A baseline, a simple model, then the net: each has its score."),
    "split data": ("A", "Could a row to learn from and a row to judge by be of one patient?"),
    "monitor": ("B", "What would this curve look like in a net that learns its rows by heart?"),
    "cross-validate": ("K", "From which rows does each fold take its mean and deviation?"),
    "stop early": ("K", "It watches rows that are not trained on, waits, and takes the best back."),
    "checkpoints": ("E", "What does Adam keep besides the weights?"),
    "one at a time": ("C", "How many things differ between the two runs?"),
    "normalize": ("D", "Which rows had a part in the mean?"),
    "imbalance": ("K", "The rows to judge by are as the world is; only the training is weighted."),
    "validate": ("A", "What did the test set decide, before it gave the score?"),
}


@check.exercise(
    title="A colleague's log",
    messages={
        "believed": "`{name}` is not shown by its line. {look}",
        "accused": "`{name}` is kept, and you ask for {wants}. {look}",
        "other": "`{name}` does lack something, and something nearer than {wants}. {look}",
    },
    hints=[
        "Read each line as a stranger: what might be false though the line is true?",
        "Four lines are enough as they are. One kind of evidence is missing twice.",
        "Patients on both sides, and a test set that chose: both need fresh rows.",
    ],
    why="Patients on both sides of a split, and a test set that chose among three: both scores are "
    "flattered (A). Training loss alone hides overfitting (B). Two changes at once have one effect "
    "(C). Statistics of all rows leak (D). A saved net that was never resumed is a hope (E).",
    alternative="Small letters.",
)
def audit(lacks):
    given = _asked(lacks, PRACTICES, "lacks")
    chosen = {name: expect.choice(given[name], EVIDENCE, f"`{name}`") for name in PRACTICES}
    for name, letter in chosen.items():
        right, look = PRACTICES[name]
        if letter != right:
            key = "believed" if letter == "K" else "accused" if right == "K" else "other"
            raise Wrong(key, name=name, wants=EVIDENCE[letter], look=look)


# --------------------------------------------------------------------------------------------------

READING = {  # key: other names, and the question that the text answers
    "goodfellow": (["book", "deep learning"], "what all of it rests on, from linear algebra on"),
    "ruder": (["overview", "overview of gradient descent"],
              "how the optimizers up to Adam grew from each other"),
    "kingma": (["adam", "kingma and ba", "1412.6980"], "how each weight gets its own step"),
    "srivastava": (["dropout"], "why dropped units keep a net from overfitting"),
    "ioffe": (["batch norm", "batchnorm", "batch normalization", "ioffe and szegedy", "1502.03167"],
              "what normalizing over a batch does for speed"),
    "he": (["resnet", "deep residual learning", "residual learning", "1512.03385"],
           "why deeper plain nets fit even their training rows worse"),
    "bergstra": (["random search", "bergstra and bengio"],
                 "how to spend few trials when few settings matter"),
    "smith": (["cyclical", "clr", "cyclical learning rates", "1506.01186"],
              "how to find a range of rates, and cycle in it"),
    "hu": (["lora", "low-rank adaptation", "2106.09685"],
           "how to adapt a large net with few trainable numbers"),
    "glorot": (["glorot and bengio", "xavier", "training deep feedforward networks"],
               "how to start weights so that signals keep size"),
    "loshchilov": (["adamw", "decoupled weight decay", "loshchilov and hutter", "1711.05101"],
                   "why a penalty and a decay differ under Adam"),
    "micikevicius": (["mixed precision", "mixed precision training", "1710.03740"],
                     "how to train in 16 bits without loss"),
}  # fmt: skip
QUESTIONS = {
    "decay": ("loshchilov", "The optimizer is the same; the way the weights shrink differs."),
    "zeros": ("micikevicius", "The true slopes are not 0: the format has no number that small."),
    "trials": ("bergstra", "Each cell of a grid tries a setting that matters with few values."),
    "depth": ("he", "The error on the *training* rows is higher: that is not overfitting, and the "
              "net has batch norm and a good start."),
    "adapt": ("hu", "The net is pretrained, and its optimizer's state does not fit."),
}  # fmt: skip


@check.exercise(
    title="Your next evenings",
    messages={
        "elsewhere": "`{name}`: {key} answers {about}. {look}",
    },
    hints=[
        "Say each question in the course's words first. Which lesson asked it?",
        "Each of the five is the main question of one of the twelve.",
        "AdamW; mixed precision; random search; residual learning; LoRA: in this order.",
    ],
    why="AdamW's paper takes penalty and decay apart; mixed precision scales the loss so that "
    "small slopes survive; random search gives each setting a new value in each trial; ResNets "
    "were made for the degradation of the fourth question; LoRA trains two thin matrices.",
    alternative='A text by its short name, as in `"adamw"`, or by its number on arXiv.',
)
def reading(plan):
    given = _asked(plan, QUESTIONS, "plan")
    names = {
        key: [*others, f"{key} et al", f"arxiv {others[-1]}"]
        for key, (others, _) in READING.items()
    }
    chosen = {name: expect.name(given[name], names, f"`{name}`") for name in QUESTIONS}
    for name, key in chosen.items():
        right, look = QUESTIONS[name]
        if key != right:
            raise Wrong("elsewhere", name=name, key=key, about=READING[key][1], look=look)


# --------------------------------------------------------------------------------------------------

check.question(
    "quiz_1",
    "16 of 25 right, all questions with three options, none left out. How many did you know, most "
    "likely?",
    options={
        "a": ("11 or 12", "11.5 known, and a third of the other 13.5 by luck, make 16."),
        "b": ("16", "A third of what you did not know came right by luck."),
        "c": ("8", "That would make about 14."),
    },
    answer="a",
)
check.question(
    "quiz_2",
    "How would you tell ZeRO from model parallelism, looking at one worker?",
    options={
        "a": ("by the memory of its optimizer's state", "Both keep a share of it."),
        "b": ("by the rows that it reads", "With ZeRO they are a share of the batch, its own."),
        "c": ("by the weights after the step", "They are the same in both, and on one device."),
    },
    answer="b",
)
check.question(
    "quiz_3",
    "A run saves its weights every epoch. What shows that it could go on after a power cut?",
    options={
        "a": ("the files are there", "Adam's moments and the order of the rows may be missing."),
        "b": ("stopped and resumed, it ends in the same weights", "That is the whole promise."),
        "c": ("its weights load without an error", "So they would into a fresh optimizer."),
    },
    answer="b",
)
check.question(
    "quiz_4",
    f"From {lesson('monitoring')}: training loss falls, validation loss rises. Validation accuracy "
    "still rises too. What do you do?",
    options={
        "a": ("stop at once", "That depends on what the model is for."),
        "b": ("raise the rate", "Neither curve speaks for that."),
        "c": ("decide which of the two you want, and watch it", "Over-confidence costs the loss, "
              "and the accuracy not."),
    },
    answer="c",
)  # fmt: skip
check.question(
    "quiz_5",
    f"From {lesson('cross_validation')}: the mean over ten folds is 0.93. Which model do you ship?",
    options={
        "a": ("that of the middle fold", "Each fold's model missed a tenth of the rows."),
        "b": ("that of the best fold", "Its fold was easy, or it was lucky."),
        "c": ("one trained by the same recipe on all the rows", "The folds judged the recipe."),
    },
    answer="c",
)
for deck in decks.DECKS.values():
    for question, answer in deck:
        check.card(question, answer)
