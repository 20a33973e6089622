"""A task of the async generation that is cancelled while its pod is at work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from beside import pod_that_runs
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.demo.generation import run_alone
from kubegrader.executor import KubeAutogradeExecutor
from pods import until

if TYPE_CHECKING:
    from kubegrader.demo.site import Site
    from kubegrader.testing import KubeCluster
    from program import Program
    from traitlets.config import Config


@pytest.mark.releases("0.3.0", "0.4.2")
def test_a_grading_whose_task_is_cancelled_leaves_no_pod_and_can_be_done_again(
    site: Site, settings: Config, prepared: Program, kube_cluster: KubeCluster
) -> None:
    prepared.use(settings, "exec sleep 600")
    number = site.submit("ada", SUBMISSIONS[0].notebook(site.course))

    async def cancelled() -> None:
        grading = asyncio.ensure_future(site.grade_async(number, KubeAutogradeExecutor, settings))
        await asyncio.to_thread(pod_that_runs, kube_cluster)
        grading.cancel()
        await asyncio.wait([grading])
        assert grading.cancelled()
        # While the event loop goes on, as the service's does.
        await asyncio.to_thread(until, lambda: kube_cluster.pods() == [])

    run_alone(cancelled())
    assert site.read(number).status == "pending"
    assert list(site.directory.rglob("submission_*.lock")) == []
    prepared.use(settings)
    graded = site.grade(number, KubeAutogradeExecutor, settings)
    assert (graded.status, graded.score) == ("automatically_graded", 3.0)
    assert kube_cluster.pods() == []
