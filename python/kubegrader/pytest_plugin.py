"""Fixtures for pytest: a namespace of a test's own, on a cluster in this process or a real one.

pytest loads this module in every project of an environment that has kubegrader. So importing it
starts nothing, and what it needs is imported when a test uses it. ``docs/testing-offline.md``
shows its use.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from ._core import EmbeddedCluster, Faults
    from .testing import KubeCluster

_RUN = pytest.StashKey[str]()
_CLUSTERS = pytest.StashKey["list[KubeCluster]"]()

# The lines of a trace that a report shows, the last ones.
_TRACE = 200
# A test that uses one of these has a cluster of its own: what it does to it is nobody else's.
_OWN_CLUSTER = frozenset(["kube_faults", "kube_stages"])


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what can be chosen for a run, and for a project."""
    group = parser.getgroup("kubegrader", "Kubernetes clusters for tests")
    group.addoption(
        "--kubegrader-kubeconfig",
        type=os.path.abspath,  # a test may change the folder
        metavar="FILE",
        help="run the tests that use kube_cluster on the cluster of this kubeconfig's current "
        "context, not on an embedded one",
    )
    group.addoption(
        "--kubegrader-seed",
        metavar="N",
        default="0",
        help="the seed of what kube_faults does by chance: a number (default: 0), or 'random'",
    )
    group.addoption(
        "--kubegrader-leftovers",
        choices=["remove", "fail"],
        help="whether a test that leaves pods behind fails (default: what the ini option says)",
    )
    parser.addini(
        "kubegrader_leftovers",
        "pods that a test leaves behind: remove (the default), or fail, which removes them too",
        default="remove",
    )
    parser.addini(
        "kubegrader_cluster",
        "how long an embedded cluster lives: session (the default), where each test has a "
        "namespace of its own, or test",
        default="session",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest the marker."""
    config.addinivalue_line(
        "markers",
        "kube_leftovers(what): 'fail' or 'remove': whether this test may leave pods behind",
    )


def _run(config: pytest.Config) -> str:
    """Name the run; the workers of pytest-xdist have their controller's name."""
    workerinput: dict[str, Any] = getattr(config, "workerinput", {})
    given: str | None = workerinput.get("kubegrader_run")
    return given or config.stash.setdefault(_RUN, os.urandom(4).hex())


def _seed(config: pytest.Config) -> int:
    given: str = config.getoption("--kubegrader-seed")
    if given == "random":
        # The run's name is drawn at random, and workers share it.
        return int(_run(config), 16)
    try:
        return int(given, 0)
    except ValueError:
        raise pytest.UsageError(
            f"--kubegrader-seed: it must be a number or 'random', not {given!r}"
        ) from None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give the run's name to a worker of pytest-xdist."""
    node.workerinput["kubegrader_run"] = _run(node.config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what an interrupted run left on a real cluster."""
    kubeconfig = config.getoption("--kubegrader-kubeconfig", None)
    is_worker = hasattr(config, "workerinput")
    if kubeconfig is None or is_worker or _RUN not in config.stash:
        return
    from . import namespaces, testing

    with contextlib.suppress(Exception):  # the cluster may be gone; the run's result stands
        namespaces.remove_all(testing.KubeCluster(kubeconfig, "default"), config.stash[_RUN])


@pytest.fixture(scope="session")
def kube_cluster_session(request: pytest.FixtureRequest) -> Iterator[KubeCluster]:
    """Give a namespace for the whole session, on the cluster that the session's tests share."""
    from . import namespaces, testing

    kubeconfig = request.config.getoption("--kubegrader-kubeconfig")
    with contextlib.ExitStack() as stack:
        if kubeconfig is None:
            whole = stack.enter_context(namespaces.embedded_cluster())
        else:
            whole = testing.KubeCluster(kubeconfig, "default")
        made = namespaces.namespace(whole, _run(request.config), "the whole session")
        yield stack.enter_context(made)


@pytest.fixture
def kube_cluster(request: pytest.FixtureRequest) -> Iterator[KubeCluster]:
    """Give a namespace of this test's own; its pods are removed when the test has ended."""
    from . import namespaces

    with contextlib.ExitStack() as stack:
        if _has_own_cluster(request):
            whole = stack.enter_context(namespaces.embedded_cluster(_seed(request.config)))
        else:
            whole = request.getfixturevalue("kube_cluster_session")
        made = namespaces.namespace(
            whole, _run(request.config), request.node.nodeid, alone=_has_own_cluster(request)
        )
        cluster = stack.enter_context(made)
        request.node.stash[_CLUSTERS] = [cluster]
        yield cluster
        # What the test asked for must not happen to what is done after it.
        cluster.end_faults()
        request.node.stash[_CLUSTERS] = []
        left = cluster.leftovers() if _leftovers(request) == "fail" else []
    if left:
        pytest.fail(f"the test left pods behind: {', '.join(left)}", pytrace=False)


@pytest.fixture
def kube_faults(request: pytest.FixtureRequest, kube_cluster: KubeCluster) -> Faults:
    """Give the trouble between this test's clients and its cluster: none, until it is added.

    The cluster is the test's own. On a real cluster the test is skipped.
    """
    return _own(request, kube_cluster, "kube_faults").faults


@pytest.fixture
def kube_stages(request: pytest.FixtureRequest, kube_cluster: KubeCluster) -> EmbeddedCluster:
    """Give this test's cluster, whose pods play lives from data after its `play` was called.

    The cluster is the test's own. On a real cluster the test is skipped.
    """
    return _own(request, kube_cluster, "kube_stages")


def _own(request: pytest.FixtureRequest, cluster: KubeCluster, fixture: str) -> EmbeddedCluster:
    if cluster.embedded is None:
        pytest.skip(
            f"{fixture} needs an embedded cluster, and --kubegrader-kubeconfig names a real one"
        )
    if not _has_own_cluster(request):
        pytest.fail(
            f"name {fixture} among the arguments of the test or of a fixture", pytrace=False
        )
    return cluster.embedded


def _has_own_cluster(request: pytest.FixtureRequest) -> bool:
    how = request.config.getini("kubegrader_cluster")
    if how not in {"session", "test"}:
        raise pytest.UsageError(f"kubegrader_cluster: it must be 'session' or 'test', not {how!r}")
    if request.config.getoption("--kubegrader-kubeconfig") is not None:
        return False
    return how == "test" or not _OWN_CLUSTER.isdisjoint(request.fixturenames)


def _leftovers(request: pytest.FixtureRequest) -> str:
    marker = request.node.get_closest_marker("kube_leftovers")
    what = marker.args[0] if marker is not None and marker.args else None
    what = what or request.config.getoption("--kubegrader-leftovers")
    what = what or request.config.getini("kubegrader_leftovers")
    if what not in {"remove", "fail"}:
        raise pytest.UsageError(
            f"kubegrader_leftovers: it must be 'remove' or 'fail', not {what!r}"
        )
    return str(what)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Say in a failed test's report what its pods were doing."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    if report.failed and report.when != "teardown" and isinstance(item, pytest.Function):
        for cluster in item.stash.get(_CLUSTERS, []):
            trace = cluster.end_faults()
            title = f"Kubernetes, namespace {cluster.namespace}"
            report.sections.append((title, cluster.report()))
            if "kube_faults" in item.fixturenames:
                title = f"Kubernetes faults, --kubegrader-seed={_seed(item.config)}"
                report.sections.append((title, "\n".join(trace[-_TRACE:])))
