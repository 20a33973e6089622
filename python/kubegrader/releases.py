"""What the installed release of grader-service expects of its executor.

The releases differ in more than their names: `LocalAutogradeExecutor._run` is a coroutine function
up to 0.4.2 and a plain one from 0.5.0 on, and so on. Each difference is read from the installed
code where the code shows it, so that a release that is not on PyPI is served as well.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from grader_service.autograding.local_grader import LocalAutogradeExecutor
from grader_service.orm.assignment import Assignment


@dataclass(frozen=True)
class Release:
    """The installed release of grader-service."""

    version: str
    """As in the package's metadata; empty where there is none."""

    number: tuple[int, ...]
    """The same, to compare by; a large one where there is none, as if it were the newest."""

    is_async: bool
    """Up to 0.4.2: `start` and `_run` are coroutine functions on the service's own event loop."""

    start_prepares: bool
    """From 0.10.0 on `start` empties the folders and writes the gradebook before `_run`, and
    appends the exception's text to the log that the student reads. Before, `_run` does both."""

    copies_files: bool
    """Up to 0.6.3 assignments have `allow_files`, `grader-convert` takes `--copy_files`, the pod is
    named by the commit's hash and has no environment."""

    notebooks: str
    """The pattern of the notebooks that are graded."""

    polls_in_milliseconds: bool
    """Up to 0.6.2 `GraderPod.poll_interval` is in milliseconds; from 0.6.3 on in seconds."""

    has_base_paths: bool
    """Up to 0.1.11 `base_input_path` and `base_output_path` name the submissions' folders."""

    has_cell_timeout: bool
    """From 0.10.0 on the executor has a `cell_timeout`, which an assignment's settings may name."""

    @property
    def default_poll_interval(self) -> int:
        """The default of `GraderPod.poll_interval`, in this release's unit."""
        return 1000 if self.polls_in_milliseconds else 5


def _installed() -> Release:
    try:
        installed = version("grader-service")
    except PackageNotFoundError:
        installed = ""
    is_async = inspect.iscoroutinefunction(LocalAutogradeExecutor._run)  # noqa: SLF001
    copies_files = hasattr(Assignment, "allow_files")
    return Release(
        version=installed,
        number=tuple(map(int, re.findall(r"\d+", installed)[:3])) or (999,),
        is_async=is_async,
        start_prepares=hasattr(LocalAutogradeExecutor, "_clean_up_input_and_output_dirs"),
        copies_files=copies_files,
        # 0.4.2 alone looks into folders.
        notebooks="**/*.ipynb" if installed == "0.4.2" else "*.ipynb",
        polls_in_milliseconds=is_async
        or (copies_files and installed in {"0.5.0", "0.5.1", "0.6.0", "0.6.1", "0.6.2"}),
        has_base_paths=hasattr(LocalAutogradeExecutor, "base_input_path"),
        has_cell_timeout=hasattr(LocalAutogradeExecutor, "cell_timeout"),
    )


INSTALLED = _installed()
