"""What the demo prints: nothing that a student wrote may reach the terminal as it is."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace

from kubegrader.demo.course import Expected
from kubegrader.demo.report import Progress, print_table, to_json
from kubegrader.demo.row import Row, visible
from kubegrader.demo.site import Graded


@dataclass(frozen=True)
class FakeVerdict:
    cause: str
    blame: str
    student_text: str


@dataclass(frozen=True)
class FakeTimings:
    queued: float
    starting: float
    running: float
    overhead: float


@dataclass(frozen=True)
class FakeOutcome:
    verdict: FakeVerdict
    timings: FakeTimings


@dataclass
class JudgedExecutor:
    outcome: FakeOutcome | None
    verdict: FakeVerdict | None

    def start(self) -> None: ...


class SilentExecutor:
    def start(self) -> None: ...


LATE = FakeVerdict("DeadlineExceeded", "student", "It ran longer than 25 s.")
ENDLESS = Graded(
    submission=4,
    username="endless",
    status="grading_failed",
    score=None,
    max_score=3.0,
    log="",
    executor=JudgedExecutor(FakeOutcome(LATE, FakeTimings(0.25, 0.5, 25.0, 1.125)), LATE),
)
MUST_FAIL = Expected("grading_failed", None, cause="DeadlineExceeded")


def test_control_characters_are_written_out() -> None:
    assert visible("a\x1b[31mb\x07\r\n") == "a\\x1b[31mb\\x07\\r\\n"


def test_characters_that_turn_the_direction_of_writing_are_written_out() -> None:
    assert visible("a\u202eb") == "a\\u202eb"


def test_letters_of_any_alphabet_stay() -> None:
    assert visible("Jürgen Ω 学生") == "Jürgen Ω 学生"


def test_a_row_holds_the_executors_verdict_and_times() -> None:
    row = Row.of(ENDLESS, MUST_FAIL)
    assert (row.cause, row.blame) == ("DeadlineExceeded", "student")
    assert (row.queued, row.starting, row.running, row.overhead) == (0.25, 0.5, 25.0, 1.125)
    assert row.difference is None


def test_a_verdict_without_an_outcome_is_enough_for_a_cause() -> None:
    row = Row.of(replace(ENDLESS, executor=JudgedExecutor(None, LATE)), MUST_FAIL)
    assert (row.cause, row.running, row.difference) == ("DeadlineExceeded", None, None)


def test_an_executor_that_says_nothing_leaves_the_cause_open() -> None:
    row = Row.of(replace(ENDLESS, executor=SilentExecutor()), MUST_FAIL)
    assert row.difference == "cause None, not DeadlineExceeded"


def test_the_table_is_plain_where_there_is_no_terminal() -> None:
    screen = io.StringIO()
    print_table([Row.of(ENDLESS, MUST_FAIL)], screen)
    assert screen.getvalue().splitlines() == [
        "Times in seconds.",
        "submission  status          score  cause             queued  running  overhead",
        "endless     grading_failed  -      DeadlineExceeded  0.2     25.0     1.1",
        "endless reads: It ran longer than 25 s.",
    ]


def test_progress_shows_a_students_name_without_its_control_characters() -> None:
    screen = io.StringIO()
    with Progress(screen) as shown:
        shown.started("eve\x1b[2J")
    assert screen.getvalue().endswith("] eve\\x1b[2J: grading\n")


def test_the_json_says_whether_all_went_as_it_must() -> None:
    good, bad = Row.of(ENDLESS, MUST_FAIL), Row.of(ENDLESS, Expected("automatically_graded", 3.0))
    assert json.loads(to_json([good], "0.12.5", "3.13.0"))["ok"] is True
    assert json.loads(to_json([good, bad], "0.12.5", "3.13.0"))["ok"] is False


def test_the_json_is_one_object_with_the_versions_and_the_submissions() -> None:
    result = json.loads(to_json([Row.of(ENDLESS, MUST_FAIL)], "0.12.5", "3.13.0"))
    assert (result["grader_service"], result["python"]) == ("0.12.5", "3.13.0")
    assert result["submissions"][0]["name"] == "endless"
    assert result["submissions"][0]["running"] == 25.0
