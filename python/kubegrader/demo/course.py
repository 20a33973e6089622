"""The assignment of the demo course and the four submissions that are graded.

The instructor's notebook is written here; the students' version and the gradebook are made by
grader-service's own converter, as the service does it when an instructor releases an assignment.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Notebook = dict[str, Any]
"""A notebook in the JSON layout of nbformat 4.5."""

LECTURE = "demo"
"""The lecture's code; it is a folder name below ``git`` and the default image's name."""

ASSIGNMENT = "loops"
"""The assignment's name."""

NOTEBOOK_FILE = "loops.ipynb"
"""The notebook's file name; its stem is the notebook's key in the gradebook."""

TOTAL = "total"
LONGEST = "longest"
# The grade_id of the two cells that a student fills in.

_RIGHT_TOTAL = "def total(numbers):\n    return sum(numbers)\n"
_WRONG_TOTAL = "def total(numbers):\n    return 0\n"
_RIGHT_LONGEST = "def longest(words):\n    return max(words, key=len)\n"
_WRONG_LONGEST = "def longest(words):\n    return words[0]\n"
_ENDLESS_LONGEST = "def longest(words):\n    return words[0]\n\nwhile True:\n    pass\n"

_SOLUTION_TOTAL = """def total(numbers):
    ### BEGIN SOLUTION
    return sum(numbers)
    ### END SOLUTION
"""
_SOLUTION_LONGEST = """def longest(words):
    ### BEGIN SOLUTION
    return max(words, key=len)
    ### END SOLUTION
"""
_TEST_TOTAL = "assert total([1, 2, 3]) == 6\nassert total([]) == 0\n"
_TEST_LONGEST = "assert longest(['a', 'ccc', 'bb']) == 'ccc'\nassert longest(['dd', 'd']) == 'dd'\n"


class ReleaseError(RuntimeError):
    """grader-service's converter could not make the students' version of the assignment."""


@dataclass(frozen=True)
class Expected:
    """How a submission must end: what the service stores, and the cause where one is due."""

    status: str
    """The submission's ``auto_status``."""
    score: float | None
    """Points, or None where nothing may be graded."""
    cause: str | None = None
    """The verdict's cause, or None where any cause will do."""

    def difference(self, status: str, score: float | None, cause: str | None) -> str | None:
        """Say what differs from what must be, in one line, or None when all is as it must be."""
        found = []
        if status != self.status:
            found.append(f"status {status}, not {self.status}")
        if score != self.score:
            found.append(f"score {score}, not {self.score}")
        if self.cause is not None and cause != self.cause:
            found.append(f"cause {cause}, not {self.cause}")
        return "; ".join(found) or None


@dataclass(frozen=True)
class Course:
    """A released assignment, as the site stores it."""

    notebook: Notebook
    """The students' version: solutions cut out, test cells locked."""
    properties: str
    """The gradebook as JSON, the content of the service's ``assignment.properties``."""
    max_score: float
    """Points for a right answer to each question: the service's ``assignment.points``."""


@dataclass(frozen=True)
class DemoSubmission:
    """What one student hands in, and how its grading must end."""

    name: str
    """The student's user name, which also says what the submission shows."""
    answers: dict[str, str]
    """The source of each solution cell, by grade_id."""
    expected: Expected

    def notebook(self, course: Course) -> Notebook:
        """The students' version of the notebook with this student's answers in it."""
        filled = copy.deepcopy(course.notebook)
        for cell in filled["cells"]:
            grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
            if grade_id in self.answers:
                cell["source"] = self.answers[grade_id]
        return filled


SUBMISSIONS: tuple[DemoSubmission, ...] = (
    DemoSubmission(
        "right",
        {TOTAL: _RIGHT_TOTAL, LONGEST: _RIGHT_LONGEST},
        Expected("automatically_graded", 3.0),
    ),
    DemoSubmission(
        "partly",
        {TOTAL: _RIGHT_TOTAL, LONGEST: _WRONG_LONGEST},
        Expected("automatically_graded", 1.0),
    ),
    DemoSubmission(
        "wrong",
        {TOTAL: _WRONG_TOTAL, LONGEST: _WRONG_LONGEST},
        Expected("automatically_graded", 0.0),
    ),
    DemoSubmission(
        "endless",
        {TOTAL: _RIGHT_TOTAL, LONGEST: _ENDLESS_LONGEST},
        Expected("grading_failed", None, cause="DeadlineExceeded"),
    ),
)
"""The four submissions: full points, some, none, and one that only a time limit ends."""


def instructor_notebook() -> Notebook:
    """The notebook as the instructor writes it: two questions, 1 and 2 points."""
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "cells": [
            {
                "cell_type": "markdown",
                "id": "intro",
                "metadata": {},
                "source": "Write `total` and `longest`.",
            },
            _solution_cell(TOTAL, _SOLUTION_TOTAL),
            _test_cell("test_total", _TEST_TOTAL, points=1),
            _solution_cell(LONGEST, _SOLUTION_LONGEST),
            _test_cell("test_longest", _TEST_LONGEST, points=2),
        ],
    }


def release(directory: Path) -> Course:
    """Make the students' version and the gradebook in ``directory``, which must be empty.

    It runs ``grader-convert generate_assignment`` of the grader-service that this Python has, as
    a process of its own: in-process, its arguments differ between releases, and it configures
    logging for all. It takes about two seconds.

    Raises ReleaseError with the converter's last words when it fails.
    """
    source, released = directory / "source", directory / "release"
    source.mkdir(parents=True)
    released.mkdir()
    (source / NOTEBOOK_FILE).write_text(json.dumps(instructor_notebook()), encoding="utf-8")
    converter = [sys.executable, "-m", "grader_service.convert.main", "generate_assignment"]
    folders = ["-i", str(source), "-o", str(released), "-p", "*.ipynb"]
    done = subprocess.run([*converter, *folders], capture_output=True, text=True, check=False)
    gradebook = released / "gradebook.json"
    # The converter of some releases logs its failure and exits with 0.
    if done.returncode != 0 or not gradebook.exists():
        raise ReleaseError(
            f"making assignment {ASSIGNMENT}: grader-convert exited with {done.returncode}: "
            f"{done.stderr[-2000:]}"
        )
    properties = gradebook.read_text(encoding="utf-8")
    notebook = json.loads((released / NOTEBOOK_FILE).read_text(encoding="utf-8"))
    return Course(notebook, properties, _max_score(properties))


def _max_score(properties: str) -> float:
    """Points of all graded cells, as ``GradeBookModel.max_score`` adds them up."""
    notebooks = json.loads(properties)["notebooks"].values()
    cells = [cell for book in notebooks for cell in book["grade_cells_dict"].values()]
    return float(sum(cell["max_score"] for cell in cells))


def _solution_cell(grade_id: str, source: str) -> dict[str, Any]:
    marks = {"grade": False, "solution": True, "locked": False}
    return _code_cell(grade_id, source, marks)


def _test_cell(grade_id: str, source: str, points: int) -> dict[str, Any]:
    marks = {"grade": True, "solution": False, "locked": True, "points": points}
    return _code_cell(grade_id, source, marks)


def _code_cell(grade_id: str, source: str, marks: dict[str, Any]) -> dict[str, Any]:
    """A code cell with nbgrader's metadata, schema 3, which all supported releases read."""
    marks = {"grade_id": grade_id, "schema_version": 3, "task": False, **marks}
    return {
        "cell_type": "code",
        "id": grade_id.replace("_", "-"),
        "metadata": {"nbgrader": marks},
        "execution_count": None,
        "outputs": [],
        "source": source,
    }
