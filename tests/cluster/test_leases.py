"""What one machine finds out about a process of another: by its Lease, and by nothing else."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import kubegrader
import pytest
from child import Child
from kubernetes import client
from pods import names, script, until
from shipped import shipped_rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from kubegrader.testing import KubeCluster
    from kubernetes.client import CoreV1Api

    Account = Callable[[str, list[dict[str, Any]]], str]

CLAIM = "kubegrader.io/owner-claim"


@pytest.fixture
def namespace(kube_cluster: KubeCluster) -> str:
    """One of each test's own: the reapers of other tests' processes look at Leases too."""
    return kube_cluster.namespace


def leases(api: CoreV1Api, namespace: str) -> list[str]:
    found = client.CoordinationV1Api(api.api_client).list_namespaced_lease(namespace)
    return [lease.metadata.name for lease in found.items]


def lease_of(api: CoreV1Api, namespace: str, pod: str) -> str:
    owner = api.read_namespaced_pod(pod, namespace).metadata.labels["kubegrader.io/owner"]
    return f"kubegrader-{owner}"


def move_to_another_machine(api: CoreV1Api, namespace: str, pod: str) -> None:
    """Let a pod say that its owner runs where nobody here can look."""
    claim = json.loads(api.read_namespaced_pod(pod, namespace).metadata.annotations[CLAIM])
    assert claim["lease"] is True
    claim["process"]["host"] = "another machine"
    patch: dict[str, Any] = {"metadata": {"annotations": {CLAIM: json.dumps(claim)}}}
    api.patch_namespaced_pod(pod, namespace, patch)


def test_the_lease_tells_the_dead_process_of_another_machine_from_the_living(
    kubeconfig: str, namespace: str, image: str, api: CoreV1Api
) -> None:
    # Without a reaper of their own, which would be as quick as the one that is tried.
    code = 'cluster.run(pod("sleep 600"), instance="far", reap=False)'
    children = {name: Child(code, kubeconfig, namespace, image, name) for name in ("dead", "alive")}
    until(lambda: set(children) <= set(names(api, namespace)))
    found = {name: lease_of(api, namespace, name) for name in children}
    assert set(found.values()) <= set(leases(api, namespace))
    for name in children:
        move_to_another_machine(api, namespace, name)
    children["dead"].process.kill()
    children["dead"].ends()
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)
    report = {pod.name: pod for pod in cluster.reap(instance="far")}
    assert {name: pod.action for name, pod in report.items()} == {
        "dead": "deleted",
        "alive": "left",
    }, report
    assert report["dead"].reason.startswith(f"its Lease {found['dead']} was not renewed for 6")
    assert report["alive"].reason == f"its Lease {found['alive']} was renewed just now"
    until(lambda: "dead" not in names(api, namespace))
    assert "alive" in names(api, namespace)
    # What is gone leaves no Lease behind, and neither does what ends as it should.
    assert found["dead"] not in leases(api, namespace)
    children["alive"].process.send_signal(signal.SIGINT)
    children["alive"].ends()
    until(lambda: "alive" not in names(api, namespace))
    assert found["alive"] not in leases(api, namespace)


def test_a_lease_is_shared_by_all_submissions_of_a_process(
    kubeconfig: str, namespace: str, image: str
) -> None:
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)
    runs = [cluster.submit(script(image, "true")) for _ in range(10)]
    assert {run.wait().phase for run in runs} == {"Succeeded"}
    requests = cluster.requests
    assert (requests["create"], requests["log"], requests["delete"]) == (10, 10, 10)
    # Its create, a renewal that shows that there can be one, and one every 20 seconds.
    assert 2 <= requests["lease"] < len(runs)
    # A watch ends after half a minute and is begun anew.
    assert requests["get"] == 0
    assert 1 <= requests["watch"] < len(runs)


def test_a_lease_that_may_not_be_renewed_is_promised_by_no_pod(
    kubeconfig_of: Account, namespace: str, image: str, api: CoreV1Api
) -> None:
    rules = shipped_rules()
    (rule,) = (rule for rule in rules if rule["resources"] == ["leases"])
    rule["verbs"].remove("update")
    cluster = kubegrader.Cluster(
        kubeconfig=kubeconfig_of("never-renews", rules), namespace=namespace
    )
    run = cluster.submit(script(image, "sleep 5"))
    [pod] = until(lambda: names(api, namespace))
    claim = json.loads(api.read_namespaced_pod(pod, namespace).metadata.annotations[CLAIM])
    assert claim["lease"] is False
    assert leases(api, namespace) == []
    assert run.wait().phase == "Succeeded"


def test_a_lease_stays_while_any_connection_of_the_process_needs_it(
    kubeconfig: str, namespace: str, image: str, api: CoreV1Api
) -> None:
    idle, busy = (kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace) for _ in range(2))
    # Longer than an idle connection keeps the Lease for its next pod.
    run = busy.submit(script(image, "sleep 100"))
    until(lambda: leases(api, namespace))
    idle.run(script(image, "true"))
    coordination = client.CoordinationV1Api(api.api_client)
    uids = set()
    while not run.done:
        [lease] = coordination.list_namespaced_lease(namespace).items
        uids.add(lease.metadata.uid)
        time.sleep(0.5)
    assert run.wait().phase == "Succeeded"
    assert len(uids) == 1


def test_a_pod_of_another_machines_living_process_is_not_adopted(
    kubeconfig: str, namespace: str, image: str, api: CoreV1Api
) -> None:
    child = Child(
        'cluster.run(pod("sleep 600"), submission="12")', kubeconfig, namespace, image, "contested"
    )
    until(lambda: "contested" in names(api, namespace))
    move_to_another_machine(api, namespace, "contested")
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)
    with pytest.raises(kubegrader.NameTakenError, match="was renewed just now"):
        cluster.run(script(image, "true", "contested"), submission="12")
    assert "contested" in names(api, namespace)
    child.process.send_signal(signal.SIGINT)
    child.ends()
    until(lambda: "contested" not in names(api, namespace))


def test_the_lease_of_a_killed_process_goes_though_none_of_its_pods_is_left(
    kubeconfig: str, namespace: str, image: str, api: CoreV1Api
) -> None:
    code = """
        cluster.run(pod("true"), reap=False)
        print("ran", flush=True)
        sys.stdin.read()
    """
    children, found = {}, {}
    for name in ("dead", "alive"):
        before = set(leases(api, namespace))
        child = children[name] = Child(code, kubeconfig, namespace, image, name)
        assert child.process.stdout is not None
        assert child.process.stdout.readline() == "ran\n"
        [found[name]] = set(leases(api, namespace)) - before
    children["dead"].process.kill()
    children["dead"].ends()
    assert names(api, namespace) == []
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)
    assert cluster.reap(dry_run=True) == []
    assert set(found.values()) <= set(leases(api, namespace))
    assert cluster.reap() == []
    assert found["dead"] not in leases(api, namespace)
    assert found["alive"] in leases(api, namespace)
    children["alive"].ends("")


def test_a_lease_that_says_nothing_of_its_process_goes_when_it_was_not_renewed_for_a_minute(
    kubeconfig: str, namespace: str, api: CoreV1Api
) -> None:
    labels = {"app.kubernetes.io/managed-by": "kubegrader", "kubegrader.io/owner": "old"}
    silent = {"metadata": {"name": "kubegrader-old", "labels": labels}}
    strange = {"metadata": {"name": "not-ours"}}
    for lease in (silent, strange):
        client.CoordinationV1Api(api.api_client).create_namespaced_lease(namespace, lease)
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)
    assert cluster.reap() == []
    assert leases(api, namespace) == ["not-ours"]
