"""The clusters and namespaces of a test run: no two runs and no two tests ever share one."""

from __future__ import annotations

import hashlib
import secrets
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from ._core import EmbeddedCluster, kubeconfig_with_namespace
from .exceptions import ApiError
from .testing import KubeCluster

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN_LABEL = "kubegrader.io/test-run"
"""The label of namespaces that a test run made; its value names the run."""
TEST_ANNOTATION = "kubegrader.io/test"
"""The annotation that says which test a namespace is for."""


@contextmanager
def embedded_cluster(seed: int = 0) -> Iterator[KubeCluster]:
    """Start an embedded cluster, with the seed of what happens there by chance."""
    with EmbeddedCluster(seed=seed) as embedded:
        yield KubeCluster(embedded.kubeconfig, "default", embedded)


@contextmanager
def namespace(
    where: KubeCluster, run: str, test: str, *, alone: bool = False
) -> Iterator[KubeCluster]:
    """Make a namespace for one test of a run, and remove it with all that is in it.

    On a cluster that the test has to itself (`alone`) it has the same name in every run: what
    happens there by chance hangs on names.
    """
    same = hashlib.sha256(test.encode()).hexdigest()[:10]
    name = f"kubegrader-test-{same if alone else secrets.token_hex(5)}"
    labels, annotations = {RUN_LABEL: run}, {TEST_ANNOTATION: test}
    metadata = {"name": name, "labels": labels, "annotations": annotations}
    where.request("POST", "/api/v1/namespaces", {"metadata": metadata})
    with tempfile.TemporaryDirectory(prefix="kubegrader-test-") as folder:
        path = Path(folder, "kubeconfig")  # in a folder that is this user's alone
        path.touch(0o600)
        path.write_text(kubeconfig_with_namespace(where.kubeconfig, name))
        cluster = KubeCluster(str(path), name, where.embedded)
        try:
            yield cluster
        finally:
            cluster.close()
            remove(where, name)


def remove(where: KubeCluster, namespace: str) -> None:
    """Remove a namespace with its pods, which have a second to end."""
    grace = 0 if where.is_embedded else 1
    path = f"/api/v1/namespaces/{namespace}"
    _delete(where, f"{path}/pods?gracePeriodSeconds={grace}")
    _delete(where, path)


def _delete(where: KubeCluster, path: str) -> None:
    try:
        where.request("DELETE", path)
    except ApiError as error:
        if error.code not in {404, 409}:  # gone, or going
            raise


def remove_all(where: KubeCluster, run: str) -> None:
    """Remove every namespace that is left of a run."""
    query = urlencode({"labelSelector": f"{RUN_LABEL}={run}"})
    for left in where.request("GET", f"/api/v1/namespaces?{query}")["items"]:
        if "deletionTimestamp" not in left["metadata"]:
            remove(where, left["metadata"]["name"])
