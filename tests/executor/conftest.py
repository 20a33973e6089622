"""A site of the installed grader-service, whose executor is kubegrader's, on the tests' cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from kubegrader import old_traits
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.demo.site import Site
from kubegrader.executor import KubeAutogradeExecutor
from traitlets.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


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


@pytest.fixture
def executor(site: Site, settings: Config) -> Iterator[Any]:
    """Make executors whose session stays open: by default the site's class, with `settings`."""
    submission = site.submit("Ada.L@example.org", SUBMISSIONS[0].notebook(site.course))
    session: AbstractContextManager[Any] = site._sessions()
    with session as open_session:
        yield lambda class_=KubeAutogradeExecutor: site._executor(
            open_session, submission, class_, settings
        )


@pytest.fixture(autouse=True)
def notices_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test be told of old traits as a new process is."""
    monkeypatch.setattr(old_traits, "_told", set())
