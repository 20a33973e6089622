"""Clients that know nothing of kubegrader, on the tests' cluster."""

from __future__ import annotations

import os
import secrets
import shutil
import ssl
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pods import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kubegrader.testing import KubeCluster


class Kubectl:
    """The kubectl of this machine, on one cluster and namespace."""

    def __init__(self, program: str, kubeconfig: str, namespace: str, cache: Path) -> None:
        self._start = [program, f"--cache-dir={cache}", f"--namespace={namespace}"]
        self._environ = {"KUBECONFIG": kubeconfig, "HOME": str(cache), "PATH": os.environ["PATH"]}

    def run(self, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._start, *args],
            env=self._environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )

    def __call__(self, *args: str, stdin: str = "") -> str:
        """Give the output of a command that must end well."""
        done = self.run(*args, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def following(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command whose lines come one by one."""
        with subprocess.Popen(
            [*self._start, *args], env=self._environ, stdout=subprocess.PIPE, text=True
        ) as child:
            try:
                yield child
            finally:
                child.kill()


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
