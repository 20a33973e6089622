"""The plugin in projects that use it, and in projects that do not."""

from __future__ import annotations

import subprocess
import sys

import pytest

RUN = """
def run(kube_cluster, text, name=None):
    pod = {"metadata": {"generateName": "p-"}, "spec": {"containers": [
        {"name": "main", "image": "busybox", "command": ["sh", "-c", text]}]}}
    return kube_cluster.cluster.run(pod)
"""


def test_each_test_has_a_namespace_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        RUN
        + """
import json, subprocess
seen = []

def test_one(kube_cluster):
    kube_cluster.create({"metadata": {"name": "same"}, "spec": {"containers": [
        {"name": "main", "image": "busybox", "command": ["sleep", "600"]}]}})
    assert run(kube_cluster, "echo hi").logs == "hi\\n"
    assert [pod["metadata"]["name"] for pod in kube_cluster.pods()] == ["same"]
    seen.append(kube_cluster)

def test_two(kube_cluster):
    assert kube_cluster.pods() == []
    assert kube_cluster.namespace != seen[0].namespace
    assert kube_cluster.embedded.url == seen[0].embedded.url
    gone = kube_cluster.request("GET", "/api/v1/namespaces")["items"]
    assert seen[0].namespace not in [each["metadata"]["name"] for each in gone]

def test_a_commands_kubeconfig_has_the_namespace(kube_cluster):
    with open(kube_cluster.environ["KUBECONFIG"]) as file:
        kubeconfig = json.load(file)
    assert kubeconfig["contexts"][0]["context"]["namespace"] == kube_cluster.namespace
"""
    )
    pytester.runpytest().assert_outcomes(passed=3)


def test_a_cluster_for_each_test(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nkubegrader_cluster = test")
    pytester.makepyfile(
        """
seen = []

def test_one(kube_cluster):
    seen.append(kube_cluster.embedded.url)

def test_two(kube_cluster, kube_cluster_session):
    assert len({*seen, kube_cluster.embedded.url, kube_cluster_session.embedded.url}) == 3
"""
    )
    pytester.runpytest().assert_outcomes(passed=2)


def test_a_failed_tests_report_says_what_its_pods_did(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import time

def test_fails(kube_cluster):
    kube_cluster.create({"metadata": {"name": "bad"}, "spec": {
        "restartPolicy": "Never", "containers": [
            {"name": "main", "image": "busybox", "command": ["sh", "-c", "exit 3"]}]}})
    deadline = time.monotonic() + 60
    while kube_cluster.pod("bad")["status"]["phase"] != "Failed":
        assert time.monotonic() < deadline
    assert False, "on purpose"

def test_passes(kube_cluster):
    pass
"""
    )
    result = pytester.runpytest()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- Kubernetes, namespace kubegrader-test-* -*",
            "pod bad: Failed",
            "  container main: terminated reason Error exitCode 3",
            "  verdict: Error, blame student: container main ended with exit code 3 (Error)",
        ]
    )
    assert result.stdout.str().count("Kubernetes, namespace") == 1


LEAVES = """
import pytest

POD = {"metadata": {"name": "left"}, "spec": {"containers": [
    {"name": "main", "image": "busybox", "command": ["sleep", "600"]}]}}

def test_leaves(kube_cluster):
    kube_cluster.create(POD)

@pytest.mark.kube_leftovers("remove")
def test_may_leave(kube_cluster):
    kube_cluster.create(POD)

def test_deletes(kube_cluster):
    kube_cluster.create(POD)
    kube_cluster.delete("left")
"""


def test_leftovers_are_removed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(LEAVES)
    pytester.runpytest().assert_outcomes(passed=3)


@pytest.mark.parametrize("how", ["option", "ini"])
def test_leftovers_fail_a_test_where_that_is_asked_for(pytester: pytest.Pytester, how: str) -> None:
    pytester.makepyfile(LEAVES)
    if how == "ini":
        pytester.makeini("[pytest]\nkubegrader_leftovers = fail")
    args = ["--kubegrader-leftovers=fail"] if how == "option" else []
    result = pytester.runpytest(*args)
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["the test left pods behind: left"])


def test_a_word_that_is_none_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(kube_cluster): pass")
    pytester.makeini("[pytest]\nkubegrader_leftovers = keep")
    result = pytester.runpytest()
    result.stdout.fnmatch_lines(
        ["*kubegrader_leftovers: it must be 'remove' or 'fail', not 'keep'"]
    )
    assert result.ret != 0


def test_the_official_client_is_ready(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
def test_client(kube_cluster):
    api = kube_cluster.core_v1()
    assert api.list_namespaced_pod(kube_cluster.namespace).items == []
"""
    )
    pytester.runpytest().assert_outcomes(passed=1)


def test_it_works_in_asynchronous_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import asyncio, pytest

POD = {"metadata": {"generateName": "p-"}, "spec": {"containers": [
    {"name": "main", "image": "busybox", "command": ["echo", "hi"]}]}}

@pytest.mark.asyncio
async def test_both(kube_cluster):
    runs = [kube_cluster.cluster.run_async(POD) for _ in range(2)]
    assert [outcome.logs for outcome in await asyncio.gather(*runs)] == ["hi\\n", "hi\\n"]
    assert kube_cluster.pods() == []
"""
    )
    pytester.runpytest("-o", "asyncio_default_fixture_loop_scope=function").assert_outcomes(
        passed=1
    )


def test_workers_have_clusters_of_their_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import pytest
from pathlib import Path

@pytest.mark.parametrize("number", range(4))
def test_one(kube_cluster, number, worker_id, testrun_uid):
    label = kube_cluster.request("GET", f"/api/v1/namespaces/{kube_cluster.namespace}")
    run = label["metadata"]["labels"]["kubegrader.io/test-run"]
    with open("seen", "a") as file:
        print(worker_id, kube_cluster.embedded.url, kube_cluster.namespace, run, file=file)
"""
    )
    pytester.runpytest_subprocess("-n2", "--dist=each").assert_outcomes(passed=8)
    lines = [line.split() for line in (pytester.path / "seen").read_text().splitlines()]
    workers, urls, namespaces, runs = (set(column) for column in zip(*lines, strict=True))
    assert (len(workers), len(urls), len(namespaces), len(runs)) == (2, 2, 8, 1)


def test_a_project_that_does_not_use_it_pays_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import os, sys

def test_nothing_runs():
    assert len(os.listdir("/proc/self/task")) == 1
    heavy = {"kubernetes", "traitlets", "kubegrader.testing", "kubegrader.executor"}
    assert heavy.isdisjoint(sys.modules)
    assert "kubegrader.pytest_plugin" in sys.modules
"""
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_importing_it_imports_little() -> None:
    """Counted beside what pytest itself imports."""
    code = """
import sys, pytest
before = set(sys.modules)
import kubegrader.pytest_plugin
print(*sorted(set(sys.modules) - before))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == [
        "kubegrader",
        "kubegrader._core",
        "kubegrader.cluster",
        "kubegrader.exceptions",
        "kubegrader.pytest_plugin",
    ]
