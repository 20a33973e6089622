"""The embedded cluster in a process of its own: `python -m bench.server [--forbid-watch]`.

It prints the path of its kubeconfig, and ends with its input.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FORBID = "--forbid-watch"


@contextlib.contextmanager
def embedded(*, forbid_watch: bool = False) -> Iterator[str]:
    """Start an embedded cluster, give the path of its kubeconfig, and end it.

    Where a namespace's pods may not be watched, those of all namespaces may.
    """
    command = [sys.executable, "-m", "bench.server", *([FORBID] if forbid_watch else [])]
    pipe = subprocess.PIPE
    # Ctrl-C is the benchmark's own: it still needs this process to clean up.
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, start_new_session=True
    ) as process:
        if process.stdout is None or not (line := process.stdout.readline()):
            raise RuntimeError("the embedded cluster did not start; see its message above")
        try:
            yield line.strip()
        finally:
            process.communicate()


def _serve() -> None:
    import kubegrader

    with kubegrader.EmbeddedCluster() as cluster:
        if FORBID in sys.argv:
            for verb in ("list", "watch"):
                cluster.faults.add("forbidden", verb=verb, path="/api/v1/namespaces/")
        print(cluster.kubeconfig, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _serve()
