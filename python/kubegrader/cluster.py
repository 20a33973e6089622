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
    """

    async def run_async(
        self, pod: Mapping[str, Any] | object, **options: Unpack[RunOptions]
    ) -> Outcome:
        """Run a pod as `run` does, without blocking the event loop.

        Cancelling the task deletes the pod.
        """
        outcome: Outcome = await self.submit(pod, **options).wait_async()
        return outcome


def shared_cluster(context: str | None, kubeconfig: str | None) -> Cluster:
    """Give the cluster that all executors of this process share, so that they share its watch.

    ``$KUBECONFIG`` tells clusters apart too: a site's tests may change it from one to the next.
    """
    return _shared_cluster(context, kubeconfig, os.environ.get("KUBECONFIG"))


@functools.cache
def _shared_cluster(
    context: str | None,
    kubeconfig: str | None,
    environment: str | None,  # noqa: ARG001  (a part of the key)
) -> Cluster:
    return Cluster(context=context, kubeconfig=kubeconfig)
