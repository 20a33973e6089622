"""Real gradings in a row on a real cluster: what an executor adds to the life of its pod.

From the call of its `_run` until that returns, less the time between two events of a bare watch:
the first of the pod, and the first that says that its container has ended. What the kubelet takes
to start the pod, and grader-service's own work before and after, is not counted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

from .grading import KUBEGRADER, UPSTREAM
from .percentiles import percentiles
from .pod_events import pod_events
from .progress import tell
from .results import Gradings

if TYPE_CHECKING:
    from .api import Api
    from .pod_events import PodEvents

EXECUTORS = (KUBEGRADER, UPSTREAM)
LATE = 10.0
"""Seconds by which the watch may tell of a container's end after its executor has returned."""
LOOK = 0.05


def measure_gradings(api: Api, image: str, count: int) -> dict[str, Gradings]:
    """Let each executor grade so many submissions, one after the other."""
    found = {}
    for name in EXECUTORS:
        with (
            api.namespace("gradings") as namespace,
            pod_events(api.kubeconfig, f"/api/v1/namespaces/{namespace}/pods?watch=1") as events,
        ):
            graded, words = _grade(api.kubeconfig, name, namespace, image, count)
            judged = [_judge(one, events) for one in graded]
        overs = [one for one in judged if isinstance(one, float)]
        errors = [one for one in judged if isinstance(one, str)]
        if len(graded) < count:
            errors.append(f"{count - len(graded)} of {count} were not graded: {words}")
        found[name] = Gradings(len(graded), percentiles([overs]), errors)
        tell("gradings", name)
    return found


def _grade(
    kubeconfig: str, name: str, namespace: str, image: str, count: int
) -> tuple[list[dict[str, Any]], str]:
    """Give what a process of its own says of each, and its last words."""
    with tempfile.TemporaryDirectory(prefix="kubegrader-bench-") as folder:
        command = [sys.executable, "-m", "bench.grading", name, kubeconfig, namespace, image]
        done = subprocess.run(
            [*command, f"{folder}/site", str(count)],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "KUBECONFIG": kubeconfig},
        )
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"began"')]
    return told, done.stderr[-400:].strip()


def _judge(grading: dict[str, Any], events: PodEvents) -> float | str:
    """Give what it took, or what was wrong with it."""
    if grading["error"]:
        return str(grading["error"])
    try:
        return over(grading, events)
    except LookupError as error:
        return str(error)


def over(grading: dict[str, Any], events: PodEvents) -> float:
    """Give the milliseconds that `_run` took beside its pod's life.

    Raises LookupError when the watch did not tell of one pod and its end.
    """
    began: float = grading["began"]
    returned: float = grading["returned"]
    pods = [name for name, at in events.added.items() if began <= at <= returned]
    if len(pods) != 1:
        raise LookupError(f"a grading had {len(pods)} pods, and one was expected")
    pod = pods[0]
    until = time.monotonic() + LATE
    while pod not in events.ended and time.monotonic() < until:
        time.sleep(LOOK)
    if pod not in events.ended:
        raise LookupError(f"the watch did not tell of the end of {pod}")
    lived = events.ended[pod] - events.added[pod]
    return (returned - began - lived) * 1000
