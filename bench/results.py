"""What was measured: one round, and all rounds of one contender."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .percentiles import Figure, figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .contender import Moments
    from .patcher import Patched

DELAYS = ("seen", "done", "returned")


@dataclass(frozen=True, slots=True)
class Pod:
    """The moments of one pod, in seconds since 1970."""

    patched: Patched
    moments: Moments

    def delay(self, what: str) -> float:
        """Give the milliseconds from the answer to the PATCH to a moment of the client."""
        moment: float = getattr(self.moments, what)
        return (moment - self.patched.accepted) * 1000


@dataclass(frozen=True, slots=True)
class Round:
    """All pods of one round, and the requests that they cost."""

    pods: Mapping[str, Pod]
    requests: Mapping[str, int]


@dataclass(slots=True)
class Result:
    """The rounds of one contender."""

    name: str
    title: str
    rounds: list[Round] = field(default_factory=list)
    life: float = 0.0
    """Seconds that the client existed, the warm-up and the rounds of others included."""
    life_requests: Mapping[str, int] = field(default_factory=dict)
    """What it sent in that time."""

    def delays(self, what: str) -> dict[str, Figure]:
        """Give the percentiles of a delay, in milliseconds."""
        return figures([[pod.delay(what) for pod in one.pods.values()] for one in self.rounds])

    def patch(self) -> dict[str, Figure]:
        """Give the percentiles of the PATCH itself, from sending to answer, in milliseconds."""
        return figures(
            [
                [(pod.patched.accepted - pod.patched.sent) * 1000 for pod in one.pods.values()]
                for one in self.rounds
            ]
        )

    def early(self) -> int:
        """Count the pods whose end was seen before the answer had arrived."""
        return sum(pod.delay("seen") < 0 for one in self.rounds for pod in one.pods.values())

    def count(self) -> int:
        """Count the pods."""
        return sum(len(one.pods) for one in self.rounds)

    def requests(self) -> dict[str, int]:
        """Give the requests of the counted rounds, by kind."""
        kinds = self.rounds[0].requests
        return {kind: sum(one.requests[kind] for one in self.rounds) for kind in kinds}

    def requests_a_pod(self) -> float:
        """Give the requests that grow with the pods: all but lists and watches."""
        own = {kind: n for kind, n in self.requests().items() if kind not in {"list", "watch"}}
        return sum(own.values()) / self.count()
