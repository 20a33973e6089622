"""Pods as the official Python client's models, for hooks and overrides that want them.

This module is imported when such a hook is there, and not before: ``kubernetes`` takes about a
second to import.
"""

from __future__ import annotations

import functools
import inspect
import json
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiClient, V1Pod

if TYPE_CHECKING:
    from collections.abc import Mapping


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
