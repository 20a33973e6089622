"""Submissions graded through the real service code, in real pods, on a volume of the node."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from gradings import grade
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.executor import GraderPod, KubeAutogradeExecutor
from pods import names, until

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.fixture
def claim(site: Site, api: CoreV1Api, namespace: str) -> Iterator[str]:
    """The site's folder as a claim, since the Pod Security Standards allow no hostPath."""
    name = f"{namespace}-data"
    size, modes = {"storage": "1Gi"}, ["ReadWriteMany"]
    spec = {"accessModes": modes, "storageClassName": ""}
    api.create_persistent_volume(
        {
            "metadata": {"name": name},
            "spec": {**spec, "capacity": size, "hostPath": {"path": str(site.directory)}},
        }
    )
    claim = {**spec, "volumeName": name, "resources": {"requests": size}}
    api.create_namespaced_persistent_volume_claim(
        namespace, {"metadata": {"name": "data"}, "spec": claim}
    )
    yield "data"
    api.delete_namespaced_persistent_volume_claim("data", namespace)
    api.delete_persistent_volume(name)


class OfTheSitesUser(KubeAutogradeExecutor):
    """At a site the service and the pods are the same user; these tests may be root."""

    def start_pod(self) -> GraderPod:
        for top in (self.input_path, self.output_path):
            for folder, _, files in os.walk(top):
                for path in (folder, *(os.path.join(folder, file) for file in files)):  # noqa: PTH118
                    os.chown(path, self.uid, self.uid)
        return super().start_pod()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
def test_a_submission_is_graded_where_the_namespace_enforces_restricted(
    site: Site, settings: Config, api: CoreV1Api, namespace: str, claim: str
) -> None:
    section = settings.KubeAutogradeExecutor
    section.uid = 1000
    section.volume = {"name": "data", "persistentVolumeClaim": {"claimName": claim}}
    enforce = "pod-security.kubernetes.io/enforce"
    api.patch_namespace(namespace, {"metadata": {"labels": {enforce: "restricted"}}})
    submission = site.submit("restricted", SUBMISSIONS[0].notebook(site.course))
    try:
        right = site.grade(submission, OfTheSitesUser, settings)
    finally:
        api.patch_namespace(namespace, {"metadata": {"labels": {enforce: None}}})
    assert (right.status, right.score) == ("automatically_graded", 3.0), right.log
    assert names(api, namespace) == []
