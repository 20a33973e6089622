"""Nothing that a notebook printed gets into the service's log, unless it logs at debug."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubegrader.demo.course import SUBMISSIONS
from kubegrader.executor import KubeAutogradeExecutor

if TYPE_CHECKING:
    import pytest
    from kubegrader.demo.site import Site
    from program import Program
    from traitlets.config import Config

FORGED = "2026-11-28 CRITICAL forged"


def test_the_last_words_of_a_pod_that_failed_are_not_logged(
    site: Site, settings: Config, prepared: Program, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    prepared.use(settings, f'echo "{FORGED}"; exit 3')
    last_words = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    settings.KubeAutogradeExecutor.extra_container_config = last_words
    number = site.submit("ada", SUBMISSIONS[0].notebook(site.course))
    graded = site.grade(number, KubeAutogradeExecutor, settings)
    assert graded.status == "grading_failed"
    assert graded.log == (
        f"{FORGED}\n\nGrading your submission ended with an error; the log says where."
    )
    assert f"Submission {number} has no grade: " in caplog.text
    assert "SubmissionFailedError: Grading your submission ended with an error" in caplog.text
    assert FORGED not in caplog.text


def test_an_error_that_is_no_pods_is_logged_with_where_it_came_from(
    site: Site, settings: Config, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    settings.KubeAutogradeExecutor.resolve_image_name = lambda *_: 1 / 0
    number = site.submit("ada", SUBMISSIONS[0].notebook(site.course))
    graded = site.grade(number, KubeAutogradeExecutor, settings)
    assert graded.status == "grading_failed"
    assert "ZeroDivisionError: division by zero" in caplog.text
    assert "test_log.py" in caplog.text
