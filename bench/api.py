"""The cluster as the benchmark itself needs it: namespaces, and how many pods there are."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from .bare import AnswerError, Bare
from .pods import pod

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PATIENCE = 30.0
"""Seconds in which a new namespace must be fit for pods."""
PAUSE = 0.05


class Api:
    """An API server, asked one thing after the other."""

    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = kubeconfig
        self._loop = asyncio.new_event_loop()
        self._client = Bare(kubeconfig)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request. Raises `AnswerError`."""
        return self._loop.run_until_complete(self._client.json(method, path, body))

    @contextlib.contextmanager
    def namespace(self, what: str) -> Iterator[str]:
        """Make a namespace, wait until pods can be created in it, and delete it at the end."""
        name = f"kubegrader-bench-{what}-{secrets.token_hex(4)}"
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        try:
            self._wait_until_usable(name)
            yield name
        finally:
            self.clear(name)
            self.ask("DELETE", f"/api/v1/namespaces/{name}")

    def _wait_until_usable(self, name: str) -> None:
        """Wait for the service account that every pod needs: a controller makes it."""
        until = time.monotonic() + PATIENCE
        path = f"/api/v1/namespaces/{name}/pods?dryRun=All"
        while True:
            try:
                self.ask("POST", path, pod("probe"))
            except AnswerError as error:
                if error.status != HTTPStatus.FORBIDDEN or time.monotonic() > until:
                    raise
            else:
                return
            time.sleep(PAUSE)

    def clear(self, namespace: str) -> None:
        """Delete the pods that a client left."""
        path = f"/api/v1/namespaces/{namespace}/pods?gracePeriodSeconds=0"
        with contextlib.suppress(json.JSONDecodeError):
            self.ask("DELETE", path)

    def count_pods(self, namespace: str, names: Sequence[str]) -> int:
        """Count the pods of a namespace, by what a page of one says about the rest.

        Where lists are forbidden, those of the `names` that can be read.
        """
        try:
            page = self.ask("GET", f"/api/v1/namespaces/{namespace}/pods?limit=1")
        except AnswerError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            return sum(self._is_there(namespace, name) for name in names)
        return len(page["items"]) + int(page["metadata"].get("remainingItemCount") or 0)

    def _is_there(self, namespace: str, name: str) -> bool:
        try:
            self.ask("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")
        except AnswerError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    def wait_for_pods(self, namespace: str, names: Sequence[str], seconds: float) -> None:
        """Wait until all of them are there. Raises `TimeoutError`."""
        until = time.monotonic() + seconds
        while (found := self.count_pods(namespace, names)) < len(names):
            if time.monotonic() > until:
                raise TimeoutError(f"{found} of {len(names)} pods are there after {seconds:.0f} s")
            time.sleep(PAUSE)

    def version(self) -> str:
        """Give the version of the API server."""
        found: str = self.ask("GET", "/version")["gitVersion"]
        return found
