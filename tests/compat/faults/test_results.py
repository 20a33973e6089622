"""A pod that ended: its results count, and only they."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from beside import beside, pod_that_runs
from losses import LOST

if TYPE_CHECKING:
    from kubegrader import EmbeddedCluster
    from kubegrader.testing import KubeCluster
    from program import Program
    from service import Service
    from traitlets.config import Config

GRADED = "'automatically_graded' == 'grading_failed'"


# 0.9.2 fails afterwards, and the 0 stays.
@pytest.mark.fault(6, "0.3.0", "0.9.2", fails=GRADED + "|0.0 is None")
def test_a_pod_that_wrote_nothing_is_not_graded(
    service: Service, submission: int, program: Program, settings: Config
) -> None:
    program.use(settings, "echo done")
    [graded] = service.grade(submission)
    assert graded.status == "grading_failed"
    assert graded.score is None
    assert "no graded notebook" in graded.log


@pytest.mark.fault(25, "0.3.0", "0.12.5", fails=GRADED)
def test_a_child_that_was_killed_for_want_of_memory_is_told(
    service: Service, submission: int, kube_cluster: KubeCluster, kube_stages: EmbeddedCluster
) -> None:
    kube_stages.play("oom-child")

    def leave_results() -> None:
        pod_that_runs(kube_cluster)
        executor = service.executors[-1]
        for notebook in Path(executor.input_path).glob("*.ipynb"):
            shutil.copy(notebook, executor.output_path)

    with beside(leave_results):
        [graded] = service.grade(submission)
    assert graded.status == "grading_failed"
    assert "memory" in graded.log


@pytest.mark.fault(24, "0.3.0", "0.12.5", fails=LOST + r"|b'a\\")
def test_a_log_that_is_not_utf_8_costs_no_grade(
    service: Service, submission: int, program: Program, settings: Config
) -> None:
    program.use(settings, r"leave_results; printf 'a\377b\n'")
    [graded] = service.grade(submission)
    assert graded.status == "automatically_graded"
    assert graded.score == 3.0
    assert graded.log == "a\ufffdb"


@pytest.mark.fault(10, "0.3.0", "0.12.5", client="36.", fails=r'"?b\'graded')
def test_the_log_is_text(service: Service, submission: int) -> None:
    [graded] = service.grade(submission)
    assert graded.log == "graded"
