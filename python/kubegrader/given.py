"""What a site's own functions and methods gave, where it is of a kind that they may not give."""

from __future__ import annotations

import inspect
from typing import Any

from .exceptions import InvalidPodError


def text(value: Any, by: str, what: str) -> str:
    """Take a string.

    Raises InvalidPodError, which names who gave what.
    """
    if isinstance(value, str):
        return value
    raise wrong(value, by, f"{what} as a string")


def not_awaited(value: Any, by: str) -> Any:
    """Take what a plain function gave: in each release of grader-service it is called, not awaited.

    Raises InvalidPodError for a coroutine, which has done nothing.
    """
    if inspect.iscoroutine(value):
        value.close()
        raise InvalidPodError(f"{by} is a coroutine function; it must be a plain one")
    return value


def wrong(value: Any, by: str, expected: str) -> InvalidPodError:
    """Make the error on a value, which is not told: it may hold a secret."""
    kind = "None" if value is None else f"a value of type {type(value).__name__}"
    return InvalidPodError(f"{by} gave {kind}; it must give {expected}")
