"""Real pods on a real cluster: from the event that a container has ended until all is done."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from typing import TYPE_CHECKING

from .background import background
from .bare import Bare
from .client import client
from .progress import tell
from .results import Delays, delays
from .sample import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .api import Api

CONTENDERS = ("async", "run", "official", "lightkube")
NAME = re.compile(rb'"name":"([^"]*)"')
ENDED = b'"terminated":{'
SECONDS = 120.0
"""In which the pods of a round must have run."""


def measure_real(
    api: Api, contenders: Sequence[str], image: str, pods: int, rounds: int
) -> dict[str, Delays]:
    """Let each run pods of an image with a shell, all at once, beside a bare watch that tells zero.

    The kubelet says that a container has ended a second before it sets the pod's phase, for which
    most clients wait.
    """
    found: dict[str, list[Sample]] = {name: [] for name in CONTENDERS if name in contenders}
    for number in range(rounds):
        for name, samples in found.items():
            samples.append(_round(api, name, image, pods))
            tell(f"real pods, round {number + 1}", name, samples[-1])
    return {name: delays(samples) for name, samples in found.items()}


def _round(api: Api, name: str, image: str, pods: int) -> Sample:
    sample = Sample(pods)
    names = [f"{name}-real-{at}" for at in range(pods)]
    with contextlib.ExitStack() as stack:
        namespace = stack.enter_context(api.namespace(name))
        ended = stack.enter_context(_watching(api.kubeconfig, namespace))
        one = stack.enter_context(client(name, api.kubeconfig, namespace, image=image))
        one.ready()
        one.begin(names)
        done = one.finish(SECONDS)
        sample.errors += done["errors"]
        for pod, (seen, returned) in done["moments"].items():
            sample.seen.append((seen - ended[pod]) * 1000)
            sample.returned.append((returned - ended[pod]) * 1000)
        if len(sample.returned) < pods:
            sample.errors.append(f"{pods - len(sample.returned)} of {pods} pods did not return")
    return sample


@contextlib.contextmanager
def _watching(kubeconfig: str, namespace: str) -> Iterator[Mapping[str, float]]:
    """Note when the first event with a container's end of each pod came, in a thread."""
    ended: dict[str, float] = {}
    is_open = threading.Event()
    with background() as loop:
        asyncio.run_coroutine_threadsafe(_follow(kubeconfig, namespace, ended, is_open), loop)
        if not is_open.wait(SECONDS):
            raise TimeoutError(f"the watch of {namespace} did not open")
        yield ended


async def _follow(
    kubeconfig: str, namespace: str, ended: dict[str, float], is_open: threading.Event
) -> None:
    async for line in Bare(kubeconfig).lines(f"/api/v1/namespaces/{namespace}/pods?watch=1"):
        is_open.set()
        if ENDED in line and (found := NAME.search(line)):
            ended.setdefault(found[1].decode(), time.monotonic())
