"""When the pods of a round end: a Poisson process, the same for every contender."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def schedule(names: Sequence[str], rate: float, seed: int) -> list[tuple[str, float]]:
    """Give each name a moment, in seconds from the beginning, `rate` a second, in random order."""
    chance = random.Random(seed)  # noqa: S311 - a fair die, not a secret
    at = 0.0
    moments = []
    for name in chance.sample(names, len(names)):
        at += chance.expovariate(rate)
        moments.append((name, at))
    return moments
