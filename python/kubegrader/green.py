"""Waiting in a greenlet of gevent's or eventlet's: the thread's other greenlets run meanwhile."""

from __future__ import annotations

import sys
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
    if _is_gevent():
        return _wait_gevent
    if _is_eventlet():
        return _wait_eventlet
    return None


def _is_gevent() -> bool:
    if "gevent" not in sys.modules:
        return False
    from gevent import Greenlet, getcurrent, monkey

    # The pool gevent may be used without patches: its tasks are greenlets all the same.
    return isinstance(getcurrent(), Greenlet) or monkey.is_module_patched("threading")


def _wait_gevent(descriptor: int, limit: float | None) -> None:
    from gevent import Timeout
    from gevent.socket import wait_read

    with Timeout(limit, False):  # noqa: FBT003  # its way to say: leave the block silently
        wait_read(descriptor)


def _is_eventlet() -> bool:
    if "eventlet" not in sys.modules:
        return False
    from eventlet.greenthread import GreenThread, getcurrent
    from eventlet.patcher import is_monkey_patched

    return isinstance(getcurrent(), GreenThread) or is_monkey_patched("thread")


def _wait_eventlet(descriptor: int, limit: float | None) -> None:
    from eventlet import Timeout
    from eventlet.hubs import trampoline

    with Timeout(limit, False):  # noqa: FBT003
        trampoline(descriptor, read=True)
