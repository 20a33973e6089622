"""Submissions graded in pods by real celery workers of grader-service, in each of its pools."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from kubegrader.demo.course import SUBMISSIONS
from pods import until
from quick_grader import PARTLY, RIGHT

if TYPE_CHECKING:
    from pathlib import Path

    from traitlets.config import Config
    from workers import Workplace


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo", "gevent"])
def test_a_worker_grades_submissions_in_pods(
    pool: str, workplace: Workplace, settings: Config
) -> None:
    site = workplace.site
    right = site.submit(f"{pool}-right", SUBMISSIONS[RIGHT].notebook(site.course))
    partly = site.submit(f"{pool}-partly", SUBMISSIONS[PARTLY].notebook(site.course))
    with replace(workplace, settings=settings).worker(pool) as worker:
        for submission in (right, partly):
            worker.send(submission)
        until(lambda: worker.is_graded(right, partly), 180)
        assert worker.status(right) == ("automatically_graded", 3.0)
        assert worker.status(partly) == ("automatically_graded", 1.0)
        assert workplace.pods() == []
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
    held: Workplace, tmp_path: Path
) -> None:
    ticks = tmp_path / "ticks"
    ticks.touch()
    more = TICKER.format(path=str(ticks))
    with held.worker("gevent", more=more) as worker:
        submissions = held.in_flight(worker, 2)  # each greenlet waits for its own pod
        before = ticks.stat().st_size
        until(lambda: ticks.stat().st_size >= before + 20)
        held.quick.open()
        until(lambda: worker.is_graded(*submissions))
        for submission in submissions:
            assert worker.status(submission) == ("automatically_graded", 3.0)
