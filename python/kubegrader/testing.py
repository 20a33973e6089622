"""A cluster for tests: a namespace of one's own, on a cluster in this process or on a real one.

The fixtures of ``kubegrader.pytest_plugin`` give these objects.
"""

from __future__ import annotations

import json
import os
import ssl
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ._core import api_request, pod_verdict
from .cluster import Cluster
from .exceptions import KubegraderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kubernetes.client import ApiClient, CoreV1Api

    from ._core import EmbeddedCluster


class KubeCluster:
    """A namespace of a test's own, and the cluster that it is on."""

    def __init__(
        self, kubeconfig: str, namespace: str, embedded: EmbeddedCluster | None = None
    ) -> None:
        self.kubeconfig = kubeconfig
        """The path of a kubeconfig whose namespace is this one; readable by this user alone."""
        self.namespace = namespace
        """The namespace."""
        self.embedded = embedded
        """The embedded cluster; None on a real one."""
        self.cluster = Cluster(kubeconfig=kubeconfig, namespace=namespace)
        """kubegrader's own client, for this namespace."""
        self._open = ExitStack()

    def __repr__(self) -> str:
        """Show where it is."""
        return f"KubeCluster(kubeconfig={self.kubeconfig!r}, namespace={self.namespace!r})"

    @property
    def is_embedded(self) -> bool:
        """Whether its pods are processes of this machine."""
        return self.embedded is not None

    @property
    def environ(self) -> dict[str, str]:
        """The environment of this process, with ``KUBECONFIG``: for a command such as kubectl."""
        return {**os.environ, "KUBECONFIG": self.kubeconfig}

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask the API server for anything, and give its answer as plain data.

        The body of a PATCH is a merge patch. An answer that is no JSON, such as a log, is a str.
        Raises `ApiError`, with the ``code`` and the ``reason``, and `UnreachableError`.
        """
        text = api_request(self.cluster, method, path, body)
        try:
            return json.loads(text)
        except ValueError:
            return text

    def _path(self, kind: str, name: str = "", **query: str) -> str:
        path = f"/api/v1/namespaces/{self.namespace}/{kind}"
        return path + (f"/{name}" if name else "") + (f"?{urlencode(query)}" if query else "")

    def create(self, pod: Mapping[str, Any]) -> dict[str, Any]:
        """Create a pod in the namespace, and give it as the API server made it."""
        created: dict[str, Any] = self.request("POST", self._path("pods"), pod)
        return created

    def pod(self, name: str) -> dict[str, Any]:
        """Read a pod."""
        pod: dict[str, Any] = self.request("GET", self._path("pods", name))
        return pod

    def pods(self) -> list[dict[str, Any]]:
        """List the pods of the namespace."""
        pods: list[dict[str, Any]] = self.request("GET", self._path("pods"))["items"]
        return pods

    def events(self, pod: str | None = None) -> list[dict[str, Any]]:
        """List the events of the namespace, or of one of its pods."""
        query = {} if pod is None else {"fieldSelector": f"involvedObject.name={pod}"}
        events: list[dict[str, Any]] = self.request("GET", self._path("events", **query))["items"]
        return events

    def log(self, name: str, container: str | None = None) -> str:
        """Read the log of a pod's container."""
        query = {} if container is None else {"container": container}
        path = self._path("pods", f"{name}/log", **query)
        return api_request(self.cluster, "GET", path)

    def delete(self, name: str, grace: int | None = None) -> None:
        """Delete a pod; `grace` is the seconds that it has to end."""
        query = {} if grace is None else {"gracePeriodSeconds": str(grace)}
        self.request("DELETE", self._path("pods", name, **query))

    def api_client(self) -> ApiClient:
        """Give a client of the package ``kubernetes``, which must be installed."""
        from kubernetes import client, config

        configuration = client.Configuration()
        config.load_kube_config(self.kubeconfig, client_configuration=configuration)
        made: ApiClient = client.ApiClient(configuration)
        if configuration.ssl_ca_cert is not None and configuration.verify_ssl:
            # Verified as kubectl does: Python 3.13 refuses an authority without extensions that
            # many clusters lack.
            context = made.rest_client.pool_manager.connection_pool_kw.get("ssl_context")
            context = context or ssl.create_default_context(cafile=configuration.ssl_ca_cert)
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            made.rest_client.pool_manager.connection_pool_kw["ssl_context"] = context
        self._open.callback(made.close)
        return made

    def core_v1(self) -> CoreV1Api:
        """Give a ``CoreV1Api`` of the package ``kubernetes``, which must be installed."""
        from kubernetes import client

        return client.CoreV1Api(self.api_client())

    def end_faults(self) -> list[str]:
        """Let nothing happen to requests any more, and tell what was asked and what happened."""
        if self.embedded is None:
            return []
        self.embedded.faults.clear()
        return self.embedded.faults.trace()

    def leftovers(self) -> list[str]:
        """Name the pods that are there and that nobody has deleted."""
        return [
            pod["metadata"]["name"]
            for pod in self.pods()
            if "deletionTimestamp" not in pod["metadata"]
        ]

    def report(self) -> str:
        """Say what pods are there, what became of them, and what was told of them."""
        try:
            pods = self.pods()
        except KubegraderError as error:
            return f"the pods cannot be listed: {error}"
        lines = [line for pod in pods for line in _about(pod)] or ["no pods"]
        lines += [f"event: {line}" for line in self._event_lines()]
        return "\n".join(lines)

    def _event_lines(self) -> list[str]:
        try:
            events = self.events()
        except KubegraderError as error:
            return [f"cannot be listed: {error}"]
        return [
            f"{event.get('type')} {event.get('reason')} "
            f"{event.get('involvedObject', {}).get('name')}: {event.get('message')}"
            for event in events
        ]

    def close(self) -> None:
        """Close the clients that it gave."""
        self._open.close()


def submission(lecture: str, assignment: str, user: str = "student") -> Any:
    """Make a submission of the installed grader-service that is in no database.

    It is enough for an executor to make its pod: ``executor.start_pod()``.
    """
    import grader_service.orm  # noqa: F401  (every table, so that the relations can be resolved)
    from grader_service.orm.assignment import Assignment
    from grader_service.orm.lecture import Lecture
    from grader_service.orm.submission import Submission
    from grader_service.orm.user import User

    made = Submission(id=1, commit_hash="0" * 40)
    made.assignment = Assignment(name=assignment, lecture=Lecture(code=lecture, name=lecture))
    if hasattr(Submission, "user"):  # from 0.7.0 on
        made.user = User(name=user)
    else:
        made.username = user
    return made


def _about(pod: dict[str, Any]) -> Iterator[str]:
    """Tell of one pod: its phase, its containers, its verdict."""
    metadata, status = pod["metadata"], pod.get("status", {})
    deleted = ", being deleted" if "deletionTimestamp" in metadata else ""
    reason = f" ({status['reason']})" if status.get("reason") else ""
    yield f"pod {metadata['name']}: {status.get('phase')}{reason}{deleted}"
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or []:
            for state, detail in (container.get("state") or {}).items():
                known = ("reason", "exitCode", "signal", "message")
                told = [f"{key} {detail[key]}" for key in known if key in detail]
                yield f"  container {container['name']}: {' '.join([state, *told])}"
    verdict = pod_verdict(pod)
    if verdict is not None:
        yield f"  verdict: {verdict.cause}, blame {verdict.blame}: {verdict.staff_text}"
