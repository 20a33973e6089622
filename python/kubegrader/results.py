"""What a pod that succeeded must have left behind: at least one graded notebook."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ._core import completed, no_results
from .releases import INSTALLED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._core import Verdict

PATIENCE = 5.0
"""How long, in seconds, results may take to appear on a shared volume. NFS clients keep what they
know of a folder for some seconds, and kubegrader looks within milliseconds of the pod's end."""

_PAUSE = 0.1


def _found(input_path: str, output_path: str) -> bool:
    """Whether there is a graded notebook, or nothing was handed in that could be graded."""
    pattern = INSTALLED.notebooks
    return any(Path(output_path).glob(pattern)) or not any(Path(input_path).glob(pattern))


def _pauses() -> Iterator[float]:
    """Pauses between looks, until patience is at its end."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        yield _PAUSE


def _verdict(output_path: str, *, found: bool) -> Verdict:
    return completed() if found else no_results(output_path)


def verdict(input_path: str, output_path: str) -> Verdict:
    """Completed when a graded notebook is seen within `PATIENCE`, else NoResults."""
    for pause in _pauses():
        if _found(input_path, output_path):
            return completed()
        time.sleep(pause)
    return _verdict(output_path, found=_found(input_path, output_path))


async def verdict_async(input_path: str, output_path: str) -> Verdict:
    """Do as `verdict` does, without blocking the event loop."""
    for pause in _pauses():
        if _found(input_path, output_path):
            return completed()
        await asyncio.sleep(pause)
    return _verdict(output_path, found=_found(input_path, output_path))
