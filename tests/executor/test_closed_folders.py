"""What a notebook takes from its folders' rights hinders neither the end nor the next grading."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kubegrader.closed_folders import open_up
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.executor import KubeAutogradeExecutor
from kubegrader.output_folder import clean_up
from kubegrader.releases import INSTALLED

if TYPE_CHECKING:
    from kubegrader.demo.site import Site
    from traitlets.config import Config


def rights(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def close(folder: Path) -> None:
    """Leave a folder in it that an ordinary user cannot empty."""
    (folder / "ro").mkdir(parents=True)
    (folder / "ro" / "file").touch()
    (folder / "ro").chmod(0o555)


@pytest.mark.parametrize("way", ["input", "output"])
def test_folders_are_opened_before_the_service_empties_them_at_a_gradings_begin(
    site: Site, settings: Config, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    from grader_service.autograding.local_grader import LocalAutogradeExecutor

    seen: list[int] = []

    def start(self: Any) -> None:
        seen.append(rights(Path(getattr(self, f"{way}_path"), "ro")))
        self._cleanup()

    async def start_async(self: Any) -> None:
        start(self)

    monkeypatch.setattr(
        LocalAutogradeExecutor, "start", start_async if INSTALLED.is_async else start
    )
    number = site.submit("ada", SUBMISSIONS[0].notebook(site.course))
    for folder in ("convert_in", "convert_out"):
        close(site.directory / folder / f"submission_{number}")
    other = site.directory / "convert_out" / f"submission_{number}0"
    close(other)
    site.grade(number, KubeAutogradeExecutor, settings)
    assert seen == [0o755]
    assert rights(other / "ro") == 0o555


@pytest.mark.parametrize("way", ["input", "output"])
def test_folders_are_opened_before_the_service_removes_them_at_a_gradings_end(
    executor: Any, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    one = executor()
    for folder in (one.input_path, one.output_path):
        close(Path(folder))
    seen: list[int] = []
    rmtree = shutil.rmtree

    def noted(path: Any, *arguments: Any, **more: Any) -> None:
        if str(path) == getattr(one, f"{way}_path"):
            seen.append(rights(Path(path, "ro")))
        rmtree(path, *arguments, **more)

    monkeypatch.setattr("shutil.rmtree", noted)
    one._cleanup()
    assert seen == [0o755]
    assert not Path(one.input_path).exists()
    assert not Path(one.output_path).exists()


def test_what_attempts_have_moved_aside_is_opened_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    aside = tmp_path / "output.before-attempt-2-0"
    close(aside)
    monkeypatch.setattr("shutil.rmtree", lambda path, **_: seen.append(rights(path / "ro")))
    clean_up(str(tmp_path / "output"))
    assert seen == [0o755]


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "output"
    close(outside)
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (tmp_path / "link").symlink_to(outside)
    for one in (folder, tmp_path / "link"):
        open_up(str(one))
    assert rights(outside / "ro") == 0o555


def test_what_is_not_there_or_no_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o400)
    before = rights(tmp_path / "file")
    for name in ("file", "gone"):
        open_up(str(tmp_path / name))
    assert rights(tmp_path / "file") == before
    assert not (tmp_path / "gone").exists()


def test_folders_are_opened_however_deep_they_are(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    here = os.open(tmp_path / "output", os.O_RDONLY)
    # More than a path may be long, and more than a process may have open.
    for _ in range(1500):
        os.mkdir("xxx", dir_fd=here)
        inner = os.open("xxx", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.fchmod(here, 0o500)
    open_up(str(tmp_path / "output"))
    assert stat.S_IMODE(os.fstat(here).st_mode) == 0o700
    os.close(here)
    subprocess.run(["rm", "-rf", tmp_path / "output"], check=True)


AS_NOBODY = """
import os, shutil, sys
from kubegrader.closed_folders import open_up
os.setgroups([]); os.setgid(65534); os.setuid(65534)
open_up(sys.argv[1])
for name in "abcdefgh":
    shutil.rmtree(sys.argv[1] + "/" + name)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become a user who is not")
@pytest.mark.parametrize("mode", [0o000, 0o400, 0o100, 0o555])
def test_an_ordinary_user_can_remove_what_was_closed(mode: int) -> None:
    # Not below tmp_path, which other users cannot enter.
    folder = subprocess.check_output(["mktemp", "-d"], text=True).strip()
    try:
        others = [f"{folder}/{name}" for name in ("0", "y", "z")]
        # Many, since folders are listed in no order.
        mine = [f"{folder}/{name}" for name in "abcdefgh"]
        inner = [f"{one}/{name}" for one in mine for name in ("b/c", "d")]
        subprocess.run(["mkdir", "-p", *inner, *others], check=True)
        subprocess.run(["touch", *(f"{one}/file" for one in inner)], check=True)
        subprocess.run(["chown", "-R", "65534:65534", folder], check=True)
        # Somebody else's stays closed, and hinders nothing beside it.
        subprocess.run(["chown", "0:0", *others], check=True)
        subprocess.run(["chmod", "644", *others], check=True)
        for one in (*inner, *(f"{one}/b" for one in mine), *mine, folder):
            os.chmod(one, mode)  # noqa: PTH101
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, folder],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert [rights(one) for one in sorted(Path(folder).iterdir())] == [0o644] * 3
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)
