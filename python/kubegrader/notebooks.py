"""The notebooks in a folder that grader-convert goes through."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from .releases import INSTALLED

if TYPE_CHECKING:
    from collections.abc import Iterator


def found(folder: str) -> Iterator[Path]:
    """Find them by the installed release's own pattern: in one folder, or in all below it.

    Hidden ones are left out, as grader-convert does. A link to a folder is not followed: with a few
    of them a student makes a tree without an end. An unreadable folder has none.
    """
    is_deep = INSTALLED.notebooks.startswith("**")
    for where, folders, files in os.walk(folder):
        folders[:] = [one for one in folders if one[0] != "."] if is_deep else []
        for name in files:
            if name.endswith(".ipynb") and name[0] != ".":
                yield Path(where, name)
