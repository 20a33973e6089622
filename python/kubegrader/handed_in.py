"""What was handed in, as it was before a pod could change it: the pod may write to that folder."""

from __future__ import annotations

import json
from dataclasses import dataclass

from . import notebooks


@dataclass(frozen=True)
class HandedIn:
    """A submission's notebooks, by name without the ending, as grader-convert names them."""

    notebooks: frozenset[str] = frozenset()
    """Those that were handed in."""
    expected: frozenset[str] = frozenset()
    """Those of the assignment; empty where they are not known."""

    @classmethod
    def of(cls, input_path: str, properties: str | None) -> HandedIn:
        """Look into the folder now; `properties` are the assignment's."""
        found = frozenset(one.stem for one in notebooks.found(input_path))
        return cls(found, _expected(properties))

    @property
    def graded(self) -> frozenset[str]:
        """The names that graded notebooks have: the assignment's, else those handed in."""
        return self.expected or self.notebooks

    @property
    def is_of_assignment(self) -> bool:
        """Whether one may be graded: it has the name of one of the assignment's."""
        return not self.expected or not self.expected.isdisjoint(self.notebooks)


def _expected(properties: str | None) -> frozenset[str]:
    try:
        read = json.loads(properties or "{}")
    except ValueError:
        return frozenset()
    notebooks = read.get("notebooks") if isinstance(read, dict) else None
    return frozenset(notebooks) if isinstance(notebooks, dict) else frozenset()
