"""What this process has used: memory and CPU, and how late its event loop was."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path

TICK = 0.005


@dataclass(frozen=True, slots=True)
class Usage:
    """A moment's use."""

    rss: int
    """Bytes that are resident."""
    pss: int
    """The same, with shared pages counted by their share."""
    cpu: float
    """Seconds of CPU so far, user and system."""
    at: float
    """When that was, by CLOCK_MONOTONIC."""


def usage() -> Usage:
    """Look at this process."""
    gc.collect()
    sizes = {"Rss": 0, "Pss": 0}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        key, _, rest = line.partition(":")
        if key in sizes:
            sizes[key] = int(rest.split()[0]) * 1024
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Usage(sizes["Rss"], sizes["Pss"], used.ru_utime + used.ru_stime, time.monotonic())


@dataclass(slots=True)
class Lag:
    """How late the event loop called back, each `TICK` seconds."""

    late: list[float] = field(default_factory=list)
    """Milliseconds."""

    async def measure(self) -> None:
        """Go on until cancelled."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                due = loop.time() + TICK
                await asyncio.sleep(TICK)
                self.late.append(max(0.0, (loop.time() - due) * 1000))
