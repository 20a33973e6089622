"""A grader-service site in one folder: database, git repositories, and the way to grade.

Everything is the installed release's own: its tables, its repository layout, its executor's
``start()``. What differs between releases (a column more or less, a status that is a string or
an enum) is handled here and nowhere else. Tried with the releases 0.3.0 to 0.12.5.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import grader_service.orm  # noqa: F401  (every table, so that the relations can be resolved)
from grader_service.orm.assignment import Assignment
from grader_service.orm.base import Base
from grader_service.orm.lecture import Lecture
from grader_service.orm.submission import Submission
from grader_service.orm.user import User
from sqlalchemy import create_engine
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import NullPool
from typing_extensions import Self

from kubegrader.demo import course as demo
from kubegrader.demo.generation import is_async, run_alone
from kubegrader.demo.repository import commit_file, git_environment, set_environment

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import TracebackType

    from traitlets.config import Config

_LOCK_TIMEOUT = 60
"""Seconds that a connection waits while another one writes."""


class Executor(Protocol):
    """What the service needs of an executor: it grades when started.

    ``start`` gives an awaitable up to 0.4.2 and None from 0.5.0.
    """

    def start(self) -> Awaitable[None] | None: ...


class ExecutorClass(Protocol):
    """A class such as grader-service's ``LocalAutogradeExecutor``."""

    def __call__(
        self, grader_service_dir: str, submission: Any, /, *, config: Config
    ) -> Executor: ...


@dataclass(frozen=True)
class Graded:
    """What the database says of a submission, and the executor that graded it."""

    submission: int
    """The submission's id."""
    username: str
    status: str
    """``auto_status``: automatically_graded or grading_failed."""
    score: float | None
    """Points; None when the grading failed."""
    max_score: float
    log: str
    """The grading log that the student may read; empty when none was stored."""
    executor: Executor | None
    """None where a process of its own graded it."""


class Site:
    """A site with one lecture and one assignment, the demo's.

    While it is open, the variables of :func:`git_environment` are set in this process, because
    the service's own git commands inherit them; ``close`` or leaving the ``with`` block puts the
    former values back. The folder stays.
    """

    def __init__(self, directory: str | Path, course: demo.Course | None = None) -> None:
        """Make the site in ``directory``, which is created; it must hold no site yet.

        Without ``course`` the demo's assignment is released into it first (about two seconds).
        """
        # The service compares paths by prefix (0.10.0 and newer): no links, no "..".
        self.directory = Path(directory).resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        for folder in ("convert_in", "convert_out", "git"):
            (self.directory / folder).mkdir()
        self.course = course or demo.release(self.directory / "course")
        address = URL.create("sqlite", database=str(self.directory / "grader.db"))
        # Without a pool: any number of submissions may be graded at once.
        self._engine = create_engine(
            address, connect_args={"timeout": _LOCK_TIMEOUT}, poolclass=NullPool
        )
        with self._engine.connect() as connection:
            # Readers and one writer at a time get on with each other; the file remembers it.
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        self._sessions = sessionmaker(bind=self._engine)
        Base.metadata.create_all(self._engine)
        with self._sessions.begin() as session:
            assignment = _assignment(self.course)
            session.add(assignment)
            session.flush()
            self._assignment_id = int(assignment.id)
        self._environment = set_environment(git_environment())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and put the former environment back. The folder stays."""
        self._engine.dispose()
        set_environment(self._environment)

    def submit(self, username: str, notebook: dict[str, Any]) -> int:
        """Hand in a notebook: a commit on the student's ``main`` and a row that is pending.

        Gives the submission's id. Raises subprocess.CalledProcessError when git fails.
        """
        folder = self.directory / "git" / demo.LECTURE / str(self._assignment_id) / "user"
        content = json.dumps(notebook, indent=1)
        commit = commit_file(folder / username, username, demo.NOTEBOOK_FILE, content)
        with self._sessions.begin() as session:
            user = session.query(User).filter_by(name=username).one_or_none()
            if user is None:
                user = User(**_known(User, name=username, display_name=username))
            assignment = session.get(Assignment, self._assignment_id)
            submission = _submission(assignment, user, commit)
            session.add(submission)
            session.flush()
            return int(submission.id)

    def grade(self, submission_id: int, executor_class: ExecutorClass, config: Config) -> Graded:
        """Grade as the service's worker does, and read the database afterwards.

        It opens a session of its own: several threads may call it at once. (Not with the async
        generation before 0.4.2, whose git commands need the main thread's event loop.) Whatever
        ``start()`` or the constructor raises comes out; KeyError means that there is no such
        submission.
        """
        with self._sessions() as session:
            executor = self._executor(session, submission_id, executor_class, config)
            started = executor.start()
            if inspect.isawaitable(started):
                run_alone(started)
        return self.read(submission_id, executor)

    async def grade_async(
        self, submission_id: int, executor_class: ExecutorClass, config: Config
    ) -> Graded:
        """Grade as :meth:`grade` does, in the running event loop, as the service up to 0.4.2.

        With the sync generation it runs in a thread, and the loop stays free.
        """
        if not is_async():
            return await asyncio.to_thread(self.grade, submission_id, executor_class, config)
        with self._sessions() as session:
            executor = self._executor(session, submission_id, executor_class, config)
            started = executor.start()
            if started is not None:
                await started
        return self.read(submission_id, executor)

    def _executor(
        self, session: Session, submission_id: int, executor_class: ExecutorClass, config: Config
    ) -> Executor:
        """Construct the executor with the service's own arguments."""
        submission = session.get(Submission, submission_id)
        if submission is None:
            raise KeyError(submission_id)
        return executor_class(str(self.directory), submission, config=config)

    def read(self, submission_id: int, executor: Executor | None = None) -> Graded:
        """Read the outcome in a new session: what was not committed does not count."""
        with self._sessions() as session:
            stored: Any = session.get(Submission, submission_id)
            logs = stored.logs
            return Graded(
                submission=submission_id,
                username=stored.user.name,
                # A plain string in older releases, in newer ones a StrEnum: str() is its value.
                status=str(stored.auto_status),
                score=None if stored.score is None else float(stored.score),
                max_score=float(stored.assignment.points),
                log="" if logs is None or logs.logs is None else logs.logs,
                executor=executor,
            )


def _assignment(course: demo.Course) -> Any:
    """The released assignment with its lecture, as rows of the installed release.

    Enum columns take the name of the value as well as the value, so nothing is imported for them.
    """
    lecture = Lecture(name="Demo", code=demo.LECTURE, state="active", deleted="active")
    # From 0.7.0 a property that takes a dict, before that the column itself, JSON in a string.
    settings: object = {} if isinstance(Assignment.settings, property) else "{}"
    return Assignment(
        **_known(
            Assignment,
            name=demo.ASSIGNMENT,
            lecture=lecture,
            type="user",
            duedate=datetime.now(timezone.utc) + timedelta(days=30),
            points=course.max_score,
            status="released",
            automatic_grading="auto",
            deleted="active",
            allow_files=False,
            properties=course.properties,
            settings=settings,
        )
    )


def _submission(assignment: Any, user: Any, commit: str) -> Any:
    """A submission as the service's handler makes it when autograding is asked for."""
    return Submission(
        **_known(
            Submission,
            assignment=assignment,
            user=user,
            date=datetime.now(timezone.utc),
            auto_status="pending",
            manual_status="not_graded",
            commit_hash=commit,
            # The former up to 0.3, the latter from 0.4.0.
            feedback_available=False,
            feedback_status="not_generated",
            deleted="active",
            edited=False,
            grading_score=0.0,
            score_scaling=1.0,
        )
    )


def _known(model: type[Any], **values: object) -> dict[str, object]:
    """The values for which the installed release's table has a column or a relation."""
    return {name: value for name, value in values.items() if hasattr(model, name)}
