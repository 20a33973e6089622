"""A site on the embedded cluster, and real celery workers of grader-service that grade on it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from kubegrader.demo.generation import is_async
from kubegrader.demo.site import Site
from pods import until
from settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubernetes.client import CoreV1Api
    from quick_grader import QuickGrader
    from traitlets.config import Config

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


@pytest.fixture
def quick(prepared: QuickGrader, settings: Config) -> Iterator[QuickGrader]:
    """Gradings of these settings are quick, or last until they are let go."""
    settings.KubeAutogradeExecutor.extra_container_config = prepared.container
    yield prepared
    prepared.open()


@pytest.fixture(autouse=True)
def no_pod_is_left(api: CoreV1Api, namespace: str) -> Iterator[None]:
    from workers import no_pods

    yield
    until(partial(no_pods, api, namespace))
