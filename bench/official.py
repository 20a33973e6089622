"""The official client, with its requests counted."""

from __future__ import annotations

import ssl
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import kubernetes

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("create", "get", "list", "watch", "log", "delete", "other")


class RequestCount:
    """Requests by kind, as `kubegrader.Cluster.requests` counts them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, method: str, url: str, query: str) -> None:
        """Count one request."""
        path, _, in_url = url.partition("?")
        kind = _kind(method, path, in_url + query)
        with self._lock:
            self._counts[kind] += 1

    def counts(self) -> Mapping[str, int]:
        """Give the counts so far."""
        with self._lock:
            return {kind: self._counts[kind] for kind in KINDS}


def _kind(method: str, path: str, query: str) -> str:
    if method == "DELETE":
        return "delete"
    if method == "POST":
        return "create"
    if method != "GET":
        return "other"
    if path.endswith("/log"):
        return "log"
    if path.endswith("/pods"):
        return "watch" if "watch" in query else "list"
    return "get" if "/pods/" in path else "other"


def core_api(kubeconfig: str, count: RequestCount | None = None, connections: int = 4) -> Any:
    """Make a `kubernetes.client.CoreV1Api` that keeps up to so many connections."""
    configuration = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(kubeconfig, client_configuration=configuration)
    configuration.connection_pool_maxsize = connections
    api = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(configuration))
    rest = api.api_client.rest_client
    if configuration.verify_ssl:
        # Verified as kubectl does: Python 3.13 refuses a CA without extensions that many CAs lack.
        context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        rest.pool_manager.connection_pool_kw["ssl_context"] = context
    if count is not None:
        send = rest.request

        def counted(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            count.add(method, url, str(kwargs.get("query_params") or ""))
            return send(method, url, *args, **kwargs)

        rest.request = counted
    return api
