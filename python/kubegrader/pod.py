"""`GraderPod`: the pod of one submission, with the name and the traits of grader-service's."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from traitlets import Integer, TraitError, validate
from traitlets.config import LoggingConfigurable

from .releases import INSTALLED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._core import Outcome, PodRun, RunOptions
    from .cluster import Cluster


class GraderPod(LoggingConfigurable):
    """The pod of one submission, from its create to its delete.

    The pod is created when the object is made, in the background; `poll` or `polling` wait for its
    end, and whatever went wrong is raised there.
    """

    poll_interval = Integer(
        INSTALLED.default_poll_interval,
        help="""
        The longest pause between two looks at a pod where watching pods is forbidden.

        With the verbs ``list`` and ``watch`` on ``pods``, nothing is polled and this does nothing.
        In milliseconds up to grader-service 0.6.2, in seconds from 0.6.3 on.
        """,
    ).tag(config=True)

    max_grading_time = Integer(
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
            name = proposal["trait"].name
            raise TraitError(f"GraderPod.{name} must be more than 0, and it is {value}")
        return value

    def __init__(
        self,
        pod: Mapping[str, Any],
        cluster: Cluster,
        options: RunOptions | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.manifest = pod
        self.outcome: Outcome | None = None
        self._polling: Future[str] | asyncio.Future[str] | None = None
        run_options: RunOptions = {
            "timeout": float(self.max_grading_time),
            "poll_interval": self.poll_seconds,
            **(options or {}),
        }
        self.run: PodRun = cluster.submit(pod, **run_options)

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
    def namespace(self) -> str | None:
        """The pod's namespace; None for the cluster's own."""
        return self.run.namespace

    @property
    def pod(self) -> Any:
        """The pod as a `kubernetes.client.V1Pod`: as it was at its end, or else as it was sent."""
        from . import models  # takes about a second

        return models.to_v1pod(self.manifest if self.outcome is None else self.outcome.pod)

    def wait(self) -> Outcome:
        """Wait for the end in this thread."""
        self.outcome = self.run.wait()
        return self.outcome

    async def wait_async(self) -> Outcome:
        """Wait for the end without blocking the event loop; cancelling deletes the pod."""
        self.outcome = await self.run.wait_async()
        return self.outcome

    def poll(self) -> str:
        """Wait for the end in this thread, and give the phase: ``Succeeded`` or ``Failed``."""
        return self.wait().phase

    @property
    def polling(self) -> Future[str] | asyncio.Future[str]:
        """The phase, once there is one.

        A task of the running event loop in the async generation (up to 0.4.2), else a future that
        `poll` has filled.
        """
        if self._polling is None:
            if INSTALLED.is_async:
                self._polling = asyncio.ensure_future(self._phase())
            else:
                self._polling = Future()
                if self.outcome is not None:
                    self._polling.set_result(self.outcome.phase)
        return self._polling

    async def _phase(self) -> str:
        return (await self.wait_async()).phase

    def stop_polling(self) -> None:
        """End the run and delete the pod."""
        self.run.cancel(0)
