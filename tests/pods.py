"""Pods for tests, and waiting for what a cluster does in its own time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from kubernetes.client import CoreV1Api

PATIENCE = 60.0
"""Seconds; a busy machine needs some of them."""


def script(image: str, text: str, name: str | None = None, **spec: Any) -> dict[str, Any]:
    """Make a pod of one container that runs a shell script once."""
    container = {"name": "main", "image": image, "command": ["sh", "-c", text]}
    metadata = {"generateName": "test-"} if name is None else {"name": name}
    return {"metadata": metadata, "spec": {"containers": [container], **spec}}


def until(condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Wait until a condition holds, and give what it gave; fail when it never does."""
    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {patience} s: {condition}"
        time.sleep(0.02)
    return found


def names(api: CoreV1Api, namespace: str) -> list[str]:
    """Name the pods of a namespace."""
    return [pod.metadata.name for pod in api.list_namespaced_pod(namespace).items]


def phase(api: CoreV1Api, namespace: str, name: str) -> str | None:
    """Give a pod's phase, or None when it is not there."""
    for pod in api.list_namespaced_pod(namespace).items:
        if pod.metadata.name == name:
            return str(pod.status.phase)
    return None


def processes(marker: str) -> list[str]:
    """Name the processes that sleep for that long."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:  # it has just ended
            continue
        if command == f"sleep\0{marker}\0".encode():
            found.append(entry.name)
    return found
