"""Plain data of mappings that are no dicts, such as a ``ChainMap``, for ``json``."""

from __future__ import annotations

from collections.abc import Mapping


def as_dict(data: object) -> dict[object, object]:
    """Give a mapping as a dict; raises ``TypeError`` for all else, as ``json`` itself does."""
    if isinstance(data, Mapping):
        return dict(data)
    message = f"Object of type {type(data).__name__} is not JSON serializable"
    raise TypeError(message)
