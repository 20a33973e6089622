"""What a client asks of the API server for pods that live for some seconds."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from .client import client
from .progress import tell
from .proxy import proxying
from .results import Requests
from .sample import seconds_for

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from .client import Client
    from .sample import Player

SHARED = frozenset({"list", "watch", "lease"})
"""Kinds that need not grow with the pods."""


def measure_requests(
    player: Player, contenders: Sequence[str], pods: int, life: float
) -> dict[str, Requests]:
    """Let all contenders run pods at the same time, each through a proxy that counts.

    Nothing here depends on how quick anybody is.
    """
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(proxying(player.api.kubeconfig))
        clients: list[tuple[Client, Counter[str]]] = []
        for name in contenders:
            namespace = stack.enter_context(player.api.namespace(name))
            kubeconfig, counts = proxy.open(name)
            clients.append((stack.enter_context(client(name, kubeconfig, namespace)), counts))
        for one, _ in clients:
            one.ready()
        names = {one.name: [f"{one.name}-r-{at}" for at in range(pods)] for one, _ in clients}
        for one, _ in clients:
            one.begin(names[one.name])
        for one, _ in clients:
            player.api.wait_for_pods(one.namespace, names[one.name], seconds_for(pods))
        # The life of the pods is what is to be seen, not a wait for something.
        time.sleep(life)
        for one, _ in clients:
            player.patcher.end(one.namespace, [(name, 0.0) for name in names[one.name]])
        found = {}
        for one, counts in clients:
            done = one.finish(seconds_for(pods))
            if len(done["moments"]) == pods:
                found[one.name] = requests(dict(counts), pods, life)
            else:
                tell(f"requests: not all pods returned, {done['errors']}", one.name)
    tell("requests", "all")
    return found


def requests(kinds: dict[str, int], pods: int, life: float) -> Requests:
    """Tell those that grow with the pods from the others."""
    own = sum(count for kind, count in kinds.items() if kind not in SHARED)
    return Requests(pods, life, own / pods, kinds)
