"""kr8s, unchanged: its blocking and its asynchronous face."""

from __future__ import annotations

import asyncio

import kr8s
import kr8s.asyncio
import pytest
from kr8s.asyncio.objects import Pod as AsyncPod
from kr8s.objects import Pod
from pods import PATIENCE, script

SECONDS = int(PATIENCE)


def test_a_pods_life(kubeconfig: str, namespace: str, image: str, name: str) -> None:
    api = kr8s.api(kubeconfig=kubeconfig, namespace=namespace)
    pod = Pod(script(image, "echo hi; sleep 2", name, restartPolicy="Never"), api=api)
    assert not pod.exists()
    pod.create()
    assert pod.exists()
    pod.wait("condition=Ready", timeout=SECONDS)
    pod.label(course="a")
    pod.wait("jsonpath='{.status.phase}'=Succeeded", timeout=SECONDS)
    assert list(pod.logs()) == ["hi"]
    pod.refresh()
    assert (pod.status.phase, pod.labels["course"]) == ("Succeeded", "a")
    pod.annotate(why="test")
    assert pod.annotations["why"] == "test"
    found = list(api.get("pods", namespace=namespace, label_selector={"course": "a"}))
    assert [each.name for each in found] == [name]
    pod.delete()
    pod.wait("delete", timeout=SECONDS)
    assert not pod.exists()
    with pytest.raises(kr8s.NotFoundError):
        Pod.get(name, namespace=namespace, api=api)


def test_a_watch_sees_a_pod_come_and_go(
    kubeconfig: str, namespace: str, image: str, name: str
) -> None:
    api = kr8s.api(kubeconfig=kubeconfig, namespace=namespace)
    pod = Pod(script(image, "true", name, restartPolicy="Never"), api=api)
    pod.labels = {"pod": name}
    pod.create()
    seen: list[str] = []
    deleted = False
    for event, each in api.watch("pods", namespace=namespace, label_selector=f"pod={name}"):
        seen.append(event)
        if event == "DELETED":
            break
        if each.status.phase == "Succeeded" and not deleted:
            deleted = True
            pod.delete()
    assert (seen[0], seen[-1]) == ("ADDED", "DELETED")
    assert set(seen[1:-1]) == {"MODIFIED"}


def test_asynchronously(kubeconfig: str, namespace: str, image: str, name: str) -> None:
    async def live() -> None:
        api = await kr8s.asyncio.api(kubeconfig=kubeconfig, namespace=namespace)
        pod = await AsyncPod(
            script(image, "echo one; sleep 2; echo two", name, restartPolicy="Never"), api=api
        )
        await pod.create()
        await pod.wait("condition=Ready", timeout=SECONDS)
        lines = [line async for line in pod.logs(follow=True)]
        assert lines == ["one", "two"]
        await pod.wait("jsonpath='{.status.phase}'=Succeeded", timeout=SECONDS)
        await pod.patch({"metadata": {"labels": {"course": "b"}}})
        await pod.refresh()
        assert pod.labels["course"] == "b"
        await pod.delete()
        await pod.wait("delete", timeout=SECONDS)
        assert not await pod.exists()

    asyncio.run(asyncio.wait_for(live(), 2 * PATIENCE))
