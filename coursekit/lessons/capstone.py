"""Can you do it all, once, honestly? Checks, hints, quiz and cards."""

import itertools

import numpy as np

from coursekit.exercises import Lesson, NotDone, Wrong, brief, expect, has_dots, lesson
from coursekit.lessons import _capstone as parts

__all__ = ["check", "parts"]

check = Lesson("capstone", "Can you do it all, once, honestly?")


# --------------------------------------------------------------------------------------------------

STEPS = {"floor": 351, "all_rows": 391, "all_floor": 390, "validation_rows": 40, "reduced": 125,
         "batches_of_64": 704, "fraction": 351.5625, "rows_of_all": 45_000}  # fmt: skip
LAST = {"full_batch": 128, "missing_rows": 56, "of_all": 80, "reduced_last": 64,
        "share_of_batch": 0.5625}  # fmt: skip
MOST = {"epochs_only": 200, "most_floor": 70_200, "most_all": 78_200, "patience_only": 5280,
        "row_count": 9_000_000, "one_epoch": 352, "most_fraction": 70_312.5,
        "run_on": 70_312, "run_on_up": 70_313}  # fmt: skip


@check.exercise(
    title="The full profile in numbers",
    messages={
        "floor": "{got} leaves the rows of the last, smaller batch out: they are trained on too.",
        "all_rows": "{got} is for 50,000 images. 5,000 of these validate, and take no step.",
        "all_floor": "{got} is for 50,000 images, and leaves the last batch out besides.",
        "validation_rows": "{got} batches hold the 5,000 rows that validate.",
        "reduced": "{got} is the number for the reduced profile.",
        "batches_of_64": "{got} is for batches of 64.",
        "fraction": "a step is taken or not, and {got} is no whole number. What becomes of the "
        "rows of the last, smaller batch?",
        "rows_of_all": "{got} counts images. A step takes a batch of them.",
        "full_batch": "the steps are right. 45,000 is no multiple of 128, so the last batch of an "
        "epoch has fewer than {got}.",
        "missing_rows": "the steps are right. {got} rows are *missing* in the last batch.",
        "of_all": "the steps are right. {got} is what 50,000 rows leave.",
        "reduced_last": "the steps are right. {got} is a batch of the reduced profile.",
        "share_of_batch": "the steps are right. {got} is a share of a batch: of how many rows?",
        "epochs_only": "{got} counts epochs. Each has as many steps as you found.",
        "most_floor": "{got} leaves the last batch of each epoch out.",
        "most_all": "{got} is for 50,000 images.",
        "patience_only": "{got} are the steps of 15 epochs: so long it waits without a gain.",
        "row_count": "{got} counts images, 200 times 45,000. A step takes a batch of them.",
        "one_epoch": "{got} are the steps of one epoch, and 200 are the most.",
        "most_fraction": "{got} is 200 times a fraction. Each epoch is made of whole steps.",
        "run_on": "{got} lets the batches run on from epoch to epoch. Each epoch ends with a "
        "smaller batch of its own.",
        "run_on_up": "{got} lets the batches run on from epoch to epoch. Each epoch ends with a "
        "smaller batch of its own.",
        "held_out": "the numbers are right. {parts} must stay as they are: they stand for the "
        "images that will be met.",
        "not_train": "the numbers are right. Which rows may be changed at random, so that the net "
        "does not see the same twice?",
    },
    hints=[
        "45,000 of the 50,000 images train. A smaller last batch is a step as well.",
        "`45_000 / 128` is no integer: round up. What remains is the last batch.",
        "`-(-45_000 // 128)`; `45_000 - 128 * ...`; times 200. Letters as a text.",
    ],
    why="351 whole batches and one of 72 rows: 352 steps, 70,400 in 200 epochs. Augmentation is "
    "for the training rows: the others measure.",
    alternative="`math.ceil(45_000 / 128)` and `45_000 % 128`.",
)
def steps(in_epoch, in_last, at_most, augmented):
    if any(map(has_dots, (in_epoch, in_last, at_most, augmented))):
        raise NotDone
    for what, answer, right, near in (
        ("`in_epoch`", in_epoch, 352, STEPS),
        ("`in_last`", in_last, 72, LAST),
        ("`at_most`", at_most, 70_400, MOST),
    ):
        got = expect.numeral(answer, what)
        for key, value in near.items():
            if got == value:
                raise Wrong(key, got=f"{got:,.10g}")
        if got != right:
            expect.no_slips(got, right, what, n=128)
            raise Wrong("type", what=what, wanted="another number", got=f"{got:,.10g}")
    named = expect.letters(augmented, "ABC", "`augmented`")
    extra = [name for name, letter in (("validation rows", "B"), ("test rows", "C"))
             if letter in named]  # fmt: skip
    if extra:
        raise Wrong("held_out", parts=" and ".join(extra).capitalize())
    if not named:
        raise Wrong("not_train")


# --------------------------------------------------------------------------------------------------

PAIRED = {
    "turned": "the second is compared with the first: wanted is a - b",
    "absolute": "the sign of a - b is taken away: a pair in which b leads then speaks for a",
    "population": "the spread has the divisor n; few pairs need n - 1, `ddof=1`",
    "not_by_root": "the spread is taken whole; a mean of n pairs varies less, by the root of n",
    "by_n": "the spread is divided by n, not by its root",
    "unpaired": "the spreads of a and of b are put together; the pairs differ by less",
    "normal": "1.96 stands in place of t, and three pairs know their spread badly",
    "fixed": "4.30 stands in place of t, however many pairs there are: more of them know more",
    "no_t": "t is left out, so the interval is one standard error wide on each side",
    "one_sided": "t is the one-sided value: 2.5 % belong to each end",
    "variance": "the variance stands in place of its root",
    "halved": "each end is half a reach away: `t` standard errors belong to *each* side",
    "median": "the middle is the median, not the mean",
    "extremes": "the ends are the smallest and the largest difference, however many pairs there "
    "are",
}
PAIRED_GROUPS = (
    ("turned", "absolute"),
    ("population", "variance"),
    ("not_by_root", "by_n"),
    ("unpaired",),
    ("normal", "fixed", "no_t", "one_sided"),
    ("halved",),
    ("median",),
)
CLAIMS = {
    "B": ("lucky", "B compares the best of ten seeds with one seed: a choice against a draw."),
    "C": ("holds_zero", "The mean of C is positive, but where does its interval end? `paired` "
          "tells: compute it with any b, such as b = 0."),
    "D": ("budget", "D is a real difference, but of the budgets: three times the epochs."),
    "E": ("picked", "In E one side chose its epoch by the validation rows that score it, and the "
          "other did not."),
}  # fmt: skip


@check.exercise(
    title="Which is better?",
    messages={
        "three": "`paired` should return three numbers: the mean, the lower and the upper end.",
        "order": "for a {a} and b {b} you return {got}: the lower end is above the upper one.",
        "places": "for a {a} and b {b} you return {got}: the right numbers, in other places. The "
        "mean comes first, then the lower and the upper end.",
        "reaches": "for a {a} and b {b} you return {got}. The last two are how far the ends lie "
        "from the mean; wanted are the ends themselves.",
        "rounded": "for a {a} and b {b} you return {got}: right, but rounded. Scores may differ in "
        "the next digit, so return the numbers whole.",
        "faults": "for a {a} and b {b} you return {got}. One way to get there: {faults}.",
        "wrong": "for a {a} and b {b} you return {got}. The differences are {apart}, and t is "
        "{t}: go through it step by step.",
        "lucky": "`paired` is right. {why}",
        "holds_zero": "`paired` is right. {why}",
        "budget": "`paired` is right. {why}",
        "picked": "`paired` is right. {why}",
        "missed": "`paired` is right. You leave out {letter}. Pairs, one criterion, the same "
        "budget: what does its interval say? A small difference may be real.",
    },
    hints=[
        "Take the differences first: all else is about them. A claim needs pairs, the same budget "
        "and the same way to choose the epoch; then its interval.",
        "`np.std(apart, ddof=1) / np.sqrt(n)` is the standard error of the mean.",
        "`mean - t * error`, `mean + t * error`. For the claims, call `paired` with the "
        "differences and zeros.",
    ],
    why="Differences of pairs cancel what both share. Three pairs know their spread badly, so t is "
    "4.30. A has the interval 0.012 to 0.032, F 0.001 to 0.009; C reaches below 0. B, D and E "
    "compare unlike things, and no interval mends that.",
    alternative="`stats.ttest_rel(a, b).confidence_interval()` has the two ends.",
)
def better(answer, claims):
    expect.function(answer, "`paired`")
    rng, made = np.random.default_rng(0), []
    cases = [(np.round(0.88 + 0.01 * rng.normal(size=n), 3),
              np.round(0.86 + 0.02 * rng.normal(size=n), 3)) for n in (3, 3, 5, 8)]  # fmt: skip
    for a, b in cases:
        found = expect.items(answer(a.copy(), b.copy()), 3, "`paired(...)`")
        if len(found) != 3:
            raise Wrong("three")
        if any(map(has_dots, found)):
            raise NotDone
        made.append([expect.number(one, "an entry of `paired(...)`") for one in found])
    made = np.array(made)
    if not _same(made, cases):
        raise _misjudged(made, cases)
    if has_dots(claims):
        raise NotDone
    named = expect.letters(claims, "ABCDEF")
    for letter in named:
        if letter in CLAIMS:
            key, why = CLAIMS[letter]
            raise Wrong(key, why=why)
    for letter in "AF":
        if letter not in named:
            raise Wrong("missed", letter=letter)


def _same(made, cases, faults=()) -> bool:
    return np.allclose(made, [_paired(a, b, faults) for a, b in cases], atol=1e-4)


def _misjudged(made, cases) -> Wrong:
    right = [_paired(*case) for case in cases]
    at = next(k for k in range(len(cases)) if not np.allclose(made[k], right[k], atol=1e-4))
    a, b = cases[at]
    told = {"a": a.tolist(), "b": b.tolist(), "got": np.round(made[at], 4).tolist()}
    right = np.array(right)
    means, ends = right[:, :1], right[:, 1:]
    if np.allclose(np.sort(made), np.sort(right), atol=1e-4):
        return Wrong("places", **told)
    if np.allclose(np.abs(made), np.abs(np.hstack([means, ends - means])), atol=1e-4):
        return Wrong("reaches", **told)
    if any(np.allclose(made, right.round(digits), atol=1e-9) for digits in (2, 3)):
        return Wrong("rounded", **told)
    if _same(made, cases, ("extremes",)):
        return Wrong("faults", faults=PAIRED["extremes"], **told)
    for count in (1, 2, 3):
        for groups in itertools.combinations(PAIRED_GROUPS, count):
            for faults in itertools.product(*groups):
                if _same(made, cases, faults):
                    return Wrong("faults", faults="; ".join(PAIRED[f] for f in faults), **told)
    if made[at][1] > made[at][2]:
        return Wrong("order", **told)
    t = f"{_t(0.975, len(a) - 1):.3f}"
    return Wrong("wrong", apart=np.round(a - b, 4).tolist(), t=t, **told)


def _t(share, freedom) -> float:
    from scipy import stats

    return float(stats.t.ppf(share, freedom))


def _paired(a, b, faults=()) -> tuple[float, float, float]:
    apart, n = (b - a if "turned" in faults else a - b), len(a)
    apart = np.abs(apart) if "absolute" in faults else apart
    middle = np.median(apart) if "median" in faults else np.mean(apart)
    if "extremes" in faults:
        return middle, apart.min(), apart.max()
    ddof = 0 if "population" in faults else 1
    variance = apart.var(ddof=ddof)
    if "unpaired" in faults:
        variance = a.var(ddof=ddof) + b.var(ddof=ddof)
    spread = variance if "variance" in faults else np.sqrt(variance)
    error = spread / (1 if "not_by_root" in faults else n if "by_n" in faults else np.sqrt(n))
    t = _t(0.95 if "one_sided" in faults else 0.975, n - 1)
    instead = {"normal": 1.96, "fixed": 4.303, "no_t": 1.0}
    t = next((value for fault, value in instead.items() if fault in faults), t)
    t = t / 2 if "halved" in faults else t
    return middle, middle - t * error, middle + t * error


# --------------------------------------------------------------------------------------------------

ACTIONS = "abcdef"
ACTS = {"P": "a", "Q": "b", "R": "c"}
NO_ACT = {
    ("P", "b"): "before the line its training loss is stuck as well: it has not learned too much.",
    ("P", "c"): "at a tenth of the rate this very net gets much lower: it was not too small.",
    ("P", "e"): "more epochs of the same: it had stopped gaining before the line.",
    ("Q", "a"): "it had a tenth of the rate from the line on. Has its validation loss come down to "
    "its training loss?",
    ("Q", "c"): "a larger net fits the training rows better still. They are fitted already.",
    ("Q", "e"): "its training loss is low, and validation has long stopped falling.",
    ("R", "a"): "it had a tenth of the rate from the line on. What did it gain?",
    ("R", "b"): "its training loss is as high as its validation loss. Dropout takes from a net "
    "that has too little.",
    ("R", "e"): "both curves are level.",
}  # fmt: skip


@check.exercise(
    title="Three snapshots",
    messages={
        "no_act": "{letter} with ({action}): {why}",
        "test": "{letter} with (d): a look at the test set would tell you something, and it would "
        "no longer be a test. What do the two curves tell?",
        "seed": "{letter} with (f): another seed gives much the same curves.",
        "allowed": "the three actions are right. ({action}) is a thing that you may do; some curve "
        "may ask for it. Which of the six is ruled out, whatever the curves look like?",
    },
    hints=[
        "For each run: is the training loss low? Is validation near it? What came of the lower "
        "rate?",
        "Both high: too little capacity. Far apart: too much freedom. Falls at the line: the rate.",
        'A letter for each, as in `"a"`; `never` is the action that uses up what must stay unused.',
    ],
    why="P falls at the line, in both curves: the rate was too high. Q has learned its training "
    "rows and little more: it needs dropout, weight decay, or more data. R is level and high in "
    "both, and a lower rate changes nothing: more units. No curve asks for the test set.",
    alternative="for Q, weight decay instead of dropout: one action, (b).",
)
def act(p, q, r, never):
    if any(map(has_dots, (p, q, r, never))):
        raise NotDone
    for (letter, right), answer in zip(ACTS.items(), (p, q, r), strict=True):
        chosen = expect.choice(answer, ACTIONS, f"`{letter}`")
        if chosen == "d":
            raise Wrong("test", letter=letter)
        if chosen == "f":
            raise Wrong("seed", letter=letter)
        if chosen != right:
            raise Wrong("no_act", letter=letter, action=chosen, why=NO_ACT[letter, chosen])
    chosen = expect.choice(never, ACTIONS, "`never`")
    if chosen != "d":
        raise Wrong("allowed", action=chosen)


# --------------------------------------------------------------------------------------------------

CONFUSED = {
    "turned": "the two classes are exchanged: the label comes first, then what the net says",
    "both_ways": "both directions are added up. A shirt called coat and a coat called shirt are "
    "different errors",
    "share": "you take the largest share of a class, not the largest number of errors",
    "diagonal": "the right answers are among the pairs",
    "hard_class": "you find the class with most errors first; its largest pair need not be the "
    "largest of all",
    "said_class": "you find the class that is wrongly said most often, first",
    "rarest": "it is the rarest of the pairs that occur",
}
PLAN = {"a": "1", "b": "2", "c": "3", "d": "none", "e": "none"}


@check.exercise(
    title="Where it errs, and what next",
    messages={
        "three": "`confused` should return three numbers: the label, what is said, how often.",
        "fault": "for {rows} rows you return {got}. One way to get there: {fault}.",
        "count": "the pair is right, but you count {got}, where it occurs {right} times.",
        "wrong": "for {rows} rows you return {got}. Count each pair of a label and a different "
        "answer: which is most frequent?",
        "no_error": "without any error you return {got}. There is no pair then: return None.",
        "empty_raised": "with {rows} rows and no error among them your code stopped: {error}. "
        "There is no pair then: return None.",
        "keys": "`plan` should be a dict with the entries 'a' to 'e'.",
        "against": "(d) with fact 4: that fact was looked for, and its interval holds 0. It speaks "
        "for saving the time.",
        "peeked": "(e) with fact 5: nobody may know it. Once test images choose the next step, the "
        "test set is a validation set.",
        "not_this": "({step}) with {fact}: {why}",
        "has_one": "({step}) has evidence among the facts. {why}",
    },
    hints=[
        "Count pairs with unequal entries. For the plan ask of each step: which fact would make "
        "me expect a gain? And may I know that fact?",
        "`np.unique(pairs, axis=0, return_counts=True)`, or a table with `np.add.at`.",
        "`wrong = y != guess`, then the most frequent of `zip(y[wrong], guess[wrong])`.",
    ],
    why="A direction and a count: that can be looked at, image by image. Of the steps, (a) follows "
    "from where the errors are, (b) from the gap, (c) from labels that look wrong. Fact 4 speaks "
    "against (d), and fact 5 comes from the test set.",
    alternative="`collections.Counter(zip(y[wrong], guess[wrong])).most_common(1)`.",
)
def errors(answer, plan):
    expect.function(answer, "`confused`")
    rng, made = np.random.default_rng(1), []
    cases = [_labels(rng, classes, rows) for classes, rows in ((4, 60), (5, 90), (10, 800))]
    for y, guess in cases:
        found = answer(y.copy(), guess.copy())
        found = expect.items(found, 3, "`confused(...)`")
        if len(found) != 3:
            raise Wrong("three")
        if any(map(has_dots, found)):
            raise NotDone
        made.append([expect.number(one, "an entry of `confused(...)`") for one in found])
    right = [_confused(*case) for case in cases]
    at = next((k for k in range(len(cases)) if made[k] != list(right[k])), None)
    if at is not None:
        told = {"rows": len(cases[at][0]), "got": [round(one) for one in made[at]]}
        for fault, words in CONFUSED.items():
            others = [_confused(*case, fault) for case in cases]
            if all(m[:2] == list(o[:2]) for m, o in zip(made, others, strict=True)):
                raise Wrong("fault", fault=words, **told)
        if all(m[:2] == list(r[:2]) for m, r in zip(made, right, strict=True)):
            raise Wrong("count", got=f"{made[at][2]:g}", right=right[at][2])
        raise Wrong("wrong", **told)
    same = np.array([0, 1, 2, 1])
    try:
        found = answer(same, same.copy())
    except Exception as error:
        raise Wrong("empty_raised", rows=len(same), error=brief(str(error))) from None
    if found is not None:
        raise Wrong("no_error", got=brief(found))
    _planned(plan)


WHY = {
    "a": "It asks for images of four kinds. Which fact says that these are where the errors are?",
    "b": "It makes the training rows harder to know by heart. Which fact says that they are known?",
    "c": "It looks at labels. Which fact makes labels suspicious?",
    "d": "Is there a fact that lets you expect a gain from width?",
    "e": "Is there a fact, which you may know, that points to these two classes?",
}


def _planned(plan) -> None:
    if has_dots(plan):
        raise NotDone
    if not isinstance(plan, dict) or set(map(str, plan)) != set(PLAN):
        raise Wrong("keys")
    given = {str(key): value for key, value in plan.items()}
    if any(map(has_dots, given.values())):
        raise NotDone
    for step, right in PLAN.items():
        value = given[step]
        named = str(value) if isinstance(value, int | np.integer) else value
        fact = expect.choice(named, ["1", "2", "3", "4", "5", "none"], f"the fact for ({step})")
        if fact == right:
            continue
        if (step, fact) in (("d", "4"), ("e", "5")):
            raise Wrong("against" if step == "d" else "peeked")
        if fact == "none":
            raise Wrong("has_one", step=step, why=WHY[step])
        raise Wrong("not_this", step=step, fact=f"fact {fact}", why=WHY[step])


def _labels(rng, classes, rows):
    """Return labels and guesses for which all of `CONFUSED` differ from the right answer."""
    while True:
        chance = rng.dirichlet(np.ones(classes))
        y = rng.choice(classes, rows, p=chance)
        other = rng.integers(classes, size=rows)
        guess = np.where(rng.random(rows) < 0.55, y, other)
        table = _table(y, guess)
        np.fill_diagonal(table, 0)
        top = np.sort(table, axis=None)[::-1]
        found = {_confused(y, guess, fault)[:2] for fault in (None, *CONFUSED)}
        if (
            top[0] > top[1]
            and len(found) > 5
            and _confused(y, guess)[:2]
            not in [_confused(y, guess, fault)[:2] for fault in CONFUSED]
        ):
            return y, guess


def _table(y, guess):
    size = int(max(y.max(), guess.max())) + 1
    table = np.zeros((size, size), int)
    np.add.at(table, (y, guess), 1)
    return table


def _confused(y, guess, fault=None) -> tuple[int, int, int]:
    whole = _table(y, guess)
    table = whole.copy()
    np.fill_diagonal(table, 0)
    found = {
        "both_ways": np.triu(table + table.T),
        "share": table / np.maximum(whole.sum(axis=1, keepdims=True), 1),
        "diagonal": whole,
        "hard_class": table * (np.arange(len(table)) == table.sum(axis=1).argmax())[:, None],
        "said_class": table * (np.arange(len(table)) == table.sum(axis=0).argmax()),
        "rarest": -np.where(table > 0, table, table.max() + 1),
    }.get(fault, table)
    true, said = (int(k) for k in np.unravel_index(found.argmax(), found.shape))
    return (said, true, table[true, said]) if fault == "turned" else (true, said, table[true, said])


# --------------------------------------------------------------------------------------------------

ENDS = {
    "one_error": "the interval reaches one standard error to each side; 95 % need 1.96",
    "one_sided": "1.645 leaves 5 % out at each end, so that 90 % remain; 95 % need 1.96",
    "too_wide": "2.576 is for 99 %; 95 % need 1.96",
    "of_three": "4.30 is for three pairs; here are far more rows, and 95 % need 1.96",
    "no_root": "the variance of an answer stands in place of its root",
    "no_rows": "the spread of one answer is not divided by the root of the rows",
    "by_rows": "the spread is divided by the rows, not by their root",
    "no_product": "p (1 - p) is left out: the spread is taken as 1 / 2 for every p",
    "only_p": "the root is of p, without the factor 1 - p",
    "of_counts": "the ends are counts of images, not shares",
    "percent": "the ends are percent, not shares",
    "width": "the whole width of the interval is added to each side",
}
LATER = {
    "a": ("validated", "the validation score chose recipe and epoch, so it flatters."),
    "b": ("again", "a second opening chooses by the test set, also if only the seed is new."),
    "d": ("averaged", "a mean of an honest number and a flattering one is half flattering."),
    "e": ("mended", "what the test errors taught may go into the next model; but the number that "
          "comes with it needs a new test set."),
}  # fmt: skip


@check.exercise(
    title="The report",
    messages={
        "two": "`interval` should return two numbers, the lower end and the upper end.",
        "order": "for {right} of {rows} you return {got}: the lower end first.",
        "faults": "for {right} of {rows} you return {got}. One way to get there: {faults}.",
        "wrong": "for {right} of {rows} you return {got}. The share that is right lies in the "
        "middle; how far do the ends lie from it?",
        "validated": "the interval is right. ({letter}): {why}",
        "again": "the interval is right. ({letter}): {why}",
        "averaged": "the interval is right. ({letter}): {why}",
        "mended": "the interval is right. ({letter}): {why}",
    },
    hints=[
        "Each image is right or wrong. How far may the share of so many stray from its mean?",
        "`np.sqrt(p * (1 - p) / rows)` is the standard error; 1.96 of them to each side.",
        "`p - 1.96 * error, p + 1.96 * error`. For the report: which number chose nothing?",
    ],
    why="0.862 of 2,000 rows is 0.847 to 0.877. That interval holds the validation score's end, "
    "and the number is a little lower, as is to be expected of one that chose nothing. It is "
    "reported as it came, with its interval and with how many openings there were: one.",
    alternative="Wilson's interval, which stays within 0 and 1; it differs by under 0.001 here.",
)
def report(answer, then):
    expect.function(answer, "`interval`")
    cases, made = [(1724, 2000), (4100, 5000), (1890, 2100), (2275, 3500)], []
    for right, rows in cases:
        found = expect.items(answer(right, rows), 2, "`interval(...)`")
        if len(found) != 2:
            raise Wrong("two")
        if any(map(has_dots, found)):
            raise NotDone
        made.append([expect.number(one, "an entry of `interval(...)`") for one in found])
    wanted = [_ends(*case) for case in cases]
    if not np.allclose(made, wanted, atol=1.5e-3):
        raise _missed(np.array(made), cases, wanted)
    if has_dots(then):
        raise NotDone
    letter = expect.choice(then, "abcde", "`then`")
    if letter in LATER:
        key, why = LATER[letter]
        raise Wrong(key, letter=letter, why=why)


def _missed(made, cases, wanted) -> Wrong:
    at = next(k for k in range(len(cases)) if not np.allclose(made[k], wanted[k], atol=1.5e-3))
    right, rows = cases[at]
    told = {"right": right, "rows": rows, "got": [float(f"{one:.4g}") for one in made[at]]}
    for count in (1, 2):
        for faults in itertools.combinations(ENDS, count):
            ends = [_ends(right, rows, faults) for right, rows in cases]
            if np.allclose(made, ends, rtol=1e-3, atol=1e-4):
                return Wrong("faults", faults="; ".join(ENDS[one] for one in faults), **told)
    if made[at][0] > made[at][1]:
        return Wrong("order", **told)
    return Wrong("wrong", **told)


def _ends(right, rows, faults=()) -> tuple[float, float]:
    p = right / rows
    spread = p * (1 - p)
    if "no_product" in faults:
        spread = 0.25
    elif "only_p" in faults:
        spread = p
    spread = spread if "no_root" in faults else np.sqrt(spread)
    error = spread / (1 if "no_rows" in faults else rows if "by_rows" in faults else np.sqrt(rows))
    instead = {"one_error": 1, "one_sided": 1.645, "too_wide": 2.576, "of_three": 4.303}
    each = next((value for fault, value in instead.items() if fault in faults), 1.96)
    reach = error * each * (2 if "width" in faults else 1)
    times = rows if "of_counts" in faults else 100 if "percent" in faults else 1
    return times * (p - reach), times * (p + reach)


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_ends",
    reasons={
        "a": "A peak of four times the suggestion looks reckless, but one cycle leaves it: the low "
        "end settles.",
        "b": "So it would most likely be if the two were alike: in six of eight such trials.",
        "c": "The peak covers ground, the low end settles. At a constant rate the last weights are "
        "one draw from around the bottom.",
    },
    answer="c",
)
check.prediction(
    "predict_openings",
    reasons={
        "a": "No weight was trained on it; but *which* score is reported was chosen by it.",
        "b": "The best of twenty is the one that suited these rows. Half a point to a point is "
        "what many papers claim as a gain.",
        "c": "The recipes share most answers, so their scores differ little.",
    },
    answer="b",
)
check.question(
    "quiz_1",
    "Three seeds of your recipe are trained. Which of the three models do you ship?",
    options={
        "a": ("the best on the validation rows", "Allowed, but its score is then the best of 3."),
        "b": ("the one named beforehand", "Its score is a fair draw."),
        "c": ("the best on the test rows", "Then the test set has chosen."),
    },
    answer="b",
)
check.question(
    "quiz_2",
    "A gain of 0.004, interval 0.001 to 0.007 over ten paired seeds. Is it real?",
    options={
        "a": ("no, it is too small", "Small and real are two questions."),
        "b": ("only the test set can tell", "It is no judge between recipes."),
        "c": ("yes; whether it is worth its cost is open", "The interval leaves 0 out."),
    },
    answer="c",
)
check.question(
    "quiz_3",
    "Where do you look at wrong answers in order to improve a model?",
    options={
        "a": ("on the training rows", "What is wrong there says less about new rows."),
        "b": ("on the validation rows", "They are there to choose by."),
        "c": ("on the test rows", "Then they have chosen, and are no test any more."),
    },
    answer="b",
)
check.question(
    "quiz_4",
    f"From {lesson('monitoring')}: both losses are level and high. Which run decides between rate "
    "and capacity?",
    options={
        "a": ("the same at another rate", "If it gets lower, it was the rate."),
        "b": ("a longer one", "Level curves stay level."),
        "c": ("another seed", "It gives the same picture."),
    },
    answer="a",
)
check.question(
    "quiz_5",
    f"From {lesson('schedules')}: one cycle over 500 steps is stopped after 250. What is missing?",
    options={
        "a": ("the peak", "That came after 150 steps."),
        "b": ("nothing, early stopping is free", "It is, at a rate that does not plan ahead."),
        "c": ("the low end, where it settles", "The schedule is made for its whole length."),
    },
    answer="c",
)
check.card(
    "What may the test set decide?",
    "Nothing. It opens once, for the one model that was chosen before, and its number is reported.",
)
check.card(
    "How many steps has an epoch?",
    "The training rows by the batch, rounded up: 45,000 by 128 are 352, the last one with 72 rows.",
)
check.card(
    "When is one recipe better than another?",
    "When paired differences, with the same budget and criterion, have an interval without 0.",
)
check.card(
    "Plateau, gap, or both high: what next?",
    "Lower the rate; more dropout, decay or data; more layers or units. One change at a time.",
)
check.card(
    "What is error analysis?",
    "Looking at what is wrong, on validation rows: frequent pairs, costly rows, doubtful labels.",
)
check.card(
    "What does a plan of what to try need?",
    "For each entry the evidence that lets you expect a gain, from rows that may choose.",
)
check.card(
    "What do twenty openings of a test set cost?",
    "The best of twenty equal recipes looks better by about half a point to a point.",
)
