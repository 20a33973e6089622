"""The pods of the benchmark: nobody schedules them, so that they end when the patcher says so.

Where the environment names an image, they are real.
"""

from __future__ import annotations

import os
import time
from typing import Any

CONTAINER = "autograde"
SCHEDULER = "none"
"""A scheduler that does not exist."""
IMAGE = "KUBEGRADER_BENCH_IMAGE"
"""The variable that names the image of real pods; it has a shell."""


def pod(name: str) -> dict[str, Any]:
    """Make a pod that waits for a scheduler which does not exist, or a real one."""
    if image := os.environ.get(IMAGE):
        container = {"name": CONTAINER, "image": image, "command": ["sh", "-c", "sleep 1"]}
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
