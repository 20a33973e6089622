"""Workers that are told to end while they grade, in each of celery's pools."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from pods import names, until
from workers import in_flight, running

if TYPE_CHECKING:
    from pathlib import Path

    from kubegrader.demo.site import Site
    from kubernetes.client import CoreV1Api
    from quick_grader import QuickGrader
    from traitlets.config import Config

AT_ONCE = {"prefork": 2, "threads": 2, "solo": 1, "gevent": 2}


@pytest.mark.parametrize("pool", AT_ONCE)
def test_a_warm_shutdown_lets_the_gradings_in_flight_finish(
    pool: str,
    site: Site,
    quick_settings: Config,
    tmp_path: Path,
    quick: QuickGrader,
    api: CoreV1Api,
    namespace: str,
) -> None:
    quick.close()
    with running(tmp_path, site, quick_settings, pool=pool) as worker:
        submissions = in_flight(worker, quick, AT_ONCE[pool])
        worker.process.send_signal(signal.SIGTERM)
        until(lambda: "Warm shutdown" in worker.log)
        assert len(names(api, namespace)) == AT_ONCE[pool]
        quick.open()
        assert worker.process.wait(60) == 0
        assert names(api, namespace) == []
        for submission in submissions:
            assert worker.status(submission) == ("automatically_graded", 3.0)


@pytest.mark.parametrize("pool", AT_ONCE)
def test_a_cold_shutdown_leaves_no_pod(
    pool: str,
    site: Site,
    quick_settings: Config,
    tmp_path: Path,
    quick: QuickGrader,
    api: CoreV1Api,
    namespace: str,
) -> None:
    quick.close()
    with running(tmp_path, site, quick_settings, pool=pool) as worker:
        submissions = in_flight(worker, quick, AT_ONCE[pool])
        worker.process.send_signal(signal.SIGQUIT)
        until(lambda: "will terminate all running tasks" in worker.log)
        if pool == "threads":
            # celery cannot end a thread, and waits: these gradings are finished.
            quick.open()
            until(lambda: worker.is_graded(*submissions))
        until(lambda: names(api, namespace) == [])
        # Nothing is left to do for a process that celery does not end by itself (5.6.3).
        worker.kill()
