"""The official Python client, unchanged."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes import client, watch
from pods import PATIENCE, script, until

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api, V1Pod

SECONDS = int(PATIENCE)


def once(image: str, text: str, name: str, **labels: str) -> dict[str, Any]:
    pod = script(image, text, name, restartPolicy="Never", terminationGracePeriodSeconds=1)
    pod["metadata"]["labels"] = {"pod": name, **labels}
    return pod


def ended(api: CoreV1Api, namespace: str, name: str) -> V1Pod:
    def look() -> V1Pod | None:
        pod = api.read_namespaced_pod(name, namespace)
        return pod if pod.status.phase in ("Succeeded", "Failed") else None

    found: V1Pod = until(look)
    return found


def running(api: CoreV1Api, namespace: str, name: str) -> None:
    until(lambda: api.read_namespaced_pod(name, namespace).status.phase == "Running")


def test_a_pods_life_with_the_clients_own_classes(
    api: CoreV1Api, namespace: str, image: str, name: str
) -> None:
    container = client.V1Container(
        name="main",
        image=image,
        command=["sh", "-c", 'echo "$GREETING"; exit 3'],
        env=[client.V1EnvVar(name="GREETING", value="hi")],
    )
    created = api.create_namespaced_pod(
        namespace,
        client.V1Pod(
            metadata=client.V1ObjectMeta(name=name, labels={"course": "a"}),
            spec=client.V1PodSpec(containers=[container], restart_policy="Never"),
        ),
    )
    assert (created.metadata.name, created.status.phase) == (name, "Pending")
    pod = ended(api, namespace, name)
    [status] = pod.status.container_statuses
    assert (pod.status.phase, status.state.terminated.exit_code) == ("Failed", 3)
    assert status.state.terminated.reason == "Error"
    assert pod.metadata.uid == created.metadata.uid
    assert api.read_namespaced_pod_log(name, namespace) == "hi\n"
    gone = api.delete_namespaced_pod(name, namespace)
    assert gone.metadata.uid == created.metadata.uid
    with pytest.raises(client.ApiException) as error:
        api.read_namespaced_pod(name, namespace)
    assert (error.value.status, json.loads(error.value.body)["reason"]) == (404, "NotFound")


def test_what_is_wrong_with_a_pod_is_in_the_exception(
    api: CoreV1Api, namespace: str, image: str, name: str
) -> None:
    pod = once(image, "true", name)
    del pod["spec"]["containers"][0]["image"]
    with pytest.raises(client.ApiException) as error:
        api.create_namespaced_pod(namespace, pod)
    assert (error.value.status, error.value.reason) == (422, "Unprocessable Entity")
    body = json.loads(error.value.body)
    assert body["details"]["causes"] == [
        {
            "reason": "FieldValueRequired",
            "message": "Required value",
            "field": "spec.containers[0].image",
        }
    ]


def test_a_watch_from_a_lists_version_sees_what_came_after(
    api: CoreV1Api, namespace: str, image: str, name: str
) -> None:
    selector = f"pod={name}"
    listed = api.list_namespaced_pod(namespace, label_selector=selector)
    assert listed.items == []
    api.create_namespaced_pod(namespace, once(image, "true", name))
    phases: list[str] = []
    types: list[str] = []
    stream = watch.Watch()
    for event in stream.stream(
        api.list_namespaced_pod,
        namespace,
        label_selector=selector,
        resource_version=listed.metadata.resource_version,
        timeout_seconds=SECONDS,
    ):
        types.append(event["type"])
        phase = event["object"].status.phase
        if event["type"] == "DELETED":
            stream.stop()
            continue
        if phase not in phases:
            phases.append(phase)
            if phase == "Succeeded":
                api.delete_namespaced_pod(name, namespace)
    assert types[0] == "ADDED"
    assert types[-1] == "DELETED"
    assert set(types[1:-1]) == {"MODIFIED"}
    assert [phase for phase in phases if phase != "Running"] == ["Pending", "Succeeded"]


def test_a_watch_ends_at_its_timeout(api: CoreV1Api, namespace: str, name: str) -> None:
    stream = watch.Watch().stream(
        api.list_namespaced_pod, namespace, label_selector=f"pod={name}", timeout_seconds=1
    )
    assert list(stream) == []


def test_a_watch_from_a_version_that_is_none_is_refused(api: CoreV1Api, namespace: str) -> None:
    with pytest.raises(client.ApiException) as error:
        list(
            watch.Watch().stream(
                api.list_namespaced_pod, namespace, resource_version="x", timeout_seconds=1
            )
        )
    assert error.value.status in (400, 422, 500)


def test_a_log_is_followed_while_it_is_written(
    api: CoreV1Api, namespace: str, image: str, name: str
) -> None:
    api.create_namespaced_pod(namespace, once(image, "echo one; sleep 3; echo two", name))
    running(api, namespace, name)
    lines = watch.Watch().stream(api.read_namespaced_pod_log, name, namespace, follow=True)
    assert next(lines) == "one"
    assert api.read_namespaced_pod(name, namespace).status.phase == "Running"
    assert list(lines) == ["two"]


def test_parts_of_a_log(api: CoreV1Api, namespace: str, image: str, name: str) -> None:
    api.create_namespaced_pod(namespace, once(image, "echo one; echo two", name))
    ended(api, namespace, name)

    def log(**options: Any) -> str:
        return str(api.read_namespaced_pod_log(name, namespace, **options))

    assert log(tail_lines=1) == "two\n"
    assert log(limit_bytes=5) == "one\nt"
    assert log(container="main", since_seconds=3600) == "one\ntwo\n"
    assert [line.split("Z ")[1] for line in log(timestamps=True).splitlines()] == ["one", "two"]
    with pytest.raises(client.ApiException) as error:
        log(container="other")
    assert error.value.status == 400
    assert json.loads(error.value.body)["message"] == (
        f"container other is not valid for pod {name}"
    )


def test_a_list_in_pages_has_each_pod_once(
    api: CoreV1Api, namespace: str, image: str, name: str
) -> None:
    wanted = [f"{name}-{number}" for number in range(5)]
    with ThreadPoolExecutor() as pool:
        made = [once(image, "true", each, group=name) for each in wanted]
        list(pool.map(lambda pod: api.create_namespaced_pod(namespace, pod), made))
    selector = f"group={name}"
    page = api.list_namespaced_pod(namespace, label_selector=selector, limit=2)
    pages = [page]
    while page.metadata._continue:
        page = api.list_namespaced_pod(
            namespace, label_selector=selector, limit=2, _continue=page.metadata._continue
        )
        pages.append(page)
    assert [len(each.items) for each in pages] == [2, 2, 1]
    assert [pod.metadata.name for each in pages for pod in each.items] == wanted
    assert len({each.metadata.resource_version for each in pages}) == 1
    api.delete_collection_namespaced_pod(namespace, label_selector=selector, grace_period_seconds=0)
    left = until(lambda: not api.list_namespaced_pod(namespace, label_selector=selector).items)
    assert left


def test_a_patch_and_a_stale_replace(api: CoreV1Api, namespace: str, image: str, name: str) -> None:
    api.create_namespaced_pod(namespace, once(image, "sleep 600", name))
    running(api, namespace, name)
    old = api.read_namespaced_pod(name, namespace)
    patched = api.patch_namespaced_pod(name, namespace, {"metadata": {"labels": {"a": "1"}}})
    assert patched.metadata.labels == {"pod": name, "a": "1"}
    steps = [{"op": "remove", "path": "/metadata/labels/a"}]
    patched = api.patch_namespaced_pod(name, namespace, steps)
    assert patched.metadata.labels == {"pod": name}
    old.metadata.labels = {"b": "1"}
    with pytest.raises(client.ApiException) as error:
        api.replace_namespaced_pod(name, namespace, old)
    assert (error.value.status, json.loads(error.value.body)["reason"]) == (409, "Conflict")
    old.metadata.resource_version = None
    assert api.replace_namespaced_pod(name, namespace, old).metadata.labels == {"b": "1"}
    change = {"spec": {"terminationGracePeriodSeconds": 9}}
    with pytest.raises(client.ApiException) as error:
        api.patch_namespaced_pod(name, namespace, change)
    assert error.value.status == 422


def test_a_delete_has_conditions_and_a_grace(
    api: CoreV1Api, namespace: str, image: str, name: str
) -> None:
    created = api.create_namespaced_pod(namespace, once(image, "trap '' TERM; sleep 600", name))
    running(api, namespace, name)
    other = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="another"))
    with pytest.raises(client.ApiException) as error:
        api.delete_namespaced_pod(name, namespace, body=other)
    assert error.value.status == 409
    own = client.V1DeleteOptions(
        grace_period_seconds=30,
        propagation_policy="Background",
        preconditions=client.V1Preconditions(uid=created.metadata.uid),
    )
    marked = api.delete_namespaced_pod(name, namespace, body=own)
    assert marked.metadata.deletion_grace_period_seconds == 30
    assert api.read_namespaced_pod(name, namespace).metadata.deletion_timestamp is not None
    api.delete_namespaced_pod(name, namespace, grace_period_seconds=0)
    with pytest.raises(client.ApiException) as error:
        api.read_namespaced_pod(name, namespace)
    assert error.value.status == 404


def test_a_namespace_comes_and_goes(api: CoreV1Api, name: str) -> None:
    api.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    until(lambda: api.read_namespace(name).status.phase == "Active")
    assert name in [each.metadata.name for each in api.list_namespace().items]
    api.delete_namespace(name)

    def is_gone() -> bool:
        try:
            api.read_namespace(name)
        except client.ApiException as error:
            assert error.status == 404  # noqa: PT017
            return True
        return False

    until(is_gone)


def test_the_client_asks_for_the_version(api: CoreV1Api) -> None:
    version = client.VersionApi(api.api_client).get_code()
    assert (version.major, version.minor) == ("1", "34")
