"""The gradebook in an output folder: a file of the submission's own, or nothing that is read.

grader-service opens ``gradebook.json`` after a good grading and takes the points from it. A pod can
put a link there to another submission's gradebook, or a pipe on which the service waits for ever.
"""

from __future__ import annotations

import os
import stat

from .exceptions import KubegraderError


class StrangeGradebookError(KubegraderError):
    """What is named gradebook.json is no file of the submission's own."""


def require(output_path: str) -> None:
    """Accept a gradebook that is a file, or none at all: the service itself misses that.

    Raises StrangeGradebookError.
    """
    path = os.path.join(output_path, "gradebook.json")  # noqa: PTH118
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
