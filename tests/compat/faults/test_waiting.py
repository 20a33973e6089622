"""Pods that do not start, and an API server that does not answer: the wait has an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from beside import Rescue
from grader_service.orm.lecture import Lecture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubegrader import EmbeddedCluster, Faults
    from kubegrader.demo.site import Site
    from kubegrader.testing import KubeCluster
    from program import Program
    from service import Service
    from traitlets.config import Config


@pytest.fixture(autouse=True)
def short_waits(settings: Config) -> None:
    """Let both give up soon: upstream's limit is from the create, ours from the start."""
    settings.GraderPod.max_grading_time = 2
    settings.KubeAutogradeExecutor.start_timeout = 2
    settings.KubeAutogradeExecutor.max_attempts = 1


def delete_all(cluster: KubeCluster) -> None:
    for name in cluster.leftovers():
        cluster.delete(name, grace=0)


@pytest.mark.fault(2, "0.3.0", "0.5.0", fails="not True")
def test_the_wait_for_a_pod_that_never_starts_has_an_end(
    service: Service, submission: int, kube_cluster: KubeCluster, kube_stages: EmbeddedCluster
) -> None:
    kube_stages.play("unschedulable-resources")
    with Rescue(10, lambda: delete_all(kube_cluster)) as rescue:
        [graded] = service.grade(submission)
    assert not rescue.was_needed
    assert graded.status == "grading_failed"
    assert kube_cluster.leftovers() == []


@pytest.mark.fault(24, "0.6.3", "0.12.5", fails="Insufficient cpu")
def test_the_log_says_why_a_pod_was_never_scheduled(
    service: Service, submission: int, kube_cluster: KubeCluster, kube_stages: EmbeddedCluster
) -> None:
    kube_stages.play("unschedulable-resources")
    [graded] = service.grade(submission)
    assert graded.status == "grading_failed"
    assert "Insufficient cpu" in graded.log
    assert "It is not your fault" in graded.log
    assert kube_cluster.leftovers() == []


@pytest.mark.fault(24, "0.6.3", "0.12.5", fails=r"== \[\]")
def test_a_pod_that_was_never_scheduled_does_not_stay(
    service: Service, submission: int, kube_cluster: KubeCluster, kube_stages: EmbeddedCluster
) -> None:
    kube_stages.play("unschedulable-resources")
    service.grade(submission)
    assert kube_cluster.leftovers() == []


@pytest.mark.fault(15, "0.6.3", "0.12.5", fails="ErrImagePull")
def test_the_log_names_the_image_that_cannot_be_pulled(
    service: Service, submission: int, kube_stages: EmbeddedCluster
) -> None:
    kube_stages.play("image-not-found")
    [graded] = service.grade(submission)
    assert graded.status == "grading_failed"
    assert "ErrImagePull" in graded.log
    assert "demo_image" in graded.log
    assert "It is not your fault" in graded.log


@pytest.fixture
def upper_case_lecture(site: Site) -> Iterator[None]:
    """Give the site's lecture a code that is no part of an image's name."""
    link = site.directory / "git" / "Demo"
    link.symlink_to("demo", target_is_directory=True)
    rename_lecture(site, "Demo")
    yield
    rename_lecture(site, "demo")
    link.unlink()


def rename_lecture(site: Site, code: str) -> None:
    with site._sessions.begin() as session:
        session.query(Lecture).one().code = code


@pytest.mark.fault(21, "0.6.3", "0.12.5", fails="Demo_image")
@pytest.mark.usefixtures("upper_case_lecture")
def test_the_log_names_an_image_that_no_cluster_would_take(
    service: Service, submission: int, kube_stages: EmbeddedCluster
) -> None:
    kube_stages.play("invalid-image-name")
    [graded] = service.grade(submission)
    assert graded.status == "grading_failed"
    assert "Demo_image" in graded.log
    assert "It is not your fault" in graded.log
    assert [line for line in kube_stages.faults.trace() if line.startswith("create pods")] == []


@pytest.mark.fault(16, "0.6.3", "0.12.5", fails="not True")
def test_an_answer_that_never_comes_does_not_outlive_the_time_for_grading(
    service: Service,
    submission: int,
    kube_cluster: KubeCluster,
    kube_faults: Faults,
    program: Program,
    settings: Config,
) -> None:
    program.use(settings, "exec sleep 600")
    kube_faults.add("latency", verb="get", seconds=20, times=1)
    kube_faults.add("latency", verb="watch", seconds=20, times=1)
    with Rescue(18, lambda: None) as rescue:
        [graded] = service.grade(submission)
    assert not rescue.was_needed
    assert graded.status == "grading_failed"
    assert kube_cluster.leftovers() == []
