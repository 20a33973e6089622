"""A lecture, an assignment and a submission that nobody has handed in, for `kubegrader check`.

They are rows of the installed release that belong to no database: nothing is read or stored.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import grader_service.orm  # noqa: F401  (every table, so that the relations can be resolved)
from grader_service.orm.assignment import Assignment
from grader_service.orm.lecture import Lecture
from grader_service.orm.submission import Submission
from grader_service.orm.user import User


def submission(lecture: str, assignment: str, user: str) -> Any:
    """Give the first submission of a user."""
    now = datetime.now(timezone.utc)
    # From 0.7.0 a property that takes a dict, before that the column itself, JSON in a string.
    settings: object = {} if isinstance(Assignment.settings, property) else "{}"
    of_lecture = _row(Lecture, id=1, name=lecture, code=lecture, state="active", deleted="active")
    of_assignment = _row(
        Assignment,
        id=1,
        name=assignment,
        lecture=of_lecture,
        lectid=1,
        type="user",
        duedate=now,
        points=1.0,
        status="released",
        automatic_grading="auto",
        deleted="active",
        allow_files=False,
        properties="{}",
        settings=settings,
    )
    return _row(
        Submission,
        id=1,
        assignment=of_assignment,
        user=_row(User, name=user, display_name=user),
        username=user,
        date=now,
        auto_status="pending",
        manual_status="not_graded",
        commit_hash="0123456789abcdef0123456789abcdef01234567",
        deleted="active",
        edited=False,
    )


def _row(model: type[Any], **values: object) -> Any:
    """Make a row with the values for which the installed release has a column or a relation."""
    return model(**{name: value for name, value in values.items() if hasattr(model, name)})
