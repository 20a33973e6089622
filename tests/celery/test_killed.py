"""A worker that is killed with SIGKILL while it grades, and the one that is started after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pods import until

if TYPE_CHECKING:
    from workers import Workplace


def test_the_worker_that_is_started_after_one_was_killed_leaves_none_of_its_pods(
    held: Workplace,
) -> None:
    with held.worker("prefork") as worker:
        again, forgotten = held.in_flight(worker, 2)
        worker.kill()
        assert len(held.pods()) == 2
        held.quick.open()
        worker.start()
        worker.wait_until_ready()
        # One is graded again, in place of its pod; the other's is reaped ten seconds later.
        worker.send(again)
        until(lambda: worker.is_graded(again))
        assert worker.status(again) == ("automatically_graded", 3.0)
        until(lambda: held.pods() == [])
        assert worker.status(forgotten) == ("pending", None)
        assert worker.end() == 0
