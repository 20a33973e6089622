"""A Python process of its own that runs pods: to be interrupted, killed, or to end by itself."""

from __future__ import annotations

import subprocess
import sys
import textwrap

PRELUDE = """
import os, signal, sys, threading, time
import kubegrader

# A shell's background jobs, and what they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
kubeconfig, namespace, image, name = sys.argv[1:]
cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)

def pod(text, name=name):
    container = {"name": "main", "image": image, "command": ["sh", "-c", text]}
    return {"metadata": {"name": name}, "spec": {"containers": [container]}}
"""


class Child:
    """A Python of its own that runs a pod."""

    def __init__(self, code: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + textwrap.dedent(code), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ends(self, line: str | None = None) -> tuple[int, str, str]:
        """Wait for the end, after a line on stdin: exit code, stdout and stderr."""
        out, err = self.process.communicate(line, timeout=60)
        return self.process.returncode, out.strip(), err
