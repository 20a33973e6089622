"""Gradings that celery ends, where its pool can: by time limits, and where they are revoked.

Soft limits exist with prefork alone. Hard limits and `terminate` exist with prefork, which kills
the process, and with gevent, which raises in the greenlet. threads and solo have none of them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from pods import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubegrader import Faults
    from kubegrader.testing import KubeCluster
    from workers import Worker, Workplace


@pytest.fixture(scope="module")
def worker(
    request: pytest.FixtureRequest, shared: Workplace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    """One worker for all tests of a pool: each task brings its own limits."""
    pool = request.param
    place = replace(shared, folder=tmp_path_factory.mktemp(pool))
    with place.worker(pool, concurrency=1) as worker:
        yield worker


@pytest.fixture
def faults(kube_cluster_session: KubeCluster) -> Iterator[Faults]:
    """What the cluster that the workers share does wrong."""
    assert kube_cluster_session.embedded is not None
    yield kube_cluster_session.embedded.faults
    kube_cluster_session.embedded.faults.clear()


def of(*pools: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("worker", pools, indirect=True)


@of("prefork")
def test_a_soft_limit_deletes_the_pod_and_the_submission_has_failed(
    worker: Worker, held: Workplace
) -> None:
    (submission,) = held.in_flight(worker, 1, soft_time_limit=2)
    until(lambda: worker.is_graded(submission))
    assert worker.status(submission) == ("grading_failed", None)
    # The service stores the log after the status.
    assert "SoftTimeLimitExceeded" in until(lambda: worker.site.read(submission).log)
    assert held.pods() == []


@of("gevent")
def test_the_pod_of_a_grading_that_a_hard_limit_ended_is_deleted(
    worker: Worker, held: Workplace
) -> None:
    (submission,) = held.in_flight(worker, 1, time_limit=2)
    until(lambda: "Hard time limit (2s) exceeded" in worker.log)
    is_graded_after_all(held, worker, submission)


@of("prefork")
def test_the_pod_of_a_process_that_a_hard_limit_killed_is_reaped_while_its_worker_grades(
    worker: Worker, held: Workplace, faults: Faults
) -> None:
    # Its process gets SIGTERM, and SIGKILL 0.1 s later: no delete succeeds in that time.
    faults.add("unavailable", verb="delete")
    (submission,) = held.in_flight(worker, 1, time_limit=2)
    [left] = held.pods()
    until(lambda: "exited with 'signal 9 (SIGKILL)'" in worker.log)
    faults.clear()
    assert held.pods() == [left]
    (another,) = held.in_flight(worker, 1)
    until(lambda: left not in held.pods())
    held.quick.open()
    until(lambda: worker.is_graded(another))
    is_graded_after_all(held, worker, submission)


@of("prefork", "gevent")
def test_a_grading_that_is_revoked_and_terminated_leaves_no_pod(
    worker: Worker, held: Workplace
) -> None:
    (submission,) = held.in_flight(worker, 1, task_id=f"revoked-{worker.pool}")
    assert len(held.pods()) == 1
    worker.revoke(f"revoked-{worker.pool}")
    is_graded_after_all(held, worker, submission)


@of("threads", "solo")
def test_a_grading_that_is_revoked_goes_on_where_the_pool_cannot_terminate_it(
    worker: Worker, held: Workplace
) -> None:
    (submission,) = held.in_flight(worker, 1, task_id=f"revoked-{worker.pool}")
    worker.revoke(f"revoked-{worker.pool}")
    if worker.pool == "threads":
        until(lambda: "does not implement kill_job" in worker.log)
    is_graded_to_the_end(held, worker, submission)
    # And the worker takes the next one.
    [another] = held.hand_in(1, "another")
    worker.send(another)
    until(lambda: worker.is_graded(another))
    assert worker.status(another) == ("automatically_graded", 3.0)


@of("threads", "solo", "gevent")
def test_a_grading_goes_on_after_a_limit_that_its_pool_does_not_have(
    worker: Worker, held: Workplace
) -> None:
    limits = {"soft_time_limit": 1} | ({} if worker.pool == "gevent" else {"time_limit": 1})
    (submission,) = held.in_flight(worker, 1, **limits)
    until(lambda: seconds_of_the_pod(held) > 2)
    is_graded_to_the_end(held, worker, submission)


def seconds_of_the_pod(held: Workplace) -> float:
    """Give how long the one pod that is there has been there."""
    [pod] = held.api.list_namespaced_pod(held.namespace).items
    age = datetime.now(UTC) - pod.metadata.creation_timestamp
    return float(age.total_seconds())


def is_graded_to_the_end(held: Workplace, worker: Worker, submission: int) -> None:
    """Let the grading under way end well."""
    assert len(held.pods()) == 1
    held.quick.open()
    until(lambda: worker.is_graded(submission))
    assert worker.status(submission) == ("automatically_graded", 3.0)
    assert held.pods() == []


def is_graded_after_all(held: Workplace, worker: Worker, submission: int) -> None:
    """See no pod, and grade it again."""
    until(lambda: held.pods() == [])
    assert worker.status(submission) == ("pending", None)
    held.quick.open()
    worker.send(submission)
    until(lambda: worker.is_graded(submission))
    assert worker.status(submission) == ("automatically_graded", 3.0)
