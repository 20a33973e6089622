"""`GraderPod(pod, api)` with a client that the site has made itself."""

from __future__ import annotations

import pytest
from kubegrader import EmbeddedCluster, models
from kubegrader.executor import GraderPod
from kubernetes.client import CoreV1Api
from pods import names, script, until


def client(kubeconfig: str) -> CoreV1Api:
    """Make a client that knows nothing of an executor."""
    return CoreV1Api(models.api(kubeconfig, None).api_client)


def test_a_client_of_the_default_cluster_will_do(
    kubeconfig: str, namespace: str, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig)
    api = client(kubeconfig)
    pod = api.create_namespaced_pod(
        namespace, script(image, "echo followed", "followed", restartPolicy="Never")
    )
    followed = GraderPod(pod, api)
    assert followed.poll() == "Succeeded"
    assert followed.outcome is not None
    assert followed.outcome.logs == "followed\n"
    until(lambda: "followed" not in names(api, namespace))


@pytest.mark.parametrize("default", ["the tests' own", "none"])
def test_a_client_of_another_cluster_is_refused_and_its_pod_is_not_left(
    kubeconfig: str, image: str, monkeypatch: pytest.MonkeyPatch, default: str
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/no/such/file" if default == "none" else kubeconfig)
    with EmbeddedCluster() as other:
        api = client(other.kubeconfig)
        pod = api.create_namespaced_pod("default", script(image, "sleep 600", "foreign"))
        with pytest.raises(ValueError, match="cannot follow a pod with a client of http"):
            GraderPod(pod, api)
        until(lambda: names(api, "default") == [])
