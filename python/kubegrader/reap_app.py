"""``kubegrader reap``: delete the pods that services which were killed have left behind.

For an operator, or a CronJob, where no service runs that does it by itself. It talks to the cluster
as the executor of a ``grader_service_config.py`` would.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traitlets import Bool, Float, Unicode
from traitlets.config.application import catch_config_error

from . import config_file, executor_section
from ._core import __version__
from .cluster import Cluster
from .command_line import CommandLineApp
from .config_traits import MisconfiguredError
from .exceptions import KubegraderError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._core import Reaped

__all__ = ["ReapApp", "main"]

_ALIASES = {
    ("f", "config"): "ReapApp.config_file",
    "namespace": "ReapApp.namespace",
    "instance": "ReapApp.instance_name",
    "context": "ReapApp.kube_context",
    "kubeconfig": "ReapApp.kubeconfig",
    "finished-for": "ReapApp.finished_for",
}

_FLAGS = {
    "dry-run": ({"ReapApp": {"dry_run": True}}, "Delete nothing; tell what would be deleted."),
    "json": ({"ReapApp": {"as_json": True}}, "Print one JSON list on stdout."),
    "debug": ({"Application": {"log_level": 10}}, "Log everything."),
}

_COLUMNS = ("POD", "SUBMISSION", "ATTEMPT", "ACTION", "REASON")


class ReapApp(CommandLineApp):
    """The command line of the reaper; every option is also a trait."""

    name = "kubegrader-reap"
    version = __version__
    description = (
        "Delete the pods whose owner is provably gone, and tell of each pod why it was deleted or "
        "left. Takes about a minute where a Lease has to be watched for that. Needs the verbs list "
        "and delete on pods."
    )
    examples = """
    kubegrader reap -f grader_service_config.py --dry-run
    kubegrader reap --namespace=grading --json
    """
    aliases = _ALIASES
    flags = _FLAGS

    config_file = Unicode(
        None,
        allow_none=True,
        help="A grader_service_config.py: namespace, kube_context and kubeconfig are read from it.",
    ).tag(config=True)
    namespace = Unicode(
        None,
        allow_none=True,
        help="The namespace of the pods. None: the config file's, else the kubeconfig's.",
    ).tag(config=True)
    instance_name = Unicode(
        None,
        allow_none=True,
        help="""
        The installation: pods of another one are not even looked at. None: the config file's, else
        ``default``.
        """,
    ).tag(config=True)
    kube_context = Unicode(
        None, allow_none=True, help="The context of the kubeconfig. None: the config file's."
    ).tag(config=True)
    kubeconfig = Unicode(
        None,
        allow_none=True,
        help="The kubeconfig file. None: the config file's, else as kubectl looks for it.",
    ).tag(config=True)
    dry_run = Bool(default_value=False, help="Delete nothing; tell what would be deleted.").tag(
        config=True
    )
    finished_for = Float(
        900.0,
        min=0.0,
        allow_none=True,
        help="""
        Seconds after which a finished pod is deleted though its owner may live.

        Counts from the last change of the pod, by the API server's clock. None: never.
        """,
    ).tag(config=True)
    as_json = Bool(default_value=False, help="Print one JSON list on stdout.").tag(config=True)

    @catch_config_error
    def initialize(self, argv: Sequence[str] | None = None) -> None:
        """Read the command line, and the config file where one is named."""
        self.parse_command_line(argv)
        if self.config_file is not None:
            path = Path(self.config_file).resolve()
            if not path.is_file():
                self.exit(f"kubegrader reap: there is no config file {path}")
            try:
                config = config_file.load(path)
            except config_file.ConfigFileError as error:
                # Half a config may lack the namespace: this would delete pods of another one.
                self.exit(f"kubegrader reap: {error}")
            self.update_config(config)
            self.update_config(self.cli_config)

    def start(self) -> None:
        """Reap and exit: 0 when all was done that should be, else 1."""
        try:
            report = self.reap()
        except (KubegraderError, MisconfiguredError, ValueError) as error:
            self.exit(f"kubegrader reap: {error}")
        if self.as_json:
            print(json.dumps([pod.to_dict() for pod in report], indent=2))  # noqa: T201
        else:
            _print_table(report)
        self.exit(int(any(pod.action == "failed" for pod in report)))

    def reap(self) -> list[Reaped]:
        """Reap, and give what was done about each pod.

        Raises `KubegraderError` where the pods cannot be listed, and MisconfiguredError where the
        config has something other than a string for a name.
        """
        namespace = self._setting("namespace")
        cluster = Cluster(
            context=self._setting("kube_context"), kubeconfig=self._setting("kubeconfig")
        )
        return cluster.reap(
            namespace=namespace,
            instance=self._setting("instance_name") or "default",
            dry_run=self.dry_run,
            finished_for=self.finished_for,
            logger=self.log,
        )

    def _setting(self, name: str) -> Any:
        """Give what the command line says, else what the executor would read from the config."""
        own = getattr(self, name)
        return executor_section.name(self.config, name) if own is None else own


def _print_table(report: list[Reaped]) -> None:
    rows = [_COLUMNS] + [
        (
            f"{pod.namespace}/{pod.name}",
            pod.submission or "-",
            "-" if pod.attempt is None else str(pod.attempt),
            pod.action,
            pod.reason,
        )
        for pod in report
    ]
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    for *cells, reason in rows:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        print("  ".join([*padded, reason]))  # noqa: T201
    if not report:
        print("There are no pods of this instance.")  # noqa: T201


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    ReapApp.launch_instance(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
