"""Runs in an event loop: none of its turns is long, however many runs begin or end at once."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

from . import _core

if TYPE_CHECKING:
    from ._core import Outcome, PodRun

A_TURN = 16
"""How many runs begin, and how many are told that they have ended, in one turn of the loop.

Both take some 50 us each.
"""


class Loop:
    """What one event loop has under way.

    A future has its loop. So the loop alone holds this, by its callbacks, as long as anything is
    under way: a task that nobody else holds goes on, and a loop that nobody holds goes.
    """

    def __init__(self) -> None:
        self._begun = 0
        self._is_counting = False
        self._queue: deque[asyncio.Future[None]] = deque()
        self._bell = _core.Bell()
        self._tokens = itertools.count()
        self._waiting: dict[int, asyncio.Future[None]] = {}

    async def turn(self) -> None:
        """Wait until a run may begin: in this turn of the loop or a later one, first come first."""
        loop = asyncio.get_running_loop()
        if not self._is_counting:
            self._is_counting = True
            loop.call_soon(self._next_turn, loop)
        if self._begun < A_TURN and not self._queue:
            self._begun += 1
            return
        queued = loop.create_future()
        self._queue.append(queued)
        await queued

    def _next_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._begun = 0
        while self._queue and self._begun < A_TURN:
            queued = self._queue.popleft()
            if not queued.done():
                queued.set_result(None)
                self._begun += 1
        self._is_counting = self._begun > 0
        if self._is_counting:
            loop.call_soon(self._next_turn, loop)

    def wait_for(self, run: PodRun) -> tuple[int, asyncio.Future[None]]:
        """Give what is done when a run has ended, and the number by which it is forgotten."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.add_reader(self._bell.fileno(), self._tell)
        token = next(self._tokens)
        self._waiting[token] = ended = loop.create_future()
        run._ring(self._bell, token)  # noqa: SLF001
        return token, ended

    def forget(self, token: int) -> None:
        """Wait for this run no more."""
        ended = self._waiting.pop(token, None)
        loop = None if ended is None else ended.get_loop()
        if loop is not None and not self._waiting and not loop.is_closed():
            loop.remove_reader(self._bell.fileno())

    def _tell(self) -> None:
        for token in self._bell.take(A_TURN):
            ended = self._waiting.get(token)
            if ended is not None and not ended.done():
                ended.set_result(None)


_LOOPS: WeakKeyDictionary[asyncio.AbstractEventLoop, ref[Loop]] = WeakKeyDictionary()


def running() -> Loop:
    """Give what the running event loop has under way."""
    loop = asyncio.get_running_loop()
    reference = _LOOPS.get(loop)
    known = reference() if reference is not None else None
    if known is None:
        known = Loop()
        _LOOPS[loop] = ref(known)
    return known


class Waiting:
    """A wait for a run's end without a thread: a task that is cancelled cancels the run."""

    __slots__ = ("_loop", "_run", "_token")

    def __init__(self, run: PodRun) -> None:
        self._run = run
        self._loop = running()
        self._token = -1

    def __enter__(self) -> asyncio.Future[None]:
        """Give what is done when the run has ended."""
        self._token, told = self._loop.wait_for(self._run)
        return told

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait no more."""
        self._loop.forget(self._token)
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self._run.cancel(0.0)


async def ended(run: PodRun) -> Outcome:
    """Wait for a run's end: `PodRun.wait_async`."""
    if not run.done:
        with Waiting(run) as told:
            await told
    return run.wait()
