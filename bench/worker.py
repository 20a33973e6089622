"""The process of one contender: `python -m bench.worker CONTENDER KUBECONFIG NAMESPACE`.

Lines of JSON on its input: ``["begin", names]`` lets it run a pod of each name, ``["look"]`` asks
for its memory, ``["finish", seconds]`` for the moments of all runs and the CPU. Each has one
line as its answer; the first line says that the client is ready.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import resource
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any

from . import tls
from .contenders import CONTENDERS
from .usage import Lag, cpu, resident

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from concurrent.futures import Future

    from .contender import Asynchronous, Blocking, Moments


class Runs:
    """What came of the runs of one round. It is kept small: it counts as memory of the client."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._lock = threading.Lock()
        self._all = threading.Event()
        self.moments: dict[str, Moments] = {}
        self.errors: list[str] = []

    def end(self, name: str, how: Moments | Exception) -> None:
        """Note how a run has ended."""
        with self._lock:
            if isinstance(how, Exception):
                self.errors.append(f"{type(how).__name__}: {how}"[:300])
            else:
                self.moments[name] = how
            self._left -= 1
            if not self._left:
                self._all.set()

    def wait(self, seconds: float) -> None:
        """Wait until all have ended, for at most so many seconds."""
        self._all.wait(seconds)

    def to_dict(self) -> dict[str, Any]:
        """Give what there is by now."""
        with self._lock:
            return {"moments": dict(self.moments), "errors": self.errors[:3]}


class Threads:
    """Runs a blocking client, in a thread for each pod."""

    def __init__(self, client: Blocking) -> None:
        self._client = client
        self.late: list[float] = []

    def begin(self, names: list[str]) -> Runs:
        runs = Runs(len(names))
        pool = ThreadPoolExecutor(len(names))
        for name in names:
            pool.submit(self._run, runs, name)
        pool.shutdown(wait=False)
        return runs

    def _run(self, runs: Runs, name: str) -> None:
        try:
            runs.end(name, self._client.run(name))
        except Exception as error:  # noqa: BLE001 - it is reported
            runs.end(name, error)

    def finish(self, runs: Runs, seconds: float) -> None:
        runs.wait(seconds)


class Loop:
    """Runs an asynchronous client in an event loop, in a thread of its own."""

    def __init__(self, client: Asynchronous) -> None:
        self._client = client
        self._lag = Lag()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._call(client.open()).result()

    def _call(self, what: Coroutine[Any, Any, None]) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(what, self._loop)

    @property
    def late(self) -> list[float]:
        return self._lag.late

    def begin(self, names: list[str]) -> Runs:
        runs = Runs(len(names))
        self._lag.late.clear()
        self._ticking = self._call(self._lag.measure())
        self._call(self._start(runs, names))
        return runs

    async def _start(self, runs: Runs, names: list[str]) -> None:
        # The loop itself holds tasks weakly.
        self._tasks = set()
        for name in names:
            self._tasks.add(asyncio.create_task(self._run(runs, name)))
            # Each is a call of its own to the service: the loop gets its turn in between.
            await asyncio.sleep(0)

    async def _run(self, runs: Runs, name: str) -> None:
        try:
            runs.end(name, await self._client.run(name))
        except Exception as error:  # noqa: BLE001 - it is reported
            runs.end(name, error)

    def finish(self, runs: Runs, seconds: float) -> None:
        runs.wait(seconds)
        self._ticking.cancel()


class Worker:
    """Does what it is ordered to."""

    def __init__(self, client: Threads | Loop) -> None:
        self._client = client

    def answer(self, order: list[Any]) -> dict[str, Any]:
        """Follow one order."""
        if order[0] == "begin":
            began = cpu()
            self._runs = self._client.begin(order[1])
            return {"cpu": began}
        if order[0] == "look":
            return {"rss": resident()}
        self._client.finish(self._runs, order[1])
        return {"cpu": cpu(), "late": self._client.late, **self._runs.to_dict()}


def _answers() -> IO[str]:
    """Take the output for the answers alone: what a library prints goes to the errors."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def main() -> None:
    """Serve the orders."""
    name, kubeconfig, namespace = sys.argv[1:]
    answers = _answers()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Read when `kubernetes` is imported: grader-service names a context, and no file.
    os.environ["KUBECONFIG"] = kubeconfig
    tls.relax()
    made: Any = CONTENDERS[name].load()(kubeconfig, namespace)
    worker = Worker(Loop(made) if inspect.iscoroutinefunction(made.run) else Threads(made))
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), file=answers, flush=True)
    # Without farewells: the benchmark deletes what is left.
    os._exit(0)


if __name__ == "__main__":
    main()
