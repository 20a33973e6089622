"""The demo's site with the installed grader-service's own code and its local executor."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from grader_service.autograding import local_grader
from grader_service.autograding.local_grader import LocalAutogradeExecutor
from kubegrader.demo import course as demo
from kubegrader.demo.generation import is_async, run_alone, run_together
from kubegrader.demo.site import Site
from traitlets.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# SQLAlchemy 1.4, which releases up to 0.5.0 bring, says this of every decimal column.
pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite")

BY_NAME = {submission.name: submission for submission in demo.SUBMISSIONS}

# Renamed between the releases.
LocalExecutor: Any = (
    local_grader.LocalAutogradeProcessExecutor
    if hasattr(local_grader, "LocalAutogradeProcessExecutor")
    else local_grader.LocalProcessAutogradeExecutor
)


class PlatformFailure(LocalAutogradeExecutor):  # type: ignore[misc]
    """An executor that fails with a log, as one whose cluster is away."""

    def _fail(self) -> None:
        self.grading_logs = "the log of this attempt\n"
        raise RuntimeError("no node is free")

    async def _fail_async(self) -> None:
        self._fail()

    _run = _fail_async if is_async() else _fail


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> demo.Course:
    return demo.release(tmp_path_factory.mktemp("course"))


@pytest.fixture
def site(tmp_path: Path, course: demo.Course, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    # The service's local executor looks for grader-convert in PATH.
    scripts = sysconfig.get_path("scripts")
    monkeypatch.setenv("PATH", os.pathsep.join([scripts, os.environ["PATH"]]))
    with Site(tmp_path / "site", course) as made:
        yield made


def hand_in(site: Site, name: str) -> int:
    return site.submit(name, BY_NAME[name].notebook(site.course))


def history(site: Site, username: str, layout: str) -> list[str]:
    """The log of a student's main branch, newest first, as git itself tells it."""
    repository = site.directory / "git" / "demo" / "1" / "user" / username
    command = ["git", "log", f"--format={layout}", "main"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize(("name", "score"), [("right", 3.0), ("partly", 1.0), ("wrong", 0.0)])
def test_each_submission_gets_the_points_it_deserves(site: Site, name: str, score: float) -> None:
    graded = site.grade(hand_in(site, name), LocalExecutor, Config())
    assert (graded.username, graded.status) == (name, "automatically_graded")
    assert (graded.score, graded.max_score) == (score, 3.0)


def test_the_log_is_what_the_converter_said(site: Site) -> None:
    graded = site.grade(hand_in(site, "right"), LocalExecutor, Config())
    assert "Autograding" in graded.log
    assert "loops.ipynb" in graded.log


def test_submissions_graded_at_once_do_not_collide(site: Site) -> None:
    names = ("right", "partly", "wrong", "right")
    numbers = [hand_in(site, name) for name in names]
    graded = run_together(
        [partial(site.grade, number, LocalExecutor, Config()) for number in numbers],
        [partial(site.grade_async, number, LocalExecutor, Config()) for number in numbers],
    )
    assert [result.score for result in graded] == [3.0, 1.0, 0.0, 3.0]


def test_a_site_can_be_awaited_in_any_generation(site: Site) -> None:
    number = hand_in(site, "right")
    graded = run_alone(site.grade_async(number, LocalExecutor, Config()))
    assert graded.score == 3.0


def test_the_endless_notebook_runs_until_a_time_limit_ends_it(site: Site) -> None:
    config = Config()
    if hasattr(LocalExecutor, "timeout_func"):
        config[LocalExecutor.__name__].timeout_func = _two_seconds
    else:
        config[LocalExecutor.__name__].min_cell_timeout = 1
        config[LocalExecutor.__name__].default_cell_timeout = 2
    graded = site.grade(hand_in(site, "endless"), LocalExecutor, config)
    assert "Timeout waiting for execute reply (2s)" in graded.log


def test_a_grading_that_fails_has_no_score(site: Site) -> None:
    graded = site.grade(hand_in(site, "right"), PlatformFailure, Config())
    assert (graded.status, graded.score) == ("grading_failed", None)


def test_the_log_of_a_failed_grading_is_read_back(site: Site) -> None:
    graded = site.grade(hand_in(site, "right"), PlatformFailure, Config())
    assert graded.log.startswith("the log of this attempt\n")


def test_an_error_in_the_constructor_comes_out(site: Site) -> None:
    config = Config()
    config[LocalExecutor.__name__].convert_executable = "no-such-converter"
    with pytest.raises(Exception, match="The executable is not valid: no-such-converter"):
        site.grade(hand_in(site, "right"), LocalExecutor, config)


def test_an_unknown_submission_is_a_key_error(site: Site) -> None:
    with pytest.raises(KeyError, match="77"):
        site.grade(77, LocalExecutor, Config())


def test_a_submission_is_a_commit_on_the_students_main(site: Site) -> None:
    hand_in(site, "right")
    assert history(site, "right", "%an %s") == ["right submission of right"]


def test_handing_in_again_keeps_the_history(site: Site) -> None:
    first, second = hand_in(site, "right"), hand_in(site, "right")
    assert (first, second) == (1, 2)
    assert len(history(site, "right", "%H")) == 2


def test_two_students_with_the_same_notebook_have_different_commits(site: Site) -> None:
    notebook = BY_NAME["right"].notebook(site.course)
    site.submit("ada", notebook)
    site.submit("bob", notebook)
    assert history(site, "ada", "%H") != history(site, "bob", "%H")


def test_git_needs_no_configuration_of_the_user(
    tmp_path: Path, course: demo.Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "another-repository"))
    with Site(tmp_path / "site", course) as site:
        graded = site.grade(hand_in(site, "right"), LocalAutogradeExecutor, Config())
    assert graded.score == 3.0


def test_closing_a_site_puts_the_environment_back(
    tmp_path: Path, course: demo.Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "before")
    before = dict(os.environ)
    with Site(tmp_path / "site", course):
        assert "GIT_DIR" not in os.environ
    assert dict(os.environ) == before


def test_a_folder_holds_one_site(site: Site, course: demo.Course) -> None:
    with pytest.raises(FileExistsError):
        Site(site.directory, course)


def _two_seconds(_lecture: object) -> int:
    return 2
