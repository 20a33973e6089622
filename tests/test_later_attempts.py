"""A process that is killed during a later attempt: the next run finds that attempt's pod."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from child import Child
from pods import names, phase, script, until

if TYPE_CHECKING:
    import kubegrader
    from kubernetes.client import CoreV1Api

SCRIPT = "sleep 20; echo graded"


def leave_second_attempt(
    kubeconfig: str, api: CoreV1Api, namespace: str, image: str, name: str
) -> str:
    """Kill a process when its second attempt runs; gives the uid of the pod that it leaves."""
    code = f"""
    manifest = pod({SCRIPT!r})
    manifest["spec"]["terminationGracePeriodSeconds"] = 1
    cluster.run(manifest, submission=name, max_attempts=3)
    """
    child = Child(code, kubeconfig, namespace, image, name)
    try:
        until(lambda: name in names(api, namespace) and phase(api, namespace, name) == "Running")
        api.create_namespaced_pod_eviction(name, namespace, {"metadata": {"name": name}})
        later = f"{name}-attempt-2"
        until(lambda: later in names(api, namespace) and phase(api, namespace, later) == "Running")
    finally:
        child.process.kill()
        assert child.ends()[0] == -signal.SIGKILL
    return str(api.read_namespaced_pod(later, namespace).metadata.uid)


def test_the_later_attempt_is_adopted_and_its_result_is_the_submissions(
    cluster: kubegrader.Cluster, kubeconfig: str, api: CoreV1Api, namespace: str, image: str
) -> None:
    left = leave_second_attempt(kubeconfig, api, namespace, image, "adopted-later")
    pod = script(image, SCRIPT, "adopted-later")
    outcome = cluster.run(pod, submission="adopted-later", max_attempts=3)
    assert (outcome.verdict.cause, outcome.attempt, outcome.logs) == ("Completed", 2, "graded\n")
    assert outcome.pod["metadata"]["uid"] == left
    assert not [name for name in names(api, namespace) if name.startswith("adopted-later")]


def test_without_adoption_it_is_gone_before_the_folders_are_put_back_and_a_pod_is_made(
    cluster: kubegrader.Cluster, kubeconfig: str, api: CoreV1Api, namespace: str, image: str
) -> None:
    leave_second_attempt(kubeconfig, api, namespace, image, "stopped-later")
    there: list[tuple[int, list[str]]] = []

    def prepare(attempt: int) -> None:
        pods = names(api, namespace)
        there.append((attempt, [name for name in pods if name.startswith("stopped-later")]))

    outcome = cluster.run(
        script(image, "echo anew", "stopped-later"),
        submission="stopped-later",
        max_attempts=3,
        adopt=False,
        before_attempt=prepare,
    )
    assert (outcome.verdict.cause, outcome.attempt, outcome.logs) == ("Completed", 1, "anew\n")
    assert there == [(1, [])]
