"""What keeps a submission from being graded is recorded with the submission, in clear words."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.executor import KubeAutogradeExecutor, SubmissionFailedError
from pods import names

if TYPE_CHECKING:
    from pathlib import Path

    from kubegrader.demo.site import Graded, Site
    from kubernetes.client import CoreV1Api
    from traitlets.config import Config


def grade(site: Site, settings: Config) -> Graded:
    submission = site.submit("student", SUBMISSIONS[0].notebook(site.course))
    return site.grade(submission, KubeAutogradeExecutor, settings)


NOT_YOUR_FAULT = "It is not your fault"


@pytest.mark.parametrize(
    ("traits", "words"),
    [
        ({"kubeconfig": "/no/such/kubeconfig"}, "/no/such/kubeconfig"),
        ({"kube_context": "nonsense"}, 'the kubeconfig has no context "nonsense"'),
        ({"namespace": "no-such-namespace"}, 'namespaces "no-such-namespace" not found'),
        ({"volume": {}}, "the volume has no name. Set KubeAutogradeExecutor.volume"),
        ({"volume": {"name": "x", "emptyDir": {}}}, "must be called"),
        ({"image_config_path": "/no/such.json"}, "image config /no/such.json: it cannot be read"),
        ({"resolve_image_name": lambda *_: "Upper_image"}, "'U' at position 1"),
        # What a site's own function says may hold a password: it is in the service's log alone.
        (
            {"resolve_image_name": lambda *_: 1 / 0},
            "ZeroDivisionError, of which the service's log says more",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_fault_of_the_set_up_is_told_to_staff_and_acquits_the_student(
    site: Site,
    settings: Config,
    api: CoreV1Api,
    namespace: str,
    traits: dict[str, Any],
    words: str,
) -> None:
    settings.KubeAutogradeExecutor.update(traits)
    graded = grade(site, settings)
    assert graded.status == "grading_failed"
    assert NOT_YOUR_FAULT in graded.log
    assert words in graded.log.partition("For the course's staff: ")[2]
    assert names(api, namespace) == []


def test_an_image_config_of_the_wrong_shape_is_told_with_its_key(
    site: Site, settings: Config, tmp_path: Path
) -> None:
    path = tmp_path / "images.json"
    path.write_text('{"demo": {"loops": 5}}')
    settings.KubeAutogradeExecutor.image_config_path = str(path)
    graded = grade(site, settings)
    assert graded.status == "grading_failed"
    assert f'image config {path}, key "demo"."loops": it must be an image name' in graded.log


def test_a_pod_that_succeeds_and_leaves_no_notebook_is_not_graded_0(
    site: Site, settings: Config
) -> None:
    settings.KubeAutogradeExecutor.convert_executable = "true"
    graded = grade(site, settings)
    assert (graded.status, graded.score) == ("grading_failed", None)
    assert "no graded notebook was found afterwards" in graded.log
    assert isinstance(graded.executor, KubeAutogradeExecutor)
    assert graded.executor.verdict is not None
    assert (graded.executor.verdict.cause, graded.executor.verdict.blame) == (
        "NoResults",
        "course",
    )


def test_an_executable_that_the_image_lacks_is_the_courses_fault(
    site: Site, settings: Config
) -> None:
    settings.KubeAutogradeExecutor.convert_executable = "/no/such/grader-convert"
    graded = grade(site, settings)
    assert graded.status == "grading_failed"
    assert NOT_YOUR_FAULT in graded.log
    assert isinstance(graded.executor, KubeAutogradeExecutor)
    assert graded.executor.verdict is not None
    assert (graded.executor.verdict.cause, graded.executor.verdict.blame) == (
        "StartError",
        "course",
    )


def test_the_failure_of_a_submission_may_be_pickled() -> None:
    error = SubmissionFailedError("no grade", None)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(copy), copy.verdict) == ("no grade", None)
