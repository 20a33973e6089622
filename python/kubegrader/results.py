"""What a pod that succeeded must have left behind: at least one graded notebook."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ._core import completed, no_notebook, no_results
from .releases import INSTALLED

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
    found = Path(output_path).glob(INSTALLED.notebooks)
    return any(
        one.stem in handed_in.graded
        and one.is_file()
        and not one.is_symlink()
        and one.stat().st_size > 0
        for one in found
    )


def _pauses(handed_in: HandedIn, output_path: str) -> Iterator[float]:
    """Pauses between looks, until a graded notebook is seen or patience is at its end."""
    # Where nothing is to be graded, nothing is waited for.
    until = time.monotonic() + (PATIENCE if handed_in.graded else 0)
    while not _found(handed_in, output_path) and time.monotonic() < until:
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
    for pause in _pauses(handed_in, output_path):
        time.sleep(pause)
    return _verdict(handed_in, output_path)


async def verdict_async(handed_in: HandedIn, output_path: str) -> Verdict:
    """Do as `verdict` does, without blocking the event loop."""
    for pause in _pauses(handed_in, output_path):
        await asyncio.sleep(pause)
    return _verdict(handed_in, output_path)
