"""The API server is killed, and comes back, while submissions are graded."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from gradings import grade
from kubernetes.client import ApiException
from pods import names, phase, script, until
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    import kubegrader
    from kubegrader.demo.site import Site
    from kubernetes.client import CoreV1Api
    from traitlets.config import Config

AT_ONCE = 10
"""Gradings at one time: a kernel gives up when it does not start within a minute."""
DOWN = 8.0
"""Seconds for which the API server is away."""


class ApiServer:
    """The process of a cluster's API server, which can be killed and started again as it was."""

    def __init__(self, pid: int, api: CoreV1Api) -> None:
        self.pid = pid
        self.api = api
        process = Path(f"/proc/{pid}")
        self.command = process.joinpath("cmdline").read_text().rstrip("\0").split("\0")
        self.program = os.readlink(process / "exe")  # noqa: PTH115
        self.folder = os.readlink(process / "cwd")  # noqa: PTH115

    def is_ready(self) -> bool:
        try:
            self.api.list_namespace()
        except (ApiException, HTTPError, OSError):
            return False
        return True

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        until(lambda: not self.is_ready())

    def start(self) -> None:
        self.pid = subprocess.Popen(
            self.command,
            executable=self.program,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ).pid
        until(self.is_ready)


@pytest.fixture(scope="module")
def api_server(request: pytest.FixtureRequest, api: CoreV1Api) -> ApiServer:
    pid = request.config.getoption("--apiserver-pid")
    if pid is None:
        pytest.skip("needs --apiserver-pid: an API server that may be killed")
    return ApiServer(pid, api)


def test_a_pod_that_ends_while_the_api_server_is_away_is_judged_when_it_is_back(
    cluster: kubegrader.Cluster,
    api: CoreV1Api,
    namespace: str,
    image: str,
    api_server: ApiServer,
) -> None:
    runs = [
        cluster.submit(script(image, f"sleep 3; echo {code}; exit {code}", f"outage-{code}"))
        for code in (0, 3)
    ]
    until(lambda: [phase(api, namespace, f"outage-{code}") for code in (0, 3)] == ["Running"] * 2)
    api_server.kill()
    timer = threading.Timer(DOWN, api_server.start)
    timer.start()
    outcomes = [run.wait() for run in runs]
    timer.join()
    assert [(o.verdict.exit_code, o.logs) for o in outcomes] == [(0, "0\n"), (3, "3\n")]
    until(lambda: names(api, namespace) == [])


def test_gradings_survive_a_restart_of_the_api_server(
    request: pytest.FixtureRequest,
    site: Site,
    settings: Config,
    api: CoreV1Api,
    namespace: str,
    api_server: ApiServer,
) -> None:
    gradings = request.config.getoption("--outage-gradings")

    def interrupt() -> None:
        until(lambda: len(names(api, namespace)) >= AT_ONCE // 2)
        api_server.kill()
        threading.Event().wait(DOWN)
        api_server.start()

    for first in range(0, gradings, AT_ONCE):
        outage = threading.Thread(target=interrupt)
        outage.start()
        numbers = range(first, min(first + AT_ONCE, gradings))
        graded = grade(site, settings, [(f"outage-{n}", n % 3) for n in numbers])
        outage.join()
        assert [one.score for one in graded] == [[3.0, 1.0, 0.0][n % 3] for n in numbers]
    until(lambda: names(api, namespace) == [])
