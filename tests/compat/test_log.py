"""What a pod printed: the student reads it, the service's log does not have it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.executor import GraderPod, KubeAutogradeExecutor

if TYPE_CHECKING:
    from kubegrader.demo.site import Site
    from kubegrader.testing import KubeCluster
    from program import Program
    from service import Service
    from traitlets.config import Config

FORGED = "2026-11-28 CRITICAL forged"


THREE_THOUSAND_LINES = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done"
BESIDE = {"name": "beside", "image": "busybox", "command": ["true"]}


class OwnLog(KubeAutogradeExecutor):
    """A site that asks for the log itself, and for the pod that is kept for that."""

    def _get_pod_logs(self, pod: GraderPod) -> str:
        assert pod.is_kept
        return super()._get_pod_logs(pod)


@pytest.mark.parametrize("class_", [KubeAutogradeExecutor, OwnLog])
@pytest.mark.parametrize("beside", [[], [BESIDE]], ids=["alone", "two containers"])
def test_of_a_long_log_the_student_reads_the_beginning_and_the_end(
    service: Service,
    settings: Config,
    prepared: Program,
    kube_cluster: KubeCluster,
    class_: type[KubeAutogradeExecutor],
    beside: list[dict[str, Any]],
) -> None:
    prepared.use(settings, f"leave_results; {THREE_THOUSAND_LINES}")
    settings.KubeAutogradeExecutor.log_limit = 2000
    settings.KubeAutogradeExecutor.pre_spawn_hook = partial(add, beside)
    service.executor_class = class_
    [graded] = service.grade(service.submit(SUBMISSIONS[0].notebook(service.site.course)))
    assert (graded.status, graded.score) == ("automatically_graded", 3.0)
    # 28890 bytes: 1000 of the beginning and 1000 of the end, without the lines that were cut.
    assert graded.log.splitlines() == [
        *(f"line {number}" for number in range(123)),
        "[... 26903 bytes of the log are left out here ...]",
        *(f"line {number}" for number in range(2901, 3000)),
    ]
    assert kube_cluster.leftovers() == []


def add(containers: list[dict[str, Any]], _lecture: Any, _assignment: Any, pod: Any) -> Any:
    pod.spec.containers += containers
    return pod


def test_the_last_words_of_a_pod_that_failed_are_not_logged(
    site: Site, settings: Config, prepared: Program, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    prepared.use(settings, f'echo "{FORGED}"; exit 3')
    last_words = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    settings.KubeAutogradeExecutor.extra_container_config = last_words
    number = site.submit("ada", SUBMISSIONS[0].notebook(site.course))
    graded = site.grade(number, KubeAutogradeExecutor, settings)
    assert graded.status == "grading_failed"
    assert graded.log == (
        f"{FORGED}\n\nGrading your submission ended with an error; the log says where."
    )
    assert f"Submission {number} has no grade: " in caplog.text
    assert "SubmissionFailedError: Grading your submission ended with an error" in caplog.text
    assert FORGED not in caplog.text


def test_an_error_that_is_no_pods_is_logged_with_where_it_came_from(
    site: Site, settings: Config, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    settings.KubeAutogradeExecutor.resolve_image_name = lambda *_: 1 / 0
    number = site.submit("ada", SUBMISSIONS[0].notebook(site.course))
    graded = site.grade(number, KubeAutogradeExecutor, settings)
    assert graded.status == "grading_failed"
    assert "ZeroDivisionError: division by zero" in caplog.text
    assert "test_log.py" in caplog.text
