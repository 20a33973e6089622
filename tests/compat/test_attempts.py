"""A submission whose pod the cluster spoils is graded by another one, on folders as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beside import beside, pod_that_runs
from kubegrader.demo.course import SUBMISSIONS
from pods import until

if TYPE_CHECKING:
    from pathlib import Path

    from kubegrader.testing import KubeCluster
    from program import Program
    from service import Service
    from traitlets.config import Config

# The first attempt spoils what it finds; the next one says whether it finds the same.
SPOILS = """
if [ ! -e {first} ]; then
    cp "$out/gradebook.json" {first}.copy
    echo "half of a gra" > "$out/gradebook.json"
    mkdir "$out/deep"
    mv {first}.copy {first}
    exec sleep 600
fi
cmp "$out/gradebook.json" {first} && ls -A "$out" && leave_results
"""


def evict(cluster: KubeCluster) -> None:
    """Do as `kubectl drain` does to the pod that runs."""
    name = pod_that_runs(cluster)
    path = f"/api/v1/namespaces/{cluster.namespace}/pods/{name}/eviction"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    cluster.request("POST", path, eviction)


def submit(service: Service) -> int:
    return service.submit(SUBMISSIONS[0].notebook(service.site.course))


def test_a_submission_whose_pod_is_evicted_gets_its_points_from_a_second_one(
    service: Service,
    settings: Config,
    prepared: Program,
    kube_cluster: KubeCluster,
    tmp_path: Path,
) -> None:
    first = tmp_path / "first"
    prepared.use(settings, SPOILS.format(first=first))

    def evict_once_it_has_spoilt() -> None:
        until(first.exists)
        evict(kube_cluster)

    with beside(evict_once_it_has_spoilt):
        [graded] = service.grade(submit(service))
    assert (graded.status, graded.score) == ("automatically_graded", 3.0), graded.log
    assert graded.log == "gradebook.json"
    assert service.executors[-1].outcome.attempt == 2
    assert kube_cluster.leftovers() == []


def test_with_one_attempt_it_has_no_grade_and_the_student_reads_that_it_is_not_theirs(
    service: Service, settings: Config, prepared: Program, kube_cluster: KubeCluster
) -> None:
    prepared.use(settings, "exec sleep 600")
    settings.KubeAutogradeExecutor.max_attempts = 1
    settings.GraderPod.max_grading_time = 20
    with beside(lambda: evict(kube_cluster)):
        [graded] = service.grade(submit(service))
    assert (graded.status, graded.score) == ("grading_failed", None)
    assert "It is not your fault" in graded.log
    assert kube_cluster.leftovers() == []
