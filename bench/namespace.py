"""A namespace for the benchmark alone, deleted when it is over."""

from __future__ import annotations

import contextlib
import secrets
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiException

from .pods import pod

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 30.0
PAUSE = 0.1


@contextlib.contextmanager
def namespace(api: Any) -> Iterator[str]:
    """Make a namespace, wait until pods can be created in it, and delete it at the end."""
    name = f"kubegrader-bench-{secrets.token_hex(4)}"
    api.create_namespace({"metadata": {"name": name}})
    try:
        _wait_until_usable(api, name)
        yield name
    finally:
        api.delete_namespace(name)


def _wait_until_usable(api: Any, name: str) -> None:
    """Wait for the service account that every pod needs: a controller makes it."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            api.create_namespaced_pod(name, pod("probe", "none"), dry_run="All")
        except ApiException as error:
            if error.status != HTTPStatus.FORBIDDEN or time.monotonic() > until:
                raise
        else:
            return
        time.sleep(PAUSE)


def count_pods(api: Any, name: str, selector: str) -> int:
    """Count pods by a label selector."""
    # Counted as text and from the API server's cache: cheap for both sides.
    pods = api.list_namespaced_pod(
        name, label_selector=selector, resource_version="0", _preload_content=False
    )
    found: int = pods.read().count(b'"creationTimestamp"')
    return found
