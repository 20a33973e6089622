"""Threads of ours that run Python code: log handlers, and what prepares a further attempt.

Until Python 3.14, an interpreter that exits ends each other thread that asks for the GIL, by
unwinding its stack. No frame of Rust survives that, so that these threads are of Python, and the
core is called in them for a moment at most.
"""

from __future__ import annotations

import _thread
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger, LoggerAdapter

    from ._core import LogLines, Prepared


def write_log(lines: LogLines) -> None:
    """Write lines to their loggers for as long as the process lives."""
    _start(_write_log, lines)


def prepare(before_attempt: Callable[[int], object], attempt: int, prepared: Prepared) -> None:
    """Call ``before_attempt``, and tell how that went."""
    _start(_prepare, before_attempt, attempt, prepared)


def _start(work: Callable[..., object], *arguments: object) -> None:
    """Begin a thread; in a process of greenlets too, where such a thread is one of them."""
    start: Any = _thread.start_new_thread
    if "gevent" in sys.modules:
        from gevent import monkey

        start = monkey.get_original("_thread", "start_new_thread")
    start(work, arguments)


def _write_log(lines: LogLines) -> None:
    usual = logging.getLogger("kubegrader")
    while True:
        # It never comes back when the interpreter exits.
        for logger, level, line in lines.take():
            _write(usual if logger is None else logger, level, line)


def _write(logger: Logger | LoggerAdapter[Any], level: int, line: str) -> None:
    try:
        logger.log(level, "%s", line)
    except BaseException:  # noqa: BLE001  # a handler's fault ends no thread
        threading.excepthook(threading.ExceptHookArgs([*sys.exc_info(), None]))


def _prepare(before_attempt: Callable[[int], object], attempt: int, prepared: Prepared) -> None:
    try:
        made = before_attempt(attempt)
        if hasattr(made, "__await__"):
            getattr(made, "close", bool)()
            problem = "before_attempt gave a coroutine, which nobody awaits"
            raise TypeError(problem)  # noqa: TRY301
    except BaseException as error:  # noqa: BLE001  # it is told, whatever it is
        prepared.tell(error)
    else:
        prepared.tell()
