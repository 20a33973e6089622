"""What is handed in and what a pod leaves decide whether there is a grade."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from kubegrader import results
from kubegrader.handed_in import HandedIn
from kubegrader.releases import INSTALLED

if TYPE_CHECKING:
    from pathlib import Path

PROPERTIES = json.dumps({"notebooks": {"loops": {}, "sets": {}}})


def folder(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text("" if name.startswith("empty") else "{}")
    return path


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "PATIENCE", 0.0)


@pytest.mark.parametrize(
    ("handed_in", "properties", "left", "cause"),
    [
        (["loops.ipynb"], PROPERTIES, ["loops.ipynb"], "Completed"),
        (["loops.ipynb"], PROPERTIES, [], "NoResults"),
        (["loops.ipynb", "mine.ipynb"], PROPERTIES, ["data.csv"], "NoResults"),
        (["loops (1).ipynb"], PROPERTIES, [], "NoNotebook"),
        (["loops.txt"], PROPERTIES, [], "NoNotebook"),
        ([".loops.ipynb"], PROPERTIES, [], "NoNotebook"),
        ([], PROPERTIES, [], "NoNotebook"),
        (["loops.ipynb"], PROPERTIES, ["other.ipynb", ".loops.ipynb"], "NoResults"),
        (["loops.ipynb"], None, ["other.ipynb"], "NoResults"),
        (["empty.ipynb"], None, ["empty.ipynb"], "NoResults"),
        # The image may grade in a way of its own.
        (["loops (1).ipynb"], PROPERTIES, ["loops.ipynb"], "Completed"),
        ([], '{"notebooks": {}}', [], "Completed"),
        (["loops.ipynb"], '{"notebooks": {}}', [], "NoResults"),
        *[
            (given, unknown, [], cause)
            for given, cause in (([], "Completed"), (["any.ipynb"], "NoResults"))
            for unknown in (None, "", "no JSON", "[]", '{"notebooks": 3}', "null")
        ],
    ],
)
def test_a_submission_without_a_graded_notebook_has_a_grade_only_if_none_was_to_be_graded(
    tmp_path: Path, handed_in: list[str], properties: str | None, left: list[str], cause: str
) -> None:
    before = HandedIn.of(str(folder(tmp_path / "in", *handed_in)), properties)
    output = str(folder(tmp_path / "out", "gradebook.json", *left))
    assert results.verdict(before, output).cause == cause
    assert asyncio.run(results.verdict_async(before, output)).cause == cause


def test_who_hands_in_no_notebook_of_the_assignment_reads_that_names_must_be_kept(
    tmp_path: Path,
) -> None:
    before = HandedIn.of(str(folder(tmp_path / "in", "a.ipynb")), PROPERTIES)
    verdict = results.verdict(before, str(folder(tmp_path / "out")))
    assert verdict.blame == "student"
    assert verdict.student_text == (
        "Nothing that you handed in is a notebook of this assignment. A notebook has to keep the "
        "name under which you got it."
    )
    assert verdict.staff_text.endswith(" is one of the assignment's: loops, sets")


def test_a_notebook_in_a_folder_counts_where_grader_convert_looks_there(tmp_path: Path) -> None:
    before = HandedIn.of(str(folder(tmp_path / "in", "deep/loops.ipynb")), PROPERTIES)
    assert before.is_of_assignment is (INSTALLED.notebooks == "**/*.ipynb")


def test_links_to_folders_are_not_followed_in_whichever_circle_they_lead(tmp_path: Path) -> None:
    handed_in = folder(tmp_path / "in", "loops.ipynb", ".hidden.ipynb", ".deep/other.ipynb")
    for name in ("a", "b", "c"):
        (handed_in / name).symlink_to(".")
    before = HandedIn.of(str(handed_in), None)
    assert before.notebooks == {"loops"}
    output = folder(tmp_path / "out")
    for name in ("a", "b", "c"):
        (output / name).symlink_to(handed_in)
    assert results.verdict(before, str(output)).cause == "NoResults"


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_a_link_or_a_folder_is_no_graded_notebook(tmp_path: Path, kind: str) -> None:
    before = HandedIn.of(str(folder(tmp_path / "in", "loops.ipynb")), PROPERTIES)
    output = folder(tmp_path / "out")
    if kind == "link":
        (output / "loops.ipynb").symlink_to(tmp_path / "in" / "loops.ipynb")
    else:
        (output / "loops.ipynb").mkdir()
    assert results.verdict(before, str(output)).cause == "NoResults"
