"""As many submissions at once as a course hands in before its deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubegrader.demo.course import SUBMISSIONS
from pods import names, until
from quick_grader import RIGHT
from workers import running

if TYPE_CHECKING:
    from pathlib import Path

    from kubegrader.demo.site import Site
    from kubernetes.client import CoreV1Api
    from quick_grader import QuickGrader
    from traitlets.config import Config

MANY = 200


def test_two_hundred_submissions_are_graded_at_once_by_the_threads_of_one_worker(
    site: Site,
    quick_settings: Config,
    tmp_path: Path,
    quick: QuickGrader,
    api: CoreV1Api,
    namespace: str,
) -> None:
    notebook = SUBMISSIONS[RIGHT].notebook(site.course)
    submissions = [site.submit(f"many-{number}", notebook) for number in range(MANY)]
    quick.close()
    with running(tmp_path, site, quick_settings, pool="threads", concurrency=MANY) as worker:
        for submission in submissions:
            worker.send(submission)
        # Its pool has 15 connections to the database: none is held while a pod is waited for.
        until(lambda: quick.begun == MANY, 180)
        assert len(names(api, namespace)) == MANY
        quick.open()
        until(lambda: worker.is_graded(*submissions), 180)
        assert {worker.status(one) for one in submissions} == {("automatically_graded", 3.0)}
        assert names(api, namespace) == []
        assert worker.end() == 0
