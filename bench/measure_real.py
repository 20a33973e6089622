"""Real pods on a real cluster: from the event that a container has ended until all is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .progress import tell
from .real_round import RealPods, real_round
from .results import Delays, delays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .api import Api
    from .sample import Sample

CONTENDERS = ("async", "run", "official", "lightkube")


def measure_real(
    api: Api, contenders: Sequence[str], image: str, pods: int, rounds: int
) -> dict[str, Delays]:
    """Let each run pods of an image with a shell, all at once, beside a bare watch that tells zero.

    The kubelet says that a container has ended a second before it sets the pod's phase, for which
    most clients wait.
    """
    found: dict[str, list[Sample]] = {name: [] for name in CONTENDERS if name in contenders}
    for number in range(rounds):
        for name, samples in found.items():
            samples.append(real_round(api, name, RealPods(pods, image)))
            tell(f"real pods, round {number + 1}", name, samples[-1])
    return {name: delays(samples) for name, samples in found.items()}
