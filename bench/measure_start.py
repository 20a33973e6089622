"""What a fresh process pays until a client is ready, over bare Python."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from .percentiles import middle
from .progress import tell
from .results import Start

MADE = "kubegrader, `Cluster` made"
ANSWERED = "kubegrader, and its first request answered"
BARE = "bare Python"

WAYS = {
    BARE: "",
    MADE: "import kubegrader; kubegrader.Cluster(kubeconfig=KUBECONFIG)",
    ANSWERED: (
        "import kubegrader;"
        " kubegrader.Cluster(kubeconfig=KUBECONFIG).reap(namespace=NAMESPACE, dry_run=True)"
    ),
    "lightkube, `Client` made": (
        "import lightkube; lightkube.Client(lightkube.KubeConfig.from_file(KUBECONFIG).get())"
    ),
    "kr8s, `api` made": "import kr8s; kr8s.api(kubeconfig=KUBECONFIG)",
    "kubernetes, `CoreV1Api` made": (
        "import kubernetes; kubernetes.config.load_kube_config(KUBECONFIG);"
        " kubernetes.client.CoreV1Api()"
    ),
    "kubernetes_asyncio, `CoreV1Api` made": """
import asyncio
from kubernetes_asyncio import client, config
async def make():
    await config.load_kube_config(KUBECONFIG)
    async with client.ApiClient() as api:
        client.CoreV1Api(api)
asyncio.run(make())
""",
    "grader-service 0.12.5, executor imported": (
        "from grader_service.autograding.kube.kube_grader import KubeAutogradeExecutor"
    ),
}
LOOK = """
for line in open("/proc/self/status"):
    if line.startswith("VmHWM:"):
        print(line.split()[1])
"""


OURS = frozenset({BARE, MADE, ANSWERED})


def measure_start(
    kubeconfig: str, namespace: str, rounds: int, peer_rounds: int
) -> dict[str, Start]:
    """Start each in turns; what it takes is told over the median of bare Python.

    Some peers take seconds: they may have fewer rounds, or none.
    """
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for number in range(max(rounds, peer_rounds) + 1):
        for name, code in WAYS.items():
            asked = rounds if name in OURS else peer_rounds
            if not asked or number > asked:
                continue
            one = _start(f"KUBECONFIG={kubeconfig!r}; NAMESPACE={namespace!r}\n{code}\n{LOOK}")
            if one and number:  # The first round writes and reads files that the others find.
                took[name].append(one)
    tell("start", "all")
    bare = [statistics.median(values) for values in zip(*took[BARE], strict=True)]
    return {
        name: start
        for name, all_of_it in took.items()
        if name != BARE and (start := _over(all_of_it, bare))
    }


def _over(took: list[tuple[float, float]], bare: list[float]) -> Start | None:
    milliseconds = middle([one[0] - bare[0] for one in took])
    megabytes = middle([one[1] - bare[1] for one in took])
    return Start(milliseconds, megabytes) if milliseconds and megabytes else None


def _start(code: str) -> tuple[float, float] | None:
    """Give milliseconds until its end, and the most MB that it had; None: it fails."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    )
    took = (time.monotonic() - began) * 1000
    if done.returncode:
        return None
    return took, int(done.stdout.split()[-1]) * 1024 / 1e6
