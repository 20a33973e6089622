"""The manifests that kubegrader ships, and the rights that grader-service's own chart gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubegrader
import yaml

MANIFESTS = Path(kubegrader.__file__).parent / "manifests"

OF_CHART: list[dict[str, Any]] = [
    {
        "apiGroups": [""],
        "resources": ["pods", "pods/status", "pods/log"],
        "verbs": ["get", "create", "update", "delete"],
    }
]
"""The rules of the Role of grader-service's Helm chart, 0.12.5."""


def shipped_rules() -> list[dict[str, Any]]:
    """Give the rules of the Role that kubegrader ships."""
    role, _ = yaml.safe_load_all((MANIFESTS / "role.yaml").read_text())
    rules: list[dict[str, Any]] = role["rules"]
    return rules
