"""What cannot be run is refused with the step, the object, the cause and what to do."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import kubegrader
import pytest
import yaml
from pods import names, script

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kubernetes.client import CoreV1Api


@pytest.fixture
def changed(kubeconfig: str, tmp_path: Path) -> Callable[[Callable[[Any], None]], str]:
    """Give a copy of the kubeconfig with something changed in it."""

    def change(edit: Callable[[Any], None]) -> str:
        with open(kubeconfig) as file:  # noqa: PTH123
            content = yaml.safe_load(file)
        edit(content)
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return change


def test_making_a_cluster_never_fails() -> None:
    kubegrader.Cluster(context="nonsense", kubeconfig="/no/such/file", namespace="!")


def test_a_missing_kubeconfig_is_named(image: str) -> None:
    with pytest.raises(kubegrader.ConfigError) as error:
        kubegrader.Cluster(kubeconfig="/no/such/kubeconfig").run(script(image, "true"))
    assert "/no/such/kubeconfig" in str(error.value)
    assert "Name a kubeconfig" in str(error.value)


def test_a_context_that_is_not_there_is_told_with_those_that_are(
    kubeconfig: str, image: str
) -> None:
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, context="nonsense")
    with pytest.raises(kubegrader.ConfigError, match='no context "nonsense". Its contexts are'):
        cluster.run(script(image, "true"))


def test_a_cluster_that_is_not_there_is_told_with_its_address(
    changed: Callable[[Callable[[Any], None]], str], namespace: str, image: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"https://127.0.0.1:{taken.getsockname()[1]}"

        def move(content: Any) -> None:
            content["clusters"][0]["cluster"]["server"] = address

        with pytest.raises(kubegrader.UnreachableError) as error:
            kubegrader.Cluster(kubeconfig=changed(move)).run(script(image, "true"))
    assert str(error.value).startswith(f"creating pod {namespace}/test-")
    assert f"the API server {address} does not answer" in str(error.value)
    assert "Connection refused" in str(error.value)


def test_a_refused_token_is_told_and_not_repeated(
    changed: Callable[[Callable[[Any], None]], str], image: str
) -> None:
    def refuse(content: Any) -> None:
        content["users"][0]["user"] = {"token": "s3cret-and-expired"}

    with pytest.raises(kubegrader.ApiError) as error:
        kubegrader.Cluster(kubeconfig=changed(refuse)).run(script(image, "true"))
    assert (error.value.code, error.value.reason) == (401, "Unauthorized")
    assert "Log in again" in str(error.value)
    assert "s3cret" not in str(error.value)


def test_an_unknown_namespace_is_told(kubeconfig: str, image: str) -> None:
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace="no-such-namespace")
    with pytest.raises(kubegrader.ApiError) as error:
        cluster.run(script(image, "true", "p"))
    assert str(error.value) == (
        'creating pod no-such-namespace/p: NotFound (404): namespaces "no-such-namespace" not '
        "found. Create the namespace, or set another one"
    )


def test_a_pod_that_the_server_calls_invalid_is_refused_in_its_words(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    pod = script(image, "true", "invalid")
    pod["spec"]["containers"].append(dict(pod["spec"]["containers"][0]))
    with pytest.raises(kubegrader.ApiError) as error:
        cluster.run(pod)
    assert (error.value.code, error.value.reason) == (422, "Invalid")
    assert 'spec.containers[1].name: Duplicate value: "main"' in str(error.value)
    assert error.value.verdict is not None
    assert (error.value.verdict.cause, error.value.verdict.blame) == ("Rejected", "course")
    assert names(api, namespace) == []


def test_a_misspelt_field_is_refused_as_kubectl_refuses_it(
    cluster: kubegrader.Cluster, image: str
) -> None:
    pod = script(image, "true")
    pod["spec"]["containers"][0]["imagePullPolicee"] = "Never"
    with pytest.raises(kubegrader.ApiError, match="unknown field .*imagePullPolicee"):
        cluster.run(pod)


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        ({}, "metadata.name"),
        ({"metadata": {"name": "Upper"}, "spec": {"containers": [{}]}}, "DNS-1123"),
        ({"metadata": {"name": "p"}}, "spec.containers"),
        ({"metadata": {"name": "p"}, "spec": {"containers": [object()]}}, "no plain data"),
    ],
)
def test_what_is_no_pod_is_refused_before_anybody_is_asked(pod: Any, words: str) -> None:
    with pytest.raises(kubegrader.InvalidPodError, match=words):
        kubegrader.Cluster(kubeconfig="/no/such/file").run(pod)


def test_what_is_neither_dict_nor_pod_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="dict or a V1Pod"):
        kubegrader.Cluster().run("pod")


@pytest.mark.parametrize("options", [{"timeout": -1}, {"start_timeout": float("nan")}])
def test_a_time_that_cannot_be_is_refused(options: Any, image: str) -> None:
    with pytest.raises(ValueError, match="number of seconds"):
        kubegrader.Cluster().run(script(image, "true"), **options)


def test_a_pod_that_no_scheduler_looks_at_is_given_up_in_time(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    pod = script(image, "true", "unseen", schedulerName="none")
    with pytest.raises(kubegrader.PodNotStartedError, match="it had 1 s to start") as error:
        cluster.run(pod, start_timeout=1)
    verdict = error.value.verdict
    assert verdict is not None
    assert (verdict.cause, verdict.blame, verdict.retryable) == ("StartTimeout", "cluster", True)
    assert "unseen" not in names(api, namespace)


def test_what_prepares_an_attempt_has_to_be_a_function(
    cluster: kubegrader.Cluster, image: str
) -> None:
    with pytest.raises(TypeError, match="before_attempt must be a function"):
        cluster.run(script(image, "true"), before_attempt=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["name", "namespace", "generateName"])
def test_a_name_that_is_no_string_is_refused(
    cluster: kubegrader.Cluster, image: str, key: str
) -> None:
    pod = script(image, "true", "named")
    pod["metadata"][key] = 5
    with pytest.raises(kubegrader.InvalidPodError, match=f"metadata.{key}: it must be a string"):
        cluster.run(pod)


@pytest.mark.parametrize("seconds", [1e12, 1e19])
def test_a_limit_that_nobody_lives_to_see_is_as_good_as_none(
    cluster: kubegrader.Cluster, image: str, seconds: float
) -> None:
    outcome = cluster.run(script(image, "true"), timeout=seconds, start_timeout=seconds)
    assert outcome.phase == "Succeeded"
    # The API takes no more.
    assert outcome.pod["spec"]["activeDeadlineSeconds"] <= 2147483647
