"""How soon a client knows of an end and has returned, with few pods in flight."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING

from .client import client
from .progress import tell
from .results import Delays, delays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .client import Client
    from .plan import Stage
    from .sample import Player, Sample

WARM_UP = 50
"""Pods that are not counted: they make all connections, and start the watches."""


def measure_delays(
    player: Player, contenders: Sequence[str], stages: Sequence[Stage]
) -> dict[str, dict[int, Delays]]:
    """Play the stages; the contenders take turns in each round, so that all meet the same machine.

    Their processes live as long as all stages. One that fails is not asked again.
    """
    samples: dict[str, dict[int, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    with contextlib.ExitStack() as stack:
        clients = _start(stack, player, contenders)
        for one in clients:
            _warm_up(player, one, samples)
        for stage in stages:
            for number in range(stage.rounds):
                for one in clients:
                    if number < stage.rounds_of(one.name) and not _has_failed(samples[one.name]):
                        sample = player.play(one, stage.pods, stage.rate)
                        samples[one.name][stage.pods].append(sample)
                        tell(f"{stage.pods} pods, round {number + 1}", one.name, sample)
    return {
        name: {pods: delays(rounds) for pods, rounds in by_pods.items()}
        for name, by_pods in samples.items()
    }


def _start(stack: contextlib.ExitStack, player: Player, contenders: Sequence[str]) -> list[Client]:
    """Start all processes, then wait for them: importing takes some of them seconds."""
    clients = []
    for name in contenders:
        namespace = stack.enter_context(player.api.namespace(name))
        clients.append(stack.enter_context(client(name, player.api.kubeconfig, namespace)))
    for one in clients:
        one.ready()
    return clients


def _warm_up(player: Player, one: Client, samples: dict[str, dict[int, list[Sample]]]) -> None:
    sample = player.play(one, WARM_UP, 0)
    tell("warm-up", one.name, sample)
    if not sample.is_whole:
        samples[one.name][WARM_UP].append(sample)


def _has_failed(by_pods: dict[int, list[Sample]]) -> bool:
    return any(not one.is_whole for rounds in by_pods.values() for one in rounds)
