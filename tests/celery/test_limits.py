"""Gradings that celery ends: time limits and revoked tasks, where a pool has them.

Soft limits exist with prefork alone. Hard limits and `terminate` exist with prefork, which kills
the process, and with gevent, which raises in the greenlet. threads and solo have none of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from kubegrader import Cluster
from pods import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers import Worker, Workplace


@pytest.fixture(scope="module")
def workers(
    shared: Workplace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Worker]]:
    """One worker for all tests of a pool: each task brings its own limits."""
    places = {
        pool: replace(shared, folder=tmp_path_factory.mktemp(pool))
        for pool in ("prefork", "gevent")
    }
    with (
        places["prefork"].worker("prefork", concurrency=1) as prefork,
        places["gevent"].worker("gevent", concurrency=1) as gevent,
    ):
        yield {"prefork": prefork, "gevent": gevent}


def test_a_soft_limit_deletes_the_pod_and_the_submission_has_failed(
    workers: dict[str, Worker], held: Workplace
) -> None:
    worker = workers["prefork"]
    (submission,) = held.in_flight(worker, 1, soft_time_limit=2)
    until(lambda: worker.is_graded(submission))
    assert worker.status(submission) == ("grading_failed", None)
    # The service stores the log after the status.
    assert "SoftTimeLimitExceeded" in until(lambda: worker.site.read(submission).log)
    assert held.pods() == []


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_the_pod_of_a_grading_that_a_hard_limit_ended_is_deleted(
    pool: str, workers: dict[str, Worker], held: Workplace, kubeconfig: str
) -> None:
    worker = workers[pool]
    (submission,) = held.in_flight(worker, 1, time_limit=2)
    until(lambda: "Hard time limit (2.0s) exceeded" in worker.log.replace("(2s)", "(2.0s)"))
    if pool == "prefork":
        # Its process gets SIGTERM, and SIGKILL 0.1 s later: what it had no time for is reaped.
        cluster = Cluster(kubeconfig=kubeconfig, namespace=held.namespace)
        until(lambda: cluster.reap() == [])
    is_graded_after_all(held, worker, submission)


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_a_grading_that_is_revoked_and_terminated_leaves_no_pod(
    pool: str, workers: dict[str, Worker], held: Workplace
) -> None:
    worker = workers[pool]
    (submission,) = held.in_flight(worker, 1, task_id=f"revoked-{pool}")
    assert len(held.pods()) == 1
    worker.revoke(f"revoked-{pool}")
    is_graded_after_all(held, worker, submission)


def is_graded_after_all(held: Workplace, worker: Worker, submission: int) -> None:
    until(lambda: held.pods() == [])
    assert worker.status(submission) == ("pending", None)
    held.quick.open()
    worker.send(submission)
    until(lambda: worker.is_graded(submission))
    assert worker.status(submission) == ("automatically_graded", 3.0)
