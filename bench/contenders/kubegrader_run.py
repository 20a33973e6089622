"""kubegrader: `Cluster.run`, which blocks its thread."""

from __future__ import annotations

import time

import kubegrader

from bench.contender import Moments
from bench.pods import pod

POLL_INTERVAL = 5.0
"""Seconds between two reads where watching is forbidden: as grader-service's default."""


def moments(outcome: kubegrader.Outcome, returned: float) -> Moments:
    """Give the moments of an outcome, which must be a good one."""
    if outcome.verdict.cause != "Completed" or outcome.logs is None:
        raise RuntimeError(f"a pod ended otherwise than it should have: {outcome!r}")
    # Its timings are of the clock on the wall.
    return Moments(outcome.timings.seen_at - time.time() + time.monotonic(), returned)


class Run:
    """A thread for each pod."""

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self._cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)

    def run(self, name: str) -> Moments:
        outcome = self._cluster.run(pod(name), poll_interval=POLL_INTERVAL)
        return moments(outcome, time.monotonic())
