"""Causes that a real cluster produces, each with its name and whose fault it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import kubegrader
import pytest
from pods import names, phase, script, until

if TYPE_CHECKING:
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


def test_a_config_map_that_is_not_there_is_told_from_the_pods_events(
    cluster: kubegrader.Cluster, image: str
) -> None:
    pod = script(image, "true")
    pod["spec"]["volumes"] = [{"name": "rules", "configMap": {"name": "no-such-map"}}]
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "rules", "mountPath": "/rules"}]
    with pytest.raises(kubegrader.PodNotStartedError) as error:
        cluster.run(pod, start_timeout=8)
    verdict = error.value.verdict
    assert verdict is not None
    assert (verdict.cause, verdict.blame, verdict.retryable) == ("FailedMount", "course", False)
    assert 'configmap "no-such-map" not found' in verdict.staff_text


def limit_pods(api: CoreV1Api, namespace: str, pods: str) -> None:
    quota = {"metadata": {"name": "course"}, "spec": {"hard": {"pods": pods}}}
    api.create_namespaced_resource_quota(namespace, quota)
    until(lambda: api.read_namespaced_resource_quota("course", namespace).status.hard)


def test_a_quota_that_never_has_room(
    kubeconfig: str, api: CoreV1Api, own_namespace: str, image: str
) -> None:
    limit_pods(api, own_namespace, "0")
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=own_namespace)
    with pytest.raises(kubegrader.ApiError, match="exceeded quota: course") as error:
        cluster.run(script(image, "true"))
    verdict = error.value.verdict
    assert verdict is not None
    assert (verdict.cause, verdict.blame, verdict.retryable) == ("QuotaExceeded", "cluster", False)


def test_a_pod_queues_for_a_quota_that_is_used_up_and_that_time_is_not_the_students(
    kubeconfig: str, api: CoreV1Api, own_namespace: str, image: str
) -> None:
    limit_pods(api, own_namespace, "1")
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=own_namespace)
    first = cluster.submit(script(image, "sleep 4"))
    until(lambda: names(api, own_namespace))
    second = cluster.run(script(image, "true"), start_timeout=3, timeout=3)
    assert second.verdict.cause == "Completed"
    assert first.wait().verdict.cause == "Completed"
    assert second.timings.queued > 2


def test_a_pod_that_pod_security_forbids(
    kubeconfig: str, api: CoreV1Api, own_namespace: str, image: str
) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.patch_namespace(own_namespace, {"metadata": {"labels": labels}})
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=own_namespace)
    with pytest.raises(kubegrader.ApiError, match="violates PodSecurity") as error:
        cluster.run(script(image, "true"))
    verdict = error.value.verdict
    assert verdict is not None
    assert (verdict.cause, verdict.blame, verdict.retryable) == ("Rejected", "course", False)


def test_an_eviction_is_the_clusters_fault(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    run = cluster.submit(script(image, "sleep 600", "evicted", terminationGracePeriodSeconds=1))
    until(lambda: phase(api, namespace, "evicted") == "Running")
    api.create_namespaced_pod_eviction("evicted", namespace, {"metadata": {"name": "evicted"}})
    with pytest.raises(kubegrader.PodLostError) as error:
        run.wait()
    verdict = error.value.verdict
    assert verdict is not None
    assert (verdict.cause, verdict.blame, verdict.retryable) == ("Evicted", "cluster", True)


def test_an_evicted_pod_is_run_again_under_another_name(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    prepared: list[int] = []
    pod = script(image, "sleep 5; echo again", "retried", terminationGracePeriodSeconds=1)
    run = cluster.submit(pod, submission="8", max_attempts=2, before_attempt=prepared.append)
    until(lambda: phase(api, namespace, "retried") == "Running")
    api.create_namespaced_pod_eviction("retried", namespace, {"metadata": {"name": "retried"}})
    outcome = run.wait()
    assert (outcome.verdict.cause, outcome.attempt, outcome.logs) == ("Completed", 2, "again\n")
    assert outcome.pod["metadata"]["name"] == "retried-attempt-2"
    assert prepared == [2]
    assert names(api, namespace) == []
