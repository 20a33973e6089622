"""Whatever is named .git below a folder is removed, and every link, and nothing else is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from kubegrader import planted
from kubegrader.planted import PlantedError

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> list[str]:
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*"))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "loops.ipynb").write_text("{}")
    return folder


def repository(folder: Path) -> None:
    (folder / "hooks" / "deep").mkdir(parents=True)
    (folder / "config").write_text("[core]\n")
    (folder / "hooks" / "deep" / "pre-commit").write_text("#!/bin/sh\n")


def test_a_folder_without_any_is_left_as_it_is(output: Path) -> None:
    (output / ".gitignore").write_text("x")
    (output / "deep" / ".github").mkdir(parents=True)
    (output / "deep" / "git").mkdir()
    before = names(output)
    assert planted.remove(str(output)) == (0, 0)
    assert names(output) == before


def test_repositories_at_any_depth_are_removed_with_all_that_is_in_them(output: Path) -> None:
    for folder in (output, output / "a", output / "a" / "b" / "c"):
        repository(folder / ".git")
    assert planted.remove(str(output)) == (3, 0)
    assert names(output) == ["a", "a/b", "a/b/c", "loops.ipynb"]


def test_files_and_links_of_that_name_are_removed_and_not_what_they_point_to(
    output: Path, tmp_path: Path
) -> None:
    repository(tmp_path / "outside")
    (output / "a").mkdir()
    (output / "a" / ".git").write_text("gitdir: ../../outside\n")
    (output / ".git").symlink_to(tmp_path / "outside")
    (output / "b").mkdir()
    os.mkfifo(output / "b" / ".git")
    assert planted.remove(str(output)) == (3, 0)
    assert names(output) == ["a", "b", "loops.ipynb"]
    assert names(tmp_path / "outside") == ["config", "hooks", "hooks/deep", "hooks/deep/pre-commit"]


def test_links_are_removed_and_not_followed(output: Path, tmp_path: Path) -> None:
    repository(tmp_path / "outside" / ".git")
    (output / "deep").mkdir()
    (output / "link").symlink_to(tmp_path / "outside")
    (output / "deep" / "link").symlink_to("/etc/passwd")
    (output / "deep" / "broken").symlink_to("nowhere")
    repository(output / ".git")
    (output / ".git" / "link").symlink_to(tmp_path / "outside")
    assert planted.remove(str(output)) == (1, 3)
    assert (tmp_path / "outside" / ".git" / "config").exists()
    assert names(output) == ["deep", "loops.ipynb"]


@pytest.mark.parametrize("name", [".GIT", ".Git", ".gIT"])
def test_names_that_are_git_on_other_file_systems_are_removed(output: Path, name: str) -> None:
    repository(output / "a" / name)
    assert planted.remove(str(output)) == (1, 0)
    assert names(output) == ["a", "loops.ipynb"]


def test_folders_that_are_deeper_than_a_path_may_be_long_are_an_error(output: Path) -> None:
    top = os.open(output, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("x" * 200, dir_fd=top)
        inner = os.open("x" * 200, os.O_RDONLY, dir_fd=top)
        os.close(top)
        top = inner
    os.close(top)
    with pytest.raises(PlantedError, match="File name too long"):
        planted.remove(str(output))


def test_a_folder_as_deep_as_a_path_may_be_long_is_looked_into(output: Path) -> None:
    top = os.open(output, os.O_RDONLY)
    # Together with the folder's own path it is longer than an absolute path may be.
    for _ in range(20):
        os.mkdir("x" * 202, dir_fd=top)
        inner = os.open("x" * 202, os.O_RDONLY, dir_fd=top)
        os.close(top)
        top = inner
    os.mkdir(".git", dir_fd=top)
    assert planted.remove(str(output)) == (1, 0)
    with os.scandir(top) as entries:
        assert list(entries) == []
    os.close(top)


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert planted.remove(str(tmp_path / "gone")) == (0, 0)


def test_a_link_in_place_of_the_folder_is_an_error(output: Path, tmp_path: Path) -> None:
    repository(output / ".git")
    (tmp_path / "link").symlink_to(output)
    with pytest.raises(PlantedError, match="Not a directory"):
        planted.remove(str(tmp_path / "link"))
    assert (output / ".git" / "config").exists()


def test_what_cannot_be_removed_is_an_error_that_names_step_folder_and_cause(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository(output / "sub\n\N{SNOWMAN}" / ".git")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted", "config")

    monkeypatch.setattr("os.unlink", refuse)
    with pytest.raises(PlantedError) as error:
        planted.remove(str(output))
    assert str(error.value) == (
        f"removing what a pod has planted in {output}, folder './sub\\n\\u2603': "
        "Operation not permitted"
    )


def test_one_that_comes_back_at_once_is_an_error(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository(output / ".git")
    monkeypatch.setattr(planted, "_remove", lambda *_: None)
    with pytest.raises(PlantedError, match=r"folder '\.': it is there again"):
        planted.remove(str(output))


AS_NOBODY = """
import os, sys
from kubegrader import planted
os.setgid(65534); os.setuid(65534)
print(planted.remove(sys.argv[1]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become a user who is not")
@pytest.mark.parametrize("mode", [0o000, 0o400, 0o100, 0o500])
def test_a_notebook_that_takes_away_rights_is_not_obeyed(mode: int) -> None:
    # Not below tmp_path, which other users cannot enter.
    folder = subprocess.check_output(["mktemp", "-d"], text=True).strip()
    try:
        subprocess.run(["mkdir", "-p", f"{folder}/a/b/.git/hooks", f"{folder}/.git/x"], check=True)
        subprocess.run(["touch", f"{folder}/a/b/.git/config"], check=True)
        subprocess.run(["chown", "-R", "65534:65534", folder], check=True)
        for inner in (".git/x", ".git", "a/b/.git/hooks", "a/b/.git", "a/b", "a", ""):
            os.chmod(f"{folder}/{inner}", mode)  # noqa: PTH101
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, folder],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert (done.stdout, done.stderr) == ("Removed(repositories=2, links=0)\n", "")
        left = subprocess.check_output(["find", folder, "-mindepth", "1"], text=True)
        assert sorted(left.split()) == [f"{folder}/a", f"{folder}/a/b"]
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)
