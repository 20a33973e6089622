"""A submission's output folder, as it has to be before each attempt."""

from __future__ import annotations

import errno
import glob
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

_ASIDE = ".before-attempt-"
LARGEST = 64 * 1024 * 1024
"""How many bytes of a folder are remembered: a pod before may have left a file of any size."""


def clean_up(path: str) -> None:
    """Remove what attempts have moved aside; what is still open is left to the next grading."""
    folder = Path(path)
    for one in folder.parent.glob(f"{glob.escape(folder.name)}{_ASIDE}*"):
        shutil.rmtree(one, ignore_errors=True)


@dataclass(frozen=True)
class OutputFolder:
    """What was in a folder at a time: in practice the gradebook, and nothing else."""

    path: Path
    mode: int
    folders: tuple[tuple[Path, int], ...]
    files: tuple[tuple[Path, int, bytes], ...]

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> OutputFolder:
        """Remember what is in a folder now.

        Raises OSError, for a folder of more than `LARGEST` bytes too.
        """
        top = Path(path)
        inside = sorted(one for one in top.rglob("*") if not one.is_symlink())
        if sum(one.stat().st_size for one in inside if one.is_file()) > LARGEST:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        return cls(
            top,
            top.stat().st_mode,
            tuple((one, one.stat().st_mode) for one in inside if one.is_dir()),
            tuple((one, one.stat().st_mode, one.read_bytes()) for one in inside if one.is_file()),
        )

    def restore(self, attempt: int) -> None:
        """Lay the folder anew for an attempt. It logs nothing, and may be called from any thread.

        It is a new folder and not the old one emptied: a container that still runs on a node which
        was lost goes on writing into the old one.

        Raises OSError.
        """
        shutil.rmtree(self.path, ignore_errors=True)
        if self.path.exists():
            # NFS keeps files that are open somewhere. What is in the way of one attempt may be so
            # in that of many: each has a name of its own.
            self.path.rename(f"{self.path}{_ASIDE}{attempt}-{os.urandom(4).hex()}")
        self.path.mkdir(parents=True)
        for folder, mode in self.folders:
            folder.mkdir()
            folder.chmod(mode)
        for file, mode, content in self.files:
            file.write_bytes(content)
            file.chmod(mode)
        self.path.chmod(self.mode)
