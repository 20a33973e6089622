"""One submission's line in the report: what the database says, and what the executor says.

Texts of students and pods are shown with their control characters written out: nothing that a
notebook prints can move the cursor, set the window's title or colour the rest of the table.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from kubegrader.demo.course import Expected
    from kubegrader.demo.site import Graded

HEADINGS = ("submission", "status", "score", "cause", "queued", "running", "overhead")
"""The table's columns; times are in seconds."""


class Verdict(Protocol):
    """Why a pod ended, and whose fault it was: the part of ``kubegrader``'s that is shown."""

    @property
    def cause(self) -> str: ...
    @property
    def blame(self) -> str: ...
    @property
    def student_text(self) -> str: ...


class Timings(Protocol):
    """Where the time went, in seconds; None where it is not known."""

    @property
    def queued(self) -> float | None: ...
    @property
    def starting(self) -> float | None: ...
    @property
    def running(self) -> float | None: ...
    @property
    def overhead(self) -> float | None: ...


class Outcome(Protocol):
    """How the one pod of a submission ended."""

    @property
    def verdict(self) -> Verdict: ...
    @property
    def timings(self) -> Timings: ...


@runtime_checkable
class Judged(Protocol):
    """An executor that says how its pod ended; grader-service's own ones do not.

    ``outcome`` is None when there was no pod to the end, ``verdict`` when there was no cause.
    """

    @property
    def outcome(self) -> Outcome | None: ...
    @property
    def verdict(self) -> Verdict | None: ...


@dataclass(frozen=True)
class Row:
    """One submission's line: what the database says, and what the executor says."""

    name: str
    submission: int
    status: str
    score: float | None
    max_score: float
    cause: str | None
    blame: str | None
    student_text: str | None
    queued: float | None
    """Seconds from the pod's creation until it had a node."""
    starting: float | None
    """Seconds from then until the container ran."""
    running: float | None
    """Seconds that the container ran."""
    overhead: float | None
    """Seconds of the grading that are none of these."""
    log: str
    difference: str | None
    """What is not as it must be; None when all is."""

    @classmethod
    def of(cls, graded: Graded, expected: Expected) -> Row:
        """Join what the database and the executor say, and compare it with what must be."""
        executor: object = graded.executor
        outcome = executor.outcome if isinstance(executor, Judged) else None
        verdict = executor.verdict if isinstance(executor, Judged) else None
        if verdict is None and outcome is not None:
            verdict = outcome.verdict
        timings = None if outcome is None else outcome.timings
        cause = None if verdict is None else str(verdict.cause)
        return cls(
            name=graded.username,
            submission=graded.submission,
            status=graded.status,
            score=graded.score,
            max_score=graded.max_score,
            cause=cause,
            blame=None if verdict is None else str(verdict.blame),
            student_text=None if verdict is None else verdict.student_text,
            queued=None if timings is None else timings.queued,
            starting=None if timings is None else timings.starting,
            running=None if timings is None else timings.running,
            overhead=None if timings is None else timings.overhead,
            log=graded.log,
            difference=expected.difference(graded.status, graded.score, cause),
        )

    def cells(self) -> list[str]:
        """The texts below HEADINGS, safe to print."""
        score = "-" if self.score is None else f"{self.score:g} of {self.max_score:g}"
        times = [_seconds(value) for value in (self.queued, self.running, self.overhead)]
        return [*map(visible, (self.name, self.status, score, self.cause or "-")), *times]


def visible(text: str) -> str:
    r"""The text in one line of printable characters: all others as their escape, e.g. ``\\x1b``.

    That covers control characters, line separators, and the invisible ones that turn the
    direction of writing.
    """
    return "".join(character if _shown(character) else _escape(character) for character in text)


def _shown(character: str) -> bool:
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
