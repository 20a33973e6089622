"""``kubegrader check``: what a site's config makes of a submission, before any is handed in."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traitlets import Bool, TraitError, Unicode
from traitlets.config import LoggingConfigurable

from .command_line import CommandLineApp

if TYPE_CHECKING:
    from traitlets.config import Config

    from .site_config import Finding

_FLAGS = {
    "strict": ({"CheckApp": {"strict": True}}, "Exit with 1 for warnings too."),
    "cluster": (
        {"CheckApp": {"cluster": True}},
        "Ask the cluster for rights, and whether it would take the pod; create nothing.",
    ),
}


class CheckApp(CommandLineApp):
    """Reads a config, prints the pod that it makes, and says what to mend."""

    name = "kubegrader-check"
    description = (
        "Read a site's grader_service_config.py as the service does, print the pod that it makes "
        "of a submission as YAML on stdout, and say on stderr what to mend. It creates nothing."
    )
    examples = """
    kubegrader check -f grader_service_config.py
    kubegrader check -f grader_service_config.py --lecture=algebra --assignment="Sheet 1"
    kubegrader check -f grader_service_config.py --cluster --strict
    """
    flags = _FLAGS
    aliases = {  # noqa: RUF012  # traitlets reads it so
        "f": "CheckApp.config_path",
        "config": "CheckApp.config_path",
        "lecture": "CheckApp.lecture",
        "assignment": "CheckApp.assignment",
        "user": "CheckApp.user",
    }

    assignment = Unicode("Assignment 1", help="The name of the assignment.").tag(config=True)
    cluster = Bool(
        default_value=False, help="Ask the cluster for rights, and whether it would take the pod."
    ).tag(config=True)
    config_path = Unicode("grader_service_config.py", help="The site's config.").tag(config=True)
    lecture = Unicode("lecture", help="The code of the lecture.").tag(config=True)
    strict = Bool(default_value=False, help="Exit with 1 for warnings too.").tag(config=True)
    user = Unicode("student", help="The name of the user.").tag(config=True)

    def start(self) -> None:
        """Check, and exit: 0 where there is nothing to mend, else 1."""
        self.exit(self.run())

    def run(self) -> int:
        """Check, and give the exit code."""
        from .app import executor_classes

        executor_classes()  # says what to install where grader-service is not
        # What the site's own code prints must not get into the YAML.
        with contextlib.redirect_stdout(sys.stderr):
            pod, found = self._check()
        if pod is not None:
            print(_yaml(pod), end="")  # noqa: T201
        return self._tell(found)

    def _check(self) -> tuple[dict[str, Any] | None, list[Finding]]:
        """Give the pod, where there is one, and what to mend."""
        from . import config_file, made_pod, site_config

        path = Path(self.config_path)
        try:
            config = config_file.load(path)
        except config_file.ConfigFileError as error:
            return None, [site_config.Finding("error", str(error))]
        class_, found = site_config.executor_class(config)
        found += site_config.imports_of_upstream(path)
        found += site_config.findings(config, class_)
        pod, executor, about = self._pod(config, class_)
        found += about
        if pod is not None:
            found += made_pod.findings(pod)
            if self.cluster:
                from . import cluster_check

                found += cluster_check.findings(executor, pod)
        return pod, found

    def _pod(self, config: Config, class_: type[Any]) -> tuple[Any, Any, list[Finding]]:
        """Make the pod of a submission that nobody has handed in."""
        from . import hooks, invented, trait_notices
        from .executor import GraderPod
        from .site_config import Finding

        trait_notices.be_quiet()
        heard = _Heard()
        section = config.get("GraderService", {})
        folder = section.get("grader_service_dir")
        if not isinstance(folder, str) or not folder:
            # The trait's own default.
            folder = os.environ.get("GRADER_SERVICE_DIRECTORY") or "/var/lib/grader-service"
        try:
            # GraderPod's own constructor runs a pod.
            LoggingConfigurable.__init__(GraderPod.__new__(GraderPod), config=config, log=heard.log)
            submission = invented.submission(self.lecture, self.assignment, self.user)
            executor = class_(folder, submission, config=config, log=heard.log)
            if inspect.iscoroutinefunction(executor._run):  # noqa: SLF001
                asyncio.run(hooks.await_all(executor))
            pod = _placed(executor, executor._make_pod())  # noqa: SLF001
        except TraitError as error:
            return None, None, [Finding("error", str(error))]
        except (Exception, SystemExit) as error:  # noqa: BLE001  # the site's own functions
            text = f"no pod can be made of it: {type(error).__name__}: {error}"
            return None, None, [*heard.findings(), Finding("error", text)]
        return pod, executor, heard.findings()

    def _tell(self, found: list[Finding]) -> int:
        errors = sum(one.level == "error" for one in found)
        for one in found:
            print(f"{one.level}: {shown(one.text)}", file=sys.stderr)  # noqa: T201
        print(f"{errors} errors, {len(found) - errors} warnings", file=sys.stderr)  # noqa: T201
        return 1 if errors or (self.strict and found) else 0


class _Heard(logging.Handler):
    """What the site's functions and the executor log as warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []
        self.log = logging.Logger("kubegrader.check")  # noqa: LOG001  # of its own: told once
        self.log.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def findings(self) -> list[Finding]:
        from .site_config import Finding

        # traitlets' own word on unknown traits is said better by site_config.
        told = [record.getMessage() for record in self.records]
        return [Finding("warning", text) for text in told if "not recognized by" not in text]


def shown(text: str) -> str:
    """Give a text in one line of printable characters, all others as their escape."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )


def _placed(executor: Any, pod: dict[str, Any]) -> dict[str, Any]:
    """Give the pod with the namespace that the run would put it into, where one is set."""
    metadata = pod.get("metadata")
    namespace = executor._run_options()["namespace"]  # noqa: SLF001
    if namespace is None or not isinstance(metadata, dict) or metadata.get("namespace"):
        return pod
    return {**pod, "metadata": {**metadata, "namespace": namespace}}


def _yaml(pod: dict[str, Any]) -> str:
    """Write a pod as YAML of ASCII characters: what a student chose cannot steer a terminal."""
    try:
        import yaml  # type: ignore[import-untyped]  # comes with the official client
    except ImportError:
        return json.dumps(pod, indent=2) + "\n"  # which is YAML too
    return str(yaml.safe_dump(pod, sort_keys=False, allow_unicode=False, width=100))
