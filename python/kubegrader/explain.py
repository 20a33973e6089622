"""What a student reads of a failure, and what of it is for the course's staff."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traitlets import TraitError

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
    return f"{text}\n\nFor the course's staff: {_told(error)}"


def _told(error: Exception) -> str:
    if isinstance(error, TraitError):
        return _misconfigured(error)
    if type(error).__module__.startswith("kubegrader"):
        return str(error)
    if isinstance(error, OSError) and type(error).__module__ == "builtins" and error.strerror:
        name = f": {error.filename}" if error.filename is not None else ""
        return f"{error.strerror}{name}"
    return _kind(error)


def _kind(error: Exception) -> str:
    """Name an exception that may quote whatever a site's hook had at hand, a password among it."""
    return f"{type(error).__name__}, of which the service's log says more"


def explain_misconfigured(error: Exception) -> str:
    """Say why no executor could be made: to the student, and so without any value."""
    told = _misconfigured(error) if isinstance(error, TraitError) else _kind(error)
    return f"{_NOT_YOUR_FAULT}\n\nFor the course's staff: {told}"


def _misconfigured(error: Exception) -> str:
    trait = getattr(error, "trait", None)
    what = "the service's config cannot be used"
    if trait is not None:
        what = f"{trait} cannot be what the service's config says"
    return f"{what}. The service's log and `kubegrader check` say why"
