"""A test set opens once, whatever happens to its file."""

import json

import keras
import numpy as np
import pytest

from coursekit.validation import TestVault, VaultOpened
from coursekit.validation import _vault as vault_module

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype("float32")
Y = (X @ [1.0, -2.0, 0.5] + 3).astype("float32")


def built():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def test_a_vault_opens_once():
    vault = TestVault(X, Y)
    assert repr(vault) == "TestVault(60 rows, closed)" and len(vault) == 60
    assert vault.opened is None
    model = built()
    score = vault.evaluate(model, reason="final number")
    assert score == model.evaluate(X, Y, return_dict=True, verbose=0)
    assert vault.opened["score"] == score and "final number" in repr(vault)
    with pytest.raises(VaultOpened, match=r"opened on 20\d\d-.* for 'final number' and said .*mae"):
        vault.evaluate(model, reason="to compare")


def test_a_vault_remembers(tmp_path):
    path = tmp_path / "kept" / "vault.json"
    vault, twin = TestVault(X, Y, path=path), TestVault(X, Y, path=path)
    assert vault.evaluate(lambda x, y: y.mean(), reason="report") == Y.mean()
    for later in (TestVault(X, Y, path=path), twin):
        with pytest.raises(VaultOpened, match=r"'report' and said"):
            later.evaluate(lambda x, y: 0, reason="again")
    assert json.loads(path.read_text())["reason"] == "report"
    with pytest.raises(ValueError, match=r"must belong to this test set"):
        TestVault(X + 1, Y, path=path)
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"or a vault's file"):
        TestVault(X, Y, path=path)


def test_a_vault_stays_closed_where_nothing_was_said():
    vault = TestVault(X, Y)
    with pytest.raises(ZeroDivisionError):
        vault.evaluate(lambda x, y: 1 / 0, reason="a bug")
    for reason in ("", " ", None):
        with pytest.raises(ValueError, match=r"must say in words"):
            vault.evaluate(lambda x, y: 1, reason=reason)
    with pytest.raises(TypeError, match=r"Received: int"):
        vault.evaluate(3, reason="a number")
    assert vault.evaluate(lambda x, y: 1, reason="repaired") == 1


def test_a_vault_needs_rows():
    with pytest.raises(ValueError, match=r"same rows"):
        TestVault(X, Y[1:])
    with pytest.raises(ValueError, match=r"same rows"):
        TestVault(X[:0], Y[:0])


DAMAGE = ["", "{", "[]", "null", "{}", "[" * 100_000, "\x00", '{"data": 1}', "1"]


@pytest.mark.parametrize(
    "text", [*DAMAGE, *["time", "reason", "score", "data"], "reason: 3", "folder"]
)
def test_a_damaged_file_is_refused_and_stays_shut(text, tmp_path):
    path = tmp_path / "vault.json"
    vault = TestVault(X, Y, path=path)
    waiting = TestVault(X, Y, path=path)
    vault.evaluate(lambda x, y: 1.0, reason="report")
    good = json.loads(path.read_text())
    if text == "folder":
        path.unlink()
        path.mkdir()
    elif text in good:
        path.write_text(json.dumps({k: v for k, v in good.items() if k != text}))
    elif text == "reason: 3":
        path.write_text(json.dumps(good | {"reason": 3}))
    else:
        path.write_text(text)
    for open_it in (
        lambda: TestVault(X, Y, path=path),
        lambda: waiting.evaluate(lambda x, y: 2.0, reason="again"),
    ):
        with pytest.raises(ValueError, match=r"vault.json, which is neither"):
            open_it()


@pytest.mark.parametrize("when", [1, 2])
def test_a_full_disk_never_scores_twice(when, tmp_path, monkeypatch):
    """Full at once: nothing is scored. Full afterwards: the score is told, the vault is open."""
    real, writes, scored = vault_module.write_whole, [], []

    def write_whole(path, content):
        writes.append(path)
        if len(writes) == when:
            raise OSError(28, "No space left on device")
        real(path, content)

    def score(x, y):
        scored.append(1)
        return 0.7

    monkeypatch.setattr(vault_module, "write_whole", write_whole)
    vault = TestVault(X, Y, path=tmp_path / "vault.json")
    if when == 1:
        with pytest.raises(OSError, match="No space"):
            vault.evaluate(score, reason="report")
        assert not scored and vault.opened is None
        assert vault.evaluate(score, reason="report") == 0.7
    else:
        with pytest.warns(UserWarning, match=r"could not take the score down.*: 0.7"):
            assert vault.evaluate(score, reason="report") == 0.7
        assert vault.opened["score"] == 0.7
    for one in (vault, TestVault(X, Y, path=tmp_path / "vault.json")):
        with pytest.raises(VaultOpened, match="'report'"):
            one.evaluate(score, reason="again")
    assert len(scored) == 1


def test_a_score_that_json_has_not_is_told(tmp_path):
    vault = TestVault(X, Y, path=tmp_path / "vault.json")
    with pytest.warns(UserWarning, match="could not take the score down"):
        vault.evaluate(lambda x, y: {(1, 2): 3}, reason="report")
    with pytest.raises(VaultOpened):
        TestVault(X, Y, path=tmp_path / "vault.json").evaluate(lambda x, y: 1, reason="again")


@pytest.mark.parametrize("change", [
    lambda x, y: (x, np.where(y == y[3], y + 1e-3, y)),
    lambda x, y: (x[:, ::-1], y),
    lambda x, y: (x.astype("float64"), y),
    lambda x, y: ({"a": x}, y),
])  # fmt: skip
def test_other_rows_are_other_rows(change, tmp_path):
    path = tmp_path / "vault.json"
    TestVault(X, Y, path=path).evaluate(lambda x, y: 1.0, reason="report")
    assert TestVault(X.copy(), Y.copy(), path=path).opened
    with pytest.raises(ValueError, match="must belong to this test set"):
        TestVault(*change(X, Y), path=path)


def test_rows_of_objects_are_told_apart_by_their_cells(tmp_path):
    def cells(middle):
        array = np.empty(2, object)
        array[:] = [np.zeros(3000), np.where(np.arange(3000) == 1500, middle, 0.0)]
        return array

    path = tmp_path / "vault.json"
    TestVault(cells(0), Y[:2], path=path).evaluate(lambda x, y: 1.0, reason="report")
    with pytest.raises(ValueError, match="must belong to this test set"):
        TestVault(cells(9), Y[:2], path=path)
