"""What a cluster says about this account's rights and about a pod. Nothing is created."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiException, AuthorizationV1Api

from .site_config import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEEDED = (
    ("create", "pods", ""),
    ("get", "pods", ""),
    ("delete", "pods", ""),
    ("get", "pods", "log"),
)
_BETTER = (("list", "pods", ""), ("watch", "pods", ""))


def findings(executor: Any, pod: dict[str, Any]) -> Iterator[Finding]:
    """Say what the account lacks, and why the cluster would not take the pod."""
    namespace = executor.namespace
    try:
        api = executor.client
        for right in (*_NEEDED, *_BETTER):
            yield from _right(api, namespace, right)
        api.create_namespaced_pod(namespace, pod, dry_run="All", field_validation="Strict")
    except ApiException as error:
        if error.status != 409:  # noqa: PLR2004  # a pod of this name is there: a fine name
            yield Finding("error", f"namespace {namespace}: {_message(error)}")
    except Exception as error:  # noqa: BLE001  # urllib3, ConfigException, ...
        yield Finding("error", f"the cluster cannot be asked: {type(error).__name__}: {error}")


def _right(api: Any, namespace: str, right: tuple[str, str, str]) -> Iterator[Finding]:
    verb, resource, subresource = right
    attributes = {"namespace": namespace, "verb": verb, "resource": resource}
    if subresource:
        attributes["subresource"] = subresource
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = AuthorizationV1Api(api.api_client).create_self_subject_access_review(body)
    if answer.status.allowed:
        return
    what = f'"{verb}" on "{resource}{"/" if subresource else ""}{subresource}"'
    if right in _NEEDED:
        yield Finding("error", f"namespace {namespace}: this account lacks {what}")
    else:
        yield Finding(
            "warning",
            f"namespace {namespace}: this account lacks {what}; pods are read again and again "
            "instead of being watched",
        )


def _message(error: ApiException) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return f"{error.status} {error.reason}"
