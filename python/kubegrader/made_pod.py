"""What every grading would meet with a pod that a site's functions have made.

The core checks a pod when a run begins, and the API server when it is created. This says the same
beforehand, without a cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._core import check_request
from .exceptions import InvalidPodError
from .name_rules import annotation_fault, label_fault, subdomain_fault
from .quoted_values import without_values
from .site_config import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_FIELD = "there is no such field"


def findings(pod: dict[str, Any]) -> Iterator[Finding]:
    """Say why a pod cannot be created."""
    for key, only in (("apiVersion", "v1"), ("kind", "Pod")):
        if pod.get(key, only) != only:
            yield _error(key, f"it must be {only!r}")
    yield from _snake_case(pod, "")
    for key, check in (("metadata", _of_metadata), ("spec", _of_spec)):
        part = pod.get(key) or {}
        if isinstance(part, dict):
            yield from check(part)
        else:
            yield _error(key, "it must be an object")


def _of_metadata(metadata: dict[str, Any]) -> Iterator[Finding]:
    yield from _snake_case(metadata, "metadata.")
    name = metadata.get("name") or metadata.get("generateName")
    if not isinstance(name, str):
        yield _error("metadata.name", "the pod has no name")
    elif metadata.get("name") and (fault := subdomain_fault(name)):
        yield _error("metadata.name", fault)
    for key in ("labels", "annotations"):
        marks = metadata.get(key) or {}
        if not isinstance(marks, dict):
            yield _error(f"metadata.{key}", "it must be an object")
            continue
        for mark, value in marks.items():
            told = _mark_fault(key, mark, value)
            if told is not None:
                yield _error(f"metadata.{key}", told)


def _mark_fault(key: str, mark: Any, value: Any) -> str | None:
    if not isinstance(mark, str) or not isinstance(value, str):
        return f"key and value of {mark!r} must be strings"
    is_label = key == "labels"
    if fault := label_fault(mark, "") if is_label else annotation_fault(mark):
        return f"key {mark!r}: {fault}"
    fault = label_fault("key", value) if is_label else None
    return f"value of {mark!r}: {fault}" if fault else None


def _of_spec(spec: dict[str, Any]) -> Iterator[Finding]:
    if not isinstance(spec.get("containers"), list) or not spec["containers"]:
        yield _error("spec.containers", "a pod needs at least one container")
    if spec.get("restartPolicy") not in {None, "Never", "OnFailure"}:
        yield _error("spec.restartPolicy", "it must be 'Never' or 'OnFailure': the pod never ends")
    # The core takes snake_case too; with dashes those keys are as unknown as they are to a cluster.
    try:
        check_request({"extra_pod_config": _with_dashes(spec)})
    except InvalidPodError as error:
        path, _, problem = str(without_values(error)).partition(": ")
        path = path.replace("extra_pod_config", "spec").replace("-", "_")
        if problem != _NO_FIELD:
            yield _error(path, problem)
        elif "_" in path:
            yield _error(path, f"{_NO_FIELD}; Kubernetes writes its fields in camelCase")
        else:
            yield Finding(
                "warning", f"pod.{path}: {_NO_FIELD} in any Kubernetes that kubegrader knows"
            )


def _with_dashes(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key).replace("_", "-"): _with_dashes(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_dashes(one) for one in value]
    return value


def _snake_case(part: dict[str, Any], path: str) -> Iterator[Finding]:
    for key, value in part.items():
        if "_" in key and value is not None:
            yield _error(f"{path}{key}", f"{_NO_FIELD}; Kubernetes writes its fields in camelCase")


def _error(path: str, problem: str) -> Finding:
    return Finding("error", f"pod.{path}: {problem}")
