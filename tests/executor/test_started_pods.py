"""No pod outlives its submission, whatever a subclass's own code raises after it has begun."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.executor import GraderPod, KubeAutogradeExecutor, SubmissionFailedError
from kubegrader.releases import INSTALLED
from pods import names, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubegrader.demo.site import Site
    from kubernetes.client import CoreV1Api
    from traitlets.config import Config


@pytest.fixture(autouse=True)
def nothing_is_collected() -> Iterator[None]:
    """Let a cycle of references live on, as it does for a while in any process."""
    gc.disable()
    yield
    gc.enable()


class AwayError(ConnectionError):
    """What a site's own code raises."""


class Fails:
    """Whether the site's own code fails, and whether it has."""

    now = True
    has_failed = False

    def __call__(self, api: CoreV1Api, namespace: str) -> None:
        if self.now:
            until(lambda: names(api, namespace))
            self.has_failed = True
            raise AwayError("the licence server")


@pytest.fixture(params=["start_pod", "_start_pod", "with its own client", "_run"])
def failing(
    request: pytest.FixtureRequest, api: CoreV1Api, namespace: str
) -> tuple[type[KubeAutogradeExecutor], Fails]:
    """A class that starts its pod in a way of its own, and whether it fails after that."""
    fails = Fails()

    def started(self: Any) -> GraderPod:
        pod: GraderPod
        if request.param == "with its own client":
            made = self.client.create_namespaced_pod(
                namespace=self.namespace, body=self._make_pod()
            )
            pod = GraderPod(made, self.client, config=self.config)
        else:
            pod = getattr(KubeAutogradeExecutor, name)(self)
        fails(api, namespace)
        return pod

    def run(self: Any) -> None:
        self._prepare()
        started(self).poll()

    async def run_async(self: Any) -> None:
        self._prepare()
        await started(self).polling

    own: Any = started
    name = request.param if request.param != "with its own client" else "start_pod"
    if name == "_run":
        name, own = "start_pod", run_async if INSTALLED.is_async else run
        return type("Own", (KubeAutogradeExecutor,), {"_run": own}), fails
    return type("Own", (KubeAutogradeExecutor,), {name: own}), fails


def test_a_pod_whose_starter_fails_is_gone_at_the_submissions_end(
    site: Site,
    settings: Config,
    api: CoreV1Api,
    namespace: str,
    failing: tuple[type[KubeAutogradeExecutor], Fails],
) -> None:
    class_, fails = failing
    number = site.submit("unlucky", SUBMISSIONS[0].notebook(site.course))
    settings.KubeAutogradeExecutor.extra_pod_config = {"schedulerName": "none"}
    graded = site.grade(number, class_, settings)
    assert graded.status == "grading_failed"
    assert fails.has_failed
    if INSTALLED.is_async:  # whose event loop waits for nothing
        until(lambda: names(api, namespace) == [])
    assert names(api, namespace) == []
    fails.now = False
    del settings.KubeAutogradeExecutor.extra_pod_config
    assert site.grade(number, class_, settings).status == "automatically_graded"
    assert names(api, namespace) == []


def test_a_pod_that_a_run_of_a_subclasss_own_leaves_at_work_is_ended(
    site: Site, settings: Config, api: CoreV1Api, namespace: str
) -> None:
    kept: list[GraderPod] = []

    def run(self: Any) -> None:
        self._prepare()
        kept.append(self.start_pod())

    async def run_async(self: Any) -> None:
        run(self)

    own: Any = run_async if INSTALLED.is_async else run
    settings.KubeAutogradeExecutor.extra_pod_config = {"schedulerName": "none"}
    number = site.submit("unlucky", SUBMISSIONS[0].notebook(site.course))
    site.grade(number, type("Own", (KubeAutogradeExecutor,), {"_run": own}), settings)
    until(lambda: kept[0].run.done)
    until(lambda: names(api, namespace) == [])


def test_a_failure_and_what_it_holds_are_free_as_soon_as_nobody_has_them(
    settings: Config, executor: Any
) -> None:
    def no_image(*_: object) -> str:
        raise AwayError

    settings.KubeAutogradeExecutor.resolve_image_name = no_image
    one, failures = executor(), []

    async def run() -> None:  # in no task, which would hold the failure itself
        try:
            if INSTALLED.is_async:
                await one._run()
            else:
                one._run()
        except SubmissionFailedError as failure:
            assert isinstance(failure.__cause__, AwayError)  # noqa: PT017  # pytest's would hold it
            failures.append(weakref.ref(failure))

    asyncio.run(run())
    assert [failure() for failure in failures] == [None]
