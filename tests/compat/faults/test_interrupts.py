"""A worker that is stopped or killed leaves no pod that harms anybody."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from beside import beside, pod_that_runs
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.demo.generation import run_alone
from losses import LOST
from pods import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from kubegrader import Faults
    from kubegrader.testing import KubeCluster
    from program import Program
    from service import Service
    from traitlets.config import Config


def soft_limit(*_: Any) -> None:
    """What celery's handler of SIGUSR1 does."""
    from billiard.exceptions import SoftTimeLimitExceeded

    raise SoftTimeLimitExceeded


def terminate(*_: Any) -> None:
    """What celery's handler of SIGTERM does in a child."""
    raise SystemExit


@pytest.mark.fault(22, "0.5.0", "0.12.5", fails=r"== \[\]")
@pytest.mark.releases("0.5.0", "0.12.5")
@pytest.mark.parametrize("handler", [soft_limit, terminate])
def test_a_signal_from_celery_leaves_no_pod(
    service: Service,
    submission: int,
    kube_cluster: KubeCluster,
    program: Program,
    settings: Config,
    handler: Callable[..., None],
) -> None:
    program.use(settings, "exec sleep 600")

    def interrupt() -> None:
        pod_that_runs(kube_cluster)
        os.kill(os.getpid(), signal.SIGUSR1)

    former = signal.signal(signal.SIGUSR1, handler)
    try:
        with contextlib.suppress(SystemExit), beside(interrupt):
            service.grade(submission)
    finally:
        signal.signal(signal.SIGUSR1, former)
    assert kube_cluster.leftovers() == []


def kill_while_it_grades(service: Service, submission: int, cluster: KubeCluster) -> str:
    """Grade in a process that is killed when the pod runs, as at a hard limit; names the pod."""
    child = os.fork()
    if child == 0:
        service.grade(submission)
        os._exit(1)
    name = pod_that_runs(cluster)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return name


@pytest.mark.fault(22, "0.3.0", "0.12.5", fails="not within")
def test_the_pod_of_a_process_that_was_killed_is_deleted_by_the_one_that_grades_next(
    service: Service, submission: int, kube_cluster: KubeCluster, program: Program, settings: Config
) -> None:
    program.use(settings, "exec sleep 600")
    kill_while_it_grades(service, submission, kube_cluster)
    program.use(settings)
    another = service.submit(SUBMISSIONS[0].notebook(service.site.course), "grace")
    [graded] = service.grade(another)
    assert graded.status == "automatically_graded"
    # Ten seconds after its first grading has begun.
    until(lambda: kube_cluster.leftovers() == [], 20)
    assert service.read(submission).status == "pending"


@pytest.mark.fault(14, "0.3.0", "0.12.5", fails=LOST)
def test_a_submission_whose_grading_was_killed_can_be_graded_again(
    service: Service, submission: int, kube_cluster: KubeCluster, program: Program, settings: Config
) -> None:
    program.use(settings, "exec sleep 600")
    name = kill_while_it_grades(service, submission, kube_cluster)
    program.use(settings)
    assert kube_cluster.leftovers() == [name]
    [graded] = service.grade(submission)
    assert graded.status == "automatically_graded"
    assert graded.score == 3.0
    until(lambda: kube_cluster.pods() == [])


@pytest.mark.fault(17, "0.5.0", "0.12.5", fails=LOST)
@pytest.mark.releases("0.5.0", "0.12.5")
def test_a_grading_inside_a_running_event_loop_succeeds(service: Service, submission: int) -> None:
    async def grade() -> Any:
        return service.grade(submission)

    [graded] = run_alone(grade())
    assert graded.status == "automatically_graded"
    assert graded.score == 3.0


@pytest.mark.fault(1, "0.3.0", "0.4.2", fails="< 2.5")
@pytest.mark.releases("0.3.0", "0.4.2")
def test_a_slow_api_does_not_freeze_the_services_event_loop(
    service: Service, submission: int, kube_faults: Faults
) -> None:
    import asyncio
    import time

    # The first read of the status: before it 0.4.2 lets nobody else run, whatever the API does.
    for verb in ("get", "list", "watch"):
        kube_faults.add("latency", verb=verb, seconds=3, times=1)
    frozen = [0.0]

    async def ticks(_queue: Any) -> None:
        while True:
            began = time.monotonic()
            try:
                await asyncio.sleep(0.01)
            finally:  # 0.4.2 may be through before this task has its next turn, and is cancelled
                frozen.append(time.monotonic() - began)

    run_alone(service.queue(submission, beside=ticks))
    assert service.read(submission).status == "automatically_graded"
    assert max(frozen) < 2.5
