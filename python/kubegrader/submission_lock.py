"""One grading of a submission at a time, in all processes of a site.

Two gradings of one submission have the same folders and the same name for their pod, and each
empties the folders when it begins. Two clicks are enough, or a task that celery delivers twice.

The lock is a file beside the submission's input folder, on the volume that the site's processes
share. The system frees it when its holder dies.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import Self

from . import green

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

_PAUSE = 0.2


class SubmissionLock:
    """Held while a submission is graded: ``with`` in a thread, ``async with`` in an event loop.

    An exception that comes while it waits passes through. Where there can be no locks, as on some
    shared volumes, it does nothing.
    """

    def __init__(self, input_path: str, submission: object, log: logging.Logger) -> None:
        self._path = Path(f"{input_path.rstrip('/')}.lock")
        self._submission = submission
        self._log = log
        self._held: int | None = None
        self.has_waited = False
        """Whether another grading of the submission has ended meanwhile."""

    def __enter__(self) -> Self:
        """Wait in this thread."""
        for pause in self._pauses():
            green.sleep(pause)
        return self

    async def __aenter__(self) -> Self:
        """Wait without blocking the event loop."""
        for pause in self._pauses():
            await asyncio.sleep(pause)
        return self

    def __exit__(self, *_: object) -> None:
        """Let the next one in, and leave no file."""
        if self._held is None:
            return
        try:
            # While it is held: nobody else can hold a file of this name now.
            self._path.unlink(missing_ok=True)
        except OSError as error:
            self._log.debug("%s is left behind: %s", self._path, error)
        finally:
            os.close(self._held)
            self._held = None

    async def __aexit__(self, *_: object) -> None:
        """Do as `__exit__` does."""
        self.__exit__()

    def _pauses(self) -> Iterator[float]:
        """Pauses between tries, until the lock is held or cannot be had."""
        while not self._try():
            if not self.has_waited:
                self.has_waited = True
                self._log.info(
                    "Submission %s: another grading of it is at work, and this one waits for its "
                    "end",
                    self._submission,
                )
            yield _PAUSE

    def _try(self) -> bool:
        """Take the lock; False while somebody else holds it."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            while True:
                opened = self._locked()
                if self._is_current(opened):
                    self._held = opened
                    return True
                os.close(opened)
        except BlockingIOError:
            return False
        except OSError as error:
            self._log.debug("Submission %s is graded without a lock: %s", self._submission, error)
            return True

    def _locked(self) -> int:
        """Open and lock the file.

        Raises BlockingIOError while it is locked by somebody else, OSError where it cannot be.
        """
        # For writing: NFS gives no other file an exclusive lock.
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        opened = os.open(self._path, flags, 0o600)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(opened)
            raise
        return opened

    def _is_current(self, opened: int) -> bool:
        """Whether the file still has its name: its last holder may just have removed it."""
        try:
            return os.path.samestat(os.fstat(opened), self._path.stat())
        except FileNotFoundError:
            return False
