"""A pod that a later run adopts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import kubegrader
from pods import names, phase, script, until

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api

LIMIT = 20.0
"""Seconds."""
BEFORE = 10.0
"""For how long, in seconds, the pod runs before it is adopted."""


def test_the_time_that_a_pod_ran_before_it_was_adopted_counts(
    kubeconfig: str, namespace: str, image: str, api: CoreV1Api
) -> None:
    pod = script(image, "sleep 600", "adopted")
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)
    first = cluster.submit(pod, submission="7", timeout=LIMIT)
    until(lambda: "adopted" in names(api, namespace))
    until(lambda: phase(api, namespace, "adopted") == "Running")
    running = time.monotonic()
    until(lambda: time.monotonic() - running > BEFORE)
    assert first.detach()
    outcome = cluster.run(pod, submission="7", timeout=LIMIT)
    ran = time.monotonic() - running
    assert outcome.verdict.cause == "DeadlineExceeded"
    # The API server tells its times in whole seconds.
    assert LIMIT - 3 < ran < LIMIT + BEFORE
