"""What a repository and an index show: links that resolve, versions that agree, pinned actions."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml
from index_metadata import IndexMetadata, for_an_index, urls
from release_check import main, problems

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
PLAIN = "See [it](docs/a.md), ![seen](b.png), [far](https://x.org/y), [here](#start)."


@pytest.mark.parametrize(
    "repository, wanted",
    [
        ("", "See it, , [far](https://x.org/y), [here](#start)."),
        (
            "me/it",
            "See [it](https://github.com/me/it/blob/HEAD/docs/a.md), "
            "![seen](https://github.com/me/it/raw/HEAD/b.png), "
            "[far](https://x.org/y), [here](#start).",
        ),
    ],
)
def test_links_as_an_index_shows_them(repository, wanted):
    assert for_an_index(PLAIN, repository) == wanted


@pytest.mark.parametrize("repository", ["", "me/it"])
def test_no_link_of_the_readme_needs_the_files_beside_it(repository, tmp_path):
    shutil.copy(ROOT / "README.md", tmp_path)
    setting = f'[tool.coursekit]\nrepository = "{repository}"\n'
    (tmp_path / "pyproject.toml").write_text(setting)
    metadata = {}
    IndexMetadata(str(tmp_path), {}).update(metadata)
    text = metadata["readme"]["text"]
    targets = re.findall(r"\]\(([^()\s]+)\)", text)
    assert all(t.startswith(("https://", "#")) for t in targets), targets
    assert bool(targets) == bool(repository) == bool(metadata["urls"])
    assert "| 04 | How wrong is wrong? |" in text  # nothing else is lost


def test_the_addresses():
    assert urls("Me/it")["Website"] == "https://me.github.io/it/"
    assert len(set(urls("me/it").values())) == 4


def test_the_citation_agrees_with_the_project():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == PROJECT["version"]
    assert set(cited["license"]) == set(re.split(" AND ", PROJECT["license"]))
    assert set(cited["keywords"]) == set(PROJECT["keywords"])
    assert cited["cff-version"] == "1.2.0" and cited["authors"] and cited["message"]


def test_the_changes_have_an_entry_for_this_version():
    entries = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    released = [e for e in entries if e != "Not released yet"]
    assert entries[0] == "Not released yet" or entries[0].startswith(f"{PROJECT['version']} (")
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)", e) for e in released)
    order = [tuple(map(int, e.split()[0].split("."))) for e in released]
    assert order == sorted(order, reverse=True) and len(set(order)) == len(order)


def project(folder, version="1.2.3", cited="1.2.3", changes="## 1.2.3 (2026-12-01)\n"):
    (folder / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
    (folder / "CITATION.cff").write_text(f"version: {cited}\n")
    (folder / "CHANGELOG.md").write_text(f"# Changes\n\n{changes}")
    return folder


@pytest.mark.parametrize(
    "parts, said",
    [
        ({}, None),
        ({"version": "1.2.4"}, "The tag is 'v1.2.3', and pyproject.toml says version '1.2.4'"),
        ({"cited": "1.2.2"}, "CITATION.cff says version '1.2.2'"),
        ({"changes": "## 1.2.2 (2026-11-01)\n"}, "no entry `## 1.2.3 "),
        ({"changes": "## 1.2.3\n"}, "CHANGELOG.md's 1.2.3 has no day"),
        ({"changes": "## Not released yet\n\n## 1.2.3 (2026-12-01)\n"}, "rename it"),
    ],
)
def test_what_stands_in_the_way_of_a_release(tmp_path, parts, said):
    found = "\n".join(problems("v1.2.3", project(tmp_path, **parts)))
    assert said in found if said else found == ""


def test_the_release_check_says_how_it_is_called(capsys):
    assert main([]) == 2 and "usage" in capsys.readouterr().out
    assert main(["v9.9.9"]) == 1 and "'v9.9.9'" in capsys.readouterr().out


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_pins_what_it_uses_and_asks_for_little(path):
    text = path.read_text()
    flow = yaml.safe_load(text)
    for used in re.findall(r"uses: (\S+)", text):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", used), used
    assert flow["permissions"] == {"contents": "read"}
    # What a step runs is there.
    for file in re.findall(r"(?:bash|python) ((?:tools/|\.ci/)\S+)", text):
        assert (ROOT / file).exists(), file
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([\w-]+)", text):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_the_matrix_holds_the_supported_pythons():
    flow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    pythons = flow["jobs"]["versions"]["strategy"]["matrix"]["python"]
    said = [c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)]
    assert pythons == said


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_an_issue_form_is_one(path):
    form = yaml.safe_load(path.read_text())
    if path.name == "config.yml":
        return
    assert form["name"] and form["description"] and form["body"]
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(set(ids)) == len(ids)
    for part in form["body"]:
        assert part["type"] in {"input", "textarea", "dropdown", "checkboxes", "markdown"}
        assert part["attributes"]["label"]
        assert part["type"] != "dropdown" or part["attributes"]["options"]


def test_the_hooks_before_a_commit_are_ours():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    for hook in hooks:
        assert hook["language"] == "system" and hook["entry"].startswith(".venv/bin/")
