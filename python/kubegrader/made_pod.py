"""What every grading would meet with a pod that a site's functions have made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._core import check_images, check_pod
from .exceptions import ImageError, InvalidPodError
from .site_config import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator


def findings(pod: dict[str, Any]) -> Iterator[Finding]:
    """Say why a pod cannot be created."""
    try:
        faults = check_pod(pod)
    except InvalidPodError as error:
        yield Finding("error", str(error))
        return
    try:
        check_images(pod)
    except ImageError as error:
        yield Finding("error", str(error))
    for field, problem in faults:
        yield _finding(field, problem)


def _finding(field: str, problem: str | None) -> Finding:
    if problem is not None:
        return Finding("error", f"pod.{field}: {problem}")
    told = f"pod.{field}: there is no such field"
    if "_" in field.rpartition(".")[2]:
        return Finding("error", f"{told}; Kubernetes writes its fields in camelCase")
    return Finding("warning", f"{told} in any Kubernetes that kubegrader knows")
