"""Traits of releases of grader-service other than the installed one: they work, with a notice.

The installed release's own base class has some of them; those are not defined again here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader_service.autograding.local_grader import LocalAutogradeExecutor
from traitlets import Any as AnyTrait
from traitlets import Callable, HasTraits, List, Unicode

from .exceptions import InvalidPodError
from .number_traits import WholeNumber
from .releases import INSTALLED
from .trait_notices import FOLDER_VARIABLES, is_set, is_written, replacement, tell_once

if TYPE_CHECKING:
    from .executor import KubeAutogradeExecutor


def _is_missing(name: str) -> bool:
    return not hasattr(LocalAutogradeExecutor, name)


class OldTraits(HasTraits):
    """What other releases call by another name, or have in another place."""

    default_image_name = Callable(
        None,
        allow_none=True,
        help="`resolve_image_name` as grader-service up to 0.2.1 calls it.",
    ).tag(config=True)

    volume_mounts = List(
        help="""
        All of the pod's mounts, as in grader-service up to 0.1.11; see `volumes`.

        Newer: `extra_volume_mounts`.
        """
    ).tag(config=True)

    volumes = List(
        help="""
        All of the pod's volumes, as in grader-service up to 0.1.11.

        Where `volume` is not set, the pod gets these and `volume_mounts` and no mounts of its own:
        they must show it the submission's folders under the paths that they have in the service.
        Where `volume` is set, they are more `extra_volumes`.
        """
    ).tag(config=True)

    if _is_missing("base_input_path"):
        base_input_path = Unicode(
            None,
            allow_none=True,
            help="The folder of the submissions' inputs, as in grader-service up to 0.1.11.",
        ).tag(config=True)
        base_output_path = Unicode(
            None,
            allow_none=True,
            help="The folder of the submissions' outputs, as in grader-service up to 0.1.11.",
        ).tag(config=True)

    if _is_missing("relative_input_path"):
        relative_input_path = Unicode(
            None, allow_none=True, help="The inputs' folder, below ``grader_service_dir``."
        ).tag(config=True)
        relative_output_path = Unicode(
            None, allow_none=True, help="The outputs' folder, below ``grader_service_dir``."
        ).tag(config=True)
    else:  # The base class lets them be None, of which it cannot make a path.
        relative_input_path = Unicode(
            "convert_in", help="The inputs' folder, below ``grader_service_dir``."
        ).tag(config=True)
        relative_output_path = Unicode(
            "convert_out", help="The outputs' folder, below ``grader_service_dir``."
        ).tag(config=True)

    if _is_missing("git_executable"):
        git_executable = Unicode(
            None,
            allow_none=True,
            help="""
            The git of the service itself, as in grader-service up to 0.9.

            Newer ones make their ``GitSubmissionManager`` without a config, so that what
            ``c.GitSubmissionManager.git_executable`` says reaches nobody: this is the way.
            """,
        ).tag(config=True)

    if _is_missing("timeout_func"):
        timeout_func = Callable(
            None,
            allow_none=True,
            help="""
            A function that gives, for a lecture, how many seconds a cell may run.

            grader-service has it from 0.2.8 to 0.9; newer ones have `default_cell_timeout`, which
            this replaces where it is set. What an assignment's settings say goes before both.
            """,
        ).tag(config=True)

    if _is_missing("git_manager_class"):
        git_manager_class = AnyTrait(
            None,
            help="What runs git, from grader-service 0.10.0 on. Older ones do it by themselves.",
        ).tag(config=True)

    if _is_missing("default_cell_timeout"):
        cell_timeout = WholeNumber(
            None,
            allow_none=True,
            help="""
            Does nothing with any release: grader-service from 0.10.0 on overwrites it.

            Instead: `default_cell_timeout`.
            """,
        ).tag(config=True)
        default_cell_timeout = WholeNumber(
            None,
            allow_none=True,
            min=1,
            help="How many seconds a cell may run, as in grader-service from 0.10.0 on.",
        ).tag(config=True)
        min_cell_timeout = WholeNumber(
            10,
            help="""
            The least that an assignment's settings may ask for, as in grader-service from 0.10.0
            on.

            Older assignments have no such setting.
            """,
        ).tag(config=True)
        max_cell_timeout = WholeNumber(
            86400,
            help="""
            The most that an assignment's settings may ask for, as in grader-service from 0.10.0 on.

            Older assignments have no such setting.
            """,
        ).tag(config=True)


def folder(executor: KubeAutogradeExecutor, way: str) -> str | None:
    """Give the folder of all inputs or outputs where a trait of another release names it."""
    if INSTALLED.has_base_paths:
        relative: str | None = getattr(executor, f"relative_{way}_path", None)
        return None if not relative else os.path.join(executor.grader_service_dir, relative)  # noqa: PTH118
    base: str | None = getattr(executor, f"base_{way}_path", None)
    return base or _folder_of_environment(executor, way)


def _folder_of_environment(executor: KubeAutogradeExecutor, way: str) -> str | None:
    """Give the folder that a variable names, which up to 0.1.11 is the trait's default.

    The installed release does not read it, and it may have been left over: it counts where the pod
    has that folder, and where the site has not named one otherwise.
    """
    variable, newer = FOLDER_VARIABLES[way], f"relative_{way}_path"
    named = os.environ.get(variable)
    if not named:
        return None
    is_mounted = (executor.volumes and not executor.volume) or not _is_outside(executor, named)
    if is_written(executor, newer):
        why = f"{newer} is set"
    elif not is_mounted:
        why = f"{named} is not below grader_service_dir, {executor.grader_service_dir}"
    else:
        works = f"is not of grader-service {INSTALLED.version}; it works all the same"
        tell_once(executor, variable, f"${variable} {works}. Instead, write {newer}")
        return named
    tell_once(executor, variable, f"${variable} does nothing: {why}")
    return None


def _is_outside(executor: KubeAutogradeExecutor, path: str) -> bool:
    relative = os.path.relpath(path, executor.grader_service_dir)
    return Path(relative).parts[:1] == (os.pardir,)


def sub_path(executor: KubeAutogradeExecutor, path: str) -> str:
    """Give the path on the volume of a folder of the service.

    Raises InvalidPodError for one that is not below ``grader_service_dir``.
    """
    if _is_outside(executor, path):
        raise InvalidPodError(
            f"base_input_path, base_output_path: {path} is not below grader_service_dir, "
            f"{executor.grader_service_dir}, which is what the volume holds. Name folders below "
            "it, or write all of the pod's volumes and volume_mounts and leave out volume"
        )
    return os.path.relpath(path, executor.grader_service_dir)


def image_function(executor: KubeAutogradeExecutor) -> Any:
    """Give the function that names the image, under whichever name the site has set it."""
    is_old = replacement("default_image_name") is None
    if executor.default_image_name is not None and (
        is_old or not is_set(executor, "resolve_image_name")
    ):
        return executor.default_image_name
    return executor.resolve_image_name


def cell_timeout(executor: KubeAutogradeExecutor) -> int | None:
    """Give how many seconds a cell may run: three releases, three ways to say it.

    None, which nbclient takes for no limit, where a `timeout_func` says so.
    """
    if INSTALLED.has_cell_timeout:
        of_assignment = executor.assignment.settings.cell_timeout
        if executor.timeout_func is not None and of_assignment is None:
            return _asked(executor)
        return int(executor.cell_timeout)
    if executor.default_cell_timeout is not None and not is_set(executor, "timeout_func"):
        return int(executor.default_cell_timeout)
    if executor.timeout_func is not None:
        return _asked(executor)
    return 360


def _asked(executor: KubeAutogradeExecutor) -> int | None:
    seconds = executor.timeout_func(executor.lecture)
    return None if seconds is None else int(seconds)
