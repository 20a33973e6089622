"""What the benchmark does just now, for whoever waits for it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .sample import Sample

BEGAN = time.monotonic()


def tell(what: str, name: str, sample: Sample | None = None) -> None:
    """Write a line about a round that is over."""
    trouble = f" - {'; '.join(sample.errors)}" if sample and sample.errors else ""
    at = time.monotonic() - BEGAN
    print(f"{at:5.0f} s  {what}: {name}{trouble}", file=sys.stderr)
