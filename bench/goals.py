"""What kubegrader is to reach."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .results import Result

P99 = {"seen": 10.0, "done": 25.0, "returned": 25.0}
"""Milliseconds from the accepted status."""
REQUESTS_A_POD = 3.0
WATCH_SECONDS = 60
"""A watch is renewed as often, since the server is asked to close it then."""


def delay(result: Result, what: str) -> str:
    """Judge a delay."""
    return _word(result.delays(what)["p99"].pooled <= P99[what])


def requests(result: Result) -> str:
    """Judge the requests for each pod."""
    return _word(result.requests_a_pod() <= REQUESTS_A_POD)


def watches(result: Result) -> str:
    """Judge the watches of the client's life: one list, and one watch that is renewed."""
    counted = result.life_requests
    most = math.floor(result.life / WATCH_SECONDS) + 1
    return _word(counted["list"] <= 1 and counted["watch"] <= most)


def _word(is_met: bool) -> str:  # noqa: FBT001
    return "met" if is_met else "MISSED"
