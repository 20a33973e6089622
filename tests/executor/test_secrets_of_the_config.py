"""A value that cannot be is told without the value: it may be a secret of the site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.executor import KubeAutogradeExecutor
from traitlets import TraitError, Unicode, validate

if TYPE_CHECKING:
    from kubegrader.demo.site import Site
    from traitlets.config import Config

SECRET = "TOPSECRET-123"  # noqa: S105


@pytest.mark.parametrize(
    ("trait", "value", "told"),
    [
        (
            "extra_container_config",
            [{"name": "LICENCE_KEY", "value": SECRET}],
            "The 'extra_container_config' trait of a KubeAutogradeExecutor instance expected a "
            "dict or None, and it is set to a value of type list.",
        ),
        (
            "extra_pod_config",
            SECRET,
            "The 'extra_pod_config' trait of a KubeAutogradeExecutor instance expected a dict or "
            "None, and it is set to a value of type str.",
        ),
        (
            "labels",
            {"key": [SECRET]},
            "The 'labels' trait of a KubeAutogradeExecutor instance expected a dict of strings or "
            "None, and it is set to a value of type dict.",
        ),
        (
            "extra_container_config",
            {"env": SECRET},
            "KubeAutogradeExecutor.extra_container_config: invalid type: string, expected a "
            "sequence",
        ),
        (
            "extra_container_config",
            {"env": [{"name": "A", "value": "x"}, {"name": "B", "value": [f'{SECRET}"`']}]},
            "KubeAutogradeExecutor.extra_container_config: invalid type: sequence, expected a "
            "string",
        ),
        (
            "image_config_path",
            [SECRET],
            "The 'image_config_path' trait of a KubeAutogradeExecutor instance expected a unicode "
            "string or None, and it is set to a value of type list.",
        ),
    ],
)
def test_neither_student_nor_log_is_told_a_value_that_cannot_be(
    site: Site,
    settings: Config,
    caplog: pytest.LogCaptureFixture,
    trait: str,
    value: Any,
    told: str,
) -> None:
    submission = site.submit("secretive", SUBMISSIONS[0].notebook(site.course))
    settings.KubeAutogradeExecutor[trait] = value
    with pytest.raises(TraitError) as error:
        site.grade(submission, KubeAutogradeExecutor, settings)
    assert str(error.value) == told
    graded = site.read(submission)
    assert graded.status == "grading_failed"
    assert graded.log == (
        "Your submission could not be graded. It is not your fault; your course's staff can help."
        f"\n\nFor the course's staff: KubeAutogradeExecutor.{trait} cannot be what the service's "
        "config says. The service's log and `kubegrader check` say why"
    )
    assert told in caplog.text
    assert SECRET not in caplog.text


class LoginError(OSError):
    """As those of many libraries of the network, which quote an address with its password."""


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (
            TraitError,
            "the service's config cannot be used. The service's log and `kubegrader check` say why",
        ),
        (ZeroDivisionError, "ZeroDivisionError, of which the service's log says more"),
    ],
)
def test_what_a_subclass_says_of_a_value_is_not_for_the_student(
    site: Site, settings: Config, kind: type[Exception], told: str
) -> None:
    class Own(KubeAutogradeExecutor):
        licence = Unicode().tag(config=True)

        @validate("licence")
        def _validate_licence(self, proposal: Any) -> Any:
            raise kind(f"no such licence: {proposal['value']}")

    submission = site.submit("secretive", SUBMISSIONS[0].notebook(site.course))
    settings.Own.licence = SECRET
    with pytest.raises(kind):
        site.grade(submission, Own, settings)
    graded = site.read(submission)
    assert graded.status == "grading_failed"
    assert graded.log.endswith(f"For the course's staff: {told}")


@pytest.mark.parametrize("kind", [ConnectionError, LoginError, ValueError])
def test_what_a_hook_fails_with_is_not_for_the_student(
    site: Site, settings: Config, kind: type[Exception]
) -> None:
    def hook(*_: Any) -> None:
        raise kind(f"https://registry.example/v2?token={SECRET}: no answer")

    settings.KubeAutogradeExecutor.pre_spawn_hook = hook
    submission = site.submit("secretive", SUBMISSIONS[0].notebook(site.course))
    graded = site.grade(submission, KubeAutogradeExecutor, settings)
    assert graded.status == "grading_failed"
    assert graded.log.endswith(f"{kind.__name__}, of which the service's log says more")


def test_a_file_that_a_hook_misses_is_named(site: Site, settings: Config) -> None:
    settings.KubeAutogradeExecutor.pre_spawn_hook = lambda *_: open("/no/such/file")  # noqa: PTH123, SIM115
    submission = site.submit("secretive", SUBMISSIONS[0].notebook(site.course))
    graded = site.grade(submission, KubeAutogradeExecutor, settings)
    assert graded.log.endswith("For the course's staff: No such file or directory: /no/such/file")


def test_a_trait_of_the_pods_class_is_told_without_its_value(site: Site, settings: Config) -> None:
    submission = site.submit("secretive", SUBMISSIONS[0].notebook(site.course))
    settings.GraderPod.max_grading_time = SECRET
    graded = site.grade(submission, KubeAutogradeExecutor, settings)
    assert graded.status == "grading_failed"
    assert graded.log.endswith(
        "For the course's staff: GraderPod.max_grading_time cannot be what the service's config "
        "says. The service's log and `kubegrader check` say why"
    )


def test_the_environment_of_an_override_is_told_without_its_value(
    site: Site, settings: Config, caplog: pytest.LogCaptureFixture
) -> None:
    class Own(KubeAutogradeExecutor):
        def _create_env(self) -> list[Any]:
            return [{"name": "LICENCE_KEY", "valueFrom": SECRET}]

    submission = site.submit("secretive", SUBMISSIONS[0].notebook(site.course))
    graded = site.grade(submission, Own, settings)
    assert graded.status == "grading_failed"
    assert "env[0]: invalid type: string, expected EnvVarSource" in graded.log
    assert SECRET not in graded.log + caplog.text
