"""What only a real cluster has: accounts with few rights, images, quotas."""

from __future__ import annotations

import os
import secrets
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kubectl import Kubectl
from kubegrader.demo.site import Site
from kubernetes import client
from settings import settings_of
from shipped import MANIFESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from traitlets.config import Config


@pytest.fixture(scope="session")
def course_image() -> str:
    """An image with grader-convert of the installed grader-service."""
    image = os.environ.get("KUBEGRADER_IMAGE")
    if not image:
        pytest.fail("set KUBEGRADER_IMAGE to an image with grader-convert of this grader-service")
    return image


# The site's folder is on the node itself: the cluster runs on this machine.
@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def settings(site: Site, kubeconfig: str, namespace: str, course_image: str) -> Config:
    config = settings_of(site, kubeconfig, namespace)
    config.KubeAutogradeExecutor.image_pull_policy = "IfNotPresent"
    config.KubeAutogradeExecutor.resolve_image_name = lambda lecture, assignment: course_image  # noqa: ARG005
    config.GraderPod.max_grading_time = 600
    return config


@pytest.fixture
def own_namespace(api: client.CoreV1Api) -> Iterator[str]:
    """A namespace of the test's own, for what holds for all of a namespace."""
    name = f"kubegrader-test-{secrets.token_hex(4)}"
    api.create_namespace({"metadata": {"name": name}})
    yield name
    api.delete_namespace(name)


@pytest.fixture
def kubectl(kubeconfig: str, own_namespace: str, tmp_path: Path) -> Kubectl:
    """The administrator's kubectl, in the test's own namespace."""
    program = shutil.which("kubectl")
    if program is None:
        pytest.fail("kubectl is not installed")
    return Kubectl(program, kubeconfig, own_namespace, tmp_path / "kubectl")


@pytest.fixture
def kubeconfig_as(
    kubeconfig: str, api: client.CoreV1Api, namespace: str, tmp_path: Path
) -> Callable[[str], str]:
    """Make a service account in the tests' namespace, and give its kubeconfig."""

    def make(name: str) -> str:
        api.create_namespaced_service_account(namespace, {"metadata": {"name": name}})
        token = api.create_namespaced_service_account_token(
            name, namespace, {"spec": {"expirationSeconds": 3600}}
        ).status.token
        with open(kubeconfig) as file:  # noqa: PTH123
            content = yaml.safe_load(file)
        for user in content["users"]:
            user["user"] = {"token": token}
        path = tmp_path / f"{name}.kubeconfig"
        path.touch(0o600)
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return make


@pytest.fixture
def kubeconfig_of(
    kubeconfig_as: Callable[[str], str], api: client.CoreV1Api, namespace: str
) -> Callable[[str, list[dict[str, Any]]], str]:
    """Make a service account with some rules in the tests' namespace, and give its kubeconfig."""
    rbac = client.RbacAuthorizationV1Api(api.api_client)

    def make(name: str, rules: list[dict[str, Any]]) -> str:
        metadata = {"name": name}
        rbac.create_namespaced_role(namespace, {"metadata": metadata, "rules": rules})
        rbac.create_namespaced_role_binding(
            namespace,
            {
                "metadata": metadata,
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "Role",
                    "name": name,
                },
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            },
        )
        return kubeconfig_as(name)

    return make


@pytest.fixture
def shipped_account(
    kubeconfig_as: Callable[[str], str], kubectl: Kubectl, namespace: str, own_namespace: str
) -> str:
    """The kubeconfig of an account whose rights in the test's own namespace are role.yaml's alone.

    The account is in another namespace than the pods, as that of the manifest is.
    """
    subject = "name: {}\n    namespace: {}\n"
    shipped = (MANIFESTS / "role.yaml").read_text()
    assert shipped.count(subject.format("grader-service", "default")) == 1
    kubectl(
        "apply",
        "-f",
        "-",
        stdin=shipped.replace(
            subject.format("grader-service", "default"), subject.format(own_namespace, namespace)
        ),
    )
    return kubeconfig_as(own_namespace)
