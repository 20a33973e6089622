"""What thousands of pods at once cost a client, each time in a fresh process."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING

from .client import client
from .contenders import CONTENDERS
from .measure_delays import WARM_UP
from .progress import tell
from .results import Cost, Delays, cost, delays
from .sample import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .plan import Stage
    from .sample import Player


def measure_many(
    player: Player, contenders: Sequence[str], stages: Sequence[Stage]
) -> tuple[dict[str, dict[int, Delays]], dict[str, dict[int, Cost]]]:
    """Play each stage twice in a fresh process: paced, and then with all ends at once.

    The first tells delays, memory, CPU and the loop's lag, the second completions a second. Those
    that are asked for less are left out; one that fails is not asked again.
    """
    rounds: dict[tuple[str, int], list[tuple[Sample, Sample]]] = defaultdict(list)
    for stage in stages:
        able = [name for name in contenders if CONTENDERS[name].most >= stage.pods]
        for number in range(stage.rounds):
            for name in able:
                played = rounds[name, stage.pods]
                if number < stage.rounds_of(name) and all(paced.is_whole for paced, _ in played):
                    played.append(_fresh(player, name, stage))
                    tell(f"{stage.pods} pods, round {number + 1}", name, played[-1][0])
    by_delays: dict[str, dict[int, Delays]] = defaultdict(dict)
    by_cost: dict[str, dict[int, Cost]] = defaultdict(dict)
    for (name, pods), played in rounds.items():
        by_delays[name][pods] = delays([paced for paced, _ in played])
        by_cost[name][pods] = cost([paced for paced, _ in played], [burst for _, burst in played])
    return dict(by_delays), dict(by_cost)


def _fresh(player: Player, name: str, stage: Stage) -> tuple[Sample, Sample]:
    with contextlib.ExitStack() as stack:
        namespace = stack.enter_context(player.api.namespace(name))
        one = stack.enter_context(client(name, player.api.kubeconfig, namespace))
        one.ready()
        warm_up = player.play(one, min(WARM_UP, stage.pods), 0)
        if not warm_up.is_whole:
            return warm_up, warm_up
        paced = player.play(one, stage.pods, stage.rate)
        if not paced.is_whole:
            return paced, Sample(stage.pods)
        return paced, player.play(one, stage.pods, 0)
