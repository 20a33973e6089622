"""One thread for each pod, as a service with a blocking client has them."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .contender import Moments


class Threads:
    """Runs one function for many pods at once."""

    def __init__(self, names: Sequence[str], run: Callable[[str], Moments]) -> None:
        self._pool = ThreadPoolExecutor(len(names))
        self._runs: dict[str, Future[Moments]] = {
            name: self._pool.submit(run, name) for name in names
        }

    def check(self) -> None:
        """Raise the error of a run that has failed already."""
        for run in self._runs.values():
            if run.done():
                run.result()

    def join(self) -> Mapping[str, Moments]:
        """Wait for all of them; the first error is raised."""
        moments = {name: run.result() for name, run in self._runs.items()}
        self._pool.shutdown()
        return moments
