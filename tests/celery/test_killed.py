"""A worker that is killed with SIGKILL while it grades, and the one that is started after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pods import names, until
from workers import in_flight, running

if TYPE_CHECKING:
    from pathlib import Path

    from kubegrader.demo.site import Site
    from kubernetes.client import CoreV1Api
    from quick_grader import QuickGrader
    from traitlets.config import Config


def test_the_worker_that_is_started_after_one_was_killed_leaves_none_of_its_pods(
    site: Site,
    quick_settings: Config,
    tmp_path: Path,
    quick: QuickGrader,
    api: CoreV1Api,
    namespace: str,
) -> None:
    quick.close()
    with running(tmp_path, site, quick_settings, pool="prefork") as worker:
        again, forgotten = in_flight(worker, quick, 2)
        worker.kill()
        left = names(api, namespace)
        assert len(left) == 2
        quick.open()
        worker.start()
        worker.wait_until_ready()
        # One is graded again, in place of its pod; the other's is reaped ten seconds later.
        worker.send(again)
        until(lambda: worker.is_graded(again))
        assert worker.status(again) == ("automatically_graded", 3.0)
        until(lambda: names(api, namespace) == [])
        assert worker.status(forgotten) == ("pending", None)
        assert worker.end() == 0
