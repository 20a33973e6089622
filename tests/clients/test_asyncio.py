"""kubernetes_asyncio, unchanged."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from kubernetes_asyncio import client, config, watch
from pods import PATIENCE, script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECONDS = int(PATIENCE)


@asynccontextmanager
async def connected(kubeconfig: str) -> AsyncIterator[client.CoreV1Api]:
    configuration = client.Configuration()
    await config.load_kube_config(kubeconfig, client_configuration=configuration)
    async with client.ApiClient(configuration) as api:
        yield client.CoreV1Api(api)


async def until_phase(api: client.CoreV1Api, namespace: str, name: str, phase: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await api.read_namespaced_pod(name, namespace)).status.phase != phase:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def test_a_pods_life(kubeconfig: str, namespace: str, image: str, name: str) -> None:
    async def live() -> None:
        async with connected(kubeconfig) as api:
            pod = script(image, "echo hi", name, restartPolicy="Never")
            pod["metadata"]["labels"] = {"pod": name}
            before = await api.list_namespaced_pod(namespace, label_selector=f"pod={name}")
            created = await api.create_namespaced_pod(namespace, pod)
            phases = []
            stream = watch.Watch()
            async for event in stream.stream(
                api.list_namespaced_pod,
                namespace,
                label_selector=f"pod={name}",
                resource_version=before.metadata.resource_version,
                timeout_seconds=SECONDS,
            ):
                phases.append(event["object"].status.phase)
                if phases[-1] == "Succeeded":
                    stream.stop()
            assert phases[0] == "Pending"
            assert await api.read_namespaced_pod_log(name, namespace) == "hi\n"
            patch = {"metadata": {"labels": {"course": "a"}}}
            patched = await api.patch_namespaced_pod(name, namespace, patch)
            assert patched.metadata.labels == {"pod": name, "course": "a"}
            gone = await api.delete_namespaced_pod(name, namespace)
            assert gone.metadata.uid == created.metadata.uid
            with pytest.raises(client.ApiException) as error:
                await api.read_namespaced_pod(name, namespace)
            assert error.value.status == 404
            assert json.loads(error.value.body)["reason"] == "NotFound"

    asyncio.run(live())


def test_a_log_is_followed_while_it_is_written(
    kubeconfig: str, namespace: str, image: str, name: str
) -> None:
    async def follow() -> None:
        async with connected(kubeconfig) as api:
            pod = script(image, "echo one; sleep 3; echo two", name, restartPolicy="Never")
            await api.create_namespaced_pod(namespace, pod)
            await until_phase(api, namespace, name, "Running")
            lines = []
            async for line in watch.Watch().stream(
                api.read_namespaced_pod_log, name, namespace, follow=True
            ):
                if not lines:
                    seen = await api.read_namespaced_pod(name, namespace)
                    assert seen.status.phase == "Running"
                lines.append(line.rstrip())
            assert lines == ["one", "two"]

    asyncio.run(follow())


def test_many_pods_at_once_in_pages(kubeconfig: str, namespace: str, image: str, name: str) -> None:
    async def many() -> None:
        async with connected(kubeconfig) as api:
            wanted = [f"{name}-{number}" for number in range(5)]
            pods = [script(image, "true", each, restartPolicy="Never") for each in wanted]
            for pod in pods:
                pod["metadata"]["labels"] = {"group": name}
            await asyncio.gather(*(api.create_namespaced_pod(namespace, pod) for pod in pods))
            found: list[str] = []
            more = None
            while more != "":
                page = await api.list_namespaced_pod(
                    namespace, label_selector=f"group={name}", limit=2, _continue=more
                )
                found += [pod.metadata.name for pod in page.items]
                more = page.metadata._continue or ""
            assert found == wanted

    asyncio.run(many())
