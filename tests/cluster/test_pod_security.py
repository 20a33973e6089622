"""Pods as the executor makes them, under Pod Security Standards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kubegrader
import pytest
from kubegrader._core import build_pod
from pods import names

if TYPE_CHECKING:
    from kubernetes import client


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
