"""When the pods of a stage end: a Poisson process, the same for every contender."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Moment: TypeAlias = "tuple[str, float]"


def schedule(names: Sequence[str], rate: float, seed: int) -> list[Moment]:
    """Give each name a moment, in seconds from the beginning, `rate` a second, in random order.

    With a rate of 0 all are due at once.
    """
    chance = random.Random(seed)  # noqa: S311 - a fair die, not a secret
    at = 0.0
    moments = []
    for name in chance.sample(names, len(names)):
        at += chance.expovariate(rate) if rate else 0.0
        moments.append((name, at))
    return moments
