"""What a site's subclass overrides or uses, in each generation's own way."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.executor import GraderPod, KubeAutogradeExecutor
from kubegrader.releases import INSTALLED
from kubernetes.client import CoreV1Api, V1EnvVar, V1Pod
from pods import names, until

if TYPE_CHECKING:
    from kubegrader.demo.site import Graded, Site
    from traitlets.config import Config


def grade(site: Site, settings: Config, class_: type[Any], kind: int = 0) -> Graded:
    submission = site.submit("overrider", SUBMISSIONS[kind].notebook(site.course))
    return site.grade(submission, class_, settings)


class OldNames(KubeAutogradeExecutor):
    def get_image(self) -> str:
        return f"{self.lecture.code}-{self.assignment.name}:1"

    def get_autograde_pod_name(self) -> str:
        return f"old-{self.submission.id}"

    def create_env(self) -> list[Any]:
        return [*super().create_env(), V1EnvVar(name="COURSE", value=self.lecture.code)]


class NewNames(KubeAutogradeExecutor):
    def _get_image(self) -> str:
        return f"{self.lecture.code}-{self.assignment.name}:1"

    def _get_autograde_pod_name(self) -> str:
        return f"new-{self.submission.id}"

    def _create_env(self) -> list[Any]:
        return [*super()._create_env(), V1EnvVar(name="COURSE", value=self.lecture.code)]


@pytest.mark.parametrize(("class_", "prefix"), [(OldNames, "old"), (NewNames, "new")])
def test_name_image_and_environment_may_be_overridden_under_either_name(
    executor: Any, class_: type[Any], prefix: str
) -> None:
    one = executor(class_)
    pod = one._make_pod()
    (container,) = pod["spec"]["containers"]
    assert pod["metadata"]["name"] == f"{prefix}-{one.submission.id}"
    assert container["image"] == "demo-loops:1"
    assert container["env"][-1] == {"name": "COURSE", "value": "demo"}


def test_start_pod_may_be_overridden_under_either_name(
    site: Site, settings: Config, api: CoreV1Api, namespace: str
) -> None:
    started: list[str] = []

    class Old(KubeAutogradeExecutor):
        def start_pod(self) -> GraderPod:
            started.append("old")
            return super().start_pod()

    class New(KubeAutogradeExecutor):
        def _start_pod(self) -> GraderPod:
            started.append("new")
            return super()._start_pod()

    for class_ in (Old, New):
        assert grade(site, settings, class_).status == "automatically_graded"
    assert started == ["old", "new"]
    assert names(api, namespace) == []


class OwnStart(KubeAutogradeExecutor):
    """As a site does that was written against grader-service's class and its client."""

    pods: GraderPod | type[Any] = GraderPod

    def start_pod(self) -> Any:
        pod = self.client.create_namespaced_pod(namespace=self.namespace, body=self._make_pod())
        return self.pods(pod, self.client, config=self.config)  # type: ignore[operator]


def test_a_subclass_may_create_its_pod_with_the_official_client(
    site: Site, settings: Config, api: CoreV1Api, namespace: str
) -> None:
    graded = grade(site, settings, OwnStart)
    assert (graded.status, graded.score) == ("automatically_graded", 3.0)
    assert "Converting notebook" in graded.log
    assert names(api, namespace) == []


def test_a_pod_of_grader_services_own_class_is_followed_too(
    site: Site, settings: Config, api: CoreV1Api, namespace: str
) -> None:
    from grader_service.autograding.kube import kube_grader

    class Own(OwnStart):
        pods = kube_grader.GraderPod

    # That of 0.5.0 takes the loop of its thread; `asyncio.run` of another test has taken it away.
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        asyncio.set_event_loop(loop)
        graded = grade(site, settings, Own)
    asyncio.set_event_loop(None)
    assert (graded.status, graded.score) == ("automatically_graded", 3.0)
    assert names(api, namespace) == []


def test_an_override_of_the_log_is_what_the_student_reads(
    site: Site, settings: Config, api: CoreV1Api, namespace: str
) -> None:
    class Own(KubeAutogradeExecutor):
        def _get_pod_logs(self, pod: GraderPod) -> str:
            # The pod is still there, and kubegrader has not read its log.
            assert names(api, namespace) == [pod.name]
            assert pod.outcome is not None
            assert pod.outcome.logs is None
            return "own: " + super()._get_pod_logs(pod)

    graded = grade(site, settings, Own)
    assert graded.status == "automatically_graded"
    assert graded.log.startswith("own: ")
    assert "Converting notebook" in graded.log
    assert names(api, namespace) == []


def test_a_log_that_an_override_cannot_read_spoils_nothing(
    site: Site,
    settings: Config,
    api: CoreV1Api,
    namespace: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Own(KubeAutogradeExecutor):
        def _get_pod_logs(self, pod: GraderPod) -> str:
            raise RuntimeError(f"no log of {pod.name}")

    assert grade(site, settings, Own).status == "automatically_graded"
    assert "no log of" in caplog.text
    assert names(api, namespace) == []


@pytest.mark.parametrize("method", ["_get_pod_logs", "_delete_pod"])
def test_an_override_that_is_a_coroutine_function_is_told_and_leaves_no_pod(
    site: Site,
    settings: Config,
    api: CoreV1Api,
    namespace: str,
    caplog: pytest.LogCaptureFixture,
    method: str,
) -> None:
    async def nothing(*_: object) -> None:
        raise AssertionError("nobody awaits it")

    own = type("Own", (KubeAutogradeExecutor,), {method: nothing})
    graded = grade(site, settings, own)
    assert graded.status == "automatically_graded"
    assert "coroutine" not in graded.log
    assert f"{method} is a coroutine function; it must be a plain one" in caplog.text
    assert names(api, namespace) == []


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (b"caf\xe9 \xe2\x82\xac", "caf\N{REPLACEMENT CHARACTER} \N{EURO SIGN}"),
        (None, ""),
        (5, "5"),
        # PostgreSQL would refuse the record with the grade.
        ("a\0b", "a\N{REPLACEMENT CHARACTER}b"),
        # As `errors="surrogateescape"` gives a byte that is not UTF-8.
        ("a\udcffb", "a?b"),
    ],
)
def test_what_an_override_gives_as_the_log_becomes_a_text_that_a_database_takes(
    site: Site, settings: Config, given: Any, read: str
) -> None:
    class Own(KubeAutogradeExecutor):
        def _get_pod_logs(self, pod: GraderPod) -> Any:  # noqa: ARG002
            return given

    graded = grade(site, settings, Own)
    assert (graded.status, graded.log) == ("automatically_graded", read)


@pytest.mark.skipif(INSTALLED.is_async, reason="celery came with 0.5.0")
@pytest.mark.parametrize("method", ["_get_pod_logs", "_delete_pod"])
def test_a_soft_time_limit_within_an_override_ends_the_grading(
    site: Site, settings: Config, api: CoreV1Api, namespace: str, method: str
) -> None:
    from billiard.exceptions import SoftTimeLimitExceeded  # type: ignore[import-untyped]

    def limited(*_: object) -> None:
        raise SoftTimeLimitExceeded

    own = type("Own", (KubeAutogradeExecutor,), {method: limited})
    graded = grade(site, settings, own)
    assert graded.status == "grading_failed"
    assert "SoftTimeLimitExceeded" in graded.log
    until(lambda: names(api, namespace) == [])


@pytest.mark.parametrize(("kind", "status"), [(0, "automatically_graded"), (3, "grading_failed")])
def test_an_override_of_the_delete_is_called_once_where_the_pod_has_ended(
    site: Site, settings: Config, api: CoreV1Api, namespace: str, kind: int, status: str
) -> None:
    settings.GraderPod.max_grading_time = 300 if kind == 0 else 6
    told: list[tuple[str, list[str], str]] = []

    class Own(KubeAutogradeExecutor):
        def _delete_pod(self, pod: GraderPod) -> None:
            there = names(api, namespace)
            told.append((pod.name, there, pod.polling.result()))
            super()._delete_pod(pod)

    graded = grade(site, settings, Own, kind)
    assert graded.status == status
    ((name, there, phase),) = told
    assert there == [name]
    assert phase == ("Succeeded" if kind == 0 else "Failed")
    until(lambda: names(api, namespace) == [])


def test_a_pod_that_an_override_keeps_is_kept(
    site: Site, settings: Config, api: CoreV1Api, namespace: str
) -> None:
    class Own(KubeAutogradeExecutor):
        def _delete_pod(self, pod: GraderPod) -> None:
            """Keep it: somebody wants to look at it."""

    assert grade(site, settings, Own).status == "automatically_graded"
    (name,) = names(api, namespace)
    api.delete_namespaced_pod(name, namespace, grace_period_seconds=0)


def test_a_delete_that_fails_spoils_nothing_and_is_made_up_for(
    site: Site, settings: Config, api: CoreV1Api, namespace: str
) -> None:
    class Own(KubeAutogradeExecutor):
        def _delete_pod(self, pod: GraderPod) -> None:
            raise RuntimeError(f"{pod.name} stays")

    assert grade(site, settings, Own).status == "automatically_graded"
    until(lambda: names(api, namespace) == [])


def test_an_override_of_the_delete_is_called_for_a_pod_that_never_ran(
    site: Site, settings: Config, api: CoreV1Api, namespace: str
) -> None:
    told: list[str] = []
    settings.KubeAutogradeExecutor.start_timeout = 1.0
    settings.KubeAutogradeExecutor.extra_pod_config = {"schedulerName": "none"}

    class Own(KubeAutogradeExecutor):
        def _delete_pod(self, pod: GraderPod) -> None:
            told.append(pod.name)
            super()._delete_pod(pod)

        def start_pod(self) -> GraderPod:
            pod = super().start_pod()
            assert isinstance(pod.pod, V1Pod)
            return pod

    graded = grade(site, settings, Own)
    assert graded.status == "grading_failed"
    assert len(told) == 1
    until(lambda: names(api, namespace) == [])


@pytest.mark.skipif(INSTALLED.is_async, reason="a task has its own exception")
def test_a_delete_that_asks_for_the_phase_of_a_pod_that_never_ran_is_told_and_made_up_for(
    site: Site,
    settings: Config,
    api: CoreV1Api,
    namespace: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.KubeAutogradeExecutor.start_timeout = 1.0
    settings.KubeAutogradeExecutor.extra_pod_config = {"schedulerName": "none"}

    class Own(KubeAutogradeExecutor):
        def _delete_pod(self, pod: GraderPod) -> None:
            # As grader-service's own does.
            self.log.info("after execution status %s", pod.polling.result())
            super()._delete_pod(pod)

    graded = grade(site, settings, Own)
    assert graded.status == "grading_failed"
    assert "Deleting pod" in caplog.text
    until(lambda: names(api, namespace) == [])


@pytest.mark.skipif(INSTALLED.is_async, reason="a task waits by itself")
def test_who_asks_for_the_phase_before_the_end_waits_for_it(
    site: Site, settings: Config, api: CoreV1Api, namespace: str
) -> None:
    seen: list[str] = []

    class Own(KubeAutogradeExecutor):
        def _run(self) -> None:
            self._prepare()
            pod = self._start_pod()
            with pytest.raises(TimeoutError):
                pod.polling.result(timeout=0)
            seen.append(pod.polling.result(timeout=60))
            seen.append(self._get_pod_logs(pod)[:1])
            seen.append(pod.poll())
            self._delete_pod(pod)
            pod = self._start_pod()
            seen.append(str(pod.polling.exception()))
            seen.append(pod.polling.result())

    assert grade(site, settings, Own).status == "automatically_graded"
    assert seen == ["Succeeded", "[", "Succeeded", "None", "Succeeded"]
    assert names(api, namespace) == []


@pytest.mark.parametrize("value", [None, {}, 3], ids=["None", "dict", "int"])
@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("get_image", "; it must give the image's name as a string"),
        ("get_autograde_pod_name", "; it must give the pod's name as a string"),
        (
            "create_env",
            "; it must give the container's environment as a list of V1EnvVar, or of dicts with "
            "name and value",
        ),
        ("start_pod", "; it must give a GraderPod"),
    ],
)
@pytest.mark.parametrize("underscore", ["", "_"])
def test_an_override_that_gives_a_value_of_the_wrong_kind_is_named(
    site: Site, settings: Config, underscore: str, method: str, expected: str, value: Any
) -> None:
    own = type("Own", (KubeAutogradeExecutor,), {f"{underscore}{method}": lambda _: value})
    graded = grade(site, settings, own)
    kind = "None" if value is None else f"a value of type {type(value).__name__}"
    assert graded.status == "grading_failed"
    assert graded.log.endswith(
        f"For the course's staff: {underscore}{method} gave {kind}{expected}"
    )


def test_an_image_function_that_gives_no_string_is_named(site: Site, settings: Config) -> None:
    settings.KubeAutogradeExecutor.resolve_image_name = lambda *_: None
    graded = grade(site, settings, KubeAutogradeExecutor)
    assert graded.status == "grading_failed"
    assert graded.log.endswith(
        "resolve_image_name gave None; it must give the image's name as a string"
    )


def test_run_may_be_overridden_and_call_what_grader_services_calls(
    site: Site, settings: Config, api: CoreV1Api, namespace: str
) -> None:
    seen: list[Any] = []

    if INSTALLED.is_async:

        class Own(KubeAutogradeExecutor):
            async def _run(self) -> None:
                self._prepare()
                pod = self.start_pod()
                seen.append((pod.name, pod.namespace, type(pod.pod)))
                seen.append(await pod.polling)
                self.grading_logs = self._get_pod_logs(pod)
                seen.append(pod.polling.result())
                self._delete_pod(pod)

    else:

        class Own(KubeAutogradeExecutor):  # type: ignore[no-redef]
            def _run(self) -> None:
                self._prepare()
                pod = self._start_pod()
                seen.append((pod.name, pod.namespace, type(pod.pod)))
                polling = pod.polling
                seen.append(pod.poll())
                self.grading_logs = self._get_pod_logs(pod)
                seen.append(polling.result())
                self._delete_pod(pod)

    graded = grade(site, settings, Own)
    assert (graded.status, graded.score) == ("automatically_graded", 3.0)
    (name, pods_namespace, model), first, second = seen
    assert (name.startswith("autograde-job-"), pods_namespace, model) == (
        INSTALLED.number >= (0, 7),
        namespace,
        V1Pod,
    )
    assert (first, second) == ("Succeeded", "Succeeded")
    assert "Converting notebook" in graded.log
    assert names(api, namespace) == []


def test_stop_polling_ends_the_run_and_deletes_the_pod(
    settings: Config, executor: Any, api: CoreV1Api, namespace: str
) -> None:
    settings.KubeAutogradeExecutor.convert_executable = "sleep"
    settings.KubeAutogradeExecutor.extra_container_config = {"args": ["sleep", "300"]}
    one = executor()
    for path in (one.input_path, one.output_path):
        Path(path).mkdir(parents=True)
    pod = one.start_pod()
    until(lambda: names(api, namespace) == [pod.name])
    pod.stop_polling()
    until(lambda: names(api, namespace) == [])


def test_the_client_is_a_corev1api_and_a_subclass_may_bring_its_own(
    executor: Any, namespace: str
) -> None:
    class Own(KubeAutogradeExecutor):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            self.client = "mine"

    one = executor()
    assert "client" not in vars(one)
    assert isinstance(one.client, CoreV1Api)
    assert one.client is one.client
    assert one.client.list_namespaced_pod(one.namespace).items == []
    assert one.namespace == namespace
    assert executor(Own).client == "mine"
