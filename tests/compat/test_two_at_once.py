"""Two gradings of one submission at once, as of two clicks: one after the other, and both good."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest
from beside import beside
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.demo.generation import is_async, run_alone, run_together
from kubegrader.executor import KubeAutogradeExecutor
from pods import until

if TYPE_CHECKING:
    from pathlib import Path

    from kubegrader.demo.site import Site
    from kubegrader.testing import KubeCluster
    from program import Program
    from traitlets.config import Config

WAITS = "Submission {}: another grading of it is at work, and this one waits for its end"


class Gate:
    """A pod's program that tells when it begins and ends, and waits until it is let go."""

    def __init__(self, folder: Path) -> None:
        self._steps, self._gate = folder / "steps", folder / "gate"
        self._steps.touch()
        self.script = (
            f'echo begun >> "{self._steps}"; until [ -e "{self._gate}" ]; do sleep 0.02; done; '
            f'leave_results; echo ended >> "{self._steps}"; echo graded'
        )

    @property
    def steps(self) -> list[str]:
        return self._steps.read_text().split()

    def open(self) -> None:
        self._gate.touch()


@pytest.fixture
def gate(settings: Config, prepared: Program, tmp_path: Path) -> Gate:
    made = Gate(tmp_path)
    prepared.use(settings, made.script)
    return made


def submit(site: Site) -> int:
    return site.submit("ada", SUBMISSIONS[0].notebook(site.course))


def told(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return [record.getMessage() for record in caplog.records].count(text)


def locks(site: Site, submission: int) -> list[Path]:
    """Of this submission alone: a process that was killed leaves the one of its own."""
    return list(site.directory.rglob(f"submission_{submission}.lock"))


def test_two_gradings_of_a_submission_are_one_after_the_other_and_both_have_the_grade(
    site: Site,
    settings: Config,
    gate: Gate,
    kube_cluster: KubeCluster,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    number = submit(site)

    def let_go() -> None:
        try:
            until(lambda: gate.steps == ["begun"])
            until(lambda: told(caplog, WAITS.format(number)) == 1, 20)
            assert gate.steps == ["begun"]
            assert len(locks(site, number)) == 1
        finally:
            gate.open()

    arguments = (number, KubeAutogradeExecutor, settings)
    with beside(let_go):
        graded = run_together(
            [lambda: site.grade(*arguments)] * 2, [lambda: site.grade_async(*arguments)] * 2
        )
    assert [(one.status, one.score, one.log) for one in graded] == [
        ("automatically_graded", 3.0, "graded"),
        ("automatically_graded", 3.0, "graded"),
    ]
    assert gate.steps == ["begun", "ended", "begun", "ended"]
    assert told(caplog, WAITS.format(number)) == 1
    assert locks(site, number) == []
    assert kube_cluster.pods() == []


def test_gradings_of_two_submissions_do_not_wait_for_each_other(
    site: Site, settings: Config, gate: Gate
) -> None:
    numbers = [submit(site), submit(site)]

    def let_go() -> None:
        until(lambda: gate.steps == ["begun", "begun"])
        gate.open()

    def arguments(at: int) -> tuple[int, type[KubeAutogradeExecutor], Config]:
        return numbers[at], KubeAutogradeExecutor, settings

    with beside(let_go):
        graded = run_together(
            [lambda: site.grade(*arguments(0)), lambda: site.grade(*arguments(1))],
            [lambda: site.grade_async(*arguments(0)), lambda: site.grade_async(*arguments(1))],
        )
    assert [one.status for one in graded] == ["automatically_graded"] * 2


def test_a_grading_whose_process_was_killed_is_not_waited_for(
    site: Site,
    settings: Config,
    gate: Gate,
    kube_cluster: KubeCluster,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    number = submit(site)
    child = os.fork()
    if child == 0:
        site.grade(number, KubeAutogradeExecutor, settings)
        os._exit(1)
    until(lambda: gate.steps == ["begun"])
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(locks(site, number)) == 1
    gate.open()
    graded = site.grade(number, KubeAutogradeExecutor, settings)
    assert (graded.status, graded.score) == ("automatically_graded", 3.0)
    assert told(caplog, WAITS.format(number)) == 0
    assert locks(site, number) == []
    assert kube_cluster.pods() == []


@pytest.mark.skipif(is_async(), reason="an event loop's tasks are cancelled instead")
def test_a_grading_that_is_interrupted_while_it_waits_changes_nothing(
    site: Site,
    settings: Config,
    gate: Gate,
    kube_cluster: KubeCluster,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    number = submit(site)

    def interrupt() -> None:
        until(lambda: told(caplog, WAITS.format(number)) == 1)
        os.kill(os.getpid(), signal.SIGUSR1)

    class SomethingElseError(BaseException):
        pass

    def handler(*_: object) -> None:
        raise SomethingElseError

    graded = []

    def first() -> None:
        graded.append(site.grade(number, KubeAutogradeExecutor, settings))

    former = signal.signal(signal.SIGUSR1, handler)
    try:
        with beside(first):
            until(lambda: gate.steps == ["begun"])
            with beside(interrupt), pytest.raises(SomethingElseError):
                site.grade(number, KubeAutogradeExecutor, settings)
            assert site.read(number).status == "pending"
            gate.open()
    finally:
        signal.signal(signal.SIGUSR1, former)
    [one] = graded
    assert (one.status, one.score, one.log) == ("automatically_graded", 3.0, "graded")
    assert gate.steps == ["begun", "ended"]
    assert locks(site, number) == []
    assert kube_cluster.pods() == []


@pytest.mark.skipif(not is_async(), reason="there are no tasks to be cancelled")
def test_a_grading_whose_task_is_cancelled_while_it_waits_changes_nothing(
    site: Site, settings: Config, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    number = submit(site)

    async def two() -> str:
        first = asyncio.ensure_future(site.grade_async(number, KubeAutogradeExecutor, settings))
        await asyncio.to_thread(until, lambda: gate.steps == ["begun"])
        second = asyncio.ensure_future(site.grade_async(number, KubeAutogradeExecutor, settings))
        await asyncio.to_thread(until, lambda: told(caplog, WAITS.format(number)) == 1)
        second.cancel()
        await asyncio.wait([second])
        assert second.cancelled()
        assert site.read(number).status == "pending"
        gate.open()
        return (await first).status

    assert run_alone(two()) == "automatically_graded"
    assert gate.steps == ["begun", "ended"]
    assert locks(site, number) == []
