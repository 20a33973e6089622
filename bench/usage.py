"""What this process has used: memory and CPU, and how late its event loop was."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
from dataclasses import dataclass, field
from pathlib import Path

TICK = 0.005


def cpu() -> float:
    """Give the seconds of CPU so far, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident() -> int:
    """Give the bytes that are resident (RSS), after a collection of garbage."""
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status names no VmRSS")


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
