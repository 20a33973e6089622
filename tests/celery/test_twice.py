"""A task that is delivered twice: its submission is graded twice, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pods import until

if TYPE_CHECKING:
    from workers import Workplace


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_two_tasks_of_one_submission_are_done_one_after_the_other(
    pool: str, held: Workplace
) -> None:
    with held.worker(pool) as worker:
        [submission] = held.in_flight(worker, 1)
        worker.send(submission)
        waits = f"Submission {submission}: another grading of it is at work"
        until(lambda: waits in worker.log)
        assert (held.quick.begun, len(held.pods())) == (1, 1)
        held.quick.open()
        done = f"Autograding task of submission {submission} exited!"
        until(lambda: worker.log.count(done) == 2)
        assert worker.status(submission) == ("automatically_graded", 3.0)
        assert "has no grade" not in worker.log
        assert held.quick.begun == 2
        assert not list(held.site.directory.rglob(f"submission_{submission}.lock"))
        assert worker.end() == 0
