"""`python -m bench`: kubegrader and its peers wait for the same pods, in turns, round by round."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import kubegrader
import kubernetes

from .kubegrader_client import Async, Threaded
from .namespace import count_pods, namespace
from .official import core_api
from .patcher import Patcher, patching
from .pods import CONTENDER_LABEL
from .polling_client import Polling
from .report import as_json, show
from .results import Pod, Result, Round
from .schedule import schedule
from .watch_client import Watching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .contender import Contender

PEERS: dict[str, list[type[Watching | Polling]]] = {
    "none": [],
    "watch": [Watching],
    "all": [Watching, Polling],
}
WARM_UP = 0
"""The round that is not counted: it makes connections and starts the watches."""

PATIENCE = 60.0
"""Seconds in which all pods of a round must have been created."""
PAUSE = 0.2


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--pods", type=int, default=100, help="pods that wait at once (100)")
    parser.add_argument("--rate", type=float, default=10.0, help="pods that end in a second (10)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds after the warm-up (5)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments at which pods end (1)")
    parser.add_argument("--peers", choices=PEERS, default="all", help="whom to compare with (all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all moments there")
    return parser.parse_args()


class Bench:
    """Plays rounds."""

    def __init__(self, api: Any, name: str, patcher: Patcher, options: argparse.Namespace) -> None:
        self._api = api
        self._namespace = name
        self._patcher = patcher
        self._options = options

    def play(self, contenders: Sequence[Contender]) -> list[Result]:
        """Play all rounds; the contenders take turns in each, so that all meet the same machine."""
        began = time.monotonic()
        results = [Result(contender.name, contender.title) for contender in contenders]
        for number in range(WARM_UP, self._options.rounds + 1):
            for contender, result in zip(contenders, results, strict=True):
                played = self._round(contender, number)
                what = "warm-up" if number == WARM_UP else f"round {number}"
                print(f"{what}: {contender.name} done", file=sys.stderr)
                if number != WARM_UP:
                    result.rounds.append(played)
        for contender, result in zip(contenders, results, strict=True):
            result.life = time.monotonic() - began
            result.life_requests = contender.requests()
            contender.close()
        return results

    def _round(self, contender: Contender, number: int) -> Round:
        names = [f"{contender.name}-{number}-{at}" for at in range(self._options.pods)]
        before = contender.requests()
        contender.begin(names)
        self._wait(contender, len(names))
        moments = schedule(names, self._options.rate, self._options.seed + number)
        patched = self._patcher.end(moments)
        done = contender.finish()
        pods = {name: Pod(patched[name], done[name]) for name in names}
        after = contender.requests()
        return Round(pods, {kind: after[kind] - before[kind] for kind in after})

    def _wait(self, contender: Contender, count: int) -> None:
        """Wait until all pods of a contender are there."""
        selector = f"{CONTENDER_LABEL}={contender.name}"
        until = time.monotonic() + PATIENCE
        while (found := count_pods(self._api, self._namespace, selector)) != count:
            contender.check()
            if time.monotonic() > until:
                raise TimeoutError(f"{found} of {count} pods are there after {PATIENCE} s")
            time.sleep(PAUSE)


def about(api: Any, options: argparse.Namespace) -> dict[str, object]:
    """Tell what was measured where."""
    server = kubernetes.client.VersionApi(api.api_client).get_code()
    return {
        "kubegrader": kubegrader.__version__,
        "Kubernetes": server.git_version,
        "kubernetes client": version("kubernetes"),
        "Python": platform.python_version(),
        "CPUs": os.cpu_count(),
        "load before": round(os.getloadavg()[0], 2),
        "pods": options.pods,
        "a second": options.rate,
        "rounds": options.rounds,
        "seed": options.seed,
    }


def stop(_signal: int, _frame: object) -> NoReturn:
    """End as on Ctrl-C, so that the namespace is deleted."""
    sys.exit("bench: stopped by a signal")


def main() -> None:
    """Run the benchmark."""
    options = arguments()
    signal.signal(signal.SIGTERM, stop)
    with contextlib.ExitStack() as stack:
        kubeconfig = os.environ.get("KUBECONFIG")
        if not kubeconfig:
            kubeconfig = stack.enter_context(kubegrader.EmbeddedCluster()).kubeconfig
        api = core_api(kubeconfig)
        where = about(api, options)
        name = stack.enter_context(namespace(api))
        patcher = stack.enter_context(patching(kubeconfig, name))
        contenders = [kind(kubeconfig, name) for kind in (Threaded, Async, *PEERS[options.peers])]
        results = Bench(api, name, patcher, options).play(contenders)
    show(results, where)
    if options.json:
        options.json.write_text(json.dumps(as_json(results, where), indent=1) + "\n")


if __name__ == "__main__":
    main()
