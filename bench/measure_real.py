"""Real pods on a real cluster: from the event that a container has ended until all is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contenders import FLOOR_LOG
from .progress import tell
from .real_round import RealPods, real_round
from .results import Delays, delays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .api import Api
    from .sample import Sample

CONTENDERS = ("async", "run", FLOOR_LOG, "official", "lightkube")


def measure_real(
    api: Api, contenders: Sequence[str], image: str, sizes: Sequence[tuple[int, int]]
) -> dict[str, dict[int, Delays]]:
    """Let each run pods of an image with a shell beside a bare watch that tells zero.

    A size is how many of them run at once, and how often that is repeated.

    The kubelet says that a container has ended a second before it sets the pod's phase, for which
    most clients wait.
    """
    chosen = [name for name in CONTENDERS if name in contenders]
    found: dict[str, dict[int, Delays]] = {name: {} for name in chosen}
    for pods, rounds in sizes:
        samples: dict[str, list[Sample]] = {name: [] for name in chosen}
        for number in range(rounds):
            for name, of_rounds in samples.items():
                of_rounds.append(real_round(api, name, RealPods(pods, image)))
                tell(f"{pods} real pods, round {number + 1}", name, of_rounds[-1])
        for name, of_rounds in samples.items():
            found[name][pods] = delays(of_rounds)
    return found
