"""The manifests that kubegrader ships, applied with kubectl as they are, and worked under.

The account has the rights of role.yaml in the pods' namespace, and no others.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import kubegrader
import pytest
from child import Child
from gradings import grade
from kubernetes import client
from pods import names, phase, script, until
from shipped import MANIFESTS

if TYPE_CHECKING:
    from kubectl import Kubectl
    from kubegrader.demo.site import Graded, Site
    from traitlets.config import Config


@pytest.fixture
def rights(settings: Config, shipped_account: str, own_namespace: str) -> Config:
    """A site's settings, whose account has the shipped rights alone."""
    settings.KubeAutogradeExecutor.kubeconfig = shipped_account
    settings.KubeAutogradeExecutor.namespace = own_namespace
    return settings


def apply(kubectl: Kubectl, manifest: str) -> None:
    kubectl("apply", "-f", str(MANIFESTS / manifest))


def ended(graded: Graded) -> Any:
    """Give the executor, which knows how it went."""
    assert graded.executor is not None
    return graded.executor


def test_a_submission_is_graded_with_the_shipped_role_and_no_right_is_missed(
    site: Site,
    rights: Config,
    api: client.CoreV1Api,
    own_namespace: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    (right,) = grade(site, rights, [("with-the-role", 0)])
    assert (right.status, right.score) == ("automatically_graded", 3.0), right.log
    assert names(api, own_namespace) == []
    requests = ended(right)._cluster().requests
    # Half a minute each: a grading may take longer here.
    assert requests["watch"] >= 1
    assert requests["get"] == 0
    told = [record.getMessage() for record in caplog.records]
    assert any("created (uid " in message for message in told)
    assert [message for message in told if "orbidden" in message or "Allow" in message] == []


def test_a_volume_that_cannot_be_mounted_is_told_with_the_shipped_role_by_its_event(
    site: Site, rights: Config, api: client.CoreV1Api, own_namespace: str
) -> None:
    section = rights.KubeAutogradeExecutor
    section.extra_volumes = [{"name": "rules", "configMap": {"name": "no-such-map"}}]
    section.extra_volume_mounts = [{"name": "rules", "mountPath": "/rules"}]
    section.start_timeout = 8
    (failed,) = grade(site, rights, [("without-the-map", 0)])
    assert (failed.status, failed.score) == ("grading_failed", None)
    verdict = ended(failed).verdict
    assert (verdict.cause, verdict.blame) == ("FailedMount", "course")
    assert 'configmap "no-such-map" not found' in failed.log
    until(lambda: names(api, own_namespace) == [])


def test_a_container_that_its_probe_killed_is_told_with_the_shipped_role_as_the_courses(
    shipped_account: str, own_namespace: str, image: str
) -> None:
    pod = script(image, "sleep 600", terminationGracePeriodSeconds=1)
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    pod["spec"]["containers"][0]["startupProbe"] = probe
    cluster = kubegrader.Cluster(kubeconfig=shipped_account, namespace=own_namespace)
    verdict = cluster.run(pod, timeout=60).verdict
    assert (verdict.cause, verdict.blame) == ("Unhealthy", "course")


def test_the_shipped_role_is_enough_for_the_reaper_and_to_detach(
    shipped_account: str, own_namespace: str, image: str, api: client.CoreV1Api
) -> None:
    child = Child(
        'cluster.run(pod("sleep 600"), instance="shipped")',
        shipped_account,
        own_namespace,
        image,
        "left",
    )
    # A pod that still changes may be judged, and deleted, more than once.
    until(lambda: phase(api, own_namespace, "left") == "Running")
    child.process.kill()
    child.ends()
    cluster = kubegrader.Cluster(kubeconfig=shipped_account, namespace=own_namespace)
    assert [pod.action for pod in cluster.reap(instance="shipped")] == ["deleted"]
    until(lambda: "left" not in names(api, own_namespace))
    # The list of pods, the pod, the list of Leases, and the Lease of the process that is gone.
    requests = cluster.requests
    assert (requests["list"], requests["delete"], requests["lease"]) == (1, 1, 2)
    run = cluster.submit(script(image, "sleep 1", "shipped"), submission="22")
    assert run.detach()
    assert cluster.requests["other"] == 1
    assert cluster.run(script(image, "true", "shipped"), submission="22").phase == "Succeeded"


def test_the_shipped_role_says_nothing_of_other_namespaces(
    shipped_account: str, namespace: str, image: str
) -> None:
    cluster = kubegrader.Cluster(kubeconfig=shipped_account, namespace=namespace)
    with pytest.raises(kubegrader.ApiError) as error:
        cluster.run(script(image, "true"))
    assert error.value.code == 403


def test_a_submission_waits_for_room_in_the_shipped_quota_and_is_then_graded(
    site: Site,
    rights: Config,
    api: client.CoreV1Api,
    own_namespace: str,
    kubectl: Kubectl,
    image: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    apply(kubectl, "resourcequota.yaml")
    until(lambda: api.read_namespaced_resource_quota("kubegrader", own_namespace).status.hard)
    # Nobody runs it. It leaves less than the one core that a pod gets which does not say.
    others = script(image, "true", "others", schedulerName="none")
    others["spec"]["containers"][0]["resources"] = {
        "requests": {"cpu": "1"},
        "limits": {"cpu": "39500m"},
    }
    api.create_namespaced_pod(own_namespace, others)
    with ThreadPoolExecutor(1) as pool:
        grading = pool.submit(grade, site, rights, [("under-the-quota", 0)])
        until(lambda: "queued: the namespace's quota is used up" in caplog.text)
        assert names(api, own_namespace) == ["others"]
        api.delete_namespaced_pod("others", own_namespace, grace_period_seconds=0)
        until(lambda: names(api, own_namespace) not in ([], ["others"]))
        (pod,) = api.list_namespaced_pod(own_namespace).items
        (right,) = grading.result()
    assert (right.status, right.score) == ("automatically_graded", 3.0), right.log
    assert ended(right).outcome.timings.queued > 0
    resources = pod.spec.containers[0].resources
    assert resources.requests == {"cpu": "250m", "memory": "512Mi"}
    assert resources.limits == {"cpu": "1", "memory": "1Gi"}


def test_the_shipped_network_policy_is_taken_and_selects_grading_pods_alone_enforced_or_not(
    site: Site,
    rights: Config,
    api: client.CoreV1Api,
    own_namespace: str,
    kubectl: Kubectl,
    image: str,
) -> None:
    """Whether anything is cut is up to the network plugin: the CNI's own `bridge` enforces none."""
    apply(kubectl, "networkpolicy.yaml")
    networking = client.NetworkingV1Api(api.api_client)
    spec = networking.read_namespaced_network_policy("kubegrader", own_namespace).spec
    assert (spec.policy_types, spec.ingress, spec.egress) == (["Ingress", "Egress"], None, None)
    assert spec.pod_selector.match_expressions is None
    selector = ",".join(f"{key}={value}" for key, value in spec.pod_selector.match_labels.items())
    api.create_namespaced_pod(own_namespace, script(image, "true", "stranger"))

    def selected() -> list[str]:
        pods = api.list_namespaced_pod(own_namespace, label_selector=selector).items
        return [pod.spec.containers[0].name for pod in pods]

    with ThreadPoolExecutor(1) as pool:
        grading = pool.submit(grade, site, rights, [("under-the-policy", 0)])
        until(lambda: len(names(api, own_namespace)) == 2)
        assert selected() == ["autograde"]
        (right,) = grading.result()
    assert (right.status, right.score) == ("automatically_graded", 3.0), right.log
