"""The gradebook in an output folder: a file of the submission's own, or nothing that is read.

grader-service opens ``gradebook.json`` after a good grading and takes the points from it. A pod can
put a link there to another submission's gradebook, or a pipe on which the service waits for ever.
"""

from __future__ import annotations

import json
import math
import os
import stat
from typing import Any

from grader_service.autograding.local_grader import GradeBookModel

from .exceptions import KubegraderError

LARGEST = 64 * 1024 * 1024
"""The bytes of the largest gradebook that is read: a pod can make a file of any size of nothing."""


class StrangeGradebookError(KubegraderError):
    """What is named gradebook.json is no file of the submission's own, or no gradebook."""


def require(output_path: str) -> None:
    """Accept a gradebook that is a file, or none at all.

    Raises StrangeGradebookError.
    """
    path = _path(output_path)
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StrangeGradebookError(f"looking at {path}: {error.strerror}") from error
    if found.st_size > LARGEST:
        raise StrangeGradebookError(
            f"reading {path}: it has {found.st_size} bytes, and no gradebook has more than "
            f"{LARGEST}; look at the notebook, which may have changed it"
        )
    if not stat.S_ISREG(found.st_mode):
        raise StrangeGradebookError(
            f"reading {path}: the pod has left a link or a pipe there and no file, so that its "
            "points may be another submission's; look at the notebook and at the course's image"
        )


def require_left(output_path: str) -> None:
    """Accept a gradebook that can be read, after a grading that left its notebooks.

    Raises StrangeGradebookError.
    """
    path = _path(output_path)
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            is_gradebook = _has_points(json.load(file, parse_constant=_finite, parse_float=_finite))
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from None
    except Exception:  # noqa: BLE001  # of whatever a pod has written; the message quotes the file
        is_gradebook = False
    if not is_gradebook:
        raise _unreadable(path, "it is no gradebook with points")


def _finite(number: str) -> float:
    """Read a number; what is none, as NaN, neither JSON nor every database has.

    Raises ValueError.
    """
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(number)
    return value


def _has_points(gradebook: Any) -> bool:
    """Whether the service can take points from a gradebook, which it does after it has stored it.

    Raises whatever grader-service's own reading raises.
    """
    points = [notebook.score for notebook in GradeBookModel.from_dict(gradebook).notebooks.values()]
    return math.isfinite(sum(points))


def _path(output_path: str) -> str:
    return os.path.join(output_path, "gradebook.json")  # noqa: PTH118


def _unreadable(path: str, problem: str) -> StrangeGradebookError:
    return StrangeGradebookError(
        f"reading the points from {path}: {problem}, though the pod succeeded and left a notebook; "
        "look at the notebook, which may have removed or changed it, and at the course's image"
    )
