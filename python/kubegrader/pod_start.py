"""What `start_pod` does: it begins the run, and waits for the pod where somebody may use it.

A run creates its pod in the background. Code that was written for grader-service's class has the
pod as soon as it is started: it reads its uid, patches it, or tells somebody of it.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from . import database, green, overrides
from ._core import api_request, check_images, check_mounts
from .exceptions import ApiError, KubegraderError
from .output_folder import OutputFolder
from .pod import GraderPod
from .releases import INSTALLED

if TYPE_CHECKING:
    from ._core import RunOptions
    from .cluster import Cluster
    from .executor import KubeAutogradeExecutor

_USERS = ("start_pod", "_start_pod", "_run")
"""The methods whose overrides have the pod as soon as it is started."""

_SHORTEST, _LONGEST = 0.01, 1.0
"""The pauses between two looks, in seconds; each is twice the one before."""

_SHORT = 2.0
"""How long, in seconds, an event loop is held up, as it is by grader-service's own create, and a
connection to the database is kept."""


def start(executor: KubeAutogradeExecutor) -> GraderPod:
    """Make the pod and begin to run it.

    Raises KubegraderError for a pod that cannot be; where it is waited for, also for one that was
    not created.
    """
    manifest = executor._make_pod()  # noqa: SLF001
    check_images(manifest)
    check_mounts(manifest)
    if overrides.is_overridden(executor, "_run") and os.path.isdir(executor.output_path):  # noqa: PTH112
        # As with any other run, the folder is put back, be this the first of its pods or not.
        executor._output = OutputFolder.if_restorable(executor.output_path, executor.log)  # noqa: SLF001
    cluster, options = executor._cluster(), executor._run_options()  # noqa: SLF001
    is_used = any(overrides.is_overridden(executor, name) for name in _USERS)
    earlier, is_known = _earlier(cluster, manifest, options) if is_used else (None, False)
    pod = GraderPod(manifest, cluster, options, config=executor.config)
    executor._started.add(pod)  # noqa: SLF001
    if is_known:
        _wait(executor, pod, earlier)
    return pod


def _earlier(
    cluster: Cluster, manifest: dict[str, Any], options: RunOptions
) -> tuple[str | None, bool]:
    """Give the uid of a pod that has the name already and may make way, and whether it is known."""
    metadata = manifest["metadata"]
    try:
        namespace = metadata.get("namespace") or options.get("namespace") or _default(cluster)
        found = _read(cluster, namespace, metadata.get("name") or "")
    except Exception:  # noqa: BLE001  # what is wrong is told by the run
        return None, False
    return (None if found is None else found["metadata"]["uid"]), True


def _default(cluster: Cluster) -> str:
    from . import models  # takes about a second

    return models.namespace(cluster.kubeconfig, cluster.context)


def _wait(executor: KubeAutogradeExecutor, pod: GraderPod, earlier: str | None) -> None:
    """Wait until the pod is there, or its run has ended.

    Raises what kept it from being created.
    """
    cluster = executor._cluster()  # noqa: SLF001
    until, pause = time.monotonic() + _SHORT, _SHORTEST
    while not pod.run.done:
        queues = pod.run.queue_position is not None
        if not queues and _is_seen(pod, cluster, earlier):
            return
        if queues or time.monotonic() > until:
            if INSTALLED.is_async:
                return
            database.give_back_connection(executor.session, executor.log)
        green.sleep(pause)
        pause = min(2 * pause, _LONGEST)
    try:
        pod.wait()
    except KubegraderError:
        if not pod.is_kept:  # else it is there, for a subclass to delete
            raise


def _is_seen(pod: GraderPod, cluster: Cluster, earlier: str | None) -> bool:
    """Look for the pod, and give it what was found; True, too, where looking is forbidden."""
    try:
        found = _read(cluster, pod.namespace, pod.name)
    except ApiError as error:
        return error.code in {401, 403}
    except KubegraderError:  # the run knows how long to wait for an API server
        return False
    if found is None or found["metadata"]["uid"] == earlier:
        return False
    pod.created = found
    return True


def _read(cluster: Cluster, namespace: str, name: str) -> dict[str, Any] | None:
    """Read a pod; None where there is none of that name.

    Raises KubegraderError.
    """
    if not name:  # the run makes one of its own
        return None
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(name, safe='')}"
    try:
        pod: dict[str, Any] = json.loads(api_request(cluster, "GET", path))
    except ApiError as error:
        if error.code == 404:  # noqa: PLR2004
            return None
        raise
    return pod
