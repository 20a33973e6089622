"""Waiting in a greenlet of gevent's: the thread's other greenlets run meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Wait = Callable[[int, float | None], None]
    """Waits until a file descriptor can be read, for at most so many seconds."""


def waiter() -> Wait | None:
    """Give what the caller has to wait with; None where no greenlets share its thread.

    The core asks before each wait. It waits without the GIL, which lets other threads run and would
    hold up an event loop of greenlets, and all of a celery worker with the pool gevent.
    """
    return _wait if _is_gevent() else None


def sleep(seconds: float) -> None:
    """Pause, as ``time.sleep`` does; the thread's other greenlets run meanwhile."""
    if not _is_gevent():
        time.sleep(seconds)
        return
    import gevent

    gevent.sleep(seconds)


Result = TypeVar("Result")


class _Awaited(Generic[Result]):
    """What is awaited on an event loop of its own, and may be given up from another thread."""

    def __init__(self, awaitable: Awaitable[Result]) -> None:
        self._awaitable = awaitable
        self._is_given_up = False
        self._task: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None

    def run(self) -> Result:
        return asyncio.run(self._wait())

    async def _wait(self) -> Result:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine that runs is one's
        self._task = (asyncio.get_running_loop(), task)
        if self._is_given_up:
            raise asyncio.CancelledError
        return await self._awaitable

    def give_up(self) -> None:
        """Cancel it, and wait for nothing."""
        self._is_given_up = True
        if self._task is not None:
            loop, task = self._task
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has just ended
                loop.call_soon_threadsafe(task.cancel)


def in_own_thread(awaitable: Awaitable[Result]) -> Result:
    """Await something on an event loop in a thread of its own; what it gave, or raised.

    What is raised in the caller meanwhile, as celery's time limit is, cancels it and is not kept
    waiting. With gevent the thread is one of the operating system's all the same: an event loop of
    asyncio's takes a whole one for itself, and the threads of a patched process are greenlets of
    one.
    """
    awaited = _Awaited(awaitable)
    try:
        if _is_gevent():
            from gevent import get_hub

            result: Result = get_hub().threadpool.apply(awaited.run)
            return result
        return _in_thread(awaited.run)
    except BaseException:
        awaited.give_up()
        raise


def _in_thread(function: Callable[[], Result]) -> Result:
    ended: Future[Result] = Future()

    def run() -> None:
        try:
            ended.set_result(function())
        except BaseException as error:  # noqa: BLE001  # it is raised where it is waited for
            ended.set_exception(error)

    # The interpreter waits for no daemon when it exits.
    threading.Thread(target=run, name="kubegrader-hook", daemon=True).start()
    return ended.result()


def _is_gevent() -> bool:
    if "gevent" not in sys.modules:
        return False
    from gevent import Greenlet, getcurrent, monkey

    # The pool gevent may be used without patches: its tasks are greenlets all the same.
    return isinstance(getcurrent(), Greenlet) or monkey.is_module_patched("threading")


def _wait(descriptor: int, limit: float | None) -> None:
    from gevent import Timeout
    from gevent.socket import wait_read

    with Timeout(limit, False):  # noqa: FBT003  # its way to say: leave the block silently
        wait_read(descriptor)
