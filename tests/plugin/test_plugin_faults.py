"""The fixtures that make trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING

import kubegrader
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

POD = """
POD = {"metadata": {"generateName": "p-"}, "spec": {"containers": [
    {"name": "main", "image": "busybox", "command": ["echo", "hi"]}]}}
"""


def test_trouble_is_one_tests_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        POD
        + """
import kubegrader, pytest
seen = []

def test_trouble(kube_cluster, kube_faults):
    kube_faults.add("forbidden", verb="create")
    with pytest.raises(kubegrader.ApiError, match="Forbidden"):
        kube_cluster.create(POD)
    seen.append(kube_cluster.embedded.url)

def test_overcome(kube_cluster, kube_faults):
    kube_faults.add("reset-after", verb="create", times=1)
    assert kube_cluster.cluster.run(POD).logs == "hi\\n"
    assert any("reset-after" in line for line in kube_faults.trace())
    seen.append(kube_cluster.embedded.url)

def test_none(kube_cluster):
    kube_cluster.create(POD)
    seen.append(kube_cluster.embedded.url)
    assert len(set(seen)) == 3
"""
    )
    pytester.runpytest().assert_outcomes(passed=3)


def test_trouble_ends_before_a_tests_pods_are_removed(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nkubegrader_leftovers = fail")
    pytester.makepyfile(
        POD
        + """
def test_one(kube_cluster, kube_faults):
    kube_cluster.create(POD)
    kube_faults.add("bad-gateway")
"""
    )
    result = pytester.runpytest()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["the test left pods behind: p-*"])


def test_a_failed_tests_report_has_the_trace_and_the_seed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        POD
        + """
def test_one(kube_cluster, kube_faults):
    kube_faults.add("forbidden", verb="create", chance=0.5)
    for _ in range(20):
        kube_cluster.create(POD)
"""
    )
    results = [pytester.runpytest(*args) for args in ([], [], ["--kubegrader-seed=0x2a"])]
    traces = []
    for result, seed in zip(results, (0, 0, 42), strict=True):
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"*Kubernetes faults, --kubegrader-seed={seed} *"])
        lines = [line for line in result.outlines if line.startswith("create pods ")]
        traces.append([line.split(" #")[1] for line in lines])
    assert traces[0] == traces[1]
    assert any("forbidden" in line for line in traces[0])


def test_a_random_seed_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(kube_faults): assert False")
    results = [pytester.runpytest("--kubegrader-seed=random") for _ in range(2)]
    seeds = {
        line.split("--kubegrader-seed=")[1].split()[0]
        for result in results
        for line in result.outlines
        if "Kubernetes faults" in line
    }
    assert len(seeds) == 2


def test_a_seed_that_is_none_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(kube_faults): pass")
    result = pytester.runpytest("--kubegrader-seed=x")
    result.stdout.fnmatch_lines(["*--kubegrader-seed: it must be a number or 'random', not 'x'*"])


@pytest.fixture
def other() -> Iterator[str]:
    with kubegrader.EmbeddedCluster() as embedded:
        yield embedded.kubeconfig


def test_trouble_is_skipped_on_a_real_cluster(pytester: pytest.Pytester, other: str) -> None:
    pytester.makepyfile("def test_one(kube_faults): pass")
    result = pytester.runpytest("-rs", f"--kubegrader-kubeconfig={other}")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*kube_faults needs an embedded cluster*"])


def test_a_fixture_that_comes_too_late_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "def test_one(kube_cluster, request): request.getfixturevalue('kube_faults')"
    )
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*name kube_faults among the arguments of the test*"])
