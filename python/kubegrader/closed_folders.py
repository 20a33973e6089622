"""Folders whose rights a notebook has taken away: opened, so that the service can remove them.

grader-service empties a submission's folders before a grading and removes them after it, as a user
who is often not root: a folder without the right to write, with a file in it, stops it.
"""

from __future__ import annotations

import os
from contextlib import suppress

from .planted import entries, open_folder


def open_up(*paths: str) -> None:
    """Take all rights on folders and on those below that this user may take.

    What is no folder, or somebody else's, is left as it is: who removes it says what hinders that.
    Links are never followed: each folder is opened from within the one that it is in.
    """
    for path in paths:
        with suppress(OSError):
            _open_below(open_folder(path))


def _open_below(here: int) -> None:
    """Open what is below an open folder, which is closed in the end.

    At any depth it has two folders open. Raises OSError where somebody moves folders meanwhile.
    """
    above: list[tuple[os.stat_result, list[str]]] = []
    names = _folders(here)
    try:
        while names or above:
            if not names:
                found, names = above.pop()
                here = _moved(here, os.open(os.pardir, os.O_RDONLY | os.O_CLOEXEC, dir_fd=here))
                if not os.path.samestat(os.fstat(here), found):
                    return
                continue
            with suppress(OSError):  # somebody else's: there may be others beside it
                below = _entered(names.pop(), here)
                above.append((os.fstat(here), names))
                here, names = _moved(here, below), _folders(below)
    finally:
        os.close(here)


def _entered(name: str, here: int) -> int:
    """Open a folder from which there is a way back: without the right to search there is none.

    Raises OSError.
    """
    below = open_folder(name, here)
    try:
        os.stat(os.pardir, dir_fd=below)
    except OSError:
        os.close(below)
        raise
    return below


def _moved(left: int, entered: int) -> int:
    os.close(left)
    return entered


def _folders(folder: int) -> list[str]:
    """Name the folders in a folder; none where it cannot be read."""
    with suppress(OSError):
        return [one.name for one in entries(folder) if one.is_dir(follow_symlinks=False)]
    return []
