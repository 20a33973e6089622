"""Workers that are told to end while they grade, in each of celery's pools."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from pods import until

if TYPE_CHECKING:
    from workers import Workplace

AT_ONCE = {"prefork": 2, "threads": 2, "solo": 1, "gevent": 2}


@pytest.mark.parametrize("pool", AT_ONCE)
def test_a_warm_shutdown_lets_the_gradings_in_flight_finish(pool: str, held: Workplace) -> None:
    with held.worker(pool) as worker:
        submissions = held.in_flight(worker, AT_ONCE[pool])
        worker.process.send_signal(signal.SIGTERM)
        until(lambda: "Warm shutdown" in worker.log)
        assert len(held.pods()) == AT_ONCE[pool]
        held.quick.open()
        assert worker.process.wait(60) == 0
        assert held.pods() == []
        for submission in submissions:
            assert worker.status(submission) == ("automatically_graded", 3.0)


@pytest.mark.parametrize("pool", AT_ONCE)
def test_a_cold_shutdown_leaves_no_pod(pool: str, held: Workplace) -> None:
    with held.worker(pool) as worker:
        submissions = held.in_flight(worker, AT_ONCE[pool])
        worker.process.send_signal(signal.SIGQUIT)
        until(lambda: "will terminate all running tasks" in worker.log)
        if pool == "threads":
            # celery cannot end a thread, and waits: these gradings are finished.
            held.quick.open()
            until(lambda: worker.is_graded(*submissions))
        until(lambda: held.pods() == [])
        if pool == "solo":
            worker.kill()  # celery 5.6.3 takes the signal for the task's own end, and goes on
        worker.process.wait(60)
