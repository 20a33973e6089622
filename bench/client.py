"""The process of a contender, seen from the benchmark."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .contenders import CONTENDERS
from .pods import IMAGE, LIFE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OLD = Path(".venv-upstream-async/bin/python")
"""The interpreter of the async generation of grader-service; `make bench` installs it."""
START = 60.0
"""Seconds in which a client must be ready."""
ANSWER = 30.0
"""Seconds in which it must answer, beyond those that it was given."""
SAID = 400
"""Characters of its last words that an error quotes."""


class ClientError(RuntimeError):
    """The process has ended or does not answer; with its last words."""


def interpreter(name: str) -> str | None:
    """Give the interpreter for a contender; None where there is none."""
    if not CONTENDERS[name].is_old:
        return sys.executable
    return str(OLD) if OLD.exists() else None


class Client:
    """A contender in a process of its own."""

    def __init__(
        self, name: str, kubeconfig: str, namespace: str, image: str, seconds: float
    ) -> None:
        self.name = name
        self.namespace = namespace
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - see `close`
        command = [interpreter(name) or sys.executable, "-m", "bench.worker"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [*command, name, kubeconfig, namespace],
            stdin=pipe,
            stdout=pipe,
            stderr=self._errors,
            text=True,
            start_new_session=True,
            env={**os.environ, IMAGE: image, LIFE: str(seconds)},
        )

    def ready(self) -> None:
        """Wait until it can be asked to run pods."""
        self._read(START)

    def begin(self, names: Sequence[str]) -> float:
        """Let it run a pod of each name, all at once; give the CPU seconds that it had used."""
        began: float = self._ask(["begin", names])["cpu"]
        return began

    def look(self) -> int:
        """Give the bytes that are resident."""
        found: int = self._ask(["look"])["rss"]
        return found

    def finish(self, seconds: float) -> dict[str, Any]:
        """Wait for at most so many seconds; give moments, errors, CPU and the loop's lag."""
        return self._ask(["finish", seconds], seconds)

    def _ask(self, order: list[Any], seconds: float = 0.0) -> dict[str, Any]:
        if self._process.stdin is None:
            raise ClientError(f"{self.name} has no input")
        try:
            print(json.dumps(order), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise ClientError(self._last_words("has ended")) from None
        return self._read(seconds + ANSWER)

    def _read(self, seconds: float) -> dict[str, Any]:
        output = self._process.stdout
        if output is None or not select.select([output], [], [], seconds)[0]:
            raise ClientError(self._last_words(f"did not answer within {seconds:.0f} s"))
        if not (line := output.readline()):
            raise ClientError(self._last_words("has ended"))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self, what: str) -> str:
        self._errors.seek(0)
        return f"{self.name} {what}: {self._errors.read()[-SAID:].strip()}"

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()


@contextlib.contextmanager
def client(
    name: str, kubeconfig: str, namespace: str, *, image: str = "", seconds: float = 1.0
) -> Iterator[Client]:
    """Start a contender's process, and end it; it may not be `ready` yet.

    With an image its pods are real, and live for a second to `seconds`.
    """
    started = Client(name, kubeconfig, namespace, image, seconds)
    try:
        yield started
    finally:
        started.close()
