"""kubegrader: `Cluster.run_async`, all pods in one event loop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import kubegrader

from bench.peers.pods import pod

from .kubegrader_run import moments

if TYPE_CHECKING:
    from bench.peers.contender import Moments


class Async:
    """A task for each pod."""

    poll_interval = 5.0

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self._cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)

    async def open(self) -> None:
        """Nothing to do: all is made on first use."""

    async def run(self, name: str) -> Moments:
        outcome = await self._cluster.run_async(pod(name), poll_interval=self.poll_interval)
        return moments(outcome, time.monotonic())

    async def close(self) -> None:
        """Nothing to do: what it shares ends with the cluster."""
