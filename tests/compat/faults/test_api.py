"""Trouble between the service and the API server, which is nobody's grade."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import kubegrader
import pytest
from beside import beside, pod_that_runs
from losses import LOST
from pods import until

if TYPE_CHECKING:
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
def test_three_seconds_without_an_api_server_cost_no_grade(
    service: Service,
    submission: int,
    kube_cluster: KubeCluster,
    kube_stages: EmbeddedCluster,
    program: Program,
    settings: Config,
) -> None:
    program.use(settings, "leave_results; sleep 2")

    def outage() -> None:
        pod_that_runs(kube_cluster)
        kube_stages.restart(downtime=3.0)
        until(partial(answers, kube_cluster))

    with beside(outage):
        [graded] = service.grade(submission)
    assert graded.status == "automatically_graded"
    assert graded.score == 3.0
    until(lambda: kube_cluster.pods() == [])
