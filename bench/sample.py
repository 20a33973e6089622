"""One round: a client runs pods, which the patcher ends."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .client import ClientError
from .schedule import schedule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .api import Api
    from .client import Client
    from .patcher import Patched, Patcher

_numbers = itertools.count()


@dataclass(slots=True)
class Sample:
    """What one round has shown."""

    pods: int
    seen: list[float] = field(default_factory=list)
    """Milliseconds from the accepted Succeeded until the client knew, for each pod."""
    returned: list[float] = field(default_factory=list)
    """Milliseconds until log and delete were done, and the caller had the result."""
    late: list[float] = field(default_factory=list)
    """Milliseconds by which the event loop was late, each time that it was asked."""
    cpu: float = 0.0
    """Milliseconds of CPU that the client's process used for each pod."""
    memory: float | None = None
    """KiB by which the client's process grew for each pod that waited; None: it cannot be told."""
    rate: float = 0.0
    """Pods a second, from the first PATCH until the last had returned."""
    errors: list[str] = field(default_factory=list)
    """What went wrong, by its text; not empty when a pod did not return."""

    @property
    def is_whole(self) -> bool:
        """Whether every pod has returned in the time."""
        return len(self.returned) == self.pods and not self.errors


def seconds_for(pods: int) -> float:
    """Give the time in which a client must have created or ended so many pods."""
    return 15 + pods * 0.015


@dataclass(frozen=True, slots=True)
class Player:
    """Plays rounds against one API server."""

    api: Api
    patcher: Patcher

    def play(self, client: Client, pods: int, rate: float) -> Sample:
        """Play a round: `pods` wait at once, and `rate` of them end in a second (0: all at once).

        A round that fails is a `Sample` with errors, and the client is then of no more use.
        """
        sample = Sample(pods)
        try:
            self._play(client, sample, rate)
        except (ClientError, TimeoutError) as error:
            sample.errors.append(str(error))
        return sample

    def _play(self, client: Client, sample: Sample, rate: float) -> None:
        pods = sample.pods
        number = next(_numbers)
        names = [f"{client.name}-{number}-{at}" for at in range(pods)]
        empty = client.look()
        began = client.begin(names)
        try:
            self.api.wait_for_pods(client.namespace, names, seconds_for(pods))
        except TimeoutError:
            sample.errors += client.finish(0.1)["errors"]
            raise
        sample.memory = (client.look() - empty) / pods / 1024
        patched = self.patcher.end(client.namespace, schedule(names, rate, seed=number))
        found = client.finish(seconds_for(pods))
        sample.cpu = (found["cpu"] - began) / pods * 1000
        sample.late = found["late"]
        sample.errors += found["errors"]
        _moments(sample, patched, found["moments"])


def _moments(
    sample: Sample, patched: Mapping[str, Patched], moments: Mapping[str, tuple[float, float]]
) -> None:
    """Note how long after its PATCH each pod was seen and returned."""
    for name, (seen, returned) in moments.items():
        sample.seen.append((seen - patched[name].accepted) * 1000)
        sample.returned.append((returned - patched[name].accepted) * 1000)
    if missing := sample.pods - len(moments):
        sample.errors.append(f"{missing} of {sample.pods} pods did not return in the time")
    elif moments:
        first = min(one.sent for one in patched.values())
        last = max(returned for _, returned in moments.values())
        sample.rate = sample.pods / (last - first)
