"""A submission's output folder, as it has to be before each attempt."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .closed_folders import open_up

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

_ASIDE = ".before-attempt-"
LARGEST = 64 * 1024 * 1024
"""How many bytes of a folder are remembered: a pod before may have left a file of any size."""


def clean_up(path: str) -> None:
    """Remove what attempts have moved aside; what is still open is left to the next grading."""
    folder = Path(path)
    for one in folder.parent.glob(f"{glob.escape(folder.name)}{_ASIDE}*"):
        open_up(str(one))
        shutil.rmtree(one, ignore_errors=True)


@dataclass(frozen=True)
class _Entry:
    """A folder, a file or a link, and whose it is."""

    path: Path
    mode: int
    uid: int
    gid: int
    content: bytes | str | None
    """A file's bytes; where a link leads; None of a folder."""

    @classmethod
    def of(cls, path: Path, found: os.stat_result) -> _Entry:
        """Remember one; raises OSError for what is none of them, such as a pipe."""
        content: bytes | str | None = None
        if stat.S_ISLNK(found.st_mode):
            content = os.readlink(path)  # noqa: PTH115  # as it is, and no Path made of it
        elif stat.S_ISREG(found.st_mode):
            content = path.read_bytes()
        elif not stat.S_ISDIR(found.st_mode):
            raise _error(errno.ENOTSUP, path)
        return cls(path, found.st_mode, found.st_uid, found.st_gid, content)

    def make(self) -> None:
        """Make it anew; who may do what with a folder is left to `close`, since it is filled."""
        if self.content is None:
            self.path.mkdir(parents=True)
        elif isinstance(self.content, str):
            self.path.symlink_to(self.content)
        else:
            self.path.write_bytes(self.content)
        made = self.path.lstat()
        if (made.st_uid, made.st_gid) != (self.uid, self.gid):
            os.chown(self.path, self.uid, self.gid, follow_symlinks=False)
        if isinstance(self.content, bytes):  # after the owner, with whom the kernel takes bits away
            self.path.chmod(self.mode)

    def close(self) -> None:
        """Give a folder the mode that it had."""
        if self.content is None:
            self.path.chmod(self.mode)


@dataclass(frozen=True)
class OutputFolder:
    """What was in a folder at a time: in practice the gradebook, and what a site adds to it."""

    path: Path
    entries: tuple[_Entry, ...]
    """The folder itself first, and each other one after the folder that it is in."""

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> OutputFolder:
        """Remember what is in a folder now.

        Raises OSError, also for a folder that could not be made anew as it is: one of more than
        `LARGEST` bytes, with pipes, or with owners that this process may give nothing to.
        """
        top = Path(path)
        found = [(one, one.lstat()) for one in (top, *_inside(top))]
        if not stat.S_ISDIR(found[0][1].st_mode):
            raise _error(errno.ENOTDIR, top)
        if sum(one.st_size for _, one in found if stat.S_ISREG(one.st_mode)) > LARGEST:
            raise _error(errno.EFBIG, top)
        _require_givable(top, {(one.st_uid, one.st_gid) for _, one in found})
        return cls(top, tuple(_Entry.of(*one) for one in found))

    @classmethod
    def if_restorable(
        cls, path: str | os.PathLike[str], log: logging.Logger
    ) -> OutputFolder | None:
        """Remember what is in a folder now; None, and a line in the log, where `of` raises."""
        try:
            return cls.of(path)
        except OSError as error:
            # Without the name of what is in it, which a notebook may have chosen.
            log.info(
                "%s cannot be put back as it is (%s), and so its pod has one attempt",
                path,
                error.strerror,
            )
            return None

    def restore(self, attempt: int) -> None:
        """Lay the folder anew for an attempt. It logs nothing, and may be called from any thread.

        It is a new folder and not the old one emptied: a container that still runs on a node which
        was lost goes on writing into the old one.

        Raises OSError.
        """
        open_up(str(self.path))
        shutil.rmtree(self.path, ignore_errors=True)
        if os.path.lexists(self.path):
            # NFS keeps files that are open somewhere. What is in the way of one attempt may be so
            # in that of many: each has a name of its own.
            self.path.rename(f"{self.path}{_ASIDE}{attempt}-{os.urandom(4).hex()}")
        for entry in self.entries:
            entry.make()
        for entry in reversed(self.entries):
            entry.close()


def _inside(top: Path) -> Iterator[Path]:
    """Give all that is below a folder; links are not followed.

    Raises OSError for what cannot be looked into.
    """

    def fail(error: OSError) -> None:
        raise error

    for where, folders, files in os.walk(top, onerror=fail):
        for name in sorted(folders + files):
            yield Path(where, name)


def _require_givable(top: Path, owners: set[tuple[int, int]]) -> None:
    """Accept owners and groups that this process may give what it makes beside a folder.

    It is tried, since much decides: rights, groups, and a file server that has its own rules.
    Raises OSError.
    """
    others = owners - {(os.geteuid(), os.getegid())}
    if not others:
        return
    scratch = Path(f"{top}{_ASIDE}0-{os.urandom(4).hex()}")
    scratch.mkdir()
    try:
        made = scratch.lstat()
        for uid, gid in others - {(made.st_uid, made.st_gid)}:
            os.chown(scratch, uid, gid)
    finally:
        with contextlib.suppress(OSError):  # the next grading's `clean_up` removes it
            scratch.rmdir()


def _error(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))
