"""The process of one contender: `python -m bench.peers.worker CONTENDER KUBECONFIG NAMESPACE`.

Lines of JSON on its input: ``["begin", names]`` lets it run a pod of each name, ``["look"]`` asks
for its use of memory and CPU, ``["finish", seconds]`` for the moments of all runs. Each has one
line as its answer.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import resource
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from . import tls
from .contenders import CONTENDERS
from .usage import Lag, usage

if TYPE_CHECKING:
    from .contender import Asynchronous, Blocking, Moments


class Threads:
    """Runs a blocking client, in a thread for each pod."""

    def __init__(self, client: Blocking) -> None:
        self._client = client
        self.late: list[float] = []

    def begin(self, names: list[str]) -> None:
        self._pool = ThreadPoolExecutor(len(names))
        self._runs = {name: self._pool.submit(self._client.run, name) for name in names}

    def finish(self, seconds: float) -> dict[str, Future[Moments]]:
        wait_for(self._runs.values(), seconds)
        return self._runs

    def close(self) -> None:
        self._client.close()


class Loop:
    """Runs an asynchronous client in an event loop, in a thread of its own."""

    def __init__(self, client: Asynchronous) -> None:
        self._client = client
        self._lag = Lag()
        self._loop = asyncio.new_event_loop()
        self._thread = ThreadPoolExecutor(1)
        self._thread.submit(self._loop.run_forever)
        asyncio.run_coroutine_threadsafe(client.open(), self._loop).result()

    @property
    def late(self) -> list[float]:
        return self._lag.late

    def begin(self, names: list[str]) -> None:
        self._runs: dict[str, Future[Moments]] = {name: Future() for name in names}
        self._lag.late.clear()
        self._ticking = asyncio.run_coroutine_threadsafe(self._lag.measure(), self._loop)
        asyncio.run_coroutine_threadsafe(self._start(names), self._loop)

    async def _start(self, names: list[str]) -> None:
        tasks = set()
        for name in names:
            task = asyncio.create_task(self._run(name))
            tasks.add(task)
            # Each is a call of its own to the service: the loop gets its turn in between.
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)

    async def _run(self, name: str) -> None:
        try:
            self._runs[name].set_result(await self._client.run(name))
        except Exception as error:  # noqa: BLE001 - it is reported
            self._runs[name].set_exception(error)

    def finish(self, seconds: float) -> dict[str, Future[Moments]]:
        wait_for(self._runs.values(), seconds)
        self._ticking.cancel()
        return self._runs

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result()


def _moments(runs: dict[str, Future[Moments]]) -> dict[str, Any]:
    """Tell what came of the runs: moments, errors by their text, and how many hang."""
    moments, errors = {}, []
    for name, run in runs.items():
        if not run.done():
            continue
        if error := run.exception():
            errors.append(f"{type(error).__name__}: {error}"[:300])
        else:
            moments[name] = run.result()
    return {"moments": moments, "errors": errors[:3], "failed": len(errors)}


def _answer(client: Threads | Loop, order: list[Any]) -> dict[str, Any]:
    if order[0] == "begin":
        at = time.monotonic()
        client.begin(order[1])
        return {"at": at}
    if order[0] == "look":
        return asdict(usage())
    found = _moments(client.finish(order[1]))
    return {**found, "usage": asdict(usage()), "late": client.late}


def main() -> None:
    """Serve the orders."""
    name, kubeconfig, namespace = sys.argv[1:]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Read when `kubernetes` is imported: grader-service names a context, and no file.
    os.environ["KUBECONFIG"] = kubeconfig
    tls.relax()
    made: Any = CONTENDERS[name].load()(kubeconfig, namespace)
    client = Loop(made) if inspect.iscoroutinefunction(made.run) else Threads(made)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(client, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
