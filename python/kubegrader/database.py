"""The service's database, while a grading waits for its pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError  # grader-service's own

if TYPE_CHECKING:
    import logging

    from sqlalchemy.orm import Session


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


def forget(session: Session | None) -> None:
    """Let everything be read again when it is asked for: another process may have written.

    A session with changes that wait to be written is left alone.
    """
    if session is not None and not (session.new or session.dirty or session.deleted):
        session.expire_all()
