"""Where a subclass's own code may use the pod at once it is there, as with grader-service's own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from kubegrader import pod_start
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.executor import GraderPod, KubeAutogradeExecutor
from kubegrader.releases import INSTALLED
from pods import names, until

if TYPE_CHECKING:
    from kubegrader.demo.site import Graded, Site
    from kubernetes.client import CoreV1Api
    from traitlets.config import Config


def grade(site: Site, settings: Config, class_: type[Any]) -> Graded:
    submission = site.submit("starter", SUBMISSIONS[0].notebook(site.course))
    return site.grade(submission, class_, settings)


class Uses(KubeAutogradeExecutor):
    """As a site's code does that labels its pods, or tells of them."""

    seen: list[tuple[str, str]]

    def use(self, pod: GraderPod) -> GraderPod:
        there = self.client.read_namespaced_pod(pod.name, pod.namespace)
        type(self).seen.append((pod.pod.metadata.uid, there.metadata.uid))
        return pod


class InStart(Uses):
    def start_pod(self) -> GraderPod:
        return self.use(super().start_pod())


class InNewStart(Uses):
    def _start_pod(self) -> GraderPod:
        return self.use(super()._start_pod())


if INSTALLED.is_async:

    class InRun(Uses):
        async def _run(self) -> None:
            self._prepare()
            await self.use(self.start_pod()).polling

else:

    class InRun(Uses):  # type: ignore[no-redef]
        def _run(self) -> None:
            self._prepare()
            self.use(self.start_pod()).poll()


@pytest.mark.parametrize("class_", [InStart, InNewStart, InRun])
def test_a_pod_has_its_uid_and_can_be_read_as_soon_as_it_is_started(
    site: Site, settings: Config, api: CoreV1Api, namespace: str, class_: type[Uses]
) -> None:
    class_.seen = []
    assert grade(site, settings, class_).status == "automatically_graded"
    ((its, read),) = class_.seen
    assert its == read
    assert names(api, namespace) == []


@pytest.mark.parametrize("class_", [InStart, InNewStart, InRun])
def test_what_keeps_a_pod_from_being_created_is_told_and_not_that_it_is_not_there(
    site: Site, settings: Config, caplog: pytest.LogCaptureFixture, class_: type[Uses]
) -> None:
    class_.seen = []
    settings.KubeAutogradeExecutor.namespace = "no-such-namespace"
    graded = grade(site, settings, class_)
    assert graded.status == "grading_failed"
    # Up to 0.9 a `_run` of a subclass's own tells its student nothing.
    assert 'namespaces "no-such-namespace" not found' in f"{graded.log}{caplog.text}"
    assert "NotFoundException" not in caplog.text  # the official client's
    assert class_.seen == []


def test_a_pod_that_makes_way_for_it_is_not_taken_for_it(
    site: Site, settings: Config, api: CoreV1Api, namespace: str
) -> None:
    class Kept(InStart):
        seen: list[tuple[str, str]] = []  # noqa: RUF012

        def _delete_pod(self, pod: GraderPod) -> None:
            """Keep it: somebody wants to look at it."""

    number = site.submit("starter", SUBMISSIONS[0].notebook(site.course))
    for _ in range(2):
        assert site.grade(number, Kept, settings).status == "automatically_graded"
    (first, also_first), (second, also_second) = Kept.seen
    assert (first, second) == (also_first, also_second)
    assert first != second
    (name,) = names(api, namespace)
    api.delete_namespaced_pod(name, namespace, grace_period_seconds=0)


@pytest.mark.skipif(INSTALLED.is_async, reason="an event loop waits for no queue")
def test_a_pod_in_the_queue_is_waited_for(settings: Config, executor: Any) -> None:
    class Own(KubeAutogradeExecutor):
        number = 0

        def get_autograde_pod_name(self) -> str:
            return f"queued-{self.number}"

        def start_pod(self) -> GraderPod:
            return super().start_pod()

    section = settings.KubeAutogradeExecutor
    section.max_pods = 1
    section.extra_pod_config = {"schedulerName": "none"}
    one, other = executor(Own), executor(Own)
    other.number = 1
    first, second = one.start_pod(), []
    thread = threading.Thread(target=lambda: second.append(other.start_pod()))
    thread.start()
    thread.join(1)
    assert thread.is_alive()
    assert first.run.cancel()
    thread.join(60)
    (pod,) = second
    assert pod.pod.metadata.uid is not None
    assert pod.run.cancel()


def test_nothing_is_waited_for_where_no_code_of_a_subclass_could_use_the_pod(
    site: Site, settings: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(pod_start, "_read", never)
    assert grade(site, settings, KubeAutogradeExecutor).status == "automatically_graded"


def test_an_account_that_may_not_read_pods_is_not_waited_with(
    site: Site, settings: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubegrader.exceptions import ApiError

    class Own(KubeAutogradeExecutor):
        def start_pod(self) -> GraderPod:
            pod = super().start_pod()
            assert pod.pod.metadata.uid is None
            return pod

    def forbidden(*_: object) -> None:
        error = ApiError("no")
        error.code = 403
        raise error

    monkeypatch.setattr(pod_start, "_read", forbidden)
    graded = grade(site, settings, Own)
    assert graded.status == "automatically_graded", graded.log


def test_a_run_that_has_ended_before_anybody_saw_its_pod_is_no_failure(
    site: Site, settings: Config, monkeypatch: pytest.MonkeyPatch, api: CoreV1Api, namespace: str
) -> None:
    monkeypatch.setattr(pod_start, "_read", lambda *_: None)

    class Own(KubeAutogradeExecutor):
        def start_pod(self) -> GraderPod:
            pod = super().start_pod()
            assert pod.run.done
            assert pod.pod.metadata.uid is not None
            return pod

    graded = grade(site, settings, Own)
    assert graded.status == "automatically_graded", graded.log
    until(lambda: names(api, namespace) == [])
