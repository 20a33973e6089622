"""The manifests that kubegrader ships, and Pod Security Standards, on a real cluster."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kubegrader
import pytest
import yaml
from kubegrader._core import build_pod
from kubernetes import client
from pods import names, script, until

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFESTS = Path(kubegrader.__file__).parent / "manifests"


@pytest.fixture
def own_namespace(api: client.CoreV1Api) -> Iterator[str]:
    name = f"kubegrader-manifests-{secrets.token_hex(4)}"
    api.create_namespace({"metadata": {"name": name}})
    yield name
    api.delete_namespace(name)


def enforce(api: client.CoreV1Api, namespace: str, standard: str) -> None:
    labels = {"pod-security.kubernetes.io/enforce": standard}
    api.patch_namespace(namespace, {"metadata": {"labels": labels}})


def pod(image: str, command: str, **request: Any) -> dict[str, Any]:
    """Make a submission's pod as the executor does, with a volume that every standard allows."""
    return build_pod(
        {
            "name": "submission",
            "image": image,
            "args": ["sh", "-c", command],
            "volumes": [{"name": "data", "emptyDir": {}}],
            "volume_mounts": [{"name": "data", "mountPath": "/data"}],
            **request,
        }
    )


LOOK = (
    "id -u; grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status; "
    "ls /var/run/secrets 2>/dev/null"
)


def test_a_restricted_pod_is_admitted_and_run_where_restricted_is_enforced(
    kubeconfig: str, api: client.CoreV1Api, own_namespace: str, image: str
) -> None:
    enforce(api, own_namespace, "restricted")
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=own_namespace)
    made = pod(image, f"{LOOK}; true", run_as_user=1000, security="restricted")
    outcome = cluster.run(made, timeout=60)
    assert outcome.verdict.cause == "Completed", outcome.verdict
    assert outcome.logs is not None
    user, capabilities, no_new_privileges, seccomp, *_ = outcome.logs.splitlines()
    assert user == "1000"
    assert capabilities.split() == ["CapEff:", "0000000000000000"]
    assert no_new_privileges.split() == ["NoNewPrivs:", "1"]
    assert seccomp.split() == ["Seccomp:", "2"]
    assert "serviceaccount" not in outcome.logs


def test_a_pod_as_grader_service_makes_it_is_refused_there_and_told_whose_fault_it_is(
    kubeconfig: str, api: client.CoreV1Api, own_namespace: str, image: str
) -> None:
    enforce(api, own_namespace, "restricted")
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=own_namespace)
    with pytest.raises(kubegrader.ApiError, match='violates PodSecurity "restricted') as error:
        cluster.run(pod(image, "true", run_as_user=1000, security="off"))
    assert error.value.verdict is not None
    assert error.value.verdict.blame == "course"
    assert names(api, own_namespace) == []


def test_an_image_that_runs_as_root_keeps_its_capabilities_under_baseline(
    kubeconfig: str, api: client.CoreV1Api, own_namespace: str, image: str
) -> None:
    enforce(api, own_namespace, "baseline")
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=own_namespace)
    # What an image that runs as root does to the folders of others.
    work = "touch /data/x && chown 1000:1000 /data/x && chmod 600 /data/x && cat /data/x && id -u"
    outcome = cluster.run(pod(image, work, run_as_user=0, security="baseline"), timeout=60)
    assert (outcome.verdict.cause, outcome.logs) == ("Completed", "0\n")


def test_the_quota_is_applied_and_gives_pods_their_limits(
    kubeconfig: str, api: client.CoreV1Api, own_namespace: str, image: str
) -> None:
    quota, limits = yaml.safe_load_all((MANIFESTS / "resourcequota.yaml").read_text())
    # Small enough for a second pod to have to wait.
    quota["spec"]["hard"] |= {"pods": "1"}
    api.create_namespaced_resource_quota(own_namespace, quota, field_validation="Strict")
    api.create_namespaced_limit_range(own_namespace, limits, field_validation="Strict")
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=own_namespace)
    first = cluster.submit(script(image, "sleep 5", "first"))
    until(lambda: names(api, own_namespace) == ["first"])
    (there,) = api.list_namespaced_pod(own_namespace).items
    assert there.spec.containers[0].resources.limits == {"cpu": "1", "memory": "1Gi"}
    second = cluster.run(script(image, "true", "second"))
    assert (second.verdict.cause, first.wait().verdict.cause) == ("Completed", "Completed")
    assert second.timings.queued > 2


def test_the_network_policy_is_one_and_selects_the_grading_pods(
    kubeconfig: str, api: client.CoreV1Api, own_namespace: str, image: str
) -> None:
    policy = yaml.safe_load((MANIFESTS / "networkpolicy.yaml").read_text())
    networking = client.NetworkingV1Api(api.api_client)
    created = networking.create_namespaced_network_policy(
        own_namespace, policy, field_validation="Strict"
    )
    selector = created.spec.pod_selector.match_labels
    assert selector == {"app.kubernetes.io/managed-by": "kubegrader"}
    # Whether it is enforced is the network plugin's business, and this cluster's need not do it.
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=own_namespace)
    outcome = cluster.run(script(image, "true"))
    assert outcome.pod["metadata"]["labels"].items() >= selector.items()
