"""`GraderPod`: the pod of one submission, with the name and the traits of grader-service's."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, Any

from traitlets import validate
from traitlets.config import LoggingConfigurable

from . import green
from .cluster import Cluster, shared_cluster
from .config_traits import ConfigTraits, MisconfiguredError
from .exceptions import KubegraderError, PodLostError, PodNotStartedError
from .number_traits import WholeNumber
from .releases import INSTALLED

if TYPE_CHECKING:
    from ._core import Outcome, PodRun, RunOptions


_LOOK = 0.05
"""How often, in seconds, a wait with a limit looks whether the run has ended."""


def _default_cluster(pod: Any, api: Any) -> Cluster:
    """Give the cluster that is used where none is named, if a client of the site's own is of it.

    Raises ValueError for a client of another one, whose credentials stay its own. The pod is
    deleted with it before that: nobody else would.
    """
    from kubernetes.config import ConfigException

    from . import models

    theirs = api.api_client.configuration.host
    try:
        ours = models.api(None, None).api_client.configuration.host
    except ConfigException as error:
        ours = f"none ({error})"
    if theirs == ours:
        return shared_cluster(None, None)
    api.delete_namespaced_pod(pod.metadata.name, pod.metadata.namespace, grace_period_seconds=1)
    raise ValueError(
        f"GraderPod cannot follow a pod with a client of {theirs}: the default cluster is {ours}. "
        "Make the pod with self.client, or give a kubegrader.Cluster(context=..., kubeconfig=...)"
    )


class _Phase(Future[str]):
    """The phase of a pod, once there is one; who asks for it before that waits for it."""

    def __init__(self, pod: GraderPod) -> None:
        super().__init__()
        self._pod = pod

    def fill(self, ended: Outcome | BaseException) -> None:
        with contextlib.suppress(InvalidStateError):  # the first end counts
            if isinstance(ended, BaseException):
                self.set_exception(ended)
            else:
                self.set_result(ended.phase)

    def result(self, timeout: float | None = None) -> str:
        self._wait(timeout)
        return super().result(0 if timeout is not None else None)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._wait(timeout)
        return super().exception(0 if timeout is not None else None)

    def _wait(self, timeout: float | None) -> None:
        """Wait as `GraderPod.wait` does, which ends the run where it is interrupted."""
        if timeout is not None:
            until = time.monotonic() + timeout
            while not self._pod.run.done and time.monotonic() < until:
                green.sleep(_LOOK)
            if not self._pod.run.done:
                return
        if not self.done():
            with contextlib.suppress(KubegraderError):  # it is this future's from now on
                self._pod.wait()


class GraderPod(ConfigTraits, LoggingConfigurable):
    """The pod of one submission, from its create to its delete.

    Made with a `Cluster`, it creates the pod, in the background. Made as grader-service's class is,
    with a pod that was created with the official client and with that client, it follows that pod;
    the client is an executor's `client`, or one of the default cluster.
    `poll` or `polling` wait for the end, and whatever went wrong is raised there.
    """

    poll_interval = WholeNumber(
        INSTALLED.default_poll_interval,
        help="""
        The longest pause between two looks at a pod where watching pods is forbidden.
        The end of its log is a reason to look at once.

        With the verbs ``list`` and ``watch`` on ``pods``, nothing is polled and this does nothing.
        In milliseconds up to grader-service 0.6.2, in seconds from 0.6.3 on.
        """,
    ).tag(config=True)

    max_grading_time = WholeNumber(
        3600,
        help="""
        How long a submission may run, in seconds.

        Counts from the start of the pod's container: waiting for a node and pulling the image are
        not the student's time (see ``KubeAutogradeExecutor.start_timeout``).
        """,
    ).tag(config=True)

    @validate("poll_interval", "max_grading_time")
    def _validate_positive(self, proposal: Any) -> int:
        value: int = proposal["value"]
        if value <= 0:
            full = f"GraderPod.{proposal['trait'].name}"
            raise MisconfiguredError(f"{full} must be more than 0, and it is {value}", trait=full)
        return value

    def __init__(
        self,
        pod: Any,
        api: Cluster | Any,
        options: RunOptions | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(api, Cluster):
            self._cluster = api
            self.manifest: Any = pod
        else:
            from . import models  # takes about a second

            self.manifest = models.to_dict(pod)
            self._cluster = getattr(api, "cluster", None) or _default_cluster(pod, api)
            of_executor: RunOptions = api.options if hasattr(api, "options") else {}
            options = {**of_executor, **(options or {}), "uid": str(pod.metadata.uid)}
        self.outcome: Outcome | None = None
        self.created: dict[str, Any] | None = None
        """The pod as it was when it was first seen, where somebody has waited for that."""
        self._error: BaseException | None = None
        self._polling: Future[str] | asyncio.Future[str] | None = None
        run_options: RunOptions = {
            "timeout": float(self.max_grading_time),
            "poll_interval": self.poll_seconds,
            **(options or {}),
        }
        self._keep = bool(run_options.get("keep"))
        self.is_kept = False
        """Whether the run is over and its pod is still there for others to delete."""
        self.run: PodRun = self._cluster.submit(self.manifest, **run_options)
        if hasattr(api, "started"):  # an executor's client
            api.started.add(self)

    @property
    def poll_seconds(self) -> float:
        """`poll_interval` in seconds."""
        unit = 1000 if INSTALLED.polls_in_milliseconds else 1
        return float(self.poll_interval) / unit

    @property
    def name(self) -> str:
        """The pod's name."""
        return self.run.name

    @property
    def namespace(self) -> str:
        """The pod's namespace."""
        if self.run.namespace is not None:
            return self.run.namespace
        if self.outcome is not None:
            return str(self.outcome.pod["metadata"]["namespace"])
        from . import models  # takes about a second

        return models.namespace(self._cluster.kubeconfig, self._cluster.context)

    @property
    def pod(self) -> Any:
        """The pod as a `kubernetes.client.V1Pod`.

        As it was at its end; before that as it was created, where that was waited for, or as it
        was sent.
        """
        from . import models  # takes about a second

        if self.outcome is not None:
            return models.to_v1pod(self.outcome.pod)
        if self.created is not None:
            return models.to_v1pod(self.created)
        pod = models.to_v1pod(self.manifest)
        pod.metadata.namespace = self.namespace
        return pod

    def wait(self) -> Outcome:
        """Wait for the end in this thread."""
        try:
            return self._ended(self.run.wait())
        except BaseException as error:
            self._failed(error)
            raise

    async def wait_async(self) -> Outcome:
        """Wait for the end without blocking the event loop; cancelling deletes the pod."""
        try:
            return self._ended(await self.run.wait_async())
        except BaseException as error:
            self._failed(error)
            raise

    def _ended(self, outcome: Outcome) -> Outcome:
        self.outcome = outcome
        self.is_kept = self._keep
        if isinstance(self._polling, _Phase):
            self._polling.fill(outcome)
        return outcome

    def _failed(self, error: BaseException) -> None:
        self._error = error
        self.is_kept = self._keep and isinstance(error, (PodLostError, PodNotStartedError))
        if isinstance(self._polling, _Phase):
            self._polling.fill(error)

    def poll(self) -> str:
        """Wait for the end in this thread, and give the phase: ``Succeeded`` or ``Failed``."""
        return self.wait().phase

    @property
    def polling(self) -> Future[str] | asyncio.Future[str]:
        """The phase, once there is one.

        A task of the running event loop in the async generation (up to 0.4.2), else a future, whose
        `result` and `exception` wait for the end.
        """
        if INSTALLED.is_async:
            return self.polling_task()
        if self._polling is None:
            self._polling = phase = _Phase(self)
            ended = self._error if self.outcome is None else self.outcome
            if ended is not None:
                phase.fill(ended)
        return self._polling

    def polling_task(self) -> asyncio.Future[str]:
        """Give the task of the running event loop that waits for the phase, one and the same."""
        if not isinstance(self._polling, asyncio.Future):
            self._polling = asyncio.ensure_future(self._phase())
        return self._polling

    async def _phase(self) -> str:
        return (await self.wait_async()).phase

    def stop_polling(self) -> None:
        """End the run and delete the pod."""
        self.run.cancel(0)

    def delete(self, api: Any) -> None:
        """Delete the pod with the official client, whatever the run has left of it.

        Raises `kubernetes.client.ApiException`; not for a pod that is not there.
        """
        from kubernetes.client import ApiException

        # Never the pod that took the name in the meantime.
        uid = None if self.outcome is None else self.outcome.pod["metadata"].get("uid")
        body = {"gracePeriodSeconds": 1, **({"preconditions": {"uid": uid}} if uid else {})}
        try:
            api.delete_namespaced_pod(self.name, self.namespace, body=body)
        except ApiException as error:
            if error.status not in {404, 409}:
                raise
