"""How the cost of one more pod grows with the number there are."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .client import client
from .measure_delays import WARM_UP
from .progress import tell
from .results import Cost, cost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .sample import Player, Sample

PODS = 1_000
"""Fewer at once are run in several rounds: the CPU of ten pods alone cannot be told from none."""
MOST = 20
"""Rounds at most."""
LEAST = 10 * WARM_UP
"""Pods whose memory can be told from what the warm-up has left."""
RATE = 500.0
"""Pods that end in a second, whatever their number."""


def measure_growth(
    player: Player, contenders: Sequence[str], sizes: Sequence[int], rounds: int
) -> dict[str, dict[int, Cost]]:
    """Give the cost of a pod by the number of pods at once, each size in fresh processes."""
    found: dict[str, dict[int, Cost]] = {name: {} for name in contenders}
    for size in sizes:
        played: dict[str, list[Sample]] = {name: [] for name in contenders}
        for number in range(1 if size > PODS else rounds):
            for name in contenders:
                samples = _fresh(player, name, size)
                played[name].append(_pooled(samples))
                tell(f"growth, {size} pods, round {number + 1}", name, samples[-1])
        for name in contenders:
            found[name][size] = cost(played[name])
    return found


def _fresh(player: Player, name: str, size: int) -> list[Sample]:
    with contextlib.ExitStack() as stack:
        namespace = stack.enter_context(player.api.namespace(name))
        one = stack.enter_context(client(name, player.api.kubeconfig, namespace))
        one.ready()
        samples = [player.play(one, WARM_UP, 0)]
        if samples[0].is_whole:
            samples = []
            for _ in range(min(max(1, PODS // size), MOST)):
                samples.append(player.play(one, size, RATE))
                if not samples[-1].is_whole:
                    break
        return samples


def _pooled(samples: Sequence[Sample]) -> Sample:
    """Sum up the rounds in one process: the memory is the first's, which nothing was left for."""
    first = samples[0]
    if first.pods < LEAST:
        first.memory = None
    first.cpu = sum(one.cpu for one in samples) / len(samples)
    first.errors = [error for one in samples for error in one.errors]
    first.late = [late for one in samples for late in one.late]
    return first
