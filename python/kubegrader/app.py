"""``kubegrader``: the command line, one application of traitlets with a subcommand for each task.

A subcommand is named by its class and imported when it is called, so that ``kubegrader --help``
needs neither grader-service nor ``kubernetes``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from traitlets import Bool
from traitlets.config.application import catch_config_error

from ._core import __version__
from .command_line import CommandLineApp

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["KubegraderApp", "main"]

_SUBCOMMANDS = {
    "check": (
        "kubegrader.check_app.CheckApp",
        "Read a site's grader_service_config.py: print the pod that it makes, and what to mend.",
    ),
    "demo": (
        "kubegrader.demo.app.DemoApp",
        "Grade four submissions of a small course on a cluster in this process.",
    ),
    "reap": (
        "kubegrader.reap_app.ReapApp",
        "Delete the pods that services which were killed have left behind.",
    ),
}

_FLAGS = {
    "generate-config": (
        {"KubegraderApp": {"generate_config": True}},
        "Print a config file with every trait of the executor and its help text, commented out.",
    ),
    "debug": ({"Application": {"log_level": 10}}, "Log everything."),
}


def executor_classes() -> list[type[Any]]:
    """Give the classes that a site's config speaks to.

    Raises ImportError where grader-service is not installed.
    """
    from .executor import GraderPod, KubeAutogradeExecutor

    return [KubeAutogradeExecutor, GraderPod]


class KubegraderApp(CommandLineApp):
    """``kubegrader`` without a subcommand: help, the version, a config file to start with."""

    name = "kubegrader"
    version = __version__
    description = (
        "Grades submissions of grader-service in Kubernetes pods. --help-all lists every trait of "
        "the executor."
    )
    examples = """
    kubegrader check -f grader_service_config.py
    kubegrader --generate-config > kubegrader_config.py
    """
    subcommands = _SUBCOMMANDS
    flags = _FLAGS
    aliases: dict[str, Any] = {}  # noqa: RUF012  # traitlets reads it so
    generate_config = Bool(
        default_value=False, help="Print a config file with every trait of the executor."
    ).tag(config=True)

    @catch_config_error
    def initialize(self, argv: Sequence[str] | None = None) -> None:
        """Read the command line, and make the subcommand's application where one is named."""
        self.parse_command_line(argv)

    def print_help(self, classes: bool = False) -> None:  # noqa: FBT001, FBT002  # as traitlets calls it
        """Print the help; with `classes` the executor's traits as well."""
        if classes:
            self.classes = executor_classes()
        super().print_help(classes)

    def _meant(self, argument: str) -> str:  # noqa: ARG002
        return f"; the tasks are {', '.join(self.subcommands)}"

    def start(self) -> None:
        """Run the subcommand; without one, print what was asked for."""
        if self.subapp is not None:
            self.subapp.start()
        elif self.generate_config:
            self.classes = executor_classes()
            print(self.generate_config_file(executor_classes()))  # noqa: T201
        else:
            self.print_help()
            self.exit(2)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    try:
        KubegraderApp.launch_instance(argv)
    except ImportError as error:
        # A task whose extra is not installed; the message names the command that installs it.
        sys.exit(f"kubegrader: {error}")
