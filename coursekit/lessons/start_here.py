"""The first ten minutes: checks, hints, quiz and cards."""

import numpy as np

from coursekit.exercises import Lesson, NotDone, Wrong, expect, has_dots

check = Lesson("start_here", "Can you beat gradient descent?")

TARGET = 0.2  # the loss that a careful look at the picture reaches in five guesses


# --------------------------------------------------------------------------------------------------


@check.exercise(
    title="Five guesses",
    messages={
        "empty": "there is no guess in the list yet. One looks like this: `(2, 3),` with the "
        "slope first.",
        "pair": "guess {number} is {got}. A guess is two numbers in brackets, slope first, with "
        "points for decimals and a comma at the end: `(1.5, 3),`.",
        "swapped": "guess {number} has a loss of {loss}. Turned round, with slope {b} and "
        "intercept {w}, it would have {turned}: the slope comes first.",
        "outside": "guess {number} has slope {w} and intercept {b}, far outside the picture. The "
        "masses lie between {lightest} and {heaviest} kg, not grams: a line near them has a loss "
        "of a few units, and yours has {loss}.",
        "steeper": "guess {number} has a loss of {loss}{compared}. What helps most now is a "
        "steeper line: a {how}larger slope. {left}",
        "flatter": "guess {number} has a loss of {loss}{compared}. What helps most now is to turn "
        "the line down on its right side: a {how}smaller slope. {left}",
        "higher": "guess {number} has a loss of {loss}{compared}. What helps most now is to lift "
        "the whole line: a {how}larger intercept. {left}",
        "lower": "guess {number} has a loss of {loss}{compared}. What helps most now is to lower "
        "the whole line: a {how}smaller intercept. {left}",
    },
    hints=[
        "Read off two things: how high is the cloud of points above 0 on the horizontal axis, and "
        "how much higher is it 1 cm further to the right?",
        "Above 0 the middle of the cloud is a little above 4 kg: that is the intercept. From -2 to "
        "2, which is 4 cm, the cloud climbs by about 2 kg. How much is that for 1 cm?",
        "A line with slope 0.5 and intercept 4.1 runs through the middle: `(0.5, 4.1),`.",
    ],
    hints_for={
        "swapped": "In `wx + b` the slope `w` comes first, and `b`, the height above 0, second."
    },
    praise="Below 0.2, by eye. Leave your guesses in the list: the next picture shows them.",
    why="The intercept is the height of the cloud above 0, the slope is what it gains in 1 cm. "
    "After each loss we changed what helped most, and kept the other number.",
    alternative="`np.polyfit(x, y, 1)` computes the line with the lowest loss of all. For a line "
    "there is such a formula; for the networks of this course there is none.",
)
def guess(answer, x, y):
    lines = _read(answer)
    x, y = expect.array(x, what="`x`"), expect.array(y, what="`y`")
    losses = [_loss(w, b, x, y) for w, b in lines]
    if min(losses) < TARGET:
        return
    (w, b), number, loss = lines[-1], len(lines), losses[-1]
    told = {"number": number, "loss": _two(loss), "w": w, "b": b}
    turned = _loss(b, w, x, y)
    if turned < 1 and loss > 10 * turned:
        raise Wrong("swapped", turned=_two(turned), **told)
    if max(abs(w), abs(b)) > 30:
        raise Wrong("outside", lightest=f"{y.min():.1f}", heaviest=f"{y.max():.1f}", **told)
    compared = ""
    if number > 1:
        before = losses[-2]
        words = "no change" if loss == before else "better" if loss < before else "worse"
        compared = f" (the one before: {_two(before)}, so this is {words})"
    left = f"You have {_count(5 - number, 'guess')} left." if number < 5 else (
        "Five guesses are used up. Go on if you like, nobody counts; or see what gradient descent "
        "makes of it, in the next section.")  # fmt: skip
    key, how = _advice(w, b, x, y)
    raise Wrong(key, compared=compared, how=how, left=left, **told)


def pairs(guesses) -> np.ndarray:
    """Return the guesses as an array of shape (n, 2), for drawing; none if they cannot be read."""
    try:
        return np.array(_read([g for g in guesses if g is not ...])).reshape(-1, 2)
    except (Wrong, NotDone, TypeError):
        return np.empty((0, 2))


def _read(answer) -> list[tuple[float, float]]:
    """Return the guesses as pairs of floats; one pair alone counts as a list of one."""
    try:
        rows = expect.items(answer, at_most=1000)
    except Wrong:
        raise Wrong("pair", number=1, got=answer) from None
    if not rows:
        raise Wrong("empty")
    if len(rows) == 2 and all(map(_is_number, rows)):
        rows = [rows]
    return [_pair(row, number) for number, row in enumerate(rows, 1)]


def _pair(row, number: int) -> tuple[float, float]:
    if has_dots(row):
        raise NotDone
    try:
        slope, intercept = (expect.number(v, f"guess {number}") for v in row)
    except Wrong as wrong:
        if wrong.key in ("nan", "inf"):
            raise
        raise Wrong("pair", number=number, got=row) from None
    except (TypeError, ValueError):  # not iterable, or not two
        raise Wrong("pair", number=number, got=row) from None
    return slope, intercept


def _is_number(value) -> bool:
    try:
        expect.number(value)
    except Wrong:
        return False
    return True


def _loss(w, b, x, y) -> float:
    with np.errstate(over="ignore"):
        return float(np.mean((w * x + b - y) ** 2))


def _two(loss: float) -> str:
    """Write a loss with two decimals, or with as many as it takes to see that it is not below."""
    text = f"{loss:,.2f}" if loss < 1e6 else f"{loss:.2e}"
    return f"{loss:.5f}" if text == f"{TARGET:.2f}" else text


def _advice(w, b, x, y) -> tuple[str, str]:
    """Return which one number to change, and how far: what lowers the loss most by itself."""
    error = y - w * x - b
    up, turn = np.mean(error), np.mean(error * x) / np.mean(x * x)
    if _loss(w + turn, b, x, y) < _loss(w, b + up, x, y):
        key, size = ("steeper" if turn > 0 else "flatter"), abs(turn) * 2
    else:
        key, size = ("higher" if up > 0 else "lower"), abs(up)
    return key, "much " if size > 1 else "slightly " if size < 0.3 else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'es' * (number != 1)}"


# --------------------------------------------------------------------------------------------------

PATIENCE = 1000  # steps to try before saying "more than"


@check.exercise(
    title="Five steps",
    messages={
        "too_small": "with a rate of {rate}, five steps bring the loss from {start} to {after}. "
        "Every one goes downhill, and is too short: it takes {steps} steps to get below 0.2.",
        "zigzag": "with a rate of {rate}, the steps swing from one side of the valley to the "
        "other, and lose little height by it: {losses}. It takes {steps} steps to get below 0.2.",
        "diverges": "with a rate of {rate}, the loss grows in the end: {losses}. Each step jumps "
        "across the valley and lands higher up on the other side.",
        "uphill": "with a rate of {rate}, the loss climbs from {start} to {after} in five steps. "
        "The minus sign that leads downhill is in the update already: a rate is positive.",
        "zero": "with a rate of 0 no step moves anything: the loss stays at {start}.",
    },
    hints=[
        "A step is rate times gradient. The rate of 0.1 went the right way. Was each step too long "
        "or too short?",
        "Try 0.2 and read what the check says; then go on in the same direction.",
        "Somewhere between 0.2 and 0.4 it works: `rate = 0.3`.",
    ],
    hints_for={
        "diverges": "Halve your rate and look at the losses again.",
        "zigzag": "You are close. A slightly shorter step lands nearer to the bottom.",
    },
    praise="With the right rate, five blind steps do what five looks at the picture did.",
    why="A larger rate makes longer steps, so fewer are needed, as long as they do not jump across "
    "the valley. Between slow and too far there is a range that works.",
    alternative="Every rate from about 0.24 to 0.37 does it here. On other data the range is "
    "another one, so a rate is always tried out.",
)
def rate(answer, x, y):
    x, y = expect.array(x, what="`x`"), expect.array(y, what="`y`")
    number = expect.numeral(answer, "`rate`")
    losses = _descend(number, x, y, PATIENCE)
    if min(losses[:6]) < TARGET:
        return
    below = next((i for i, value in enumerate(losses) if value < TARGET), None)
    told = {
        "rate": number,
        "start": _two(losses[0]),
        "after": _two(losses[5]),
        "steps": below or f"more than {PATIENCE:,}",
        "losses": ", ".join(_two(v) for v in losses[:6]) + ", ...",
    }
    if number <= 0:
        raise Wrong("uphill" if number else "zero", **told)
    curvature = 2 * np.array([[np.mean(x * x), x.mean()], [x.mean(), 1.0]])
    flat, steep = np.linalg.eigvalsh(curvature)
    if number < 2 / (flat + steep):
        raise Wrong("too_small", **told)
    raise Wrong("zigzag" if number < 2 / steep else "diverges", **told)


def _descend(rate, x, y, steps) -> list[float]:
    """Return the losses of gradient descent from (0, 0), the first one before any step."""
    w = b = 0.0
    losses = [_loss(w, b, x, y)]
    with np.errstate(over="ignore", invalid="ignore"):
        while len(losses) < 6 or (len(losses) <= steps and losses[-1] < 1e30):
            error = w * x + b - y
            w, b = w - rate * 2 * np.mean(error * x), b - rate * 2 * np.mean(error)
            losses.append(_loss(w, b, x, y))
    return losses


# --------------------------------------------------------------------------------------------------

SHIRTS, ITEMS = 180, 200


@check.exercise(
    title="The lazy seller",
    messages={
        "tenth": "{got} is what guessing scores where ten classes are balanced. In this shop "
        "they are not: how many of the 200 items are called right?",
        "half": "{got} would be right if there were as many trousers as shirts. Count the items: "
        "how many of the 200 are called right?",
        "models": "{got} is the accuracy of the model. The seller does not ask the model, and says "
        '"shirt" every time.',
        "count": "{got} is a number of items. An accuracy is a share: divide by all the items.",
        "ratio": "{got} is shirts divided by trousers. An accuracy is the right answers divided by "
        "all of them.",
        "inverse": "{got} is the wrong way up: a share is the right answers divided by all.",
        "error": "{got} is what the seller gets *wrong*, or its share.",
        "all": "{got} would be a seller who is always right. Is every item a shirt?",
        "nothing": "{got} would be a seller who is always wrong. What about the shirts?",
        "difference": "{got} takes the trousers off the shirts. A wrong answer is not right, and "
        "that is all.",
        "other": "{got} does not fit. Of all 200 items, how many does the seller call right?",
        "verdict": "the accuracy of the seller is right: {seller}. The model has {model} in this "
        "shop. Which one is larger?",
        "truth": "`model_wins` should be `True` or `False`, but it is {got}.",
    },
    hints=[
        "The seller is right about every shirt and wrong about everything else.",
        "180 of 200 items are shirts. Accuracy: right answers divided by all answers.",
        "`always_shirt = 180 / 200`; then compare it with the last line that the cell above "
        "printed.",
    ],
    praise="The model's number looked good until you compared it.",
    why="Always naming the most frequent class is the lazy baseline. The model is far above chance "
    "on all garments; in this shop it works hard, and does worse than no work at all.",
    alternative="`max(np.bincount(y)) / len(y)` gives this baseline for any labels `y`.",
)
def baseline(always_shirt, model_wins, shop_accuracy):
    model = expect.number(shop_accuracy, "`shop_accuracy`")
    seller = SHIRTS / ITEMS
    got = expect.numeral(always_shirt, "`always_shirt`")
    if not (np.isclose(got, seller) or np.isclose(got, 100 * seller)):
        slips = {0.1: "tenth", 10: "tenth", 0.5: "half", 50: "half", SHIRTS: "count", 9: "ratio",
                 20: "error", 1 / 9: "inverse", 10 / 9: "inverse", 1: "all", 100: "all",
                 0: "nothing", 0.8: "difference", 160: "difference", 80: "difference"}  # fmt: skip
        for value, key in slips.items():
            if np.isclose(got, value, rtol=5e-3):
                raise Wrong(key, got=got)
        if abs(got - model) < 0.006 or abs(got - 100 * model) < 0.6:
            raise Wrong("models", got=got)
        raise Wrong("other", got=got)
    if _truth(model_wins) != (model > seller):
        raise Wrong("verdict", seller=f"{seller:.2f}", model=f"{model:.2f}")


def _truth(answer) -> bool:
    words = {"true": True, "yes": True, "false": False, "no": False}
    text = answer.strip(" .").lower() if isinstance(answer, str) else ""
    if text in words:
        return words[text]
    try:
        value = float(np.asarray(answer).item())  # an array of one counts
    except Exception:  # whatever an object's own conversion does
        value = None
    if value not in (0, 1):
        raise Wrong("truth", got=answer)
    return bool(value)


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_steps",
    reasons={
        "a": "You can do it in so few, because you see all the points. Gradient descent sees one "
        "place at a time, and with this rate its steps are short.",
        "b": "Each step is short, and points downhill. So the loss falls fast at first, where "
        "its surface is steep, and slowly near the bottom.",
        "c": "With a rate of 0.01 it would be so: it makes each step a tenth as long. With 0.1 a "
        "few steps go most of the way.",
    },
    answer="b",
)
check.prediction(
    "predict_untrained",
    reasons={
        "a": "To be wrong every time among thousands, it would have to know the right answers, and "
        "avoid them.",
        "b": "Random numbers guess, and a guess among ten classes is right about once in ten.",
        "c": "Half would be chance with two classes. Here there are ten, so a guess is right about "
        "once in ten.",
    },
    answer="b",
)
check.question(
    "quiz_1",
    "At your line the gradient is positive for the slope, and negative for the intercept. What "
    "does the next step of gradient descent do?",
    options={
        "a": (
            "slope up, intercept down",
            "That is uphill: the gradient says in which direction the loss grows.",
        ),
        "b": (
            "slope down, intercept up",
            "Each number moves against its own part of the gradient, so the loss falls.",
        ),
        "c": ("both down", "Each number has its own sign. A negative one asks for more."),
    },
    answer="b",
)
check.question(
    "quiz_2",
    "You raise the rate, and now the loss grows from step to step. What happens?",
    options={
        "a": (
            "each step jumps across the valley and lands higher",
            "Downhill holds near the place where the gradient was computed. Too long a step "
            "leaves it.",
        ),
        "b": (
            "the gradient points uphill",
            "It points the same way as before, and the step goes against it. The step is too long.",
        ),
        "c": (
            "it needs more steps to settle",
            "More such steps lead further up. A smaller rate helps.",
        ),
    },
    answer="a",
)
check.question(
    "quiz_3",
    "A filter sorts letters into spam and the rest, and is right for 95 % of them. Of all letters, "
    "97 % are no spam. How good is the filter?",
    options={
        "a": (
            "good: chance is 50 %",
            "Chance with two classes is 50 % if both are equally frequent.",
        ),
        "b": ("good: 95 % is near 100 %", "Near what? A number needs something to compare with."),
        "c": (
            'worse than always saying "no spam"',
            "That lazy answer scores 97 %, and finds no spam at all.",
        ),
    },
    answer="c",
)
check.card(
    "What is a loss?",
    "One number that says how wrong a model is on some data. For our line it was the mean of the "
    "squared errors. Training makes it smaller.",
)
check.card(
    "What does gradient descent know at each step?",
    "Which way is downhill from where it stands: the gradient there. It sees no picture of the "
    "loss, and no goal.",
)
check.card(
    "What happens if the rate is too small, or too large?",
    "Too small: the right way, and slow. Too large: each step jumps across the valley, and the "
    "loss may grow.",
)
check.card(
    "With what do you compare an accuracy before you call it good?",
    "With chance, one in ten for ten balanced classes, and with always naming the most frequent "
    "class.",
)
