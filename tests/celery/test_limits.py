"""Gradings that celery ends: time limits and revoked tasks, where a pool has them.

Soft limits exist with prefork alone. Hard limits and `terminate` exist with prefork, which kills
the process, and with gevent, which raises in the greenlet. threads and solo have none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kubegrader import Cluster
from pods import names, until
from workers import in_flight, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubegrader.demo.site import Site
    from kubernetes.client import CoreV1Api
    from quick_grader import QuickGrader
    from traitlets.config import Config
    from workers import Worker


@pytest.fixture(scope="module", params=["prefork", "gevent"])
def pool(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def worker(
    pool: str, site: Site, quick_settings: Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    """One worker for all tests of a pool: each task brings its own limits."""
    folder = tmp_path_factory.mktemp(pool)
    with running(folder, site, quick_settings, pool=pool, concurrency=1) as worker:
        yield worker


def test_a_soft_limit_deletes_the_pod_and_the_submission_has_failed(
    pool: str, worker: Worker, quick: QuickGrader, api: CoreV1Api, namespace: str
) -> None:
    if pool == "gevent":
        pytest.skip("celery has no soft limits with gevent")
    quick.close()
    (submission,) = in_flight(worker, quick, 1, soft_time_limit=2)
    until(lambda: worker.is_graded(submission))
    assert worker.status(submission) == ("grading_failed", None)
    # The service stores the log after the status.
    assert "SoftTimeLimitExceeded" in until(lambda: worker.site.read(submission).log)
    assert names(api, namespace) == []


def test_the_pod_of_a_grading_that_a_hard_limit_ended_is_deleted(
    pool: str,
    worker: Worker,
    quick: QuickGrader,
    api: CoreV1Api,
    namespace: str,
    kubeconfig: str,
) -> None:
    quick.close()
    (submission,) = in_flight(worker, quick, 1, time_limit=2)
    until(lambda: "Hard time limit (2.0s) exceeded" in worker.log.replace("(2s)", "(2.0s)"))
    if pool == "prefork":
        # Its process gets SIGTERM, and SIGKILL 0.1 s later: what it had no time for is reaped.
        cluster = Cluster(kubeconfig=kubeconfig, namespace=namespace)
        until(lambda: cluster.reap() == [])
    until(lambda: names(api, namespace) == [])
    assert worker.status(submission) == ("pending", None)
    quick.open()
    worker.send(submission)
    until(lambda: worker.is_graded(submission))
    assert worker.status(submission) == ("automatically_graded", 3.0)


def test_a_grading_that_is_revoked_and_terminated_leaves_no_pod(
    pool: str, worker: Worker, quick: QuickGrader, api: CoreV1Api, namespace: str
) -> None:
    quick.close()
    (submission,) = in_flight(worker, quick, 1, task_id=f"revoked-{pool}")
    assert len(names(api, namespace)) == 1
    worker.celery.control.revoke(f"revoked-{pool}", terminate=True)
    until(lambda: names(api, namespace) == [])
    assert worker.status(submission) == ("pending", None)
    quick.open()
    worker.send(submission)
    until(lambda: worker.is_graded(submission))
    assert worker.status(submission) == ("automatically_graded", 3.0)
