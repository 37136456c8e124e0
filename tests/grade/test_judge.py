"""What counts, and each flag: what a watcher tells, with one thing changed at a time."""

import pytest

from coursekit.grade import _judge, _run
from coursekit.grade._warm import chosen

pytestmark = pytest.mark.slow

OURS = [[0.3, True]]
REFERENCE = {"exercises": {"rate": {"title": "t"}}, "answers": {"rate": OURS}, "changed": []}
FOR_CODE = {**REFERENCE, "answers": {}}


def told(reference=REFERENCE, jobs=("rate",), clean="correct", suspects=(), looks=(), odd="",
         **outcome):  # fmt: skip
    """The record of a submission whose answer is right, but for what is given."""
    said = {"name": "rate", "status": "correct", "key": "ok", "message": "", "answers": OURS,
            "changed": [], "credulous": "wrong", "kinds": ["float"], **outcome}  # fmt: skip
    again = [{"name": "rate", "status": clean, "key": "k", "message": ""}] if clean else []
    result = {"said": [{"notes": [], "suspects": list(suspects)},
                       {**said, "looks": list(looks), "odd": odd}],
              "stops": [], "clean": again, "jobs": list(jobs), "seconds": 1.0}  # fmt: skip
    return _judge.decide(result, reference)


def code(**more):
    return told(FOR_CODE, (), None, answers=[None], kinds=["function"], **more)


def verdict(record):
    made = record["exercises"]["rate"]
    return made["point"], made["flag"]


def test_right_is_right():
    assert verdict(told()) == (1, "") and verdict(code()) == (1, "")


@pytest.mark.parametrize("change, flag, words", [
    ({"changed": ["numpy.mean"]}, "tampered", "changed while it was judged: numpy.mean"),
    ({"credulous": "correct"}, "tampered", "nonsense"),
    ({"odd": "something wrote into the judge's channel"}, "tampered", "channel"),
])  # fmt: skip
def test_evidence_takes_the_point_of_code(change, flag, words):
    record = code(**change)
    assert verdict(record) == (0, flag) and words in " ".join(record["evidence"])


@pytest.mark.parametrize(
    "change", [{"suspects": ["`import gc`: gc"]}, {"looks": ["gc.get_objects"]}]
)
def test_a_line_to_look_at_leaves_the_point_of_code(change):
    record = code(**change)
    assert verdict(record) == (1, "look") and "gc" in " ".join(record["lines"])
    assert verdict(told(**change)) == (1, "")  # plain data was judged elsewhere


def test_what_changes_in_every_kernel_is_no_evidence():
    assert verdict(told({**FOR_CODE, "changed": ["a.b"]}, (), None, answers=[None],
                        changed=["a.b"])) == (1, "")  # fmt: skip


def test_right_in_its_own_kernel_only():
    record = told(clean="wrong")
    assert verdict(record) == (0, "tampered")
    assert "not in a clean process" in " ".join(record["evidence"])


def test_an_answer_of_another_kind_than_ours():
    record = told(clean=None, jobs=(), answers=[None], kinds=["Sly"])
    assert verdict(record) == (1, "look") and "of kind Sly" in " ".join(record["evidence"])


def test_nothing_stands_for_a_clean_judge_that_failed():
    record = told(clean=None)
    assert record["exercises"]["rate"]["status"] == "error" and verdict(record)[0] == 0


def test_wrong_there_and_right_here_counts():
    assert verdict(told(status="wrong", key="x")) == (1, "")  # as after `x = ...` of one's own


def test_the_first_right_one_or_else_the_last():
    def best(*statuses):
        return chosen([{"name": "a", "status": s, "n": n} for n, s in enumerate(statuses)])["a"][
            "n"
        ]

    assert best("wrong", "correct", "wrong") == 1
    assert best("wrong", "raised", "todo") == 1
    assert best("error", "todo") == 0 and best("todo", "error") == 1


@pytest.mark.parametrize("hostile", [
    {}, {"status": 3, "answers": "x", "kinds": 1, "changed": None}, {"status": "<b>", "end": True},
    {"answers": [[1]], "key": {"a": 1}, "message": ["x"] * 1000, "name": "another"},
    {"answers": [1, 2, 3], "changed": [[[]]] * 1000, "unreadable": "x"}])  # fmt: skip
def test_what_a_kernel_tells_has_the_shape_of_an_outcome(hostile):
    shaped = _run.in_shape(hostile, 1)
    assert set(shaped) == {"status", "key", "message", "answers", "kinds", "changed", "credulous"}
    assert shaped["status"] == "error" and shaped["answers"] == [None]
    assert len(str(shaped)) < 25_000
    assert verdict(told(jobs=(), clean=None, **shaped))[0] == 0


def test_our_own_solution_must_be_right():
    said = [{"name": "rate", "status": "correct", "answers": OURS}]
    about = {"exercises": {"rate": {"title": "t"}}}
    again = {"name": "rate", "status": "correct"}
    result = {"said": said, "stops": [], "clean": [about, again], "seconds": 1.0}
    assert _judge.reference_of(result)["answers"] == {"rate": OURS}
    for change in ({"said": []}, {"stops": [{"why": "killed"}]},
                   {"clean": [about, {**again, "status": "wrong"}]}):  # fmt: skip
        with pytest.raises(ValueError, match="our own solution"):
            _judge.reference_of({**result, **change})
