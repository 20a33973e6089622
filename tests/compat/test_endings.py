"""Submissions go through the service's own queue, and the database says how they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kubegrader.demo.course import LONGEST, SUBMISSIONS, TOTAL, DemoSubmission, Expected

if TYPE_CHECKING:
    from kubegrader import EmbeddedCluster
    from kubegrader.testing import KubeCluster
    from program import Program
    from service import Service
    from traitlets.config import Config

BY_NAME = {submission.name: submission for submission in SUBMISSIONS}
STAFF = "For the course's staff: "


def notebook(service: Service, name: str) -> dict[str, Any]:
    return BY_NAME[name].notebook(service.site.course)


def notebook_with(service: Service, cell: str) -> dict[str, Any]:
    """The right answers, and this code below the first one."""
    right = BY_NAME["right"].answers
    answers = {TOTAL: right[TOTAL] + "\n" + cell, LONGEST: right[LONGEST]}
    expected = Expected("grading_failed", None)
    return DemoSubmission("with", answers, expected).notebook(service.site.course)


def test_submissions_get_their_points(service: Service, kube_cluster: KubeCluster) -> None:
    numbers = [
        service.submit(notebook(service, kind), kind) for kind in ("right", "partly", "wrong")
    ]
    graded = service.grade(*numbers)
    assert [(one.status, one.score) for one in graded] == [
        ("automatically_graded", 3.0),
        ("automatically_graded", 1.0),
        ("automatically_graded", 0.0),
    ], [one.log for one in graded]
    for one in graded:
        assert "Converting notebook" in one.log
    assert kube_cluster.pods() == []


# Older releases pass the name to git within a command line of their own.
@pytest.mark.releases("0.10.0", "0.12.5")
def test_a_user_name_with_quotes_and_a_command_is_a_name(
    service: Service, settings: Config, prepared: Program
) -> None:
    prepared.use(settings)
    name = """a"b'; touch $HOME/of-a-name; `id`"""
    [graded] = service.grade(service.submit(notebook(service, "right"), name))
    assert (graded.status, graded.score) == ("automatically_graded", 3.0), graded.log
    assert graded.username == name


def test_an_endless_notebook_has_no_grade_and_the_log_says_why(
    service: Service, settings: Config, kube_cluster: KubeCluster
) -> None:
    settings.GraderPod.max_grading_time = 5
    [graded] = service.grade(service.submit(notebook(service, "endless")))
    assert (graded.status, graded.score) == ("grading_failed", None)
    assert "Your submission ran longer than" in graded.log
    assert "not your fault" not in graded.log
    assert kube_cluster.pods() == []


def test_a_kernel_that_is_killed_has_no_grade(service: Service, kube_cluster: KubeCluster) -> None:
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    [graded] = service.grade(service.submit(notebook_with(service, crash)))
    assert (graded.status, graded.score) == ("grading_failed", None)
    assert "kernel" in graded.log.lower()
    assert kube_cluster.pods() == []


def test_a_notebook_that_takes_too_much_memory_has_no_grade_and_the_log_says_why(
    service: Service, settings: Config, kube_cluster: KubeCluster
) -> None:
    settings.KubeAutogradeExecutor.mem_limit = "600M"
    glutton = "taken = bytearray(1 << 30)\nfor i in range(0, 1 << 30, 4096):\n    taken[i] = 1"
    [graded] = service.grade(service.submit(notebook_with(service, glutton)))
    assert (graded.status, graded.score) == ("grading_failed", None)
    assert "memory" in graded.log
    assert kube_cluster.pods() == []


def test_a_pod_that_empties_the_folder_of_what_was_handed_in_is_not_graded_0(
    service: Service, settings: Config, prepared: Program, kube_cluster: KubeCluster
) -> None:
    prepared.use(settings, 'rm -rf "$in"/*; echo done')
    [graded] = service.grade(service.submit(notebook(service, "right")))
    assert (graded.status, graded.score) == ("grading_failed", None)
    assert "no graded notebook was found afterwards" in graded.log
    assert kube_cluster.pods() == []


def test_a_notebook_under_another_name_has_no_grade_and_its_student_reads_why(
    service: Service,
    settings: Config,
    prepared: Program,
    kube_cluster: KubeCluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # It leaves out what the assignment does not know, as the real one does.
    prepared.use(settings, "echo skipping unknown notebook")
    right = notebook(service, "right")
    monkeypatch.setattr("kubegrader.demo.course.NOTEBOOK_FILE", "loops-1.ipynb")
    [graded] = service.grade(service.submit(right))
    assert (graded.status, graded.score) == ("grading_failed", None)
    assert graded.log == (
        "skipping unknown notebook\n\nNothing that you handed in is a notebook of this "
        "assignment. A notebook has to keep the name under which you got it."
    )
    assert kube_cluster.pods() == []


def test_a_converter_that_fails_has_no_grade_and_its_words_are_kept(
    service: Service, settings: Config, kube_cluster: KubeCluster
) -> None:
    converter = service.site.directory / "fails"
    converter.write_text("#!/bin/sh\necho halfway\nexit 3\n")
    converter.chmod(0o755)
    settings.KubeAutogradeExecutor.convert_executable = str(converter)
    [graded] = service.grade(service.submit(notebook(service, "right")))
    assert (graded.status, graded.score) == ("grading_failed", None)
    assert graded.log == (
        "halfway\n\nGrading your submission ended with an error; the log says where."
    )
    assert kube_cluster.pods() == []


def test_an_image_that_does_not_exist_has_no_grade_and_is_told_to_staff(
    service: Service, settings: Config, kube_cluster: KubeCluster, kube_stages: EmbeddedCluster
) -> None:
    kube_stages.play("image-not-found")
    settings.KubeAutogradeExecutor.start_timeout = 2
    settings.KubeAutogradeExecutor.max_attempts = 1
    [graded] = service.grade(service.submit(notebook(service, "right")))
    assert (graded.status, graded.score) == ("grading_failed", None)
    assert "It is not your fault" in graded.log
    assert "demo_image" in graded.log.partition(STAFF)[2]
    # Nobody plays a kubelet that ends it.
    assert kube_cluster.leftovers() == []
