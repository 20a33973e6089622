"""grader-service 0.12.5's own `KubeAutogradeExecutor` and `GraderPod`, a thread for each pod.

Only what says when things happened, and the pod's name, is laid over them.
"""

from __future__ import annotations

import time
from typing import Any

from grader_service.autograding.kube.kube_grader import KubeAutogradeExecutor
from traitlets.config import Config

from bench.contender import Moments
from bench.pods import pod as benchmarks_pod

from .upstream_submission import FOLDER, settings, submission


def as_others(_lecture: Any, _assignment: Any, pod: Any) -> Any:
    """Let the pod do what the others' pods do: a `pre_spawn_hook`."""
    spec = benchmarks_pod(pod.metadata.name)["spec"]
    pod.spec.scheduler_name = spec.get("schedulerName")
    container = pod.spec.containers[0]
    if command := spec["containers"][0].get("command"):
        container.command, container.args = command, None
        container.image = spec["containers"][0]["image"]
        container.volume_mounts = pod.spec.volumes = None
    return pod


class Timed(KubeAutogradeExecutor):
    """The executor, with a name from outside and a note of when it knew."""

    pod_name = ""
    seen = 0.0

    def _get_autograde_pod_name(self) -> str:
        return self.pod_name

    def _get_pod_logs(self, pod: Any) -> str:
        self.seen = time.monotonic()
        # As theirs, but that a pod without a node has no log (204), which theirs cannot take.
        logs = self.client.read_namespaced_pod_log(name=pod.name, namespace=pod.namespace)
        return (logs or "").strip()


class Default:
    """Each pod is read every 5 seconds."""

    poll_interval: int | None = None

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        pod = {} if self.poll_interval is None else {"poll_interval": self.poll_interval}
        traits = {**settings(kubeconfig, namespace), "pre_spawn_hook": as_others}
        self._config = Config({"GraderPod": pod, "Timed": traits})

    def run(self, name: str) -> Moments:
        executor = Timed(FOLDER, submission(name), config=self._config)
        executor.pod_name = name
        executor._run()  # noqa: SLF001
        return Moments(executor.seen, time.monotonic())


class EachSecond(Default):
    """Each pod is read every second."""

    poll_interval = 1
