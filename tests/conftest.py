"""One cluster for all tests of a run: the embedded one, or a real one with ``--kubeconfig``."""

from __future__ import annotations

import os
import sysconfig
from typing import TYPE_CHECKING

import kubegrader
import pytest

if TYPE_CHECKING:
    from kubegrader.testing import KubeCluster
    from kubernetes.client import CoreV1Api

pytest_plugins = ["pytester"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kubeconfig", help="run on this cluster instead of the embedded one")
    parser.addoption(
        "--apiserver-pid", type=int, help="that cluster's API server, a process that may be killed"
    )
    parser.addoption(
        "--outage-gradings", type=int, default=50, help="gradings in which it is killed, ten a time"
    )
    parser.addoption("--image", default="busybox", help="an image with sh, for that cluster")


def pytest_configure(config: pytest.Config) -> None:
    if given := config.getoption("--kubeconfig"):
        config.option.kubegrader_kubeconfig = given
    # An embedded cluster's containers find grader-convert where this Python has it.
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--image"))


@pytest.fixture(scope="session")
def is_embedded(kube_cluster_session: KubeCluster) -> bool:
    return kube_cluster_session.is_embedded


@pytest.fixture(scope="session")
def kubeconfig(kube_cluster_session: KubeCluster) -> str:
    return kube_cluster_session.kubeconfig


@pytest.fixture(scope="session")
def api(kube_cluster_session: KubeCluster) -> CoreV1Api:
    """The official client, which sees what is really there."""
    return kube_cluster_session.core_v1()


@pytest.fixture(scope="session")
def namespace(kube_cluster_session: KubeCluster) -> str:
    """A namespace of this run's own, so that two runs at once never meet."""
    return kube_cluster_session.namespace


@pytest.fixture
def cluster(kubeconfig: str, namespace: str) -> kubegrader.Cluster:
    return kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)
