"""A round of real pods: a client runs them, and a bare watch tells when a container has ended."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .background import background
from .bare import Bare
from .client import client
from .sample import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .api import Api

NAME = re.compile(rb'"name":"([^"]*)"')
ENDED = b'"terminated":{'
SECONDS = 120.0
"""In which the pods of a round must have run."""
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class RealPods:
    """Which pods, and how many."""

    count: int
    image: str
    """One with a shell."""
    seconds: float = 1.0
    """The longest that one of them lives; the others live for a second or longer."""
    every_namespace: bool = False
    """Whether the watch is one of all namespaces."""


def real_round(api: Api, name: str, pods: RealPods) -> Sample:
    """Let a client run the pods, all at once. Delays are those after the watch's event."""
    sample = Sample(pods.count)
    number = next(_numbers)
    names = [f"{name}-real-{number}-{at}" for at in range(pods.count)]
    with contextlib.ExitStack() as stack:
        namespace = stack.enter_context(api.namespace(name))
        where = "pods" if pods.every_namespace else f"namespaces/{namespace}/pods"
        ended = stack.enter_context(_watching(api.kubeconfig, f"/api/v1/{where}?watch=1"))
        one = stack.enter_context(
            client(name, api.kubeconfig, namespace, image=pods.image, seconds=pods.seconds)
        )
        one.ready()
        one.begin(names)
        done = one.finish(SECONDS)
        sample.errors += done["errors"]
        for pod, (seen, returned) in done["moments"].items():
            sample.seen.append((seen - ended[pod]) * 1000)
            sample.returned.append((returned - ended[pod]) * 1000)
        if len(sample.returned) < pods.count:
            missing = pods.count - len(sample.returned)
            sample.errors.append(f"{missing} of {pods.count} pods did not return")
    return sample


@contextlib.contextmanager
def _watching(kubeconfig: str, path: str) -> Iterator[Mapping[str, float]]:
    """Note when the first event with a container's end of each pod came, in a thread."""
    ended: dict[str, float] = {}
    is_open = threading.Event()
    with background() as loop:
        asyncio.run_coroutine_threadsafe(_follow(kubeconfig, path, ended, is_open), loop)
        if not is_open.wait(SECONDS):
            raise TimeoutError(f"the watch {path} did not open")
        yield ended


async def _follow(
    kubeconfig: str, path: str, ended: dict[str, float], is_open: threading.Event
) -> None:
    async for line in Bare(kubeconfig).lines(path):
        is_open.set()
        if ENDED in line and (found := NAME.search(line)):
            ended.setdefault(found[1].decode(), time.monotonic())
