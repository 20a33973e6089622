"""The process that ends pods: `python -m bench.patcher KUBECONFIG NAMESPACE`.

It stands for the kubelets. A line of JSON on its input names pods and moments; a line on its output
says when each PATCH was sent and when its answer had arrived. Its own process, so that no client
that is measured competes with it for an interpreter.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from .official import core_api
from .pods import succeeded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

CONNECTIONS = 16
STRATEGIC = "application/strategic-merge-patch+json"


class Patched(NamedTuple):
    """When a PATCH was sent and answered, in seconds since 1970."""

    sent: float
    accepted: float


@dataclass(frozen=True, slots=True)
class Patcher:
    """The patching process, seen from the benchmark."""

    orders: IO[str]
    answers: IO[str]

    def end(self, schedule: Sequence[tuple[str, float]]) -> Mapping[str, Patched]:
        """End each pod at its moment, in seconds from now; give back when that was."""
        print(json.dumps(schedule), file=self.orders, flush=True)
        answer = self.answers.readline()
        if not answer:
            raise RuntimeError("the patching process has ended; see its message above")
        return {name: Patched(*moments) for name, moments in json.loads(answer).items()}


@contextlib.contextmanager
def patching(kubeconfig: str, namespace: str) -> Iterator[Patcher]:
    """Start the patching process, and end it."""
    command = [sys.executable, "-m", "bench.patcher", kubeconfig, namespace]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the patching process has no pipes")
        try:
            yield Patcher(process.stdin, process.stdout)
        finally:
            process.kill()


def _patch(api: Any, namespace: str, name: str) -> tuple[str, Patched]:
    body = succeeded()
    sent = time.time()
    # Not decoded: the moment is that of the answer, and decoding a Pod takes a millisecond.
    answer = api.patch_namespaced_pod_status(
        name, namespace, body, _content_type=STRATEGIC, _preload_content=False
    )
    accepted = time.time()
    text = answer.read()
    if b'"Succeeded"' not in text:
        raise RuntimeError(f"the status of {name} was not accepted: {text.decode()}")
    return name, Patched(sent, accepted)


def _serve(api: Any, namespace: str, lines: Iterable[str]) -> None:
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for line in lines:
            began = time.monotonic()
            patches = []
            for name, at in json.loads(line):
                time.sleep(max(0.0, began + at - time.monotonic()))
                patches.append(pool.submit(_patch, api, namespace, name))
            print(json.dumps(dict(patch.result() for patch in patches)), flush=True)


if __name__ == "__main__":
    _serve(core_api(sys.argv[1], connections=CONNECTIONS), sys.argv[2], sys.stdin)
