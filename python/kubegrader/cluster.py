"""A cluster that pods are run on."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from . import _core

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Unpack

    from ._core import Outcome, RunOptions


class Cluster(_core.Cluster):
    """A cluster that pods are run on, by kubeconfig, context and namespace.

    Making one does no I/O: what is wrong with a configuration is told by the first run. With
    neither `context` nor `kubeconfig`, the service account of the pod that this process runs in is
    used where there is one, else ``$KUBECONFIG`` or ``~/.kube/config``. One object serves any
    number of runs at once, from any thread, and survives a fork; its runs share connections and
    watches.

    `max_pods` and `max_pods_in_namespace`: how many pods may be in flight at once, in all and in
    each namespace; None or 0 is no limit. The others queue: lectures (``lecture=``) go in turn, and
    `PodRun.queue_position` tells the place. That time counts as queued.
    """

    async def run_async(
        self, pod: Mapping[str, Any] | object, **options: Unpack[RunOptions]
    ) -> Outcome:
        """Run a pod as `run` does, without blocking the event loop.

        Cancelling the task deletes the pod.
        """
        from . import event_loop  # imports asyncio

        await event_loop.running().turn()
        run = self.submit(pod, **options)
        # Thousands of these may wait, and none needs the manifest any more.
        del pod, options
        # Not `event_loop.ended`: a coroutine less for each.
        if not run.done:
            with event_loop.Waiting(run) as told:
                await told
        return run.wait()


def shared_cluster(
    context: str | None,
    kubeconfig: str | None,
    max_pods: int | None = None,
    max_pods_in_namespace: int | None = None,
) -> Cluster:
    """Give the cluster that all executors of this process share, so that they share its watch.

    ``$KUBECONFIG`` tells clusters apart too: a site's tests may change it from one to the next.
    """
    environment = os.environ.get("KUBECONFIG")
    return _shared_cluster(context, kubeconfig, environment, max_pods, max_pods_in_namespace)


@functools.cache
def _shared_cluster(
    context: str | None,
    kubeconfig: str | None,
    environment: str | None,  # noqa: ARG001  (a part of the key)
    max_pods: int | None,
    max_pods_in_namespace: int | None,
) -> Cluster:
    return Cluster(
        context=context,
        kubeconfig=kubeconfig,
        max_pods=max_pods,
        max_pods_in_namespace=max_pods_in_namespace,
    )
