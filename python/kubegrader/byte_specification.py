"""Amounts of memory as KubeSpawner and JupyterHub write them: ``"512M"`` is 512 times 1024 squared.

They are not Kubernetes' own suffixes, where ``M`` is a million. Kubernetes' ``Mi`` and so on mean
the same here and there, and are taken too.
"""

from __future__ import annotations

import re
from typing import Any

from .config_traits import MisconfiguredError
from .number_traits import WholeNumber

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?")
_MOST = 2**63 - 1  # of Kubernetes' quantities


class ByteSpecification(WholeNumber):
    """A trait of bytes: an integer, or a number with the suffix K, M, G or T (units of 1024)."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Give the bytes; the error of anything else shows what may be written."""
        try:
            amount = _bytes(value)
        except (ValueError, OverflowError):  # nan; infinity
            amount = None
        if amount is None or abs(amount) > _MOST:
            full = f"{type(obj).__name__}.{self.name}"
            is_plain = isinstance(value, (str, bool, int, float))
            shown = repr(value) if is_plain else f"of type {type(value).__name__}"
            raise MisconfiguredError(
                f"{full} is {shown}, which is no amount of memory; write bytes as a number, or a "
                "number with K, M, G or T, as '512M'",
                trait=full,
            )
        return super().validate(obj, amount)


def _bytes(value: Any) -> int | None:
    """Give the bytes; None for what is no amount. Raises ValueError or OverflowError likewise."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        amount = _AMOUNT.fullmatch(value.strip())
        return None if amount is None else int(float(amount[1]) * _UNITS[amount[2]])
    return int(value) if isinstance(value, (int, float)) else None
