"""The demo's assignment, released by the installed grader-service's own converter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from kubegrader.demo import course as demo
from kubegrader.demo.course import Course, Expected

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return demo.release(tmp_path_factory.mktemp("course"))


def sources(notebook: demo.Notebook) -> dict[str, str]:
    """The source of each cell that has a grade_id."""
    marked = [cell for cell in notebook["cells"] if "nbgrader" in cell["metadata"]]
    return {cell["metadata"]["nbgrader"]["grade_id"]: "".join(cell["source"]) for cell in marked}


def test_the_assignment_is_worth_three_points(course: Course) -> None:
    assert course.max_score == 3.0


def test_the_gradebook_names_the_points_of_each_question(course: Course) -> None:
    cells = json.loads(course.properties)["notebooks"]["loops"]["grade_cells_dict"]
    points = {name: cell["max_score"] for name, cell in cells.items()}
    assert points == {"test_total": 1.0, "test_longest": 2.0}


def test_students_do_not_get_the_solutions(course: Course) -> None:
    assert "return sum(numbers)" not in json.dumps(course.notebook)


def test_the_gradebook_wants_the_kernel_that_ipykernel_installs(course: Course) -> None:
    kernelspec = json.loads(course.properties)["notebooks"]["loops"]["kernelspec"]
    assert json.loads(kernelspec)["name"] == "python3"


def test_a_second_release_into_one_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with pytest.raises(FileExistsError):
        demo.release(tmp_path)


def test_there_is_one_submission_of_each_kind() -> None:
    assert [submission.name for submission in demo.SUBMISSIONS] == [
        "right",
        "partly",
        "wrong",
        "endless",
    ]


def test_only_the_endless_submission_never_ends(course: Course) -> None:
    endless = [
        submission.name
        for submission in demo.SUBMISSIONS
        if "while True:\n    pass" in sources(submission.notebook(course))["longest"]
    ]
    assert endless == ["endless"]


@pytest.mark.parametrize("submission", demo.SUBMISSIONS, ids=lambda submission: submission.name)
def test_a_submission_leaves_the_tests_as_they_were_released(
    course: Course, submission: demo.DemoSubmission
) -> None:
    released, handed_in = sources(course.notebook), sources(submission.notebook(course))
    assert handed_in["test_total"] == released["test_total"]
    assert handed_in["test_longest"] == released["test_longest"]


def test_filling_in_answers_leaves_the_released_notebook_alone(course: Course) -> None:
    before = json.dumps(course.notebook)
    demo.SUBMISSIONS[0].notebook(course)
    assert json.dumps(course.notebook) == before


def test_an_outcome_as_expected_has_no_difference() -> None:
    assert (
        Expected("automatically_graded", 3.0).difference("automatically_graded", 3.0, "x") is None
    )


def test_each_thing_that_differs_is_named() -> None:
    expected = Expected("grading_failed", None, cause="DeadlineExceeded")
    assert expected.difference("automatically_graded", 1.0, "Completed") == (
        "status automatically_graded, not grading_failed; score 1.0, not None; "
        "cause Completed, not DeadlineExceeded"
    )
