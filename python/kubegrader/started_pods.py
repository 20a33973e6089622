"""The pods that an executor has begun to run: none of them outlives its submission."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from .pod import GraderPod

PATIENCE = 5.0
"""How long, in seconds, a pod's delete is waited for; a longer one goes on in the background."""


class StartedPods:
    """Whatever pods were begun, also those that a subclass's code has raised away from its caller.

    A run that nobody holds is cancelled by itself. Who holds one may be the traceback of an
    exception, though, for as long as somebody keeps that: a cycle, a log handler.
    """

    def __init__(self) -> None:
        self._pods: WeakSet[GraderPod] = WeakSet()

    def add(self, pod: GraderPod) -> None:
        """Remember a pod for as long as anybody else does."""
        self._pods.add(pod)

    def __bool__(self) -> bool:
        """Tell whether any is still under way."""
        return any(not pod.run.done for pod in list(self._pods))

    def end(self, patience: float = PATIENCE) -> None:
        """End what is still under way, and delete its pods."""
        for pod in list(self._pods):
            if not pod.run.done:
                pod.run.cancel(patience)
