"""kubegrader itself: `run` in a thread for each pod, and `run_async` in one event loop for all."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import kubegrader

from .contender import Moments
from .pods import pod
from .threads import Threads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def _moments(outcome: kubegrader.Outcome, returned: float) -> Moments:
    if outcome.verdict.cause != "Completed" or outcome.logs is None:
        raise RuntimeError(f"a pod ended otherwise than it should have: {outcome!r}")
    return Moments(outcome.timings.seen_at, outcome.timings.returned_at, returned)


class Threaded:
    """`Cluster.run`, which blocks its thread."""

    name = "run"
    title = "kubegrader, run (a thread for each pod)"

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self._cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)

    def begin(self, names: Sequence[str]) -> None:
        self._threads = Threads(names, self._run)

    def _run(self, name: str) -> Moments:
        outcome = self._cluster.run(pod(name, self.name), instance=f"bench-{self.name}")
        return _moments(outcome, time.time())

    def check(self) -> None:
        self._threads.check()

    def finish(self) -> Mapping[str, Moments]:
        return self._threads.join()

    def requests(self) -> Mapping[str, int]:
        return self._cluster.requests

    def close(self) -> None:
        """Nothing to do: what it shares ends with the cluster."""


class Async:
    """`Cluster.run_async`, all pods in one event loop."""

    name = "async"
    title = "kubegrader, run_async (one event loop)"

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self._cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)
        self._thread = ThreadPoolExecutor(1)

    def begin(self, names: Sequence[str]) -> None:
        self._all: Future[Mapping[str, Moments]] = self._thread.submit(
            lambda: asyncio.run(self._run_all(names))
        )

    async def _run_all(self, names: Sequence[str]) -> Mapping[str, Moments]:
        moments = await asyncio.gather(*map(self._run, names))
        return dict(zip(names, moments, strict=True))

    async def _run(self, name: str) -> Moments:
        outcome = await self._cluster.run_async(pod(name, self.name), instance=f"bench-{self.name}")
        return _moments(outcome, time.time())

    def check(self) -> None:
        if self._all.done():
            self._all.result()

    def finish(self) -> Mapping[str, Moments]:
        return self._all.result()

    def requests(self) -> Mapping[str, int]:
        return self._cluster.requests

    def close(self) -> None:
        self._thread.shutdown()
