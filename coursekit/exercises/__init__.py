"""The exercise engine: a check answers a learner at once, by name, and never breaks a notebook.

A lesson module makes one `Lesson`, and registers its checks on it:

```
check = Lesson("losses", title="How wrong is wrong?")

@check.exercise(
    title="Mean squared error",
    messages={"sum": "you added the squares up: {got}. The mean divides by their number."},
    hints=["What does the M in MSE stand for?", "Look at `np.mean`."],
    why="The mean does not grow with the number of rows.",
    alternative="`((a - b) ** 2).sum() / a.size` is the same number.",
)
def mse(answer):
    got = expect.number(answer([1.0, 3.0], [0.0, 0.0]))
    if got == 10.0:
        raise Wrong("sum", got=got)
    expect.close(got, 5.0)
```

The learner writes `check("mse", mse)`, `check.hint("mse")`, `check.solution("mse")`.
This package imports numpy only.
"""

from coursekit.exercises import cards, expect
from coursekit.exercises._course import lesson
from coursekit.exercises._guard import NotDone, has_dots, learner_code
from coursekit.exercises._judge import CheckFailed, Outcome
from coursekit.exercises._lesson import Lesson
from coursekit.exercises._progress import home
from coursekit.exercises._report import versions
from coursekit.exercises._whole import WholeCourse
from coursekit.exercises._wrong import Wrong, brief, with_article

__all__ = [
    "CheckFailed",
    "Lesson",
    "NotDone",
    "Outcome",
    "WholeCourse",
    "Wrong",
    "brief",
    "cards",
    "expect",
    "has_dots",
    "home",
    "learner_code",
    "lesson",
    "versions",
    "with_article",
]
