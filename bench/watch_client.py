"""The official client at its best: one `watch.Watch` stream for all, a thread for each pod."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import kubernetes
from urllib3.exceptions import ProtocolError

from .contender import Moments
from .official import RequestCount, core_api
from .pods import CONTENDER_LABEL, pod
from .threads import Threads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONNECTIONS = 100
PATIENCE = 600.0


class Watching:
    """A shared watch tells each pod's thread of its end; the thread reads the log and deletes."""

    name = "watch"
    title = "kubernetes client, watch.Watch (one stream, a thread for each pod)"

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self._count = RequestCount()
        self._api = core_api(kubeconfig, self._count, CONNECTIONS)
        self._namespace = namespace
        self._seen: dict[str, float] = {}
        self._ended: dict[str, threading.Event] = {}
        self._watch = kubernetes.watch.Watch()
        self._is_closed = False
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        try:
            self._follow_events()
        except ProtocolError:
            if not self._is_closed:
                raise

    def _follow_events(self) -> None:
        events = self._watch.stream(
            self._api.list_namespaced_pod,
            self._namespace,
            label_selector=f"{CONTENDER_LABEL}={self.name}",
        )
        for event in events:
            name = event["object"].metadata.name
            ended = self._ended.get(name)
            is_over = event["object"].status.phase in {"Succeeded", "Failed"}
            if ended is not None and not ended.is_set() and (is_over or event["type"] == "DELETED"):
                self._seen[name] = time.time()
                ended.set()

    def begin(self, names: Sequence[str]) -> None:
        self._seen.clear()
        self._ended = {name: threading.Event() for name in names}
        self._threads = Threads(names, self._run)

    def _run(self, name: str) -> Moments:
        self._api.create_namespaced_pod(self._namespace, pod(name, self.name))
        if not self._ended[name].wait(PATIENCE):
            raise TimeoutError(f"the watch did not tell of the end of {name}")
        self._api.read_namespaced_pod_log(name, self._namespace)
        self._api.delete_namespaced_pod(name, self._namespace, grace_period_seconds=0)
        returned = time.time()
        return Moments(self._seen[name], returned, returned)

    def check(self) -> None:
        self._threads.check()

    def finish(self) -> Mapping[str, Moments]:
        return self._threads.join()

    def requests(self) -> Mapping[str, int]:
        return self._count.counts()

    def close(self) -> None:
        self._is_closed = True
        self._watch.stop()
        self._thread.join()
