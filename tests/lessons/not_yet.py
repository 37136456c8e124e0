"""What single lessons do not keep yet, of the rules in `test_all_lessons.py`.

A lesson that keeps a rule must not stand in its list: the test says so, and the line goes. The
lists only get shorter.
"""

SIZE = set()  # cells, words, visible lines of code, minutes: `tools/lesson_size.py`

NONSENSE = (
    set()
)  # no answer that is nonsense is accepted, breaks the check, or is told the right one

SPOILERS = {  # nothing tells an answer before it is given: asserts, captions, imports, numbers
    "distribution",
}  # fmt: skip
BACKENDS = set()  # runs on TensorFlow and on JAX


def settle(listed: str, slug: str, faults: list[str]) -> None:
    """Fail if a lesson has faults and is not listed, or is listed and has none."""
    lessons = globals()[listed]
    if slug in lessons:
        assert faults, f"{slug} keeps this rule now: delete it from {listed} in not_yet.py"
    else:
        assert not faults, "\n".join(faults)
