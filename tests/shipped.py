"""The manifests that kubegrader ships."""

from __future__ import annotations

from pathlib import Path

import kubegrader

MANIFESTS = Path(kubegrader.__file__).parent / "manifests"
