"""Workers that are told to end, or to begin anew, while they grade, in each of celery's pools."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from pods import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers import Worker, Workplace

AT_ONCE = {"prefork": 2, "threads": 2, "solo": 1, "gevent": 2}


@pytest.fixture(scope="module", params=AT_ONCE)
def of_pool(
    request: pytest.FixtureRequest, shared: Workplace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    place = replace(shared, folder=tmp_path_factory.mktemp(request.param))
    with place.worker(request.param) as worker:
        yield worker


@pytest.fixture
def worker(of_pool: Worker) -> Worker:
    """One worker for all tests of a pool, which has been started again if it has ended."""
    if of_pool.process.poll() is not None:
        of_pool.start()
        of_pool.wait_until_ready()
    return of_pool


def test_a_warm_shutdown_finishes_what_is_in_flight_and_the_next_start_grades_what_is_queued(
    worker: Worker, held: Workplace
) -> None:
    submissions = held.in_flight(worker, AT_ONCE[worker.pool])
    worker.process.send_signal(signal.SIGTERM)
    until(lambda: "Warm shutdown" in worker.log)
    assert len(held.pods()) == AT_ONCE[worker.pool]
    held.quick.open()
    assert worker.process.wait(60) == 0
    assert held.pods() == []
    for submission in submissions:
        assert worker.status(submission) == ("automatically_graded", 3.0)
    [queued] = held.hand_in(1, "queued")
    worker.send(queued)
    worker.start()
    worker.wait_until_ready()
    until(lambda: worker.is_graded(queued))
    assert worker.status(queued) == ("automatically_graded", 3.0)
    assert held.quick.begun == AT_ONCE[worker.pool] + 1
    assert held.pods() == []


def test_sighup_lets_the_gradings_in_flight_finish_before_the_worker_begins_anew(
    worker: Worker, held: Workplace
) -> None:
    submissions = held.in_flight(worker, AT_ONCE[worker.pool])
    worker.process.send_signal(signal.SIGHUP)
    until(lambda: "Restarting celery worker" in worker.log)
    assert len(held.pods()) == AT_ONCE[worker.pool]
    held.quick.open()
    if worker.pool == "gevent":
        # celery 5.6.3 has forgotten gevent.monkey, and looks for the module as a file.
        assert worker.process.wait(60) == 2
    else:
        worker.wait_until_begun_anew()
        [later] = held.hand_in(1, "later")
        worker.send(later)
        submissions.append(later)
        until(lambda: worker.is_graded(later))
    for submission in submissions:
        assert worker.status(submission) == ("automatically_graded", 3.0)
    assert held.quick.begun == len(submissions)
    assert held.pods() == []


def test_a_cold_shutdown_leaves_no_pod(worker: Worker, held: Workplace) -> None:
    submissions = held.in_flight(worker, AT_ONCE[worker.pool])
    worker.process.send_signal(signal.SIGQUIT)
    until(lambda: "will terminate all running tasks" in worker.log)
    if worker.pool == "threads":
        # celery cannot end a thread, and waits: these gradings are finished.
        held.quick.open()
        until(lambda: worker.is_graded(*submissions))
    until(lambda: held.pods() == [])
    if worker.pool == "solo":
        worker.kill()  # celery 5.6.3 takes the signal for the task's own end, and goes on
    worker.process.wait(60)
