"""The record of a run, and what a later run is told of it."""

import json

import keras
import pytest

from coursekit.training import environment


@pytest.mark.any_backend
def test_the_same_run_has_no_differences(tmp_path):
    keras.utils.set_random_seed(1)
    environment().save(tmp_path / "environment.json")
    keras.utils.set_random_seed(1)
    assert environment().differences(tmp_path / "environment.json") == []


def test_each_kind_of_difference_is_told_in_words(tmp_path, monkeypatch):
    keras.utils.set_random_seed(1)
    now, file = environment(), tmp_path / "environment.json"
    facts = json.loads(json.dumps(now.facts))
    facts["versions"]["numpy"] = "1.0"
    facts["machine"]["processor"] = "another"
    facts["flags"]["XLA_FLAGS"] = "--x"
    facts["code"]["commit"] = "abc"
    facts["seeds"]["keras_seed"] = 7
    file.write_text(json.dumps(facts))
    told = now.differences(file)
    version = now.facts["versions"]["numpy"]
    assert f"numpy was 1.0 and is {version}: it may change bits." in told
    assert "keras_seed was 7 and is 1: it may change bits." in told
    assert any(line.startswith("processor was another") for line in told)
    assert any(line.startswith("commit was abc") and "another one" in line for line in told)
    assert any(line.startswith("XLA_FLAGS was --x and is ") for line in told)
    assert len(told) == 5


def test_without_git_and_outside_of_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert environment().facts["code"] == {"commit": None, "changed_files": None}
    monkeypatch.setenv("PATH", "")
    assert environment().facts["code"]["commit"] is None


@pytest.mark.parametrize("content", [None, "", "[1]", '{"versions": 3}'])
def test_a_file_that_is_no_record(content, tmp_path):
    file = tmp_path / "file.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ValueError, match="must be a file of"):
        environment().differences(file)
