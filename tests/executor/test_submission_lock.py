"""The lock of a submission: who has it, who waits for it, and where there is none."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from typing import TYPE_CHECKING

import pytest
from kubegrader import green
from kubegrader.submission_lock import SubmissionLock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOG = logging.getLogger("test")


def lock_of(folder: Path, submission: int = 7) -> SubmissionLock:
    return SubmissionLock(str(folder / f"submission_{submission}"), submission, LOG)


def files(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


@pytest.fixture
def on_pause(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let something happen at the first pause of whoever waits."""

    def when(act: Callable[[], object]) -> None:
        todo = [act]

        def pause(_seconds: float) -> None:
            todo.pop()()

        monkeypatch.setattr(green, "sleep", pause)

    return when


def test_whoever_holds_it_leaves_no_file(tmp_path: Path) -> None:
    with lock_of(tmp_path) as lock:
        assert files(tmp_path) == ["submission_7.lock"]
        assert not lock.has_waited
    assert files(tmp_path) == []


def test_the_next_one_waits_until_it_is_let_go(
    tmp_path: Path, on_pause: Callable[[Callable[[], object]], None]
) -> None:
    first, second = lock_of(tmp_path), lock_of(tmp_path)
    first.__enter__()
    on_pause(first.__exit__)
    with second:
        assert second.has_waited
        assert files(tmp_path) == ["submission_7.lock"]
    assert files(tmp_path) == []


def test_a_file_that_was_replaced_after_it_was_opened_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = lock_of(tmp_path), lock_of(tmp_path)
    first.__enter__()
    real = os.open

    def slow(*arguments: object, **more: object) -> int:
        opened = real(*arguments, **more)  # type: ignore[arg-type]
        monkeypatch.setattr(os, "open", real)
        first.__exit__()  # which removes the file that has just been opened
        return opened

    monkeypatch.setattr(os, "open", slow)
    with second:
        assert not second.has_waited
        assert files(tmp_path) == ["submission_7.lock"]
    assert files(tmp_path) == []


def test_one_that_is_interrupted_while_it_waits_leaves_the_other_its_lock(
    tmp_path: Path, on_pause: Callable[[Callable[[], object]], None]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    on_pause(interrupt)
    with lock_of(tmp_path):
        with pytest.raises(KeyboardInterrupt), lock_of(tmp_path):
            pass
        assert files(tmp_path) == ["submission_7.lock"]
    assert files(tmp_path) == []


def test_an_event_loop_goes_on_while_one_of_its_tasks_waits(tmp_path: Path) -> None:
    async def waiting() -> bool:
        async with lock_of(tmp_path) as lock:
            return lock.has_waited

    async def both() -> bool:
        async with lock_of(tmp_path):
            task = asyncio.ensure_future(waiting())
            await asyncio.sleep(0)
            assert not task.done()
        return await task

    assert asyncio.run(both()) is True
    assert files(tmp_path) == []


@pytest.mark.parametrize("code", ["ENOLCK", "EOPNOTSUPP"])
def test_where_the_file_system_has_no_locks_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    caplog.set_level("DEBUG")

    def refuse(*_: object) -> None:
        raise OSError(getattr(errno, code), "no locks")

    monkeypatch.setattr("fcntl.flock", refuse)
    with lock_of(tmp_path) as first, lock_of(tmp_path) as second:
        assert not first.has_waited
        assert not second.has_waited
    assert "Submission 7 is graded without a lock" in caplog.text
    assert caplog.records[0].levelname == "DEBUG"


@pytest.mark.parametrize("code", ["EROFS", "EACCES", "ENOSPC"])
def test_where_no_file_can_be_made_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(getattr(errno, code), "no file")

    monkeypatch.setattr("os.open", refuse)
    with lock_of(tmp_path) as lock:
        assert not lock.has_waited


def test_a_folder_that_is_not_there_yet_is_made(tmp_path: Path) -> None:
    with lock_of(tmp_path / "convert_in"):
        assert files(tmp_path / "convert_in") == ["submission_7.lock"]


def test_where_the_folder_cannot_be_made_nobody_waits(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with lock_of(tmp_path / "file") as lock:
        assert not lock.has_waited
