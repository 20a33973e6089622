"""Both executors grade here. What upstream's fails with elsewhere is then the fault's doing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pods import until

if TYPE_CHECKING:
    from kubegrader.testing import KubeCluster
    from service import Service


def test_a_good_submission_is_graded_where_there_is_no_trouble(
    service: Service, submission: int, kube_cluster: KubeCluster
) -> None:
    [graded] = service.grade(submission)
    assert (graded.status, graded.score) == ("automatically_graded", 3.0)
    assert "graded" in graded.log
    until(lambda: kube_cluster.pods() == [])
