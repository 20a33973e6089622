"""Pods and the API as the official Python client has them, for hooks and overrides that want them.

This module is imported when such a hook is there, and not before: ``kubernetes`` takes about a
second to import.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubernetes import config
from kubernetes.client import ApiClient, Configuration, CoreV1Api, V1Pod

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._core import RunOptions
    from .cluster import Cluster

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ExecutorApi(CoreV1Api):
    """A `CoreV1Api` that knows how its executor runs pods, for a `GraderPod` made with it."""

    cluster: Cluster
    options: RunOptions


def api(kubeconfig: str | None, context: str | None) -> ExecutorApi:
    """Make a client of the same cluster, as the same user, as `Cluster` with these arguments.

    Raises `kubernetes.config.ConfigException`.
    """
    configuration = Configuration()
    kubeconfig = _named(kubeconfig)
    if _is_in_cluster(kubeconfig, context):
        config.load_incluster_config(client_configuration=configuration)
    else:
        config.load_kube_config(kubeconfig, context, client_configuration=configuration)
    client = ApiClient(configuration)
    if configuration.verify_ssl and configuration.ssl_ca_cert is not None:
        # As kubectl does: Python 3.13 refuses authorities without extensions that many lack.
        context_of_tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        context_of_tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
        client.rest_client.pool_manager.connection_pool_kw["ssl_context"] = context_of_tls
    return ExecutorApi(client)


def namespace(kubeconfig: str | None, context: str | None) -> str:
    """Give the namespace that pods get which name none.

    Raises `kubernetes.config.ConfigException`.
    """
    kubeconfig = _named(kubeconfig)
    if _is_in_cluster(kubeconfig, context):
        return (_ACCOUNT / "namespace").read_text().strip()
    contexts, current = config.list_kube_config_contexts(kubeconfig)
    chosen = next((one for one in contexts if one["name"] == context), current)
    return str(chosen["context"].get("namespace") or "default")


def _named(kubeconfig: str | None) -> str | None:
    """Read `$KUBECONFIG` now, as the core does; the official client did when it was imported."""
    return kubeconfig or os.environ.get("KUBECONFIG") or None


def _is_in_cluster(kubeconfig: str | None, context: str | None) -> bool:
    return kubeconfig is None and context is None and (_ACCOUNT / "token").exists()


@functools.cache
def _api_client() -> ApiClient:
    return ApiClient()


class _Response:
    """What `ApiClient.deserialize` reads of a response, up to kubernetes 36."""

    def __init__(self, text: str) -> None:
        self.data = text


def to_v1pod(pod: Mapping[str, Any]) -> V1Pod:
    """Give a pod as a `V1Pod`."""
    text, client = json.dumps(pod), _api_client()
    if "content_type" in inspect.signature(client.deserialize).parameters:  # from kubernetes 37 on
        return client.deserialize(text, "V1Pod", "application/json")
    return client.deserialize(_Response(text), "V1Pod")


def to_dict(model: object) -> Any:
    """Give a model, or lists and dicts of models, as plain data with Kubernetes' own keys."""
    return _api_client().sanitize_for_serialization(model)


def changed(pod: Mapping[str, Any], hooked: object) -> Any:
    """Give a pod with what a hook changed in its model, and all that the model has no field for.

    Raises TypeError where the hook gave no pod.
    """
    after = to_dict(hooked)
    if not isinstance(after, dict):
        raise TypeError(
            f"pre_spawn_hook must return the pod, and it returned {type(hooked).__name__}"
        )
    return _changed(pod, to_dict(to_v1pod(pod)), after)


def _changed(given: Any, before: Any, after: Any) -> Any:
    """Apply to `given` what became of `before`, which is what the models keep of it."""
    if before == after:
        return given
    if isinstance(given, dict) and isinstance(before, dict) and isinstance(after, dict):
        kept = {key: value for key, value in given.items() if key not in before}
        known = {
            key: _changed(given[key], before[key], value) if key in before else value
            for key, value in after.items()
        }
        return {**kept, **known}
    if isinstance(given, list) and isinstance(before, list) and isinstance(after, list):
        return [
            _item(given, before, value, at if len(before) == len(after) else None)
            for at, value in enumerate(after)
        ]
    return after


_MERGE_KEYS = ("mountPath", "devicePath", "containerPort", "topologyKey", "name", "key", "ip")
"""By what the API tells the items of its lists apart (core/v1, ``patchMergeKey``), and a
toleration's key, which has none."""


def _item(given: list[Any], before: list[Any], after: Any, at: int | None) -> Any:
    """Give an item of a list: nothing is lost of one that moved, nor of one of its key.

    `at`: where it stood before, in a list whose items have no key.
    """
    if after in before:
        return given[before.index(after)]
    for key in _MERGE_KEYS if isinstance(after, dict) else ():
        keys = [one.get(key) if isinstance(one, dict) else None for one in before]
        if after.get(key) is not None and all(keys.count(one) == 1 for one in keys):
            at = keys.index(after[key]) if after[key] in keys else None
            break
    return after if at is None else _changed(given[at], before[at], after)
