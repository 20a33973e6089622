"""One cluster for all tests of a run: the embedded one, or a real one with ``--kubeconfig``."""

from __future__ import annotations

import os
import secrets
import ssl
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import kubegrader
import pytest
from kubernetes import client, config

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kubeconfig", help="run on this cluster instead of the embedded one")
    parser.addoption(
        "--apiserver-pid", type=int, help="that cluster's API server, a process that may be killed"
    )
    parser.addoption("--image", default="busybox", help="an image with sh, for that cluster")


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--image"))


@pytest.fixture(scope="session")
def is_embedded(request: pytest.FixtureRequest) -> bool:
    return request.config.getoption("--kubeconfig") is None


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Iterator[str]:
    given = request.config.getoption("--kubeconfig")
    if given is not None:
        yield str(Path(given).resolve())
        return
    # Its containers find grader-convert where this Python has it.
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    with kubegrader.EmbeddedCluster() as embedded:
        yield embedded.kubeconfig


@pytest.fixture(scope="session")
def api(kubeconfig: str) -> client.CoreV1Api:
    """The official client, which sees what is really there."""
    configuration = client.Configuration()
    config.load_kube_config(kubeconfig, client_configuration=configuration)
    api = client.CoreV1Api(client.ApiClient(configuration))
    # Verified as kubectl does: Python 3.13 refuses an authority without extensions that many lack.
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    api.api_client.rest_client.pool_manager.connection_pool_kw["ssl_context"] = context
    return api


@pytest.fixture(scope="session")
def namespace(api: client.CoreV1Api) -> Iterator[str]:
    """A namespace of this run's own, so that two runs at once never meet."""
    name = f"kubegrader-test-{secrets.token_hex(4)}"
    api.create_namespace({"metadata": {"name": name}})
    yield name
    api.delete_namespace(name)


@pytest.fixture
def cluster(kubeconfig: str, namespace: str) -> kubegrader.Cluster:
    return kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)
