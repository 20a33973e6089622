"""The plugin on a cluster that is not its own, which an embedded one plays here."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import kubegrader
import pytest
from kubegrader.namespaces import RUN_LABEL
from kubegrader.testing import KubeCluster
from pods import PATIENCE, processes, until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def other() -> Iterator[KubeCluster]:
    with kubegrader.EmbeddedCluster() as embedded:
        yield KubeCluster(embedded.kubeconfig, "default", embedded)


def of_tests(cluster: KubeCluster) -> list[str]:
    """Name the namespaces of test runs that are there and not on their way out."""
    listed = cluster.request("GET", "/api/v1/namespaces")["items"]
    return [
        each["metadata"]["name"]
        for each in listed
        if RUN_LABEL in each["metadata"].get("labels", {})
        and "deletionTimestamp" not in each["metadata"]
    ]


def test_the_same_tests_run_there_and_leave_nothing(
    pytester: pytest.Pytester, other: KubeCluster
) -> None:
    pytester.makepyfile(
        """
def test_one(kube_cluster):
    assert kube_cluster.embedded is None
    assert not kube_cluster.is_embedded
    kube_cluster.create({"metadata": {"name": "one"}, "spec": {"containers": [
        {"name": "main", "image": "busybox", "command": ["sleep", "600"]}]}})
    assert kube_cluster.namespace in [
        each["metadata"]["name"]
        for each in kube_cluster.request("GET", "/api/v1/namespaces")["items"]
    ]
"""
    )
    result = pytester.runpytest(f"--kubegrader-kubeconfig={other.kubeconfig}")
    result.assert_outcomes(passed=1)
    assert of_tests(other) == []


def test_a_kubeconfig_with_relative_paths_may_be_named_by_one(
    pytester: pytest.Pytester, other: KubeCluster
) -> None:
    folder = pytester.mkdir("conf")
    kubeconfig = json.loads(Path(other.kubeconfig).read_text())
    [cluster] = kubeconfig["clusters"]
    authority = base64.b64decode(cluster["cluster"].pop("certificate-authority-data"))
    (folder / "ca.crt").write_bytes(authority)
    cluster["cluster"]["certificate-authority"] = "ca.crt"
    (folder / "kubeconfig").write_text(json.dumps(kubeconfig))
    pytester.makepyfile(
        """
import pytest

@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

def test_one(elsewhere, kube_cluster):
    path = f"/api/v1/namespaces/{kube_cluster.namespace}/pods"
    assert kube_cluster.request("GET", path)["items"] == []
"""
    )
    result = pytester.runpytest("--kubegrader-kubeconfig=conf/kubeconfig")
    result.assert_outcomes(passed=1)
    assert of_tests(other) == []


SLEEPS = """
import time

def test_sleeps(kube_cluster):
    kube_cluster.create({{"metadata": {{"name": "one"}}, "spec": {{"containers": [
        {{"name": "main", "image": "busybox", "command": ["sleep", "{marker}"]}}]}}}})
    time.sleep(600)
"""


@pytest.mark.parametrize("workers", [[], ["-n1"]], ids=["alone", "xdist"])
@pytest.mark.parametrize("where", ["embedded", "other"])
def test_ctrl_c_leaves_nothing(
    pytester: pytest.Pytester, other: KubeCluster, where: str, workers: list[str]
) -> None:
    marker = f"600.{secrets.randbelow(10**9)}"
    pytester.makepyfile(SLEEPS.format(marker=marker))
    args = [f"--kubegrader-kubeconfig={other.kubeconfig}"] if where == "other" else []
    plugins = ["-p", "kubegrader.pytest_plugin", "-p", "xdist"]
    command = [sys.executable, "-m", "pytest", *plugins, *args, *workers]
    environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    # A terminal's Ctrl-C goes to all processes of the group.
    with subprocess.Popen(command, env=environ, start_new_session=True) as child:
        until(lambda: processes(marker))
        os.killpg(child.pid, signal.SIGINT)
        child.wait(PATIENCE)
    assert child.returncode != 0
    until(lambda: not processes(marker))
    assert of_tests(other) == []
