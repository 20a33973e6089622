"""What happens beside a grading, which has the test's own thread."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pods import until
from typing_extensions import Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kubegrader.testing import KubeCluster


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    """Do something in a thread while the block runs; what goes wrong there comes out here."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        done = pool.submit(work)
        yield
        done.result()


class Rescue:
    """Ends a grading that would never end by itself, and remembers that it had to."""

    def __init__(self, after: float, by: Callable[[], object]) -> None:
        self.was_needed = False
        self._by = by
        self._timer = threading.Timer(after, self._rescue)

    def _rescue(self) -> None:
        self.was_needed = True
        self._by()

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()


def pods_that_run(cluster: KubeCluster, count: int) -> list[str]:
    """Wait until so many pods run, and name them."""

    def running() -> list[str]:
        pods = cluster.pods()
        names = [one["metadata"]["name"] for one in pods if one["status"]["phase"] == "Running"]
        return names if len(names) >= count else []

    named: list[str] = until(running)
    return named


def pod_that_runs(cluster: KubeCluster) -> str:
    """Wait until a pod runs, and name it."""
    return pods_that_run(cluster, 1)[0]
