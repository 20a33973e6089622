"""The kubectl of this machine."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pods import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Kubectl:
    """kubectl on one cluster and namespace."""

    def __init__(self, program: str, kubeconfig: str, namespace: str, cache: Path) -> None:
        self._start = [program, f"--cache-dir={cache}", f"--namespace={namespace}"]
        self._environ = {"KUBECONFIG": kubeconfig, "HOME": str(cache), "PATH": os.environ["PATH"]}

    def run(self, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._start, *args],
            env=self._environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )

    def __call__(self, *args: str, stdin: str = "") -> str:
        """Give the output of a command that must end well."""
        done = self.run(*args, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def following(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command whose lines come one by one."""
        with subprocess.Popen(
            [*self._start, *args], env=self._environ, stdout=subprocess.PIPE, text=True
        ) as child:
            try:
                yield child
            finally:
                child.kill()
