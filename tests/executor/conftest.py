"""A site of the installed grader-service, whose executor is kubegrader's, on the tests' cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kubegrader import trait_notices
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.demo.site import Site
from kubegrader.executor import KubeAutogradeExecutor
from settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from traitlets.config import Config


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def settings(site: Site, kubeconfig: str, namespace: str) -> Config:
    return settings_of(site, kubeconfig, namespace)


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
    monkeypatch.setattr(trait_notices, "_told", set())
