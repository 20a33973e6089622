"""Pods as the official Python client's models, for hooks and overrides that want them.

This module is imported when such a hook is there, and not before: ``kubernetes`` takes about a
second to import.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiClient, V1Pod

if TYPE_CHECKING:
    from collections.abc import Mapping


@functools.cache
def _api_client() -> ApiClient:
    return ApiClient()


class _Response:
    """What `ApiClient.deserialize` reads of a response."""

    def __init__(self, data: object) -> None:
        self.data = json.dumps(data)


def to_v1pod(pod: Mapping[str, Any]) -> V1Pod:
    """Give a pod as a `V1Pod`."""
    return _api_client().deserialize(_Response(pod), "V1Pod")


def to_dict(model: object) -> Any:
    """Give a model, or lists and dicts of models, as plain data with Kubernetes' own keys."""
    return _api_client().sanitize_for_serialization(model)
