"""The two generations of grader-service, and how several submissions are graded at once.

Up to 0.4.2 an executor's ``start`` is a coroutine function, and the service runs several of them
in one event loop. From 0.5.0 it is a plain function, and each worker runs one.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, TypeVar

from grader_service.autograding.local_grader import LocalAutogradeExecutor
from tornado.process import Subprocess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

T = TypeVar("T")


def is_async() -> bool:
    """Whether the installed grader-service is of the async generation."""
    return iscoroutinefunction(LocalAutogradeExecutor._run)


def run_alone(work: Awaitable[T]) -> T:
    """Await it in an event loop of its own, in this thread, which must have no running loop."""
    return asyncio.run(_watched(work))


def run_together(
    sync_work: Sequence[Callable[[], T]],
    async_work: Sequence[Callable[[], Coroutine[object, object, T]]],
) -> list[T]:
    """Do all of it at once, in the way of the installed generation, and give results in order.

    Only one of the two lists is used. The first error comes out after all have ended.
    """
    if is_async():
        return run_alone(_gather([work() for work in async_work]))
    with ThreadPoolExecutor(max_workers=len(sync_work)) as pool:
        pending = [pool.submit(work) for work in sync_work]
    return [future.result() for future in pending]


async def _gather(work: Sequence[Awaitable[T]]) -> list[T]:
    ended = await asyncio.gather(*work, return_exceptions=True)
    results: list[T] = []
    for value in ended:
        if isinstance(value, BaseException):
            raise value
        results.append(value)
    return results


async def _watched(work: Awaitable[T]) -> T:
    """Await it, then let tornado forget this loop.

    Before 0.4.2 the service runs git by ``tornado.process.Subprocess``, which hangs its watch for
    ended children on the first event loop it meets and never looks for another: without this, a
    second loop in the same process would wait for its first child for ever.
    """
    try:
        return await work
    finally:
        Subprocess.uninitialize()
