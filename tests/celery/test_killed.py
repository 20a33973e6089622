"""A worker that is killed with SIGKILL while it grades, and the one that is started after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pods import until

if TYPE_CHECKING:
    from workers import Worker, Workplace

AT_ONCE = {"prefork": 2, "threads": 2, "solo": 1, "gevent": 2}


def killed_amid(held: Workplace, worker: Worker, pool: str) -> list[int]:
    """Kill a worker whose gradings have pods that run, and give the submissions."""
    left = held.in_flight(worker, AT_ONCE[pool])
    worker.kill()
    assert len(held.pods()) == AT_ONCE[pool]
    return left


@pytest.mark.parametrize("pool", AT_ONCE)
def test_the_worker_that_is_started_after_one_was_killed_leaves_none_of_its_pods(
    pool: str, held: Workplace
) -> None:
    with held.worker(pool) as worker:
        left = killed_amid(held, worker, pool)
        held.quick.open()
        worker.start()
        worker.wait_until_ready()
        # One is graded again, in place of its pod; the other's is reaped ten seconds later. With
        # solo there is but one, which is reaped while something else is graded.
        forgotten = left.pop()
        [again] = left or held.hand_in(1, "another")
        worker.send(again)
        until(lambda: worker.is_graded(again))
        assert worker.status(again) == ("automatically_graded", 3.0)
        until(lambda: held.pods() == [])
        assert worker.status(forgotten) == ("pending", None)
        assert held.quick.begun == AT_ONCE[pool] + 1
        assert worker.end() == 0


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_a_worker_that_has_nothing_to_grade_deletes_what_a_killed_one_left(
    pool: str, held: Workplace
) -> None:
    with held.worker(pool) as worker:
        left = killed_amid(held, worker, pool)
        worker.start()
        worker.wait_until_ready()
        until(lambda: held.pods() == [])
        assert [worker.status(one) for one in left] == [("pending", None)] * AT_ONCE[pool]
        assert worker.end() == 0
