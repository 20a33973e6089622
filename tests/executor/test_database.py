"""The service's database goes away while a pod runs, and is back when the grade is stored."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from kubegrader import database
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.executor import KubeAutogradeExecutor
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

if TYPE_CHECKING:
    from pathlib import Path

    from kubegrader.demo.site import Site
    from traitlets.config import Config

LOG = logging.getLogger(__name__)


@pytest.fixture
def session(tmp_path: Path) -> Any:
    with Session(create_engine(f"sqlite:///{tmp_path / 'db'}")) as session:
        session.execute(text("CREATE TABLE t (x)"))
        session.commit()
        yield session


def dies(session: Session) -> None:
    """Close a connection that is idle in the pool, as a database that is started anew does."""
    connection: Any = session.connection().connection.dbapi_connection
    session.commit()
    connection.close()


def test_a_dead_connection_is_replaced_by_one_that_works(session: Session) -> None:
    dies(session)
    database.revive(session, LOG)
    session.execute(text("INSERT INTO t VALUES (1)"))
    session.commit()


def test_a_connection_that_works_is_kept_without_a_word(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    database.revive(session, LOG)
    assert caplog.messages == []


def test_a_session_with_changes_is_left_alone_and_so_is_none(session: Session) -> None:
    database.revive(None, LOG)
    session.execute(text("INSERT INTO t VALUES (1)"))
    database.revive(session, LOG)
    assert session.execute(text("SELECT count(*) FROM t")).scalar() == 1


def test_a_database_that_does_not_come_back_is_told_and_raises_nothing(
    session: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OperationalError("SELECT 1", {}, sqlite3.OperationalError("no"))

    monkeypatch.setattr(session, "execute", refuse)
    database.revive(session, LOG, patience=1.0)
    assert "The database does not answer" in caplog.text
    with pytest.raises(SQLAlchemyError):
        session.execute(text("SELECT 1"))


@pytest.mark.parametrize(("kind", "status"), [(0, "automatically_graded"), (1, "grading_failed")])
def test_a_grade_and_a_failure_outlive_the_connection_that_their_session_had(
    site: Site, settings: Config, monkeypatch: pytest.MonkeyPatch, kind: int, status: str
) -> None:
    engine = create_engine(site._engine.url)  # with the pool that a service's own has
    started: list[str] = []

    @event.listens_for(engine, "checkin")
    def die(connection: Any, _record: object) -> None:
        if started:
            started.clear()
            connection.close()

    class Starts(KubeAutogradeExecutor):
        def start_pod(self) -> Any:
            pod = super().start_pod()
            started.append(pod.name)
            return pod

    if status == "grading_failed":
        settings.KubeAutogradeExecutor.convert_executable = "no-such-executable"
    monkeypatch.setattr(site, "_sessions", sessionmaker(bind=engine))
    submission = site.submit("unlucky", SUBMISSIONS[0].notebook(site.course))
    graded = site.grade(submission, Starts, settings)
    assert graded.status == status
    assert started == []
    if kind:
        assert "For the course's staff" in graded.log
