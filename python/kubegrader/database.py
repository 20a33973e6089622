"""The service's database, while a grading waits for its pod."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from sqlalchemy import text  # grader-service's own
from sqlalchemy.exc import SQLAlchemyError

from . import green

if TYPE_CHECKING:
    import logging

    from sqlalchemy.orm import Session


PATIENCE = 30.0
"""How long, in seconds, a database that is started anew is waited for."""
_PAUSE = 0.5


def give_back_connection(session: Session | None, log: logging.Logger) -> None:
    """End the session's transaction, and keep in memory what was read in it.

    grader-service reads the submission in a transaction that would last until the grade is stored,
    and its pool has 15 connections: with more gradings at once than that, the others wait half a
    minute for one, and are pending for ever. The next query takes a connection again. Nothing that
    was read is read anew for this: the service works with what it would have had.

    A session with changes that wait to be written is left alone. Never raises.
    """
    if session is None or session.new or session.dirty or session.deleted:
        return
    expires = session.expire_on_commit
    session.expire_on_commit = False
    try:
        session.commit()
    except SQLAlchemyError as error:
        log.warning("The database did not end a transaction: %s", error)
        session.rollback()
    finally:
        session.expire_on_commit = expires


def revive(session: Session | None, log: logging.Logger, patience: float = PATIENCE) -> None:
    """Let a session have a connection that works, for what grader-service writes next.

    While a pod ran, the database may have been started anew, or something between may have dropped
    a connection that was idle in the service's pool: its first use fails, and the grade would be
    lost with it, and the failure too. A restart is waited for, for `patience` seconds; without any,
    the next query makes a new connection.

    A session with changes that wait to be written is left alone. Never raises.
    """
    if session is None or session.new or session.dirty or session.deleted:
        return
    until = time.monotonic() + patience
    while problem := _problem(session):
        if time.monotonic() >= until:
            log.warning("The database does not answer: %s", problem)
            return
        green.sleep(_PAUSE)


def _problem(session: Session) -> str | None:
    """Ask the database; its own words, which may name its address, are not told."""
    try:
        session.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        with contextlib.suppress(SQLAlchemyError):  # of a connection that is dead
            session.rollback()
        return type(error).__name__
    return None


def forget(session: Session | None) -> None:
    """Let everything be read again when it is asked for: another process may have written.

    A session with changes that wait to be written is left alone.
    """
    if session is not None and not (session.new or session.dirty or session.deleted):
        session.expire_all()
