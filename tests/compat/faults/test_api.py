"""Trouble between the service and the API server, which is nobody's grade."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import kubegrader
import pytest
from beside import beside, pods_that_run
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.demo.generation import is_async
from losses import LOST
from pods import until

if TYPE_CHECKING:
    from pathlib import Path

    from kubegrader import EmbeddedCluster, Faults
    from kubegrader.testing import KubeCluster
    from program import Program
    from service import Service
    from traitlets.config import Config


def answers(cluster: KubeCluster) -> bool:
    try:
        cluster.pods()
    except kubegrader.UnreachableError:
        return False
    return True


@pytest.mark.fault(11, "0.3.0", "0.12.5", fails=LOST)
def test_a_proxys_page_in_answer_to_the_create_costs_no_grade(
    service: Service, submission: int, kube_faults: Faults
) -> None:
    kube_faults.add("bad-gateway", verb="create", times=1)
    [graded] = service.grade(submission)
    assert graded.status == "automatically_graded"
    assert graded.score == 3.0


@pytest.mark.fault(12, "0.3.0", "0.12.5", fails=LOST)
def test_one_internal_error_costs_no_grade(
    service: Service, submission: int, kube_faults: Faults
) -> None:
    kube_faults.add("internal-error", verb="get", times=1)
    # Ours watches the pod.
    kube_faults.add("internal-error", verb="watch", times=1)
    [graded] = service.grade(submission)
    assert graded.status == "automatically_graded"
    assert graded.score == 3.0


@pytest.mark.fault(12, "0.3.0", "0.12.5", fails=LOST)
def test_connections_that_break_cost_no_grade(
    service: Service, submission: int, kube_faults: Faults
) -> None:
    # urllib3 tries four times.
    kube_faults.add("reset-before", verb="get", times=4)
    kube_faults.add("reset-before", verb="watch", times=4)
    [graded] = service.grade(submission)
    assert graded.status == "automatically_graded"
    assert graded.score == 3.0


@pytest.mark.fault(12, "0.3.0", "0.12.5", fails=r"== \[\]")
def test_connections_that_break_leave_no_pod(
    service: Service, submission: int, kube_cluster: KubeCluster, kube_faults: Faults
) -> None:
    kube_faults.add("reset-before", verb="get", times=4)
    kube_faults.add("reset-before", verb="watch", times=4)
    service.grade(submission)
    assert kube_cluster.leftovers() == []


@pytest.mark.fault(13, "0.3.0", "0.12.5", fails=LOST)
@pytest.mark.parametrize("verb", ["log", "delete"])
def test_what_is_forbidden_after_the_end_costs_no_grade(
    service: Service, submission: int, kube_faults: Faults, verb: str
) -> None:
    kube_faults.add("forbidden", verb=verb)
    [graded] = service.grade(submission)
    assert graded.status == "automatically_graded"
    assert graded.score == 3.0


@pytest.mark.fault(23, "0.3.0", "0.12.5", fails=LOST)
def test_three_seconds_without_an_api_server_cost_none_of_the_gradings_in_flight_its_grade(
    service: Service,
    kube_cluster: KubeCluster,
    kube_stages: EmbeddedCluster,
    program: Program,
    settings: Config,
    tmp_path: Path,
) -> None:
    at_once = 5 if is_async() else 15
    notebook = SUBMISSIONS[0].notebook(service.site.course)
    submissions = [service.submit(notebook, f"student-{number}") for number in range(at_once)]
    away = tmp_path / "away"
    # They end a second after the API server has gone.
    wait = f"while [ ! -e {away} ]; do sleep 0.2; done; sleep 1"
    program.use(settings, f"leave_results; {wait}")

    def outage() -> None:
        pods_that_run(kube_cluster, at_once)
        away.touch()
        kube_stages.restart(downtime=3.0)
        until(partial(answers, kube_cluster))

    with beside(outage):
        graded = service.grade_together(*submissions)
    for one in graded:
        assert one.status == "automatically_graded"
        assert one.score == 3.0
    until(lambda: kube_cluster.pods() == [])
