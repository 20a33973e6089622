"""What a site's pre_spawn_hook gets and gives."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from kubegrader import ImageError, hooks
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.executor import KubeAutogradeExecutor
from kubernetes.client import (
    V1Container,
    V1EmptyDirVolumeSource,
    V1LocalObjectReference,
    V1Pod,
    V1Toleration,
    V1Volume,
)
from pods import names, until

if TYPE_CHECKING:
    from pathlib import Path

    from kubegrader.demo.site import Site
    from kubernetes.client import CoreV1Api
    from traitlets.config import Config


def test_the_hook_gets_a_v1pod_and_changes_it(settings: Config, executor: Any) -> None:
    def hook(lecture: Any, assignment: Any, pod: Any) -> Any:
        assert isinstance(pod, V1Pod)
        pod.spec.containers[0].image = f"registry.example.org/{lecture.code}:{assignment.name}"
        pod.spec.tolerations = [V1Toleration(key="grading", operator="Exists")]
        pod.spec.containers.append(V1Container(name="sidecar", image="sidecar:1"))
        pod.metadata.labels["course"] = lecture.code
        return pod

    settings.KubeAutogradeExecutor.pre_spawn_hook = hook
    made = executor()
    plain = made._make_pod_before_hook()
    pod = made._make_pod()
    first, sidecar = pod["spec"]["containers"]
    assert first["image"] == "registry.example.org/demo:loops"
    assert {**first, "image": "demo_image"} == plain["spec"]["containers"][0]
    assert sidecar == {"name": "sidecar", "image": "sidecar:1"}
    assert pod["spec"]["tolerations"] == [{"key": "grading", "operator": "Exists"}]
    assert pod["metadata"]["labels"] == {"course": "demo"}


def test_a_hook_may_add_the_volume_that_a_mount_of_the_config_names(
    site: Site, settings: Config
) -> None:
    def with_datasets(_lecture: Any, _assignment: Any, pod: Any) -> Any:
        pod.spec.volumes.append(V1Volume(name="datasets", empty_dir=V1EmptyDirVolumeSource()))
        return pod

    mount = {"name": "datasets", "mountPath": "/srv/datasets"}
    settings.KubeAutogradeExecutor.extra_volume_mounts = [mount]
    settings.KubeAutogradeExecutor.pre_spawn_hook = with_datasets
    submission = site.submit("student", SUBMISSIONS[0].notebook(site.course))
    graded = site.grade(submission, KubeAutogradeExecutor, settings)
    assert graded.status == "automatically_graded", graded.log


@pytest.mark.parametrize("own", [None, "proxy"])
def test_a_container_that_a_hook_puts_first_does_not_take_the_place_of_the_log(
    settings: Config, executor: Any, own: str | None
) -> None:
    key = "kubectl.kubernetes.io/default-container"

    def proxied(_lecture: Any, _assignment: Any, pod: V1Pod) -> V1Pod:
        pod.spec.containers.insert(0, V1Container(name="proxy", image="proxy:1"))
        if own:
            pod.metadata.annotations = {key: own}
        return pod

    settings.KubeAutogradeExecutor.pre_spawn_hook = proxied
    pod = executor()._make_pod()
    assert [one["name"] for one in pod["spec"]["containers"]] == ["proxy", "autograde"]
    assert pod["metadata"]["annotations"][key] == (own or "autograde")


def test_a_hook_may_append_a_pull_secret_as_with_grader_services_own_pod(
    settings: Config, executor: Any
) -> None:
    def hook(_lecture: Any, _assignment: Any, pod: V1Pod) -> V1Pod:
        pod.spec.image_pull_secrets.append(V1LocalObjectReference(name="registry"))
        return pod

    settings.KubeAutogradeExecutor.pre_spawn_hook = hook
    pod = executor()._make_pod()
    assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]


def named(pod: V1Pod) -> V1Pod:
    pod.spec.containers[0].image = "registry.example.org/ws24:1"
    return pod


async def named_later(_lecture: Any, _assignment: Any, pod: V1Pod) -> V1Pod:
    return named(pod)


@pytest.mark.parametrize(
    "traits",
    [
        {"pre_spawn_hook": lambda _lecture, _assignment, pod: named(pod)},
        {"pre_spawn_hook": named_later},
        {"extra_container_config": {"image": "registry.example.org/ws24:1"}},
    ],
    ids=["hook", "coroutine", "extra_container_config"],
)
def test_an_image_that_a_lectures_code_cannot_name_may_be_replaced(
    settings: Config, executor: Any, traits: dict[str, Any]
) -> None:
    settings.KubeAutogradeExecutor.update(traits)
    settings.KubeAutogradeExecutor.extra_pod_config = {"schedulerName": "none"}
    one = executor()
    one.lecture = SimpleNamespace(code="WS24")
    pod = one._start_pod()
    try:
        assert pod.manifest["spec"]["containers"][0]["image"] == "registry.example.org/ws24:1"
    finally:
        assert pod.run.cancel()


def test_an_image_that_no_hook_replaces_is_refused_before_its_pod_is_created(
    settings: Config, executor: Any, api: CoreV1Api, namespace: str
) -> None:
    def hook(_lecture: Any, _assignment: Any, pod: V1Pod) -> V1Pod:
        pod.spec.containers.append(V1Container(name="sidecar", image="Sidecar:1"))
        return pod

    settings.KubeAutogradeExecutor.pre_spawn_hook = hook
    with pytest.raises(ImageError, match='image "Sidecar:1" cannot be: '):
        executor()._start_pod()
    assert names(api, namespace) == []


def test_a_time_limit_ends_a_coroutine_that_waits_and_waits_for_nothing() -> None:
    ended: list[str] = []

    async def hangs() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    def limit(*_: object) -> None:
        raise TimeoutError("as celery's soft limit does")

    before = signal.signal(signal.SIGALRM, limit)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    began = time.monotonic()
    try:
        with pytest.raises(TimeoutError, match="soft limit"):
            hooks.result(hangs())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < 30
    until(lambda: ended == ["cancelled"])


def test_a_hook_that_ignores_its_cancellation_keeps_no_interpreter_from_its_exit() -> None:
    program = """
import signal
from kubegrader import hooks

async def hangs():
    import time
    time.sleep(600)

def limit(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, limit)
signal.setitimer(signal.ITIMER_REAL, 0.5)
try:
    hooks.result(hangs())
except KeyboardInterrupt:
    print("interrupted")
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == "interrupted\n"


async def never(_lecture: Any, _assignment: Any) -> str:
    raise KeyError("it knows other lectures only")


def test_a_coroutine_that_names_images_is_not_asked_where_the_image_config_names_it(
    settings: Config, executor: Any, tmp_path: Path
) -> None:
    config = tmp_path / "images.json"
    config.write_text('{"demo": "configured:1"}')
    settings.KubeAutogradeExecutor.image_config_path = str(config)
    settings.KubeAutogradeExecutor.resolve_image_name = never
    one = executor()
    asyncio.run(hooks.await_all(one))
    assert one.get_image() == "configured:1"


def test_a_coroutine_that_fails_to_name_an_image_fails_who_asks_for_it_and_nobody_else(
    settings: Config, executor: Any
) -> None:
    class Own(KubeAutogradeExecutor):
        def get_image(self) -> str:
            return "own:1"

    settings.KubeAutogradeExecutor.resolve_image_name = never
    own, one = executor(Own), executor()
    for each in (own, one):
        asyncio.run(hooks.await_all(each))
    assert own._make_pod()["spec"]["containers"][0]["image"] == "own:1"
    with pytest.raises(KeyError, match="other lectures"):
        one.get_image()


def test_a_hook_that_returns_nothing_keeps_the_pod(
    settings: Config, executor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def hook(lecture: Any, assignment: Any, pod: Any) -> None:  # noqa: ARG001
        pod.spec.containers[0].image = "forgotten:1"

    settings.KubeAutogradeExecutor.pre_spawn_hook = hook
    pod = executor()._make_pod()
    assert pod["spec"]["containers"][0]["image"] == "demo_image"
    assert "pre_spawn_hook returned None" in caplog.text


def test_a_hook_that_returns_no_pod_is_told(settings: Config, executor: Any) -> None:
    settings.KubeAutogradeExecutor.pre_spawn_hook = lambda *_: "pod"
    with pytest.raises(TypeError, match="must return the pod, and it returned str"):
        executor()._make_pod()


def test_a_hook_may_be_a_coroutine_function(
    site: Site, settings: Config, api: CoreV1Api, namespace: str
) -> None:
    seen = []

    async def hook(lecture: Any, assignment: Any, pod: Any) -> Any:
        seen.append((lecture.code, assignment.name))
        pod.metadata.labels["hooked"] = "yes"
        return pod

    settings.KubeAutogradeExecutor.pre_spawn_hook = hook
    submission = site.submit("hooked", SUBMISSIONS[0].notebook(site.course))
    graded = site.grade(submission, KubeAutogradeExecutor, settings)
    assert graded.status == "automatically_graded"
    assert seen == [("demo", "loops")]
    executor: Any = graded.executor
    assert executor.outcome.pod["metadata"]["labels"]["hooked"] == "yes"
    assert names(api, namespace) == []


class ReadsLogs(KubeAutogradeExecutor):
    def _get_pod_logs(self, pod: Any) -> str:
        return f"the log of {pod.name}"


class Starts(KubeAutogradeExecutor):
    def start_pod(self) -> Any:
        return super().start_pod()


@pytest.mark.parametrize(
    ("class_", "has_hook", "threads"),
    [
        (KubeAutogradeExecutor, False, []),
        (KubeAutogradeExecutor, True, ["beside the event loop"]),
        (ReadsLogs, False, ["beside the event loop"]),
        (Starts, False, ["beside the event loop"]),
    ],
)
def test_an_event_loop_is_not_held_up_by_the_import_of_the_official_client(
    settings: Config,
    executor: Any,
    monkeypatch: pytest.MonkeyPatch,
    class_: type[Any],
    has_hook: bool,  # noqa: FBT001
    threads: list[str],
) -> None:
    if has_hook:
        settings.KubeAutogradeExecutor.pre_spawn_hook = lambda _lecture, _assignment, pod: pod
    imported: list[str] = []

    def models() -> None:
        is_main = threading.current_thread() is threading.main_thread()
        imported.append("in it" if is_main else "beside the event loop")

    monkeypatch.setattr(hooks, "_models", models)
    asyncio.run(hooks.await_all(executor(class_)))
    assert imported == threads
