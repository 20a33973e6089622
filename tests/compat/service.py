"""The way of a submission through the installed grader-service: its own queue, its own executor.

Up to 0.4.2 the service has workers in its event loop, from 0.5.0 on tasks of celery. Here the task
is called as the service's handler calls it, and celery runs it in this process.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from grader_service.handlers.base_handler import RequestHandlerConfig
from grader_service.orm.submission import Submission
from kubegrader.demo.generation import is_async, run_alone

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from kubegrader.demo.site import Graded, Site
    from traitlets.config import Config

# The first lecture and the first assignment, the only ones of a site.
LECTURE = ASSIGNMENT = 1


class Service:
    """The service of a site, with one executor class and one config."""

    def __init__(self, site: Site, executor_class: type[Any], config: Config) -> None:
        self.site = site
        self.executor_class = executor_class
        self.config = config
        self.executors: list[Any] = []
        """Those that were made, in their order."""

    def grade(self, *submissions: int) -> list[Graded]:
        """Let the service grade, and give what the database says afterwards.

        What comes out of the service's own code comes out here.
        """
        if is_async():
            run_alone(self.queue(*submissions))
        else:
            self._tasks(submissions)
        return [self.read(number) for number in submissions]

    def grade_together(self, *submissions: int) -> list[Graded]:
        """Do as `grade`, all at once as a worker's threads do; five at once up to 0.4.2."""
        if is_async():
            return self.grade(*submissions)
        # Neither may be made by several threads at once.
        app = celery_app(self.site)
        assert (app.sessionmaker if hasattr(type(app), "sessionmaker") else app.db) is not None
        with ThreadPoolExecutor(len(submissions), initializer=_loop_of_the_thread) as pool:
            return [graded for [graded] in pool.map(self.grade, submissions)]

    def read(self, submission: int) -> Graded:
        """Read how a submission stands, with the executor that was made for it."""
        made = [one for one in self.executors if one.kubegrader_test_submission == submission]
        return self.site.read(submission, made[-1] if made else None)

    def submit(self, notebook: dict[str, Any], username: str = "ada") -> int:
        """Hand in a notebook; the submission is pending then."""
        return self.site.submit(username, notebook)

    def executor(self, submission: Any, **arguments: Any) -> Any:
        """Make an executor in place of the service's `Type` trait, and remember it."""
        made = self.executor_class(str(self.site.directory), submission, **arguments)
        made.kubegrader_test_submission = submission.id
        self.executors.append(made)
        return made

    async def queue(
        self,
        *submissions: int,
        beside: Callable[[Any], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        """Grade in the queue's workers, in the running event loop; `beside` runs at its side."""
        from grader_service.autograding.grader_executor import GraderExecutor

        queue = GraderExecutor()
        side = None if beside is None else asyncio.ensure_future(beside(queue))
        try:
            for number in submissions:
                # As the handler does it: one session each, which the executor closes.
                submission = self.site._sessions().get(Submission, number)
                executor = self.executor(submission, config=self.config)
                queue.submit(executor.start, lambda: None)
            await queue.queue.join()
        finally:
            for task in [*queue.workers, *([] if side is None else [side])]:
                task.cancel()
            await asyncio.gather(*queue.workers, return_exceptions=True)

    def _tasks(self, submissions: tuple[int, ...]) -> None:
        from grader_service.autograding.celery.tasks import autograde_task

        celery = celery_app(self.site)
        celery.config = self.config
        make = self.executor

        class Remembered:
            """The trait takes a class and no function."""

            def __new__(cls, _directory: str, submission: Any, **arguments: Any) -> Any:
                return make(submission, **arguments)

        RequestHandlerConfig.instance().autograde_executor_class = Remembered
        for number in submissions:
            done = autograde_task.delay(LECTURE, ASSIGNMENT, number)
            # celery thinks of one thread alone: another one's task would forbid it.
            done.get(disable_sync_subtasks=False)


def _loop_of_the_thread() -> None:
    """Upstream's executor of 0.5.0 wants one."""
    asyncio.set_event_loop(asyncio.new_event_loop())


def celery_app(site: Site) -> Any:
    """Make the service's celery application as its worker does, from a config file: once."""
    from grader_service.autograding.celery.app import CeleryApp

    if not CeleryApp.initialized():
        file = site.directory / "grader_service_config.py"
        file.write_text(
            "c = get_config()\n"
            f"c.GraderService.grader_service_dir = {str(site.directory)!r}\n"
            f'c.GraderService.db_url = "sqlite:///{site.directory}/grader.db?timeout=60"\n'
            'c.CeleryApp.conf = {"task_always_eager": True, "task_eager_propagates": True}\n'
        )
        CeleryApp.instance(config_file=str(file))
    return CeleryApp.instance()
