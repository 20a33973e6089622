"""The folders of a second attempt are those of the first."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.executor import KubeAutogradeExecutor
from kubegrader.output_folder import OutputFolder, clean_up
from pods import names, until

if TYPE_CHECKING:
    from kubegrader.demo.site import Site
    from kubernetes.client import CoreV1Api
    from traitlets.config import Config


def tree(folder: Path) -> dict[str, tuple[int, bytes | None]]:
    return {
        str(one.relative_to(folder)): (
            one.stat().st_mode,
            one.read_bytes() if one.is_file() else None,
        )
        for one in sorted(folder.rglob("*"))
    }


@pytest.fixture
def prepared(executor: Any) -> Any:
    """An executor as it is before its pod starts, in every release."""
    one = executor()
    if hasattr(one, "_clean_up_input_and_output_dirs"):  # what start() does from 0.10.0 on
        one._clean_up_input_and_output_dirs()
        one._write_gradebook(one._put_grades_in_assignment_properties())
    one._prepare()
    one._remember(*one._folders())
    return one


def spoil(folder: Path) -> None:
    """Leave what a pod that was lost in the middle of its work leaves."""
    (folder / "gradebook.json").write_text("half of a gra")
    (folder / "loops.ipynb").write_text("{}")
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("x")
    (folder / "link").symlink_to("/etc/passwd")


def test_a_second_attempt_finds_gradebook_and_folder_as_the_first_did(
    site: Site, prepared: Any
) -> None:
    folder = Path(prepared.output_path)
    before, mode = tree(folder), folder.stat().st_mode
    assert list(before) == ["gradebook.json"]
    for attempt in (2, 3):
        spoil(folder)
        prepared._prepare_again(attempt)
        assert tree(folder) == before
        assert folder.stat().st_mode == mode
    assert list(folder.parent.glob(f"{folder.name}.*")) == []
    assert folder.is_relative_to(site.directory)


def test_it_may_be_called_from_a_thread_while_every_logger_is_locked(prepared: Any) -> None:
    folder = Path(prepared.output_path)
    spoil(folder)
    handlers = [*logging.getLogger().handlers, *prepared.log.handlers]
    # As a fork or a handler that hangs would have them.
    locks = [logging._lock, *(one.lock for one in handlers if one.lock is not None)]
    for lock in locks:
        lock.acquire()
    try:
        thread = threading.Thread(target=prepared._prepare_again, args=(2,))
        thread.start()
        thread.join(30)
        assert not thread.is_alive()
    finally:
        for lock in locks:
            lock.release()
    assert list(tree(folder)) == ["gradebook.json"]


def test_an_old_container_writes_on_into_the_old_folder(prepared: Any) -> None:
    folder = Path(prepared.output_path)
    with (folder / "gradebook.json").open("w") as still_open:
        prepared._prepare_again(2)
        still_open.write("from a node that was thought lost")
        still_open.flush()
    assert (folder / "gradebook.json").read_text() != "from a node that was thought lost"


def test_before_the_first_attempt_there_is_nothing_to_put_back(executor: Any) -> None:
    executor()._prepare_again(2)


def test_the_folder_is_put_back_too_where_a_subclass_starts_the_pod_in_a_run_of_its_own(
    settings: Config, executor: Any, api: CoreV1Api, namespace: str
) -> None:
    class Own(KubeAutogradeExecutor):
        def _run(self) -> None: ...

    settings.KubeAutogradeExecutor.extra_pod_config = {"schedulerName": "none"}
    one = executor(Own)
    folder = Path(one.output_path)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gradebook.json").write_text("{}")
    # As a run does that converts in one pod and grades in another.
    for _ in range(2):
        before = tree(folder)
        pod = one.start_pod()
        try:
            spoil(folder)
            one._prepare_again(2)
            assert tree(folder) == before
        finally:
            assert pod.run.cancel()
            until(lambda name=pod.name: name not in names(api, namespace))
        (folder / "left-by-the-first").touch()


def test_a_pod_whose_folder_nobody_knows_has_one_attempt(executor: Any, tmp_path: Path) -> None:
    one = executor()
    assert "max_attempts" not in one._run_options()
    one._output = OutputFolder.of(tmp_path)
    assert one._run_options()["max_attempts"] == 3


def test_a_folder_that_an_earlier_pod_has_filled_is_not_remembered_and_hinders_no_pod(
    settings: Config, executor: Any
) -> None:
    class Own(KubeAutogradeExecutor):
        def _run(self) -> None: ...

    settings.KubeAutogradeExecutor.extra_pod_config = {"schedulerName": "none"}
    one = executor(Own)
    folder = Path(one.output_path)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "sparse").open("w") as sparse:
        sparse.truncate(1024**4)
    pod = one.start_pod()
    try:
        assert "max_attempts" not in one._run_options()
    finally:
        (folder / "sparse").unlink()
        assert pod.run.cancel()


def test_a_folder_that_a_subclass_has_filled_before_the_run_hinders_no_grading(
    site: Site, settings: Config, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[Any] = []

    class Own(KubeAutogradeExecutor):
        def _remember(self, *folders: Any) -> None:  # after `_prepare`, in every release
            with (Path(self.output_path) / "data.bin").open("w") as data:
                data.truncate(65 * 1024 * 1024)
            super()._remember(*folders)

        def _run_options(self) -> Any:
            ran.append(super()._run_options())
            return ran[-1]

    caplog.set_level(logging.INFO)
    number = site.submit("ada", SUBMISSIONS[0].notebook(site.course))
    graded = site.grade(number, Own, settings)
    assert graded.status == "automatically_graded", graded.log
    assert ["max_attempts" in options for options in ran] == [False]
    assert "cannot be put back as it is (File too large), and so its pod has one attempt" in (
        caplog.text
    )


def test_folders_and_modes_within_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "output"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner").chmod(0o750)
    (folder / "inner" / "file").write_bytes(b"\x00\xff")
    (folder / "inner" / "file").chmod(0o640)
    folder.chmod(0o775)
    before = tree(folder)
    remembered = OutputFolder.of(folder)
    (folder / "inner" / "file").unlink()
    (folder / "more").mkdir()
    remembered.restore(2)
    assert tree(folder) == before
    assert folder.stat().st_mode & 0o777 == 0o775


def test_links_come_back_as_they_were_and_are_not_followed(tmp_path: Path) -> None:
    folder, data = tmp_path / "output", tmp_path / "data"
    data.mkdir()
    (data / "table.csv").write_text("1")
    (folder / "inner").mkdir(parents=True)
    (folder / "data").symlink_to(data)
    (folder / "inner" / "up").symlink_to("../gradebook.json")
    (folder / "broken").symlink_to("nowhere")
    made = OutputFolder.of(folder)
    (folder / "data").unlink()
    (folder / "data").write_text("from the pod")
    made.restore(2)
    assert (folder / "data").readlink() == data
    assert (folder / "inner" / "up").readlink() == Path("../gradebook.json")
    assert (folder / "broken").readlink() == Path("nowhere")
    assert (data / "table.csv").read_text() == "1"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give folders away")
def test_owners_and_groups_come_back_with_modes(tmp_path: Path) -> None:
    folder = tmp_path / "output"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").write_text("x")
    (folder / "link").symlink_to("nowhere")
    owned = [folder, *folder.rglob("*")]
    for number, one in enumerate(owned):
        os.chown(one, 1000 + number, 2000 + number, follow_symlinks=False)
    (folder / "inner" / "file").chmod(0o2750)
    (folder / "inner").chmod(0o2555)
    before = [one.lstat() for one in owned]
    OutputFolder.of(folder).restore(2)
    after = [one.lstat() for one in owned]
    for field in ("st_uid", "st_gid", "st_mode"):
        assert [getattr(one, field) for one in after] == [getattr(one, field) for one in before]


def test_a_folder_with_what_cannot_be_made_anew_is_not_remembered(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="Operation not supported"):
        OutputFolder.of(tmp_path)


def test_a_link_in_place_of_the_folder_is_not_remembered(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "link").symlink_to("output")
    with pytest.raises(OSError, match="Not a directory"):
        OutputFolder.of(tmp_path / "link")


AS_OWNER = """
import os, sys
from pathlib import Path
from kubegrader.output_folder import OutputFolder
top = Path(sys.argv[1])
os.setgroups([]); os.setgid(1000); os.setuid(1000)
(top / "closed").mkdir()
(top / "closed" / "file").touch()
(top / "closed").chmod(0o500)
OutputFolder.of(top / "closed").restore(2)
print((top / "closed" / "file").exists(), oct((top / "closed").stat().st_mode))
try:
    OutputFolder.of(top / "strange")
except OSError as error:
    print(error.strerror, os.listdir(top))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become a user who is not")
def test_one_that_an_ordinary_user_cannot_give_back_is_not_remembered() -> None:
    # Not below tmp_path, which other users cannot enter.
    top = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    try:
        (top / "strange").mkdir()
        (top / "strange").chmod(0o755)
        os.chown(top, 1000, 1000)
        done = subprocess.run(
            [sys.executable, "-c", AS_OWNER, top],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert done.stderr == ""
        assert done.stdout.splitlines()[0] == "True 0o40500"
        assert done.stdout.splitlines()[1].startswith("Operation not permitted")
        assert sorted(one.name for one in top.iterdir()) == ["closed", "strange"]
    finally:
        subprocess.run(["rm", "-rf", top], check=True)


@pytest.fixture
def remembered(tmp_path: Path) -> OutputFolder:
    """A folder with a gradebook, which a pod has written to meanwhile."""
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "gradebook.json").write_text("{}")
    made = OutputFolder.of(folder)
    (folder / ".nfs0001").write_text("open elsewhere")
    return made


@pytest.fixture
def held_open(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let nothing be removed: what an NFS client does with files that are open elsewhere."""
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    return monkeypatch


@pytest.mark.usefixtures("held_open")
def test_what_cannot_be_removed_is_moved_aside(remembered: OutputFolder, tmp_path: Path) -> None:
    remembered.restore(2)
    assert list(tree(remembered.path)) == ["gradebook.json"]
    [aside] = tmp_path.glob("output.before-attempt-2*")
    assert (aside / ".nfs0001").exists()


@pytest.mark.usefixtures("held_open")
def test_what_an_earlier_grading_moved_aside_is_in_nobodys_way(
    remembered: OutputFolder, tmp_path: Path
) -> None:
    (tmp_path / "output.before-attempt-2").mkdir()
    (tmp_path / "output.before-attempt-2" / ".nfs0000").touch()
    for _ in range(2):
        (remembered.path / ".nfs0002").touch()
        remembered.restore(2)
        assert list(tree(remembered.path)) == ["gradebook.json"]


def test_what_was_moved_aside_is_removed_and_nothing_else(
    remembered: OutputFolder, tmp_path: Path, held_open: pytest.MonkeyPatch
) -> None:
    remembered.restore(2)
    held_open.undo()  # the file was closed
    (tmp_path / "output.before-attempt-2").mkdir()
    (tmp_path / "output1.before-attempt-2").mkdir()
    (tmp_path / "output.txt").touch()
    clean_up(str(tmp_path / "output"))
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "output",
        "output.txt",
        "output1.before-attempt-2",
    ]


def test_a_grading_removes_what_it_and_earlier_ones_moved_aside(
    site: Site, settings: Config
) -> None:
    number = site.submit("ada", SUBMISSIONS[0].notebook(site.course))
    left = site.directory / "convert_out" / f"submission_{number}.before-attempt-2"
    settings.KubeAutogradeExecutor.convert_executable = "true"
    for seen in ("before", "after"):
        left.mkdir(exist_ok=True)
        (left / seen).touch()
        site.grade(number, KubeAutogradeExecutor, settings)
        assert not left.exists()
