"""The process that ends pods: `python -m bench.patcher KUBECONFIG`.

It stands for the kubelets. A line of JSON on its input names a namespace, pods and moments; a line
on its output says when each PATCH was sent and when its answer had arrived, by CLOCK_MONOTONIC. Its
own process, so that no client that is measured competes with it for an interpreter.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING, NamedTuple

from .bare import Bare
from .pods import succeeded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .schedule import Moment

STRATEGIC = "application/strategic-merge-patch+json"
CONNECTIONS = 16


class Patched(NamedTuple):
    """When a PATCH was sent and answered, in seconds of CLOCK_MONOTONIC."""

    sent: float
    accepted: float


class Patcher:
    """The patching process, seen from the benchmark."""

    def __init__(self, orders: IO[str], answers: IO[str]) -> None:
        self._orders = orders
        self._answers = answers

    def end(self, namespace: str, schedule: Sequence[Moment]) -> Mapping[str, Patched]:
        """End each pod at its moment, in seconds from now; give back when that was."""
        print(json.dumps([namespace, schedule]), file=self._orders, flush=True)
        answer = self._answers.readline()
        if not answer:
            raise RuntimeError("the patching process has ended; see its message above")
        return {name: Patched(*moments) for name, moments in json.loads(answer).items()}


@contextlib.contextmanager
def patching(kubeconfig: str) -> Iterator[Patcher]:
    """Start the patching process, and end it."""
    command = [sys.executable, "-m", "bench.patcher", kubeconfig]
    pipe = subprocess.PIPE
    # Ctrl-C is the benchmark's own: it still needs this process to clean up.
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, start_new_session=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the patching process has no pipes")
        try:
            yield Patcher(process.stdin, process.stdout)
        finally:
            process.kill()


async def _patch(client: Bare, path: str, due: float) -> Patched:
    await asyncio.sleep(due - time.monotonic())
    body = json.dumps(succeeded()).encode()
    sent = time.monotonic()
    answer = await client.request("PATCH", f"{path}/status", body, STRATEGIC)
    accepted = time.monotonic()
    if b'"Succeeded"' not in answer:
        raise RuntimeError(f"the status of {path} was not accepted: {answer[:300]!r}")
    return Patched(sent, accepted)


async def _serve(kubeconfig: str) -> None:
    client = Bare(kubeconfig, CONNECTIONS)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        namespace, schedule = json.loads(line)
        began = time.monotonic()
        pods = f"/api/v1/namespaces/{namespace}/pods"
        patches = [_patch(client, f"{pods}/{name}", began + at) for name, at in schedule]
        moments = await asyncio.gather(*patches)
        names = [name for name, _ in schedule]
        print(json.dumps(dict(zip(names, moments, strict=True))), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
