"""Causes that a real cluster produces, each with its name and whose fault it is."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import kubegrader
import pytest
from pods import names, script, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubernetes.client import CoreV1Api


def test_a_container_that_takes_too_much_memory(cluster: kubegrader.Cluster, image: str) -> None:
    pod = script(image, "dd if=/dev/zero of=/dev/null bs=200M count=1")
    pod["spec"]["containers"][0]["resources"] = {"limits": {"memory": "32Mi"}}
    verdict = cluster.run(pod).verdict
    assert (verdict.cause, verdict.blame, verdict.retryable) == ("OOMKilled", "student", False)


def test_an_image_that_is_not_there(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    missing = image.rsplit("/", 1)[0] + "/no-such-image:1"
    with pytest.raises(kubegrader.PodNotStartedError) as error:
        cluster.run(script(missing, "true", "no-image"), start_timeout=5)
    verdict = error.value.verdict
    assert verdict is not None
    assert (verdict.cause, verdict.blame, verdict.retryable) == ("ErrImagePull", "course", False)
    assert "no-such-image" in verdict.staff_text
    until(lambda: "no-image" not in names(api, namespace))


def test_a_registry_that_does_not_answer_is_the_clusters_fault(
    cluster: kubegrader.Cluster,
) -> None:
    with pytest.raises(kubegrader.PodNotStartedError) as error:
        cluster.run(script("127.0.0.1:1/some/image:1", "true"), start_timeout=5)
    verdict = error.value.verdict
    assert verdict is not None
    assert (verdict.cause, verdict.blame, verdict.retryable) == ("ErrImagePull", "cluster", True)


def test_a_pod_that_no_node_fits(cluster: kubegrader.Cluster, image: str) -> None:
    pod = script(image, "true", nodeSelector={"no-such": "node"})
    with pytest.raises(kubegrader.PodNotStartedError) as error:
        cluster.run(pod, start_timeout=2)
    verdict = error.value.verdict
    assert verdict is not None
    assert (verdict.cause, verdict.blame) == ("Unschedulable", "cluster")
    assert "didn't match Pod's node affinity/selector" in verdict.staff_text


def test_a_missing_secret(cluster: kubegrader.Cluster, image: str) -> None:
    pod = script(image, "true")
    reference = {"secretRef": {"name": "no-such-secret"}}
    pod["spec"]["containers"][0]["envFrom"] = [reference]
    with pytest.raises(kubegrader.PodNotStartedError) as error:
        cluster.run(pod, start_timeout=5)
    verdict = error.value.verdict
    assert verdict is not None
    assert (verdict.cause, verdict.blame) == ("CreateContainerConfigError", "course")
    assert 'secret "no-such-secret" not found' in verdict.staff_text


@pytest.fixture
def other_namespace(api: CoreV1Api) -> Iterator[str]:
    name = f"kubegrader-test-{secrets.token_hex(4)}"
    api.create_namespace({"metadata": {"name": name}})
    yield name
    api.delete_namespace(name)


def test_a_quota_that_is_used_up(
    kubeconfig: str, api: CoreV1Api, other_namespace: str, image: str
) -> None:
    quota = {"metadata": {"name": "course"}, "spec": {"hard": {"pods": "0"}}}
    api.create_namespaced_resource_quota(other_namespace, quota)
    until(lambda: api.read_namespaced_resource_quota("course", other_namespace).status.hard)
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=other_namespace)
    with pytest.raises(kubegrader.ApiError, match="exceeded quota: course") as error:
        cluster.run(script(image, "true"))
    verdict = error.value.verdict
    assert verdict is not None
    assert (verdict.cause, verdict.blame, verdict.retryable) == ("QuotaExceeded", "cluster", True)


def test_a_pod_that_pod_security_forbids(
    kubeconfig: str, api: CoreV1Api, other_namespace: str, image: str
) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.patch_namespace(other_namespace, {"metadata": {"labels": labels}})
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=other_namespace)
    with pytest.raises(kubegrader.ApiError, match="violates PodSecurity") as error:
        cluster.run(script(image, "true"))
    verdict = error.value.verdict
    assert verdict is not None
    assert (verdict.cause, verdict.blame, verdict.retryable) == ("Rejected", "course", False)


def test_an_eviction_is_the_clusters_fault(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    run = cluster.submit(script(image, "sleep 600", "evicted", terminationGracePeriodSeconds=1))

    def is_running() -> bool:
        pods = api.list_namespaced_pod(namespace).items
        return any(p.metadata.name == "evicted" and p.status.phase == "Running" for p in pods)

    until(is_running)
    api.create_namespaced_pod_eviction("evicted", namespace, {"metadata": {"name": "evicted"}})
    with pytest.raises(kubegrader.PodLostError) as error:
        run.wait()
    verdict = error.value.verdict
    assert verdict is not None
    assert (verdict.cause, verdict.blame, verdict.retryable) == ("Evicted", "cluster", True)
