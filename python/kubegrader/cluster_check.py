"""What a cluster says about this account's rights and about a pod. Nothing is created."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ._core import api_request
from .exceptions import ApiError, KubegraderError
from .rights import RIGHTS, Right
from .site_config import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .cluster import Cluster

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def findings(executor: Any, pod: dict[str, Any]) -> Iterator[Finding]:
    """Say what the account lacks, and why the cluster would not take the pod.

    The pod is sent as a run sends it: as it is, to a server that is asked to refuse unknown fields.
    """
    metadata = pod.get("metadata")
    named = metadata.get("namespace") if isinstance(metadata, dict) else None
    namespace = str(named or executor.namespace or "default")
    pods = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods"
    path = f"{pods}?dryRun=All&fieldValidation=Strict"
    try:
        cluster = executor._cluster()  # noqa: SLF001
        for right in RIGHTS:
            yield from _right(cluster, namespace, right)
        sent = {"apiVersion": "v1", "kind": "Pod", **pod}
        api_request(cluster, "POST", path, sent)
    except ApiError as error:
        if error.code != 409:  # noqa: PLR2004  # a pod of this name is there: a fine name
            told = str(error).removeprefix(f"asking for {path}: ")
            yield Finding("error", f"namespace {namespace}: {told}")
    except KubegraderError as error:
        yield Finding("error", f"the cluster cannot be asked: {error}")
    except (KeyError, TypeError, ValueError) as error:
        # The pod is no JSON, or a proxy has answered.
        told = f"the pod cannot be sent, or no API server has answered: {type(error).__name__}"
        yield Finding("error", f"namespace {namespace}: {told}")


def _right(cluster: Cluster, namespace: str, right: Right) -> Iterator[Finding]:
    if any(_has(cluster, namespace, right, verb) for verb in (right.verb, right.or_verb) if verb):
        return
    of = f" of {right.group}" if right.group else ""
    yield Finding(
        right.level,
        f'namespace {namespace}: this account lacks "{right.verb}" on "{right.resource}"{of}; '
        f"without it {right.cost}",
    )


def _has(cluster: Cluster, namespace: str, right: Right, verb: str) -> bool:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": right.attributes(verb, namespace)},
    }
    answer = json.loads(api_request(cluster, "POST", _REVIEWS, body))
    return bool(answer["status"]["allowed"])
