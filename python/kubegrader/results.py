"""What a pod that succeeded must have left behind: at least one graded notebook."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from . import notebooks
from ._core import completed, no_notebook, no_results

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._core import Verdict
    from .handed_in import HandedIn

PATIENCE = 5.0
"""How long, in seconds, results may take to appear on a shared volume. NFS clients keep what they
know of a folder for some seconds, and kubegrader looks within milliseconds of the pod's end."""

_PAUSE = 0.1


def _found(handed_in: HandedIn, output_path: str) -> bool:
    """Whether there is a graded notebook: a file that is one of the assignment's, by its name.

    A link may point to anything, and an empty file holds no grade.
    """
    return any(
        one.stem in handed_in.graded
        and one.is_file()
        and not one.is_symlink()
        and one.stat().st_size > 0
        for one in notebooks.found(output_path)
    )


def _pauses(handed_in: HandedIn) -> Iterator[float]:
    """Pauses between looks; where nothing is to be graded, nothing is waited for."""
    until = time.monotonic() + (PATIENCE if handed_in.graded else 0)
    while time.monotonic() < until:
        yield _PAUSE


def _verdict(handed_in: HandedIn, output_path: str) -> Verdict:
    if _found(handed_in, output_path):
        return completed()
    if not handed_in.is_of_assignment:
        return no_notebook(sorted(handed_in.expected))
    # Nothing was handed in that could be graded, or could not be.
    return no_results(output_path) if handed_in.notebooks else completed()


def verdict(handed_in: HandedIn, output_path: str) -> Verdict:
    """Completed when a graded notebook is seen within `PATIENCE`, else NoNotebook or NoResults."""
    for pause in _pauses(handed_in):
        if _found(handed_in, output_path):
            return completed()
        time.sleep(pause)
    return _verdict(handed_in, output_path)


async def verdict_async(handed_in: HandedIn, output_path: str) -> Verdict:
    """Do as `verdict` does, without blocking the event loop."""
    for pause in _pauses(handed_in):
        if await asyncio.to_thread(_found, handed_in, output_path):
            return completed()
        await asyncio.sleep(pause)
    return await asyncio.to_thread(_verdict, handed_in, output_path)
