"""What was handed in, as it was before a pod could change it: the pod may write to that folder."""

from __future__ import annotations

import glob
import json
from dataclasses import dataclass
from pathlib import PurePath

from .releases import INSTALLED


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
        # Not Path.glob, which finds hidden files too, and grader-convert does not.
        found = glob.glob(INSTALLED.notebooks, root_dir=input_path, recursive=True)  # noqa: PTH207
        return cls(frozenset(PurePath(one).stem for one in found), _expected(properties))

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
