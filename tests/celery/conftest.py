"""A site on the embedded cluster, and real celery workers of grader-service that grade on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from kubegrader.demo.generation import is_async
from kubegrader.demo.site import Site
from pods import until
from settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kubernetes.client import CoreV1Api
    from quick_grader import QuickGrader
    from traitlets.config import Config
    from workers import Workplace

collect_ignore_glob = ["test_*.py"] if is_async() else []  # celery came with 0.5.0


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def settings(site: Site, kubeconfig: str, namespace: str) -> Config:
    return settings_of(site, kubeconfig, namespace)


@pytest.fixture(scope="session")
def prepared(site: Site, kubeconfig: str, namespace: str) -> QuickGrader:
    from quick_grader import QuickGrader

    return QuickGrader(site, settings_of(site, kubeconfig, namespace))


@pytest.fixture(scope="session")
def shared(
    site: Site,
    kubeconfig: str,
    api: CoreV1Api,
    namespace: str,
    prepared: QuickGrader,
    tmp_path_factory: pytest.TempPathFactory,
) -> Workplace:
    """A workplace whose gradings are quick, or last until they are let go."""
    from workers import Workplace

    settings = settings_of(site, kubeconfig, namespace)
    settings.KubeAutogradeExecutor.extra_container_config = prepared.container
    folder = tmp_path_factory.mktemp("workplace")
    return Workplace(folder, site, settings, prepared, api, namespace)


@pytest.fixture
def workplace(shared: Workplace, tmp_path: Path) -> Iterator[Workplace]:
    """The same with a queue of its own. No pod is left behind in it."""
    yield replace(shared, folder=tmp_path)
    shared.quick.open()
    until(lambda: shared.pods() == [])


@pytest.fixture
def held(workplace: Workplace) -> Workplace:
    """A workplace whose gradings wait until `quick` is opened."""
    workplace.quick.close()
    return workplace
