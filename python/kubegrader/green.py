"""Waiting in a greenlet of gevent's: the thread's other greenlets run meanwhile."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

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


def in_own_thread(function: Callable[[], Result]) -> Result:
    """Call a function in a thread of its own, and give what it gave or raise what it raised.

    With gevent that is one of the operating system's all the same: an event loop of asyncio's
    takes a whole one for itself, and the threads of a patched process are greenlets of one.
    """
    if not _is_gevent():
        with ThreadPoolExecutor(1, "kubegrader-hook") as pool:
            return pool.submit(function).result()
    from gevent import get_hub

    result: Result = get_hub().threadpool.apply(function)
    return result


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
