"""Percentiles of all rounds together, and how far the rounds lie apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PERCENTILES = {"p50": 50, "p99": 99, "max": 100}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, and its spread."""

    value: float
    """Of all rounds together."""
    lowest: float
    """Of the round where it is lowest."""
    highest: float
    """Of the round where it is highest."""


def percentile(values: Sequence[float], percent: int) -> float:
    """Give the value that `percent` of all values do not exceed (the nearest rank)."""
    rank = max(1, math.ceil(len(values) * percent / 100))
    return sorted(values)[rank - 1]


def percentiles(rounds: Sequence[Sequence[float]]) -> dict[str, Figure]:
    """Give the percentiles of what was seen many times in each round; none of nothing."""
    counted = [values for values in rounds if values]
    if not counted:
        return {}
    pooled = [value for values in counted for value in values]
    by_round = {
        name: [percentile(values, percent) for values in counted]
        for name, percent in PERCENTILES.items()
    }
    return {
        name: Figure(percentile(pooled, percent), min(by_round[name]), max(by_round[name]))
        for name, percent in PERCENTILES.items()
    }


def middle(values: Sequence[float]) -> Figure | None:
    """Give the median of what each round has one of; None of nothing."""
    return Figure(median(values), min(values), max(values)) if values else None
