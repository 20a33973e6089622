"""A site of the installed grader-service, whose executor is kubegrader's, on the tests' cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from kubegrader.demo.site import Site
from traitlets.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def settings(site: Site, kubeconfig: str, namespace: str) -> Config:
    """What a site writes into its grader_service_config.py."""
    config = Config()
    config.KubeAutogradeExecutor.kubeconfig = kubeconfig
    config.KubeAutogradeExecutor.namespace = namespace
    config.KubeAutogradeExecutor.uid = os.getuid()
    config.KubeAutogradeExecutor.volume = {
        "name": "data",
        "hostPath": {"path": str(site.directory)},
    }
    config.GraderPod.max_grading_time = 300
    return config
