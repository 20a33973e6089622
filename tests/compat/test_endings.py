"""Submissions go through the service's own queue, and the database says how they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubegrader.demo.course import SUBMISSIONS

if TYPE_CHECKING:
    from kubegrader.testing import KubeCluster
    from service import Service

BY_NAME = {submission.name: submission for submission in SUBMISSIONS}


def test_right_and_partly_right_submissions_get_their_points(
    service: Service, kube_cluster: KubeCluster
) -> None:
    numbers = [
        service.submit(BY_NAME[kind].notebook(service.site.course), kind)
        for kind in ("right", "partly", "wrong")
    ]
    graded = service.grade(*numbers)
    assert [(one.status, one.score) for one in graded] == [
        ("automatically_graded", 3.0),
        ("automatically_graded", 1.0),
        ("automatically_graded", 0.0),
    ]
    for one in graded:
        assert "Converting notebook" in one.log
    assert kube_cluster.pods() == []
