"""Waiting in a greenlet of gevent's: the thread's other greenlets run meanwhile."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Wait = Callable[[int, float | None], None]
    """Waits until a file descriptor can be read, for at most so many seconds."""


def waiter() -> Wait | None:
    """Give what the caller has to wait with; None where no greenlets share its thread.

    The core asks before each wait. It waits without the GIL, which lets other threads run and would
    hold up an event loop of greenlets, and all of a celery worker with the pool gevent.
    """
    return _wait if is_gevent() else None


def sleep(seconds: float) -> None:
    """Pause, as ``time.sleep`` does; the thread's other greenlets run meanwhile."""
    if not is_gevent():
        time.sleep(seconds)
        return
    import gevent

    gevent.sleep(seconds)


def is_gevent() -> bool:
    """Tell whether the caller is a greenlet, or threads are."""
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
