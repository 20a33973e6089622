"""A round of real pods: a client runs them, and a bare watch tells when a container has ended."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .client import client
from .pod_events import pod_events
from .sample import Sample

if TYPE_CHECKING:
    from .api import Api

SECONDS = 120.0
"""In which the pods of a round must have run."""
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class RealPods:
    """Which pods, and how many."""

    count: int
    image: str
    """One with a shell."""
    seconds: float = 1.0
    """The longest that one of them lives; the others live for a second or longer."""
    every_namespace: bool = False
    """Whether the watch is one of all namespaces."""


def real_round(api: Api, name: str, pods: RealPods) -> Sample:
    """Let a client run the pods, all at once. Delays are those after the watch's event."""
    sample = Sample(pods.count)
    number = next(_numbers)
    names = [f"{name}-real-{number}-{at}" for at in range(pods.count)]
    with contextlib.ExitStack() as stack:
        namespace = stack.enter_context(api.namespace(name))
        where = "pods" if pods.every_namespace else f"namespaces/{namespace}/pods"
        events = stack.enter_context(pod_events(api.kubeconfig, f"/api/v1/{where}?watch=1"))
        one = stack.enter_context(
            client(name, api.kubeconfig, namespace, image=pods.image, seconds=pods.seconds)
        )
        one.ready()
        one.begin(names)
        done = one.finish(SECONDS)
        sample.errors += done["errors"]
        for pod, (seen, returned) in done["moments"].items():
            sample.seen.append((seen - events.ended[pod]) * 1000)
            sample.returned.append((returned - events.ended[pod]) * 1000)
        if len(sample.returned) < pods.count:
            missing = pods.count - len(sample.returned)
            sample.errors.append(f"{missing} of {pods.count} pods did not return")
    return sample
