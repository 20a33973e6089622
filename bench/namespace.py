"""A namespace for the benchmark alone, deleted when it is over."""

from __future__ import annotations

import contextlib
import secrets
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiException

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 30.0
PAUSE = 0.1


@contextlib.contextmanager
def namespace(api: Any) -> Iterator[str]:
    """Make a namespace, wait until pods can be created in it, and delete it at the end."""
    name = f"kubegrader-bench-{secrets.token_hex(4)}"
    try:
        api.create_namespace({"metadata": {"name": name}})
    except ApiException as error:
        # An embedded cluster serves pods alone, in any namespace.
        if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
            raise
        yield name
        return
    try:
        _wait_for_service_account(api, name)
        yield name
    finally:
        api.delete_namespace(name)


def _wait_for_service_account(api: Any, name: str) -> None:
    """Wait for the account that every pod needs; a controller makes it."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            api.read_namespaced_service_account("default", name)
        except ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND or time.monotonic() > until:
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
