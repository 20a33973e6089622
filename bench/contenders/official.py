"""The official client at its best: one `watch.Watch` for all, a thread for each pod."""

from __future__ import annotations

import threading
import time
from typing import Any

import kubernetes

from bench.contender import Moments, ThreadEnds
from bench.pods import pod

CONNECTIONS = 100


def core_api(kubeconfig: str, connections: int = CONNECTIONS) -> Any:
    """Make a `kubernetes.client.CoreV1Api` that keeps up to so many connections."""
    configuration = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(kubeconfig, client_configuration=configuration)
    configuration.connection_pool_maxsize = connections
    return kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(configuration))


class Official:
    """The shared watch tells each pod's thread of its end; the thread reads the log and deletes."""

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self._api = core_api(kubeconfig)
        self._namespace = namespace
        self._ends = ThreadEnds()
        self._watch = kubernetes.watch.Watch()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        for event in self._watch.stream(self._api.list_namespaced_pod, self._namespace):
            seen = event["object"]
            self._ends.tell(seen.metadata.name, seen.status.phase)

    def run(self, name: str) -> Moments:
        self._ends.expect(name)
        self._api.create_namespaced_pod(self._namespace, pod(name))
        seen = self._ends.wait(name)
        self._api.read_namespaced_pod_log(name, self._namespace)
        self._api.delete_namespaced_pod(name, self._namespace, grace_period_seconds=0)
        return Moments(seen, time.monotonic())
