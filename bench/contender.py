"""What a client has to do to be measured."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import NamedTuple, Protocol, TypeAlias

ENDS = frozenset({"Succeeded", "Failed"})
PATIENCE = 600.0


class Moments(NamedTuple):
    """When things happened to a pod, in seconds of CLOCK_MONOTONIC."""

    seen: float
    """The client knew that the pod had ended."""
    returned: float
    """Log and delete were done, and the caller had the result."""


class Blocking(Protocol):
    """A client of which each run takes a thread."""

    def __init__(self, kubeconfig: str, namespace: str) -> None: ...

    def run(self, name: str) -> Moments:
        """Create a pod of that name, wait for its end, read its log and delete it."""


class Asynchronous(Protocol):
    """A client whose runs share one event loop."""

    def __init__(self, kubeconfig: str, namespace: str) -> None: ...

    async def open(self) -> None:
        """Make what all runs share."""

    async def run(self, name: str) -> Moments:
        """Create a pod of that name, wait for its end, read its log and delete it."""


Contender: TypeAlias = "type[Blocking | Asynchronous]"


class AsyncEnds:
    """The ends that one shared watch tells of, for the tasks that wait for them."""

    def __init__(self) -> None:
        self._ends: dict[str, asyncio.Future[float]] = {}

    def expect(self, name: str) -> asyncio.Future[float]:
        """Give what will hold the moment at which the pod's end was seen."""
        return self._ends.setdefault(name, asyncio.get_running_loop().create_future())

    def tell(self, name: str, phase: str | None) -> None:
        """Take an event of a pod."""
        if phase in ENDS and (end := self._ends.pop(name, None)) and not end.done():
            end.set_result(time.monotonic())

    def fail(self, watch: asyncio.Task[None]) -> None:
        """Let everybody know that the watch is over; for `Task.add_done_callback`."""
        error = None if watch.cancelled() else watch.exception()
        for end in self._ends.values():
            if not end.done():
                end.set_exception(error or RuntimeError("the watch has ended"))


class ThreadEnds:
    """The same for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[str, threading.Event] = {}
        self._seen: dict[str, float] = {}

    def expect(self, name: str) -> threading.Event:
        """Give what is set when the pod's end has been seen."""
        with self._lock:
            return self._ends.setdefault(name, threading.Event())

    def tell(self, name: str, phase: str | None) -> None:
        """Take an event of a pod."""
        if phase in ENDS and (end := self._ends.get(name)) and not end.is_set():
            self._seen[name] = time.monotonic()
            end.set()

    def wait(self, name: str) -> float:
        """Wait for a pod's end, and give the moment at which it was seen."""
        if not self._ends[name].wait(PATIENCE):
            raise TimeoutError(f"the watch did not tell of the end of {name}")
        return self._seen[name]
