"""How far a learner is in an exercise, and which hint comes next."""

from coursekit.exercises._judge import Exercise


def state_of(kept: dict) -> dict:
    """Return the state of an exercise, with what is missing or odd in the kept one as at first."""
    state = {"done": False, "attempts": 0, "hints": 0, "key": "", "shown": []}
    for key, value in kept.items():
        if key in state and type(value) is type(state[key]):
            state[key] = value
    return state


def take_hint(exercise: Exercise, state: dict) -> tuple[str, str]:
    """Return title and text of the next hint, and note it; one for the last failure comes first."""
    special = exercise.hints_for.get(state["key"])
    if special and state["key"] not in state["shown"]:
        state["shown"] = [*state["shown"], state["key"]]
        return f"A hint for what happened in {exercise.title}", special
    number = min(max(state["hints"], 0), len(exercise.hints) - 1)
    state["hints"] = number + 1
    title = f"Hint {number + 1} of {len(exercise.hints)}: {exercise.title}"
    return title, exercise.hints[number]


def way_on(exercise: Exercise, state: dict) -> str:
    """Say which call helps next."""
    name = exercise.name
    if state["key"] in exercise.hints_for and state["key"] not in state["shown"]:
        return f'`check.hint("{name}")` has a hint for this.'
    if state["hints"] < len(exercise.hints):
        return f'`check.hint("{name}")`: hint {state["hints"] + 1} of {len(exercise.hints)}.'
    return f'That was the last hint; `check.solution("{name}")` shows a solution.'
