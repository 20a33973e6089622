"""kr8s: one watch for all pods, or `Pod.wait`, which makes one for each."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import kr8s.asyncio
from kr8s.asyncio.objects import Pod

from bench.contender import PATIENCE, AsyncEnds, Moments
from bench.pods import pod


class Each:
    """`Pod.wait`."""

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self._kubeconfig = kubeconfig
        self._namespace = namespace

    async def open(self) -> None:
        self._api = await kr8s.asyncio.api(kubeconfig=self._kubeconfig, namespace=self._namespace)

    async def run(self, name: str) -> Moments:
        made = await Pod(pod(name), namespace=self._namespace, api=self._api)
        await made.create()
        seen = await self._end_of(made)
        [line async for line in made.logs()]
        await made.delete(grace_period=0)
        return Moments(seen, time.monotonic())

    async def _end_of(self, made: Pod) -> float:
        await made.wait("jsonpath='{.status.phase}'=Succeeded", timeout=int(PATIENCE))
        return time.monotonic()


class Shared(Each):
    """One watch for all."""

    async def open(self) -> None:
        await super().open()
        self._ends = AsyncEnds()
        self._watch = asyncio.create_task(self._follow())
        self._watch.add_done_callback(self._ends.fail)

    async def _follow(self) -> None:
        async for _, seen in self._api.async_watch("pods", namespace=self._namespace):
            raw: Any = seen.raw
            self._ends.tell(seen.name, raw.get("status", {}).get("phase"))

    async def run(self, name: str) -> Moments:
        self._ends.expect(name)
        return await super().run(name)

    async def _end_of(self, made: Pod) -> float:
        return await self._ends.expect(made.name)
