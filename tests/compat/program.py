"""What a pod's container does in a test: grader-convert, or a script in its place."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from kubegrader.demo.course import NOTEBOOK_FILE, SUBMISSIONS

if TYPE_CHECKING:
    from pathlib import Path

    from kubegrader.demo.site import Site
    from traitlets.config import Config

# The arguments are grader-convert's: autograde -i IN -o OUT ...
_HEAD = """#!/bin/sh
in=$3 out=$5
leave_results() {{ cp "$in"/*.ipynb "$out/" && cp {gradebook} "$out/gradebook.json"; }}
"""


class Program:
    """Scripts, called with the arguments of grader-convert, which leave what it left once.

    A real one takes some seconds, and most faults do not depend on what it does.
    """

    def __init__(self, site: Site) -> None:
        """Let the installed grader-convert grade a right submission: 3 points."""
        self.folder = site.directory / "program"
        self.gradebook = _graded_gradebook(site, self.folder)

    def use(self, settings: Config, text: str = "leave_results; echo graded") -> Path:
        """Let pods of these settings run a script, in which `leave_results` is a command."""
        script = self.folder / "convert"
        script.write_text(_HEAD.format(gradebook=self.gradebook) + text + "\n")
        script.chmod(0o755)
        settings.KubeAutogradeExecutor.convert_executable = str(script)
        return script


def _graded_gradebook(site: Site, folder: Path) -> Path:
    submitted, graded = folder / "in", folder / "out"
    submitted.mkdir(parents=True)
    graded.mkdir()
    (submitted / NOTEBOOK_FILE).write_text(json.dumps(SUBMISSIONS[0].notebook(site.course)))
    gradebook = graded / "gradebook.json"
    gradebook.write_text(site.course.properties)
    converter = [sys.executable, "-m", "grader_service.convert.main", "autograde"]
    folders = ["-i", str(submitted), "-o", str(graded), "-p", "*.ipynb"]
    subprocess.run([*converter, *folders], check=True, capture_output=True)
    assert (graded / NOTEBOOK_FILE).exists()
    return gradebook
