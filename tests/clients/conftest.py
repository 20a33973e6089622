"""Clients that know nothing of kubegrader, on the tests' cluster."""

from __future__ import annotations

import secrets
import shutil
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from kubectl import Kubectl

if TYPE_CHECKING:
    from kubegrader.testing import KubeCluster


@pytest.fixture(autouse=True)
def verified_as_kubectl_does(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.13 refuses an authority without extensions that many real clusters lack."""
    if request.getfixturevalue("is_embedded"):
        return
    made = ssl.create_default_context

    def lenient(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        context = made(*args, **kwargs)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", lenient)


@pytest.fixture
def namespace(kube_cluster: KubeCluster) -> str:
    """A namespace of the test's own: what a client leaves there goes with it."""
    return kube_cluster.namespace


@pytest.fixture
def kubectl(kubeconfig: str, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed")
    return Kubectl(program, kubeconfig, namespace, tmp_path_factory.mktemp("kubectl"))


@pytest.fixture
def name() -> str:
    """A pod's name that nobody else has."""
    return f"pod-{secrets.token_hex(4)}"
