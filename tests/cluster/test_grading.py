"""Submissions graded through the real service code, in real pods, on a volume of the node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradings import grade
from pods import names, until

if TYPE_CHECKING:
    from kubegrader.demo.site import Site
    from kubernetes.client import CoreV1Api
    from traitlets.config import Config


def test_submissions_are_graded_right_and_their_pods_are_gone(
    site: Site, settings: Config, api: CoreV1Api, namespace: str
) -> None:
    right, partly = grade(site, settings, [("right", 0), ("partly", 1)])
    assert (right.status, right.score) == ("automatically_graded", 3.0)
    assert (partly.status, partly.score) == ("automatically_graded", 1.0)
    assert "Converting notebook" in right.log
    assert names(api, namespace) == []


def test_ten_submissions_at_once_are_graded_right(
    site: Site, settings: Config, api: CoreV1Api, namespace: str
) -> None:
    graded = grade(site, settings, [(f"student-{number}", number % 3) for number in range(10)])
    assert [one.score for one in graded] == [3.0, 1.0, 0.0] * 3 + [3.0]
    assert names(api, namespace) == []


def test_a_submission_that_never_ends_is_stopped_and_told_so(
    site: Site, settings: Config, api: CoreV1Api, namespace: str
) -> None:
    settings.GraderPod.max_grading_time = 15
    (endless,) = grade(site, settings, [("endless", 3)])
    assert (endless.status, endless.score) == ("grading_failed", None)
    assert endless.log.endswith("Your submission ran longer than it may and was stopped.")
    until(lambda: names(api, namespace) == [])
