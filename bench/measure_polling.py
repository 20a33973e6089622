"""Reading by GET where list and watch are forbidden, beside upstream with the same interval."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from .api import Api
from .client import client
from .patcher import patching
from .progress import tell
from .results import Delays, delays
from .sample import Player, Sample
from .server import embedded

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTENDERS = ("async", "run", "upstream")


def measure_polling(
    contenders: Sequence[str], pods: int, seconds: float, rounds: int
) -> dict[str, Delays]:
    """Let all run pods at the same time, which end within `seconds` of their create.

    Always on an embedded cluster, which refuses lists and watches: on a real one that takes another
    user. The delays are seconds, so that the clients do not disturb each other.
    """
    names = [name for name in CONTENDERS if name in contenders]
    if not names:
        return {}
    with embedded(forbid_watch=True) as kubeconfig, ThreadPoolExecutor(len(names)) as pool:
        runs = [pool.submit(_play, kubeconfig, name, pods, seconds, rounds) for name in names]
        found = {name: delays(run.result()) for name, run in zip(names, runs, strict=True)}
    tell("polling", "all")
    return found


def _play(kubeconfig: str, name: str, pods: int, seconds: float, rounds: int) -> list[Sample]:
    with contextlib.ExitStack() as stack:
        api = Api(kubeconfig)
        namespace = stack.enter_context(api.namespace(name))
        player = Player(api, stack.enter_context(patching(kubeconfig)))
        one = stack.enter_context(client(name, kubeconfig, namespace))
        one.ready()
        return [player.play(one, pods, pods / seconds) for _ in range(rounds)]
