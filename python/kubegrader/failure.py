"""The failure of a submission: an exception, and what student and staff read of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .explain import explain
from .releases import INSTALLED

if TYPE_CHECKING:
    from ._core import Verdict
    from .executor import KubeAutogradeExecutor


class SubmissionFailedError(RuntimeError):
    """A submission has no grade; the text is what the student reads, `verdict` says the rest."""

    def __init__(self, message: str, verdict: Verdict | None = None) -> None:
        super().__init__(message)
        self.verdict = verdict


def noted(executor: KubeAutogradeExecutor, error: Exception) -> SubmissionFailedError:
    """Note a failure where student and staff will read it; give what to raise, with its cause.

    It is to be raised as it is given. In a variable of the frame that raises it, it would be held
    by its own traceback until a garbage collection, with all that the frames of a subclass hold.
    """
    verdict = executor.verdict = getattr(error, "verdict", None)
    text = explain(error, verdict)
    log = executor.grading_logs
    if INSTALLED.start_prepares:
        # start() appends the exception's own text to what is there.
        executor.grading_logs = f"{log}\n\n" if log else ""
    else:
        executor.grading_logs = "\n\n".join(part for part in (log, text) if part)
    # Of a pod that ended, without what its container left to say: that is the student's, and
    # start() would write it into the log as the cause of this exception.
    is_of_pod = verdict is not None and str(error) == verdict.staff_text
    told = verdict.log_text if verdict is not None and is_of_pod else error
    executor.log.error("Submission %s has no grade: %s", executor.submission.id, told)
    failure = SubmissionFailedError(text, verdict)
    failure.__cause__ = None if is_of_pod else error
    return failure
