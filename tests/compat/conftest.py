"""A site of the installed release, with the release's own executor and with ours."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kubegrader.demo.site import Site
from kubegrader.executor import KubeAutogradeExecutor
from kubegrader.releases import INSTALLED
from program import Program
from service import Service
from traitlets.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubegrader.testing import KubeCluster


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "releases(first, last): the releases of grader-service that it is about"
    )


def pytest_report_header() -> str:
    return f"grader-service {INSTALLED.version}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("releases"):
            first, last = (tuple(map(int, one.split("."))) for one in mark.args)
            if not first <= INSTALLED.number <= last:
                item.add_marker(pytest.mark.skip(reason=f"of {mark.args[0]} to {mark.args[1]}"))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="session")
def prepared(site: Site) -> Program:
    return Program(site)


@pytest.fixture
def settings(site: Site, kube_cluster: KubeCluster) -> Config:
    """What a site writes into its grader_service_config.py, and both classes read."""
    config = Config()
    config.KubeAutogradeExecutor.kube_context = context(kube_cluster.kubeconfig)
    config.KubeAutogradeExecutor.namespace = kube_cluster.namespace
    config.KubeAutogradeExecutor.uid = os.getuid()
    config.KubeAutogradeExecutor.volume = {
        "name": "data",
        "hostPath": {"path": str(site.directory)},
    }
    # The shortest: upstream's traits are whole numbers of its unit.
    config.GraderPod.poll_interval = 50 if INSTALLED.polls_in_milliseconds else 1
    return config


@pytest.fixture(autouse=True)
def kubeconfig_of_test(monkeypatch: pytest.MonkeyPatch, kube_cluster: KubeCluster) -> None:
    """Let both clients find the test's cluster as the service's environment would tell it."""
    monkeypatch.setenv("KUBECONFIG", kube_cluster.kubeconfig)
    # The official client has read the variable when it was imported.
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", kube_cluster.kubeconfig
    )


@pytest.fixture
def service(site: Site, settings: Config) -> Service:
    """The service with our executor."""
    return Service(site, KubeAutogradeExecutor, settings)


def context(kubeconfig: str) -> str:
    """Name the current context of a kubeconfig."""
    found = re.search(r"current-context\W+([\w.-]+)", Path(kubeconfig).read_text())
    assert found is not None
    return found[1]
