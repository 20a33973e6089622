"""Where and with what was measured."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kubegrader

from .client import interpreter
from .contenders import CONTENDERS
from .measure_wheel import profile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .api import Api
    from .plan import Plan


ASK = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"


def about(api: Api, plan: Plan) -> dict[str, Any]:
    """Name versions, the machine and its load."""
    where = "given" if "KUBECONFIG" in os.environ else "embedded"
    return {
        "build": profile(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "API server": f"{api.version()} ({where})",
        "versions": _versions(plan.contenders),
        "Python": platform.python_version(),
        "machine": f"{os.cpu_count()} x {_processor()}, Linux {platform.release()}",
        "load before": round(os.getloadavg()[0], 2),
        "measured": list(plan.measures),
    }


def _versions(names: Sequence[str]) -> dict[str, str]:
    """Ask the interpreter of each contender for what is installed there."""
    found = {"kubegrader": kubegrader.__version__}
    for name in names:
        python, entry = interpreter(name), CONTENDERS[name]
        if python and entry.distributions:
            command = [python, "-c", ASK, *entry.distributions]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            told = zip(entry.distributions, done.stdout.split(), strict=True)
            found[name] = ", ".join(f"{one} {version}" for one, version in told)
    return found


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
