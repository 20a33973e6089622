"""Importing the package starts nothing and loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_loads_no_kubernetes_and_starts_no_thread() -> None:
    assert (
        python(
            "import sys, os, kubegrader; kubegrader.Cluster();"
            "print('kubernetes' in sys.modules, 'asyncio' in sys.modules,"
            " 'grader_service' in sys.modules, len(os.listdir('/proc/self/task')))"
        )
        == "False False False 1"
    )


def test_the_executor_without_grader_service_names_the_command_that_installs_it() -> None:
    assert python(
        "import sys; sys.modules['grader_service'] = None\n"
        "try: import kubegrader.executor\n"
        "except ImportError as error: print(error)"
    ) == (
        "kubegrader.executor needs grader-service, which is not installed here: "
        "pip install 'kubegrader[grader-service]'"
    )
