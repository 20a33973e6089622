"""kubernetes_asyncio: one watch for all pods, or one for each."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from kubernetes_asyncio import client, config, watch

from bench.contender import ENDS, AsyncEnds, Moments
from bench.pods import pod


class Each:
    """A watch for each pod, as its examples have it."""

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self._kubeconfig = kubeconfig
        self._namespace = namespace

    async def open(self) -> None:
        configuration = client.Configuration()
        await config.load_kube_config(
            config_file=self._kubeconfig, client_configuration=configuration
        )
        self._client = client.ApiClient(configuration)
        self._api: Any = client.CoreV1Api(self._client)

    async def run(self, name: str) -> Moments:
        await self._api.create_namespaced_pod(self._namespace, pod(name))
        seen = await self._end_of(name)
        await self._api.read_namespaced_pod_log(name, self._namespace)
        await self._api.delete_namespaced_pod(name, self._namespace, grace_period_seconds=0)
        return Moments(seen, time.monotonic())

    async def _end_of(self, name: str) -> float:
        async with watch.Watch().stream(
            self._api.list_namespaced_pod,
            self._namespace,
            field_selector=f"metadata.name={name}",
        ) as events:
            async for event in events:
                if event["object"].status.phase in ENDS:
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
        async with watch.Watch().stream(self._api.list_namespaced_pod, self._namespace) as events:
            async for event in events:
                seen = event["object"]
                self._ends.tell(seen.metadata.name, seen.status.phase)

    async def run(self, name: str) -> Moments:
        self._ends.expect(name)
        return await super().run(name)

    async def _end_of(self, name: str) -> float:
        return await self._ends.expect(name)
