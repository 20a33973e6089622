"""Submissions graded in pods by real celery workers of grader-service, in each of its pools."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kubegrader.demo.course import SUBMISSIONS
from pods import names, until
from quick_grader import PARTLY, RIGHT
from workers import running

if TYPE_CHECKING:
    from pathlib import Path

    from kubegrader.demo.site import Site
    from kubernetes.client import CoreV1Api
    from quick_grader import QuickGrader
    from traitlets.config import Config


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo", "gevent"])
def test_a_worker_grades_submissions_in_pods(
    pool: str, site: Site, settings: Config, tmp_path: Path, api: CoreV1Api, namespace: str
) -> None:
    right = site.submit(f"{pool}-right", SUBMISSIONS[RIGHT].notebook(site.course))
    partly = site.submit(f"{pool}-partly", SUBMISSIONS[PARTLY].notebook(site.course))
    with running(tmp_path, site, settings, pool=pool) as worker:
        for submission in (right, partly):
            worker.send(submission)
        until(lambda: worker.is_graded(right, partly), 180)
        assert worker.status(right) == ("automatically_graded", 3.0)
        assert worker.status(partly) == ("automatically_graded", 1.0)
        assert names(api, namespace) == []
        assert worker.end() == 0


TICKER = """
import gevent

def tick():
    while True:
        gevent.sleep(0.02)
        with open({path!r}, "a") as file:
            file.write(".")

gevent.spawn(tick)
"""


def test_greenlets_of_a_gevent_worker_go_on_while_two_of_them_grade(
    site: Site, settings: Config, tmp_path: Path, quick: QuickGrader
) -> None:
    ticks = tmp_path / "ticks"
    ticks.touch()
    notebook = SUBMISSIONS[RIGHT].notebook(site.course)
    submissions = [site.submit(f"gevent-{number}", notebook) for number in range(2)]
    quick.close()
    more = TICKER.format(path=str(ticks))
    with running(tmp_path, site, settings, pool="gevent", more=more) as worker:
        for submission in submissions:
            worker.send(submission)
        until(lambda: quick.begun == 2)  # both pods run: each greenlet waits for its own
        before = ticks.stat().st_size
        until(lambda: ticks.stat().st_size >= before + 20)
        quick.open()
        until(lambda: worker.is_graded(*submissions))
        for submission in submissions:
            assert worker.status(submission) == ("automatically_graded", 3.0)
