"""The clients that are compared, a file each."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.contender import Contender


@dataclass(frozen=True, slots=True)
class Entry:
    """A client, and where it is."""

    title: str
    module: str
    of: str
    """The class, in that module."""
    most: int = 2_000
    """The most pods at once that it is asked for: a watch for each pod stalls far below."""
    distributions: tuple[str, ...] = ()
    """What is installed for it, so that its version can be told."""
    is_old: bool = False
    """Whether it needs the interpreter of the async generation of grader-service."""

    def load(self) -> Contender:
        """Import it."""
        found: Contender = getattr(importlib.import_module(f"{__name__}.{self.module}"), self.of)
        return found


KUBEGRADER = ("run", "async")
FLOOR = "floor"
FLOOR_LOG = "floor-log"
MANY = 10_000
FEW = 500
UPSTREAM = ("grader-service", "kubernetes")

CONTENDERS: dict[str, Entry] = {
    "async": Entry("kubegrader, `run_async`", "kubegrader_async", "Async", MANY),
    "run": Entry("kubegrader, `run`, a thread a pod", "kubegrader_run", "Run"),
    FLOOR: Entry("floor: bare HTTP, no log", "floor", "Floor", MANY),
    FLOOR_LOG: Entry("floor that reads the log", "floor", "FloorWithLog", MANY),
    "official": Entry(
        "kubernetes, one watch, a thread a pod",
        "official",
        "Official",
        distributions=("kubernetes",),
    ),
    "asyncio": Entry(
        "kubernetes_asyncio, one watch",
        "kubernetes_asyncio_watch",
        "Shared",
        distributions=("kubernetes_asyncio",),
    ),
    "asyncio-each": Entry(
        "kubernetes_asyncio, a watch a pod",
        "kubernetes_asyncio_watch",
        "Each",
        FEW,
        ("kubernetes_asyncio",),
    ),
    "kr8s": Entry("kr8s, one watch", "kr8s_watch", "Shared", distributions=("kr8s",)),
    "kr8s-each": Entry("kr8s, `Pod.wait`", "kr8s_watch", "Each", FEW, ("kr8s",)),
    "lightkube": Entry(
        "lightkube, one watch", "lightkube_watch", "Shared", distributions=("lightkube",)
    ),
    "lightkube-each": Entry(
        "lightkube, a watch a pod", "lightkube_watch", "Each", FEW, ("lightkube",)
    ),
    "upstream": Entry("grader-service 0.12.5 (5 s)", "upstream", "Default", distributions=UPSTREAM),
    "upstream-1s": Entry(
        "grader-service 0.12.5, polling each 1 s", "upstream", "EachSecond", FEW, UPSTREAM
    ),
    "upstream-async": Entry(
        "grader-service 0.3.0, async (1 s)", "upstream_async", "Default", FEW, UPSTREAM, is_old=True
    ),
}
