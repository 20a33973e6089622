"""What was measured, as it is printed, plotted, judged and written as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from .percentiles import Figure, middle, percentiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .sample import Sample


@dataclass(frozen=True, slots=True)
class Delays:
    """How long after the API server had accepted `Succeeded`, in milliseconds."""

    rounds: int
    pods: int
    seen: dict[str, Figure]
    returned: dict[str, Figure]
    errors: list[str]
    """Of pods that did not return; the figures are of the others."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What many pods at once cost the client, each figure a median over rounds."""

    rounds: int
    cpu: Figure | None
    """Milliseconds of CPU for a pod."""
    memory: Figure | None
    """KiB for a pod that waits."""
    rate: Figure | None
    """Completions a second, when all end at once."""
    late: dict[str, Figure]
    """Milliseconds by which the event loop was late."""


@dataclass(frozen=True, slots=True)
class Requests:
    """What a client asked of the API server."""

    pods: int
    life: float
    """Seconds that the pods lived."""
    each: float
    """Requests a pod, without lists, watches and Leases."""
    kinds: dict[str, int]


@dataclass(frozen=True, slots=True)
class Gradings:
    """Real gradings, one after the other."""

    count: int
    over: dict[str, Figure]
    """Milliseconds that the executor took beside the life of its pod."""
    errors: list[str]
    """Of those that came to another result than the right one."""


@dataclass(frozen=True, slots=True)
class Start:
    """A fresh process, over bare Python."""

    milliseconds: Figure
    megabytes: Figure


@dataclass(slots=True)
class Results:
    """All of it; what was not measured is empty."""

    about: dict[str, Any] = field(default_factory=dict)
    delays: dict[str, dict[int, Delays]] = field(default_factory=dict)
    """By contender and by pods in flight."""
    many: dict[str, dict[int, Cost]] = field(default_factory=dict)
    growth: dict[str, dict[int, Cost]] = field(default_factory=dict)
    requests: dict[str, Requests] = field(default_factory=dict)
    polling: dict[str, Delays] = field(default_factory=dict)
    real: dict[str, dict[int, Delays]] = field(default_factory=dict)
    """After the event that a real container has ended; by contender and by pods at once."""
    gradings: dict[str, Gradings] = field(default_factory=dict)
    start: dict[str, Start] = field(default_factory=dict)
    wheel: int | None = None
    """Bytes."""

    def to_dict(self) -> dict[str, Any]:
        """Give all of it as plain data."""
        return asdict(self)


def delays(samples: Sequence[Sample]) -> Delays:
    """Sum up the rounds of one contender."""
    return Delays(
        rounds=len(samples),
        pods=sum(len(one.returned) for one in samples),
        seen=percentiles([one.seen for one in samples]),
        returned=percentiles([one.returned for one in samples]),
        errors=[error for one in samples for error in one.errors],
    )


def cost(paced: Sequence[Sample], bursts: Sequence[Sample] = ()) -> Cost:
    """Sum up what rounds cost: `paced` ones, and those in which all pods ended at once."""
    whole = [one for one in paced if one.is_whole]
    return Cost(
        rounds=len(whole),
        cpu=middle([one.cpu for one in whole]),
        memory=middle([one.memory for one in whole if one.memory is not None]),
        rate=middle([one.rate for one in bursts if one.is_whole]),
        late=percentiles([one.late for one in whole]),
    )
