"""The pods of the benchmark: nobody schedules them, so that they end when the patcher says so.

Where the environment names an image, they are real.
"""

from __future__ import annotations

import os
import time
import zlib
from typing import Any

CONTAINER = "autograde"
SCHEDULER = "none"
"""A scheduler that does not exist."""
IMAGE = "KUBEGRADER_BENCH_IMAGE"
"""The variable that names the image of real pods; it has a shell."""
LIFE = "KUBEGRADER_BENCH_LIFE"
"""The variable with the seconds that the longest of them lives."""


def pod(name: str) -> dict[str, Any]:
    """Make a pod that waits for a scheduler which does not exist, or a real one."""
    if image := os.environ.get(IMAGE):
        command = ["sh", "-c", f"sleep {_life(name):.2f}"]
        container = {"name": CONTAINER, "image": image, "command": command}
        return {
            "metadata": {"name": name},
            "spec": {"restartPolicy": "Never", "containers": [container]},
        }
    return {
        "metadata": {"name": name},
        "spec": {
            "schedulerName": SCHEDULER,
            "restartPolicy": "Never",
            "containers": [{"name": CONTAINER, "image": "bench.invalid/none:1"}],
        },
    }


def _life(name: str) -> float:
    """Give a pod a second or more to live; the same to the pods of a name."""
    more = float(os.environ[LIFE]) - 1
    return 1 + more * (zlib.crc32(name.encode()) % 1000) / 1000


def succeeded() -> dict[str, Any]:
    """Make the status that a kubelet writes when a pod's only container has ended with 0."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    digest = "0" * 64
    ready = {"status": "False", "reason": "PodCompleted", "lastTransitionTime": now}
    return {
        "status": {
            "phase": "Succeeded",
            "startTime": now,
            "conditions": [
                {"type": "Initialized", **ready, "status": "True"},
                {"type": "Ready", **ready},
                {"type": "ContainersReady", **ready},
            ],
            "containerStatuses": [
                {
                    "name": CONTAINER,
                    "image": "bench.invalid/none:1",
                    "imageID": f"bench.invalid/none@sha256:{digest}",
                    "containerID": f"containerd://{digest}",
                    "ready": False,
                    "started": False,
                    "restartCount": 0,
                    "state": {
                        "terminated": {
                            "exitCode": 0,
                            "reason": "Completed",
                            "startedAt": now,
                            "finishedAt": now,
                            "containerID": f"containerd://{digest}",
                        }
                    },
                }
            ],
        }
    }
