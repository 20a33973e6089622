"""When a bare watch told of each pod, and of the end of its container."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .background import background
from .bare import Bare

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = re.compile(rb'"name":"([^"]*)"')
ENDED = b'"terminated":{'
SECONDS = 120.0
"""In which the watch must open."""


@dataclass(slots=True)
class PodEvents:
    """Seconds of CLOCK_MONOTONIC, by the pod's name."""

    added: dict[str, float] = field(default_factory=dict)
    """The first event of the pod."""
    ended: dict[str, float] = field(default_factory=dict)
    """The first event with a container's end."""


@contextlib.contextmanager
def pod_events(kubeconfig: str, path: str) -> Iterator[PodEvents]:
    """Note them in a thread, of all pods that a watch of this path tells of."""
    told = PodEvents()
    is_open = threading.Event()
    with background() as loop:
        asyncio.run_coroutine_threadsafe(_follow(kubeconfig, path, told, is_open), loop)
        if not is_open.wait(SECONDS):
            raise TimeoutError(f"the watch {path} did not open")
        yield told


async def _follow(kubeconfig: str, path: str, told: PodEvents, is_open: threading.Event) -> None:
    async for line in Bare(kubeconfig).lines(path):
        is_open.set()
        if found := NAME.search(line):
            name = found[1].decode()
            told.added.setdefault(name, time.monotonic())
            if ENDED in line:
                told.ended.setdefault(name, time.monotonic())
