"""The log of a pod that a subclass reads itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._core import kept_log

if TYPE_CHECKING:
    from .pod import GraderPod

_CHUNK = 65536
_TIMES = (5, 10)
"""How long, in seconds, a connection may take, and silence in the middle of an answer."""
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def read(api: Any, pod: GraderPod, limit: int) -> str:
    """Read the first and the last part of a pod's log with the official client, as the core does.

    It is that of the container whose log is the pod's.

    Raises `kubernetes.client.ApiException`, and what urllib3 raises.
    """
    manifest = pod.manifest if pod.outcome is None else pod.outcome.pod
    annotations = manifest["metadata"].get("annotations") or {}
    # Of a pod with several containers the API server wants to be told which one.
    container = annotations.get(_DEFAULT_CONTAINER) or manifest["spec"]["containers"][0]["name"]
    with api.read_namespaced_pod_log(
        pod.name,
        pod.namespace,
        container=container,
        _preload_content=False,
        _request_timeout=_TIMES,
    ) as response:
        return kept_log(response.stream(_CHUNK), limit)
