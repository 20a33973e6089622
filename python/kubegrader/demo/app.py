"""``python -m kubegrader.demo``: grade four submissions on a cluster that runs in this process.

Nothing has to be installed or configured: the site is made in a temporary folder, the cluster is
kubegrader's embedded one. It exits with 0 only when all four ended as they must.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from traitlets import Bool, Integer
from traitlets.config import Config

from kubegrader.command_line import CommandLineApp
from kubegrader.demo import needs  # noqa: F401  # before all that it looks for
from kubegrader.demo.course import LECTURE, SUBMISSIONS, DemoSubmission
from kubegrader.demo.generation import run_together
from kubegrader.demo.report import Progress, print_table, progress, to_json
from kubegrader.demo.row import Row, visible
from kubegrader.demo.site import ExecutorClass, Site

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WARNING = (
    "The embedded cluster isolates nothing: its pods, and so the students' notebooks, run as "
    "ordinary processes of this user, with this user's files and network."
)

_FLAGS = {
    "json": ({"DemoApp": {"as_json": True}}, "Print one JSON object on stdout."),
    "keep": ({"DemoApp": {"keep": True}}, "Keep the site's folder."),
}
_ALIASES = {"time-limit": "DemoApp.time_limit"}


class DemoApp(CommandLineApp):
    """The demo's command line; every option is also a trait of the same name."""

    name = "kubegrader-demo"
    description = "Grade four submissions of a small course on an embedded cluster."
    examples = "python -m kubegrader.demo --time-limit=30 --json"

    as_json = Bool(
        default_value=False, help="Print one JSON object on stdout; all else goes to stderr."
    ).tag(config=True)
    keep = Bool(
        default_value=False, help="Keep the site's folder, with the logs, and say where it is."
    ).tag(config=True)
    time_limit = Integer(
        25,
        min=1,
        help="Seconds after which a grading is ended: GraderPod.max_grading_time. On a slow "
        "machine four notebooks at once may need more than the default.",
    ).tag(config=True)

    flags = _FLAGS
    aliases = _ALIASES

    def start(self) -> None:
        """Run the demo and exit: 0 when all went as it must, else 1."""
        self.exit(self.run())

    def run(self) -> int:
        """Run the demo and give the exit code."""
        screen = sys.stderr if self.as_json else sys.stdout
        # sqlite has no decimal numbers; the service's tables ask for them all the same.
        from sqlalchemy.exc import SAWarning

        warnings.filterwarnings("ignore", "Dialect sqlite", SAWarning)
        print(WARNING, file=screen, flush=True)
        folder = Path(tempfile.mkdtemp(prefix="kubegrader-demo-"))
        try:
            with self._logging_to(folder / "service.log"):
                rows = self._grade_all(folder, screen)
        finally:
            if self.keep:
                print(f"The site and its logs are kept in {folder}", file=screen, flush=True)
            else:
                shutil.rmtree(folder, ignore_errors=True)
        return self._tell(rows, screen)

    def _grade_all(self, folder: Path, screen: TextIO) -> list[Row]:
        """Make the site, start the cluster, and grade the four submissions at once."""
        from kubegrader import EmbeddedCluster
        from kubegrader.executor import KubeAutogradeExecutor

        # A pod's command is found by PATH; grader-convert is next to this Python.
        scripts = sysconfig.get_path("scripts")
        os.environ["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])
        print(f"Making a site for grader-service {_service()} ...", file=screen, flush=True)
        with Site(folder / "site") as site, EmbeddedCluster() as cluster:
            config = self._executor_config(site, str(cluster.kubeconfig), folder)
            with progress(screen) as shown:
                demo = _Grading(site, KubeAutogradeExecutor, config, shown)
                return run_together(
                    [partial(demo.grade, submission) for submission in SUBMISSIONS],
                    [partial(demo.grade_async, submission) for submission in SUBMISSIONS],
                )

    def _executor_config(self, site: Site, kubeconfig: str, folder: Path) -> Config:
        """What a site's ``grader_service_config.py`` says, for this site and this cluster."""
        images = folder / "images.json"
        images.write_text(json.dumps({LECTURE: "kubegrader-demo:latest"}), encoding="utf-8")
        data = {"name": "data", "hostPath": {"path": str(site.directory)}}
        c = Config()
        c.KubeAutogradeExecutor.volume = data
        c.KubeAutogradeExecutor.uid = os.getuid()
        c.KubeAutogradeExecutor.kubeconfig = kubeconfig
        c.KubeAutogradeExecutor.namespace = "default"
        c.KubeAutogradeExecutor.image_config_path = str(images)
        c.GraderPod.max_grading_time = self.time_limit
        return c

    def _tell(self, rows: Sequence[Row], screen: TextIO) -> int:
        """Print the result, and what differs from what must be; give the exit code."""
        if self.as_json:
            print(to_json(rows, _service(), platform.python_version()), flush=True)
        else:
            print_table(rows, screen)
        different = [row for row in rows if row.difference is not None]
        for row in different:
            found = visible(f"{row.name}: {row.difference}")
            print(f"Not as it must be: {found}", file=sys.stderr)
            # The log is JSON-quoted: a student's output must not reach the terminal as it is.
            print(f"  end of its log: {json.dumps(row.log[-500:])}", file=sys.stderr)
        if not different:
            print("All four ended as they must.", file=screen, flush=True)
        return 1 if different else 0

    @contextmanager
    def _logging_to(self, path: Path) -> Iterator[None]:
        """Send the log of the service, of kubegrader and of its core to a file.

        One of the four gradings fails by design: its traceback would hide the result.
        """
        handler = logging.FileHandler(path, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root, own = logging.getLogger(), self.log
        before, level = list(own.handlers), own.level
        for old in before:
            own.removeHandler(old)
        own.addHandler(handler)
        own.setLevel(logging.INFO)
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)
            own.removeHandler(handler)
            own.setLevel(level)
            for old in before:
                own.addHandler(old)
            handler.close()


@dataclass(frozen=True)
class _Grading:
    """One submission from hand-in to row, in either generation."""

    site: Site
    executor_class: ExecutorClass
    config: Config
    shown: Progress

    def grade(self, submission: DemoSubmission) -> Row:
        number = self._hand_in(submission)
        graded = self.site.grade(number, self.executor_class, self.config)
        return self._ended(Row.of(graded, submission.expected))

    async def grade_async(self, submission: DemoSubmission) -> Row:
        number = self._hand_in(submission)
        graded = await self.site.grade_async(number, self.executor_class, self.config)
        return self._ended(Row.of(graded, submission.expected))

    def _hand_in(self, submission: DemoSubmission) -> int:
        number = self.site.submit(submission.name, submission.notebook(self.site.course))
        self.shown.started(submission.name)
        return number

    def _ended(self, row: Row) -> Row:
        self.shown.ended(row)
        return row


def _service() -> str:
    """The release of the grader-service that is installed."""
    return version("grader-service")


def main(arguments: list[str] | None = None) -> None:
    """Run the demo as a command: never returns, exits with 0 or 1."""
    DemoApp.launch_instance(arguments)


if __name__ == "__main__":
    main()
