"""Numbers in a site's config: ``True`` is none, and neither are nan and infinity."""

from __future__ import annotations

import math
from typing import Any

from traitlets import Float, Integer

HIGHEST_ID = 2**31 - 1
"""The highest user or group id that Kubernetes takes (IsValidUserID in its validation)."""


class WholeNumber(Integer):
    """A trait of whole numbers from `min` to `max`."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Give the number; TraitError for anything else, Python's booleans included."""
        if isinstance(value, bool):
            self.error(obj, value)
        return super().validate(obj, value)

    def info(self) -> str:
        """Say what it takes."""
        if self.max is not None:
            return f"a whole number from {self.min} to {self.max}"
        return "a whole number" + (f" from {self.min} on" if self.min is not None else "")


class FiniteNumber(Float):
    """A trait of numbers that are an amount of something."""

    info_text = "a finite number"

    def validate(self, obj: Any, value: Any) -> Any:
        """Give the number; TraitError for anything else, nan and infinity included."""
        if isinstance(value, bool):
            self.error(obj, value)
        number = super().validate(obj, value)
        if not math.isfinite(number):
            self.error(obj, value)
        return number
