"""Submissions are graded by grader-service's own start(), in pods."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.executor import KubeAutogradeExecutor
from pods import names, until

if TYPE_CHECKING:
    from kubegrader.demo.site import Graded, Site
    from kubernetes.client import CoreV1Api
    from traitlets.config import Config

BY_NAME = {submission.name: submission for submission in SUBMISSIONS}


def grade(site: Site, settings: Config, kind: str, user: str) -> Graded:
    submission = site.submit(user, BY_NAME[kind].notebook(site.course))
    return site.grade(submission, KubeAutogradeExecutor, settings)


def test_a_right_submission_gets_all_points_and_its_pods_log(
    site: Site, settings: Config, api: CoreV1Api, namespace: str
) -> None:
    graded = grade(site, settings, "right", "Ada.Lovelace@example.org")
    assert (graded.status, graded.score) == ("automatically_graded", 3.0)
    assert "Converting notebook" in graded.log
    assert names(api, namespace) == []


def test_a_partly_right_submission_gets_the_points_of_its_right_answer(
    site: Site, settings: Config
) -> None:
    graded = grade(site, settings, "partly", "grace")
    assert (graded.status, graded.score) == ("automatically_graded", 1.0)


@pytest.mark.parametrize("section", ["GraderPod", "KubeAutogradeExecutor"])
def test_a_submission_that_never_ends_fails_and_its_student_reads_why(
    site: Site, settings: Config, api: CoreV1Api, namespace: str, section: str
) -> None:
    settings[section].max_grading_time = 8
    graded = grade(site, settings, "endless", "alan")
    assert graded.status == "grading_failed"
    assert graded.log.endswith("Your submission ran longer than it may and was stopped.")
    assert graded.log.count("ran longer than it may") == 1
    assert names(api, namespace) == []


def test_each_step_of_a_submissions_life_is_one_line_with_submission_attempt_and_pod(
    site: Site, settings: Config, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings.KubeAutogradeExecutor.convert_executable = "false"
    caplog.set_level("INFO")
    graded = grade(site, settings, "wrong", "linus")
    about = rf"submission {graded.submission}, attempt 1, pod {namespace}/[0-9a-z-]+: (.*)"

    def told() -> list[str]:
        lines = [re.fullmatch(about, record.getMessage()) for record in caplog.records]
        return [line[1] for line in lines if line]

    # The lines are written by a thread of their own.
    until(lambda: told()[-1].startswith("done"))
    steps = told()
    begun = ("created", "scheduled", "running", "ended", "deleted", "done")
    assert [next(word for word in begun if step.startswith(word)) for step in steps] in (
        list(begun),
        [word for word in begun if word != "running"],  # nobody may have seen it run
    )
