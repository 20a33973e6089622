"""What a pod left in its output folder to be run or followed: gone before the service works there.

After a good grading grader-service runs ``git init``, ``add``, ``commit`` and ``push`` in the
output folder, as its own user and outside of any pod. A ``.git`` that a notebook has put there
names commands for them (``core.fsmonitor``, hooks), and one in a folder below does so as a
submodule.

A link that a notebook leaves is committed as a link, and followed later: grader-service's feedback
is made outside of any pod, and copies or converts what the link leads to, be it the service's own
configuration or another student's notebook.

Nothing else in the folder is run or followed: git asks its configuration what the names in
``.gitattributes`` stand for, uses ``.gitmodules`` for repositories alone, and looks for a bare
repository only where there is no ``.git``, which ``git init`` makes first.
``tests/compat/test_git_on_the_host.py`` shows all of it with the real git.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from .exceptions import KubegraderError

if TYPE_CHECKING:
    from collections.abc import Iterator

_GIT = ".git"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class PlantedError(KubegraderError):
    """What a pod has planted cannot be taken out of an output folder: git must not run there."""


class Removed(NamedTuple):
    """How many there were."""

    repositories: int = 0
    """Files and folders named .git, and links of that name."""
    links: int = 0
    """Other links."""


def remove(output_path: str) -> Removed:
    """Remove whatever is named .git in a folder, at any depth, and every link.

    Links are never followed; so it is safe in a folder that a notebook has filled.

    Raises PlantedError for what cannot be looked at or removed.
    """
    if not os.path.lexists(output_path):  # and so there are no results
        return Removed()
    removed, where, folders = Removed(), os.curdir, [os.curdir]
    try:
        with _opened(output_path) as top:
            while folders:
                where = folders.pop()
                with _opened(where, top) as folder:
                    gone, inner = _removed_from(folder)
                removed = Removed(*map(sum, zip(removed, gone, strict=True)))
                folders += [os.path.join(where, one) for one in inner]  # noqa: PTH118
    except OSError as error:
        # In ASCII: a notebook has chosen the name.
        raise PlantedError(
            f"removing what a pod has planted in {output_path}, folder {where!a}: {error.strerror}"
        ) from error
    return removed


@contextmanager
def _opened(folder: str, within: int | None = None) -> Iterator[int]:
    opened = open_folder(folder, within)
    try:
        yield opened
    finally:
        os.close(opened)


def open_folder(folder: str, within: int | None = None) -> int:
    """Open a folder, with all rights on it where they can be had: a notebook may take them away.

    A link in its place is not followed. Raises OSError.
    """
    try:
        opened = os.open(folder, _FOLDER, dir_fd=within)
    except PermissionError:
        _let_in(folder, within)
        opened = os.open(folder, _FOLDER, dir_fd=within)
    mode = stat.S_IMODE(os.fstat(opened).st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        try:
            os.fchmod(opened, mode | stat.S_IRWXU)
        except PermissionError:  # somebody else's, whose group may have them
            pass
        except OSError:
            os.close(opened)
            raise
    return opened


def _let_in(folder: str, within: int | None) -> None:
    """Take all rights on a folder that this user may not even read."""
    known = os.open(folder, _FOLDER | os.O_PATH, dir_fd=within)
    try:
        mode = stat.S_IMODE(os.fstat(known).st_mode)
        # By what was opened: by its name it could be a link by now. fchmod refuses O_PATH.
        os.chmod(f"/proc/self/fd/{known}", mode | stat.S_IRWXU)  # noqa: PTH101
    finally:
        os.close(known)


def _removed_from(folder: int) -> tuple[Removed, list[str]]:
    """Remove the .git and the links of one folder: how many, and the folders that are left."""
    removed = links = 0
    if _is_taken(folder):
        _remove(folder, _GIT)
        removed += 1
        if _is_taken(folder):
            raise FileExistsError(errno.EEXIST, "it is there again, so somebody writes on")
    inner = []
    for entry in entries(folder):
        if entry.name.casefold() == _GIT:  # on some file systems git finds .GIT too
            _remove(folder, entry.name)
            removed += 1
        elif entry.is_symlink():
            os.unlink(entry.name, dir_fd=folder)
            links += 1
        elif entry.is_dir(follow_symlinks=False):
            inner.append(entry.name)
    return Removed(removed, links), inner


def _is_taken(folder: int) -> bool:
    """Whether there is a .git, as the file server itself says it.

    A client of NFS lists what it knows of a folder, which may be some seconds old, and git would
    look later. Making a name asks the server, and lets the client forget what is old.
    """
    try:
        os.mkdir(_GIT, dir_fd=folder)
    except FileExistsError:
        return True
    except OSError:  # a full disk, rights: the list has to do
        return False
    os.rmdir(_GIT, dir_fd=folder)
    return False


def entries(folder: int) -> list[os.DirEntry[str]]:
    """List what is in an open folder."""
    with os.scandir(folder) as found:
        return list(found)


def _remove(within: int, name: str) -> None:
    """Remove a file, a link or a folder."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=within, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=within)
        return
    found, folders = [], [name]
    while folders:
        where = folders.pop()
        found.append(where)
        with _opened(where, within) as folder:
            for entry in entries(folder):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(os.path.join(where, entry.name))  # noqa: PTH118
                else:
                    os.unlink(entry.name, dir_fd=folder)
    for where in reversed(found):
        os.rmdir(where, dir_fd=within)
