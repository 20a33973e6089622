"""Errors of the core without the values that they quote, which may be secrets of the site."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exceptions import InvalidPodError

# serde's words for what it met: invalid type: string "x", expected a sequence.
_QUOTED = re.compile(
    r'(invalid (?:type|value): [a-z ]+?) (?:"(?:[^"\\]|\\.)*"|`[^`]*`)(?=, expected )'
)


def without_values(error: InvalidPodError) -> InvalidPodError:
    """Give an error on a pod's fields that tells kinds and not values."""
    return type(error)(_QUOTED.sub(r"\1", str(error)), verdict=error.verdict)
