"""What a client has to do to be measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Moments:
    """When things happened to a pod, in seconds since 1970."""

    seen: float
    """The client knew that the pod had ended."""
    done: float
    """Log and delete were answered, by the client's own word."""
    returned: float
    """The caller had the result."""


class Contender(Protocol):
    """A client that runs pods: creates each, waits for its end, reads its log and deletes it."""

    @property
    def name(self) -> str:
        """A short name, fit for a pod's."""

    @property
    def title(self) -> str:
        """What it is, for the table."""

    def begin(self, names: Sequence[str]) -> None:
        """Begin to run a pod of each name, all at once."""

    def check(self) -> None:
        """Raise the error of a run that has failed already."""

    def finish(self) -> Mapping[str, Moments]:
        """Wait until all of them are done; an error of any is raised."""

    def requests(self) -> Mapping[str, int]:
        """Count the requests so far: create, get, list, watch, log, delete, other."""

    def close(self) -> None:
        """End what it keeps between the rounds."""
