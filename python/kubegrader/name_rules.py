"""Kubernetes' rules for names and labels, in the core's words."""

from __future__ import annotations

import re
from typing import Any

from ._core import check_request
from .exceptions import InvalidPodError

_PART = re.compile(r'^\w+(?:(?:, key |\[)"(?:[^"\\]|\\.)*"\]?)?: ')


def label_fault(key: str, value: str) -> str | None:
    """Say why a label cannot be; None where it can."""
    return _fault({"labels": {key: value}})


def subdomain_fault(name: str) -> str | None:
    """Say why an object such as a pod, a secret or an account cannot have a name."""
    return _fault({"service_account": name})


def _fault(part: dict[str, Any]) -> str | None:
    try:
        check_request(part)
    except InvalidPodError as error:
        # The core names the part first, as in: labels, key "a b": name part must be ...
        return _PART.sub("", str(error))
    return None
