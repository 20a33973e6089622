"""lightkube: one watch for all pods, or one for each."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from lightkube import AsyncClient, KubeConfig
from lightkube.resources.core_v1 import Pod

from bench.contender import ENDS, AsyncEnds, Moments
from bench.pods import pod


class Each:
    """A watch for each pod: `AsyncClient.wait` knows conditions alone, and an end is a phase."""

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self._config = KubeConfig.from_file(kubeconfig)
        self._namespace = namespace

    async def open(self) -> None:
        self._client = AsyncClient(self._config.get(), namespace=self._namespace)

    async def run(self, name: str) -> Moments:
        made: Any = Pod.from_dict(pod(name))
        await self._client.create(made)
        seen = await self._end_of(name)
        [line async for line in self._client.log(name)]
        await self._client.delete(Pod, name, grace_period=0)
        return Moments(seen, time.monotonic())

    async def _end_of(self, name: str) -> float:
        async for _, seen in self._client.watch(Pod, fields={"metadata.name": name}):
            if seen.status and seen.status.phase in ENDS:
                return time.monotonic()
        raise RuntimeError(f"the watch of {name} has ended")


class Shared(Each):
    """One watch for all."""

    async def open(self) -> None:
        await super().open()
        self._ends = AsyncEnds()
        self._watch = asyncio.create_task(self._follow())
        self._watch.add_done_callback(self._ends.fail)

    async def _follow(self) -> None:
        async for _, seen in self._client.watch(Pod):
            if seen.metadata and seen.metadata.name and seen.status:
                self._ends.tell(seen.metadata.name, seen.status.phase)

    async def run(self, name: str) -> Moments:
        self._ends.expect(name)
        return await super().run(name)

    async def _end_of(self, name: str) -> float:
        return await self._ends.expect(name)
