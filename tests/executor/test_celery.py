"""Grading in a real celery worker of grader-service, from 0.5.0 on."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.demo.generation import is_async
from pods import names, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kubegrader.demo.site import Site
    from kubernetes.client import CoreV1Api
    from traitlets.config import Config

pytestmark = pytest.mark.skipif(is_async(), reason="celery came with grader-service 0.5.0")

CONFIG = """\
from kubegrader.executor import KubeAutogradeExecutor

c = get_config()
c.GraderService.grader_service_dir = {directory!r}
c.GraderService.db_url = "sqlite:///{directory}/grader.db?timeout=60"
c.RequestHandlerConfig.autograde_executor_class = KubeAutogradeExecutor
c.CeleryApp.conf = {celery!r}
c.CeleryApp.worker_kwargs = {{"pool": {pool!r}, "concurrency": 2, "loglevel": "INFO"}}
c.KubeAutogradeExecutor.update({traits!r})
c.GraderPod.max_grading_time = 300
"""


def celery_settings(folder: Path) -> dict[str, object]:
    for name in ("queue", "processed"):
        (folder / name).mkdir(exist_ok=True)
    return {
        "broker_url": "filesystem://",
        "broker_transport_options": {
            "data_folder_in": str(folder / "queue"),
            "data_folder_out": str(folder / "queue"),
            "processed_folder": str(folder / "processed"),
            "control_folder": str(folder / "control"),
        },
        "result_backend": None,
        "worker_hijack_root_logger": False,
    }


@pytest.fixture(params=["prefork", "threads"])
def worker(
    request: pytest.FixtureRequest, site: Site, settings: Config, tmp_path: Path
) -> Iterator[Path]:
    """A worker under way; gives the folder that its queue is in."""
    config = CONFIG.format(
        directory=str(site.directory),
        celery=celery_settings(tmp_path),
        pool=request.param,
        traits=dict(settings.KubeAutogradeExecutor),
    )
    (tmp_path / "grader_service_config.py").write_text(config)
    log = (tmp_path / "worker.log").open("wb")
    command = [sys.executable, "-m", "grader_service.autograding.celery.worker"]
    process = subprocess.Popen(
        [*command, "-f", str(tmp_path / "grader_service_config.py")],
        cwd=tmp_path,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    yield tmp_path
    process.terminate()
    assert process.wait(60) == 0, (tmp_path / "worker.log").read_text()[-4000:]


def send(folder: Path, *arguments: int) -> None:
    from celery import Celery

    celery = Celery()
    celery.conf.update(celery_settings(folder))
    task = "grader_service.autograding.celery.tasks.autograde_task"
    celery.send_task(task, args=list(arguments))


def status(site: Site, submission: int) -> tuple[str, float | None]:
    graded = site._read(submission, executor=None)  # type: ignore[arg-type]
    return graded.status, graded.score


def test_a_celery_worker_grades_submissions_in_pods(
    worker: Path, site: Site, api: CoreV1Api, namespace: str
) -> None:
    right = site.submit("celery-right", SUBMISSIONS[0].notebook(site.course))
    partly = site.submit("celery-partly", SUBMISSIONS[1].notebook(site.course))
    for submission in (right, partly):
        send(worker, 1, 1, submission)
    until(lambda: "pending" not in (status(site, right)[0], status(site, partly)[0]), 180)
    assert status(site, right) == ("automatically_graded", 3.0)
    assert status(site, partly) == ("automatically_graded", 1.0)
    assert names(api, namespace) == []
