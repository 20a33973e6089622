"""Where list and watch are forbidden, beside upstream with the same interval."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from .api import Api
from .progress import tell
from .real_round import RealPods, real_round
from .results import Delays, delays
from .server import embedded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .sample import Sample

CONTENDERS = ("async", "run", "upstream")


def measure_polling(
    contenders: Sequence[str], pods: int, seconds: float, rounds: int
) -> dict[str, Delays]:
    """Let all run pods at the same time, which live for a second to `seconds`.

    Always on an embedded cluster, which refuses lists and watches of a namespace: on a real one
    that takes another user. Its containers run, since kubegrader goes by their logs too. The delays
    are seconds, so that the clients do not disturb each other.
    """
    names = [name for name in CONTENDERS if name in contenders]
    if not names:
        return {}
    some = RealPods(pods, "bench.invalid/none:1", seconds, every_namespace=True)
    with embedded(forbid_watch=True) as kubeconfig, ThreadPoolExecutor(len(names)) as pool:
        runs = [pool.submit(_rounds, kubeconfig, name, some, rounds) for name in names]
        found = {name: delays(run.result()) for name, run in zip(names, runs, strict=True)}
    tell("polling", "all")
    return found


def _rounds(kubeconfig: str, name: str, pods: RealPods, rounds: int) -> list[Sample]:
    api = Api(kubeconfig)
    return [real_round(api, name, pods) for _ in range(rounds)]
