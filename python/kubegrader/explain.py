"""What a student reads of a failure, and what of it is for the course's staff."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._core import Verdict

_NOT_YOUR_FAULT = (
    "Your submission could not be graded. It is not your fault; your course's staff can help."
)


def explain(error: Exception, verdict: Verdict | None) -> str:
    """Say why there is no grade: to the student in plain words, below it to staff in full."""
    if verdict is not None and verdict.blame == "student":
        return verdict.student_text
    text = _NOT_YOUR_FAULT if verdict is None else verdict.student_text
    return f"{text}\n\nFor the course's staff: {error}"
