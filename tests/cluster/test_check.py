"""kubegrader check asks a cluster, and creates nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubegrader.check_app import CheckApp
from pods import names

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from kubernetes.client import CoreV1Api

CONFIG = """\
from kubegrader.executor import KubeAutogradeExecutor

c = get_config()
c.RequestHandlerConfig.autograde_executor_class = KubeAutogradeExecutor
c.KubeAutogradeExecutor.volume = {{"name": "data", "emptyDir": {{}}}}
c.KubeAutogradeExecutor.kubeconfig = {kubeconfig!r}
c.KubeAutogradeExecutor.namespace = {namespace!r}
"""


def check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kubeconfig: str, namespace: str
) -> tuple[int, str]:
    path = tmp_path / "grader_service_config.py"
    path.write_text(CONFIG.format(kubeconfig=kubeconfig, namespace=namespace))
    code = CheckApp(config_path=str(path), cluster=True).run()
    return code, capsys.readouterr().err


def test_a_cluster_that_takes_the_pod_has_nothing_to_say(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kubeconfig: str,
    api: CoreV1Api,
    namespace: str,
) -> None:
    assert check(tmp_path, capsys, kubeconfig, namespace) == (0, "0 errors, 0 warnings\n")
    assert names(api, namespace) == []


def test_a_namespace_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kubeconfig: str
) -> None:
    code, told = check(tmp_path, capsys, kubeconfig, "no-such-namespace")
    assert code == 1
    assert 'namespaces "no-such-namespace" not found' in told


def test_an_account_is_told_what_it_lacks(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kubeconfig_of: Callable[[str, list[dict[str, Any]]], str],
    namespace: str,
) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "get", "delete"]}]
    code, told = check(tmp_path, capsys, kubeconfig_of("checker", rules), namespace)
    assert code == 1
    again = "pods are read again and again instead of being watched"
    assert told == (
        f'error: namespace {namespace}: this account lacks "get" on "pods/log"\n'
        f'warning: namespace {namespace}: this account lacks "list" on "pods"; {again}\n'
        f'warning: namespace {namespace}: this account lacks "watch" on "pods"; {again}\n'
        "1 errors, 2 warnings\n"
    )
