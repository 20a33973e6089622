"""kubegrader check asks a cluster, and creates nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kubegrader.check_app import CheckApp
from pods import names
from shipped import OF_CHART, shipped_rules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kubernetes.client import CoreV1Api

    Account = Callable[[str, list[dict[str, Any]]], str]

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


def test_an_account_with_the_shipped_role_lacks_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    shipped_account: str,
    own_namespace: str,
) -> None:
    told = check(tmp_path, capsys, shipped_account, own_namespace)
    assert told == (0, "0 errors, 0 warnings\n")


POLLED = "pods are read again and again instead of being watched"
UNSEEN = (
    "another machine cannot find out that this service was killed, and leaves its pods as they are"
)
COSTS = {
    ("create", "pods"): ("error", "nothing is graded"),
    ("get", "pods"): ("error", "no end is told where the watch does not tell it"),
    ("delete", "pods"): ("error", "no pod is stopped or removed"),
    ("get", "pods/log"): ("error", "nobody reads what a pod printed"),
    ("list", "pods"): ("warning", f"{POLLED}, and those of a killed service are not looked for"),
    ("watch", "pods"): ("warning", POLLED),
    ("patch", "pods"): (
        "warning",
        "two services may take the same pod of a third that died, and no run can be detached",
    ),
    ("list", "events"): (
        "warning",
        "a volume that cannot be mounted is told as the cluster's fault, and a container that was "
        "killed for its probe as the student's",
    ),
    ("get", "leases"): ("warning", UNSEEN),
    ("create", "leases"): ("warning", UNSEEN),
    ("update", "leases"): ("warning", UNSEEN),
    ("list", "leases"): (
        "warning",
        "the Lease of a process that was killed while it had no pods stays",
    ),
    ("delete", "leases"): ("warning", "the Leases of processes that have ended stay"),
}


def line(namespace: str, verb: str, resource: str) -> str:
    level, cost = COSTS[verb, resource]
    of = " of coordination.k8s.io" if resource == "leases" else ""
    lacks = f'this account lacks "{verb}" on "{resource}"{of}; without it {cost}'
    return f"{level}: namespace {namespace}: {lacks}"


def test_every_right_of_the_shipped_role_has_its_cost() -> None:
    rights = {
        (verb, resource)
        for rule in shipped_rules()
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert rights == set(COSTS)


@pytest.mark.parametrize(("verb", "resource"), COSTS)
def test_a_right_of_the_shipped_role_that_an_account_lacks_is_told_with_its_cost(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kubeconfig_of: Account,
    namespace: str,
    verb: str,
    resource: str,
) -> None:
    rules = shipped_rules()
    (rule,) = (rule for rule in rules if rule["resources"] == [resource])
    rule["verbs"].remove(verb)
    rules = [rule for rule in rules if rule["verbs"]]
    account = f"without-{verb}-{resource.replace('/', '-')}"
    code, told = check(tmp_path, capsys, kubeconfig_of(account, rules), namespace)
    first, *others = told.splitlines()
    assert first == line(namespace, verb, resource)
    assert code == (1 if first.startswith("error") else 0)
    # What may not be created is also refused when it is tried.
    assert len(others) == (2 if (verb, resource) == ("create", "pods") else 1)


def test_the_role_of_grader_services_chart_lacks_what_makes_kubegrader_better(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kubeconfig_of: Account, namespace: str
) -> None:
    code, told = check(tmp_path, capsys, kubeconfig_of("chart-checked", OF_CHART), namespace)
    lacks = [
        ("list", "pods"),
        ("watch", "pods"),
        ("list", "events"),
        *((verb, "leases") for verb in ("get", "create", "update", "list", "delete")),
    ]
    lines = [line(namespace, verb, resource) for verb, resource in lacks]
    assert (code, told.splitlines()) == (0, [*lines, "0 errors, 8 warnings"])
