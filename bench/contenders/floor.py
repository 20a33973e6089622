"""The floor: a bare HTTP client that creates, watches, deletes, and only counts."""

from __future__ import annotations

import asyncio
import json
import re
import time

from bench.bare import Bare
from bench.contender import AsyncEnds, Moments
from bench.pods import pod

NAME = re.compile(rb'"name":"([^"]*)"')
ENDED = b'"terminated":{'
"""What an event of a container's end has, a second before a real pod's phase tells it."""


class Floor:
    """One watch for all; an event is searched for two texts and not decoded."""

    reads_log = False

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self._client = Bare(kubeconfig)
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._ends = AsyncEnds()

    async def open(self) -> None:
        is_open = asyncio.Event()
        self._watch = asyncio.create_task(self._follow(is_open))
        self._watch.add_done_callback(self._ends.fail)
        await is_open.wait()

    async def _follow(self, is_open: asyncio.Event) -> None:
        async for line in self._client.lines(f"{self._path}?watch=1"):
            is_open.set()
            if ENDED in line and (found := NAME.search(line)):
                self._ends.tell(found[1].decode(), "Succeeded")

    async def run(self, name: str) -> Moments:
        end = self._ends.expect(name)
        await self._client.request("POST", self._path, json.dumps(pod(name)).encode())
        seen = await end
        if self.reads_log:
            await self._client.request("GET", f"{self._path}/{name}/log")
        await self._client.request("DELETE", f"{self._path}/{name}?gracePeriodSeconds=0")
        return Moments(seen, time.monotonic())


class FloorWithLog(Floor):
    """The same three requests as a grading."""

    reads_log = True
