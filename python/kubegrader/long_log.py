"""A log of any length as text: its first and its last part, as the core keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .pod import GraderPod

_CHUNK = 65536
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def read(api: Any, pod: GraderPod, limit: int) -> str:
    """Read a pod's log with the official client: that of the container whose log is the pod's.

    Raises `kubernetes.client.ApiException`, and what urllib3 raises.
    """
    manifest = pod.manifest if pod.outcome is None else pod.outcome.pod
    annotations = manifest["metadata"].get("annotations") or {}
    # Of a pod with several containers the API server wants to be told which one.
    container = annotations.get(_DEFAULT_CONTAINER) or manifest["spec"]["containers"][0]["name"]
    with api.read_namespaced_pod_log(
        pod.name, pod.namespace, container=container, _preload_content=False
    ) as response:
        return text(response.stream(_CHUNK), limit)


def text(chunks: Iterable[bytes], limit: int) -> str:
    """Keep at most `limit` bytes of a log, half of them from its beginning.

    A line in the middle says how many bytes are left out. Bytes that are not UTF-8 become U+FFFD.
    No more than that and one chunk is in memory at a time.
    """
    half = limit // 2
    head, tail, left_out = bytearray(), bytearray(), 0
    for chunk in chunks:
        room = half - len(head)
        head += chunk[:room]
        tail += chunk[room:]
        excess = max(0, len(tail) - (limit - half))
        del tail[:excess]
        left_out += excess
    if left_out == 0:
        return _decoded(head + tail)
    # Whole lines read better, where there are any; what goes for that is counted too.
    end = head.rfind(b"\n") + 1 or len(head)
    start = tail.find(b"\n") + 1
    left_out += len(head) - end + start
    separator = "" if head[:end].endswith(b"\n") else "\n"
    gap = f"{separator}[... {left_out} bytes of the log are left out here ...]\n"
    return _decoded(head[:end]) + gap + _decoded(tail[start:])


def _decoded(part: bytearray) -> str:
    return part.decode("utf-8", "replace")
