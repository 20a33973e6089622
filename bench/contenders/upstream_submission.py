"""What grader-service's executors are given: a submission that is in no database, and traits."""

from __future__ import annotations

import logging
import tempfile
from typing import Any

import grader_service.orm  # noqa: F401  (every table, so that the relations can be resolved)
from grader_service.orm.assignment import Assignment
from grader_service.orm.lecture import Lecture
from grader_service.orm.submission import Submission

from bench import kubeconfig as kubeconfigs

FOLDER = tempfile.gettempdir()
"""What they take for the service's folder; nothing is read there."""


def submission(number: str) -> Any:
    """Make a submission that is in no database."""
    made = Submission(id=1, commit_hash=number)
    made.edited = False
    made.assignment = Assignment(name="a", lecture=Lecture(code="bench", name="bench"))
    if hasattr(Submission, "user"):
        from grader_service.orm.user import User

        made.user = User(name="student")
    else:
        made.username = "student"
    return made


def settings(kubeconfig: str, namespace: str) -> dict[str, Any]:
    """Give the traits that say where pods go."""
    logging.disable(logging.WARNING)
    return {
        "kube_context": kubeconfigs.current(kubeconfig),
        "namespace": namespace,
        "volume": {"name": "data", "emptyDir": {}},
    }
