"""The gradebook in an output folder: a file of the submission's own, or nothing that is read.

grader-service opens ``gradebook.json`` after a good grading and takes the points from it. A pod can
put a link there to another submission's gradebook, or a pipe on which the service waits for ever.
"""

from __future__ import annotations

import json
import os
import stat

from .exceptions import KubegraderError


class StrangeGradebookError(KubegraderError):
    """What is named gradebook.json is no file of the submission's own, or no gradebook."""


def require(output_path: str) -> None:
    """Accept a gradebook that is a file, or none at all.

    Raises StrangeGradebookError.
    """
    path = _path(output_path)
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise StrangeGradebookError(f"looking at {path}: {error.strerror}") from error
    if not stat.S_ISREG(mode):
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
            is_gradebook = isinstance(json.load(file), dict)
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from None
    except ValueError:
        # Its message quotes the file.
        is_gradebook = False
    if not is_gradebook:
        raise _unreadable(path, "it is no JSON object")


def _path(output_path: str) -> str:
    return os.path.join(output_path, "gradebook.json")  # noqa: PTH118


def _unreadable(path: str, problem: str) -> StrangeGradebookError:
    return StrangeGradebookError(
        f"reading the points from {path}: {problem}, though the pod succeeded and left a notebook; "
        "look at the notebook, which may have removed or changed it, and at the course's image"
    )
