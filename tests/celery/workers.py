"""Celery workers of grader-service as processes, and the tasks that are sent to them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from celery import Celery
from kubegrader.demo.course import SUBMISSIONS
from pods import names, until
from quick_grader import RIGHT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kubegrader.demo.site import Site
    from kubernetes.client import CoreV1Api
    from quick_grader import QuickGrader
    from traitlets.config import Config

TASK = "grader_service.autograding.celery.tasks.autograde_task"

CONFIG = """\
from kubegrader.executor import KubeAutogradeExecutor

c = get_config()
c.GraderService.grader_service_dir = {directory!r}
c.GraderService.db_url = "sqlite:///{directory}/grader.db?timeout=60"
c.RequestHandlerConfig.autograde_executor_class = KubeAutogradeExecutor
c.CeleryApp.conf = {celery!r}
c.CeleryApp.worker_kwargs = {worker!r}
c.KubeAutogradeExecutor.update({traits!r})
c.GraderPod.max_grading_time = 300
"""

MODULE = "grader_service.autograding.celery.worker"
START = {
    # Nothing in grader-service patches the process: a site that uses gevent starts it like this.
    "gevent": [sys.executable, "-m", "gevent.monkey", "--module", MODULE],
}


def celery_settings(folder: Path, out: str = "queue") -> dict[str, Any]:
    """Give what an end of the queue has to know, and the folder into which it writes."""
    for name in ("queue", "processed", out):
        (folder / name).mkdir(exist_ok=True)
    return {
        "broker_url": "filesystem://",
        "broker_transport_options": {
            "data_folder_in": str(folder / "queue"),
            "data_folder_out": str(folder / out),
            "processed_folder": str(folder / "processed"),
            "control_folder": str(folder / "control"),
            "polling_interval": 0.1,
        },
        "result_backend": None,
        "worker_hijack_root_logger": False,
        "broker_connection_retry_on_startup": True,
    }


class Worker:
    """A worker's process, its queue's folder, and the site whose submissions it grades."""

    def __init__(
        self,
        folder: Path,
        site: Site,
        settings: Config,
        *,
        pool: str,
        concurrency: int = 4,
        more: str = "",
    ) -> None:
        self.site = site
        self.pool = pool
        self._log = folder / "worker.log"
        self.celery = Celery(set_as_current=False)
        self.celery.conf.update(celery_settings(folder, out="outbox"))
        worker = {"pool": pool, "concurrency": concurrency, "loglevel": "INFO"}
        config = CONFIG.format(
            directory=str(site.directory),
            celery=celery_settings(folder),
            worker=worker,
            traits=dict(settings.KubeAutogradeExecutor),
        )
        (folder / "grader_service_config.py").write_text(config + more)
        self._command = [
            *START.get(pool, [sys.executable, "-m", MODULE]),
            "-f",
            str(folder / "grader_service_config.py"),
        ]
        self._folder = folder
        self._starts = 0
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        self._starts += 1
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_until_ready(self) -> None:
        """Wait until it listens: a signal that comes earlier meets no handler."""
        until(lambda: self.log.count(" ready.") == self._starts, 120)

    def wait_until_begun_anew(self) -> None:
        """Wait until it is ready after it has put itself in its own place, as with SIGHUP."""
        self._starts += 1
        self.wait_until_ready()

    def send(self, submission: int, **options: Any) -> str:
        """Send a grading, and give the task's id."""
        task = self.celery.send_task(TASK, args=[1, 1, submission], **options)
        self._deliver()
        return str(task.id)

    def revoke(self, task: str) -> None:
        """End a task that is under way."""
        self.celery.control.revoke(task, terminate=True)
        self._deliver()

    def _deliver(self) -> None:
        """Put whole messages into the queue: kombu 5.7.0 takes, and loses, what is half written."""
        for message in sorted((self._folder / "outbox").iterdir()):
            message.rename(self._folder / "queue" / message.name)

    def end(self, signal_: signal.Signals = signal.SIGTERM, patience: float = 60) -> int:
        """Send a signal, and give the exit code."""
        self.process.send_signal(signal_)
        return self.process.wait(patience)

    def kill(self) -> None:
        """Kill it and all that it forked, as the end of its container does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def status(self, submission: int) -> tuple[str, float | None]:
        graded = self.site.read(submission)
        return graded.status, graded.score

    def is_graded(self, *submissions: int) -> bool:
        return all(self.status(submission)[0] != "pending" for submission in submissions)


@dataclass(frozen=True)
class Workplace:
    """Where workers grade: their site, the settings of its executor, and the cluster."""

    folder: Path
    site: Site
    settings: Config
    quick: QuickGrader
    api: CoreV1Api
    namespace: str

    @contextlib.contextmanager
    def worker(self, pool: str, **options: Any) -> Iterator[Worker]:
        """A worker that is killed at the end, with all that it forked, if it still runs."""
        worker = Worker(self.folder, self.site, self.settings, pool=pool, **options)
        try:
            worker.wait_until_ready()
            yield worker
        except BaseException:
            print(worker.log[-6000:])  # noqa: T201  # pytest shows it with the failure
            raise
        finally:
            if worker.process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    worker.end(patience=20)
            worker.kill()

    def pods(self) -> list[str]:
        return names(self.api, self.namespace)

    def hand_in(self, count: int, student: str = "student") -> list[int]:
        """Hand in so many right answers."""
        notebook = SUBMISSIONS[RIGHT].notebook(self.site.course)
        return [self.site.submit(f"{student}-{number}", notebook) for number in range(count)]

    def in_flight(self, worker: Worker, count: int, **options: Any) -> list[int]:
        """Hand in so many right answers, and wait until each has a pod that runs."""
        submissions = self.hand_in(count)
        before = self.quick.begun
        for submission in submissions:
            worker.send(submission, **options)
        until(lambda: self.quick.begun == before + count, 180)
        return submissions
