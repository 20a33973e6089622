"""kubegrader: `Cluster.run_async`, all pods in one event loop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import kubegrader

from bench.pods import pod

from .kubegrader_run import POLL_INTERVAL, moments

if TYPE_CHECKING:
    from bench.contender import Moments


class Async:
    """A task for each pod."""

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self._cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)

    async def open(self) -> None:
        """Nothing to do: all is made on first use."""

    async def run(self, name: str) -> Moments:
        outcome = await self._cluster.run_async(pod(name), poll_interval=POLL_INTERVAL)
        return moments(outcome, time.monotonic())
