"""Tolerations as sites write them, and what the API server would say of each.

The rules are those of ``ValidateTolerations`` in Kubernetes' ``pkg/apis/core/validation``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .hooks import plain
from .name_rules import label_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_SECONDS = ("tolerationSeconds", "toleration_seconds")


def tolerations(value: Any) -> list[Any]:
    """Give the tolerations as a list, however the site wrote them.

    Raises TypeError where they are sorted by keys that cannot be.
    """
    if not value:
        return []
    if isinstance(value, dict):
        values = list(value.values())
        if all(isinstance(one, dict) or hasattr(one, "attribute_map") for one in values):
            if not all(isinstance(key, str) for key in value):
                raise TypeError("the keys of several tolerations must be strings")
            return [_toleration(value[key]) for key in sorted(value)]
        return [_toleration(value)]
    return [_toleration(one) for one in value]


def _toleration(value: Any) -> Any:
    """Take a number that is written as a string, as grader-service's own trait wants its values."""
    if not isinstance(value, dict):
        return value
    return {
        key: int(one) if key in _SECONDS and isinstance(one, str) and one.isdecimal() else one
        for key, one in value.items()
    }


def faults(values: list[Any]) -> Iterator[str]:
    """Say what no API server takes: texts such as ``[0].effect: it must be ...``.

    Fields of the wrong type are left to the core.
    """
    for at, value in enumerate(plain(values)):
        for field, fault in _faults(value):
            yield f"[{at}].{field}: {fault}"


def _faults(toleration: dict[str, Any]) -> Iterator[tuple[str, str]]:
    key, operator = toleration.get("key"), toleration.get("operator")
    value, effect = toleration.get("value"), toleration.get("effect")
    if key and (fault := label_fault(key, "")):
        yield "key", fault
    if not key and operator != "Exists":
        yield "operator", "it must be 'Exists' where there is no key"
    if operator == "Exists":
        if value:
            yield "value", "it must be left out where operator is 'Exists'"
    elif operator not in {None, "", "Equal"}:
        yield "operator", "it must be 'Equal' or 'Exists'"
    elif value and (fault := label_fault("key", value)):
        yield "value", fault
    if effect and effect not in _EFFECTS:
        yield "effect", "it must be 'NoSchedule', 'PreferNoSchedule' or 'NoExecute'"
    if effect != "NoExecute" and any(toleration.get(name) is not None for name in _SECONDS):
        yield "effect", "it must be 'NoExecute' where there are tolerationSeconds"
