"""A coroutine that is awaited where no event loop is: on one of its own, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .green import is_gevent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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
        if is_gevent():
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
