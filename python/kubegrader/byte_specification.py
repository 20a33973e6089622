"""Amounts of memory as KubeSpawner and JupyterHub write them: ``"512M"`` is 512 times 1024 squared.

They are not Kubernetes' own suffixes, where ``M`` is a million. Kubernetes' ``Mi`` and so on mean
the same here and there, and are taken too.
"""

from __future__ import annotations

import re
from typing import Any

from traitlets import Integer, TraitError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?")


class ByteSpecification(Integer):
    """A trait of bytes: an integer, or a number with the suffix K, M, G or T (units of 1024)."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Give the bytes; the TraitError of anything else shows what may be written."""
        if isinstance(value, float):
            value = int(value)
        if isinstance(value, str):
            amount = _AMOUNT.fullmatch(value.strip())
            if amount is None:
                raise TraitError(
                    f"{type(obj).__name__}.{self.name} is {value!r}, which is no amount of memory; "
                    "write bytes as a number, or a number with K, M, G or T, as '512M'"
                )
            value = int(float(amount[1]) * _UNITS[amount[2]])
        return super().validate(obj, value)
