"""With the rights that a site's service account really has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kubegrader
import pytest
from pods import names, script, until
from shipped import OF_CHART

if TYPE_CHECKING:
    from collections.abc import Callable

    from kubernetes.client import CoreV1Api

    Account = Callable[[str, list[dict[str, Any]]], str]


def test_the_charts_role_is_enough_and_the_operator_is_told_once_what_to_add(
    kubeconfig_of: Account,
    api: CoreV1Api,
    namespace: str,
    image: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig_of("chart", OF_CHART), namespace=namespace)
    for code in (0, 3):
        outcome = cluster.run(script(image, f"echo {code}; exit {code}"))
        assert (outcome.verdict.exit_code, outcome.logs) == (code, f"{code}\n")
    assert names(api, namespace) == []
    told = [record for record in caplog.records if "watching pods is forbidden" in record.message]
    assert len(told) == 1
    assert '"list" and "watch" on "pods"' in told[0].message


def test_an_account_that_may_not_create_pods_is_told_what_it_lacks(
    kubeconfig_of: Account, api: CoreV1Api, namespace: str, image: str
) -> None:
    reader = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig_of("reader", reader), namespace=namespace)
    with pytest.raises(kubegrader.ApiError) as error:
        cluster.run(script(image, "true", "forbidden"))
    assert (error.value.code, error.value.reason) == (403, "Forbidden")
    text = str(error.value)
    assert text.startswith(
        f"creating pod {namespace}/forbidden: Forbidden (403): pods is forbidden"
    )
    assert "Give the user or service account a Role" in text
    assert error.value.verdict is None
    assert names(api, namespace) == []


def test_a_log_that_may_not_be_read_does_not_spoil_a_success(
    kubeconfig_of: Account, api: CoreV1Api, namespace: str, image: str
) -> None:
    verbs = ["create", "get", "delete", "list", "watch"]
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": verbs}]
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig_of("no-log", rules), namespace=namespace)
    outcome = cluster.run(script(image, "true"))
    assert (outcome.verdict.cause, outcome.logs) == ("Completed", None)
    assert names(api, namespace) == []


def test_the_charts_role_is_enough_to_detach_and_to_adopt_and_the_lease_is_missed_once(
    kubeconfig_of: Account,
    namespace: str,
    image: str,
    api: CoreV1Api,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "kubegrader")
    kubeconfig = kubeconfig_of("chart-detach", OF_CHART)
    first = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)
    run = first.submit(script(image, "sleep 3; echo first", "chart-detach"), submission="20")
    until(lambda: "chart-detach" in names(api, namespace))
    assert run.detach()
    second = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)
    outcome = second.run(script(image, "echo second", "chart-detach"), submission="20")
    assert outcome.logs == "first\n"
    # One PATCH that is forbidden, one PUT or, where the status changed in between, some.
    assert 2 <= first.requests["other"] <= 6
    assert 2 <= second.requests["other"] <= 6
    told = [record for record in caplog.records if "Leases are forbidden" in record.message]
    assert len(told) == 2
    assert '"create", "update" and "delete" on "leases"' in told[0].message
    with pytest.raises(kubegrader.ApiError, match="listing the pods of") as error:
        second.reap()
    assert error.value.code == 403


def test_without_patch_and_update_no_run_is_detached_and_it_goes_on(
    kubeconfig_of: Account, namespace: str, image: str, caplog: pytest.LogCaptureFixture
) -> None:
    verbs = ["create", "get", "delete", "list", "watch"]
    rules = [{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": verbs}]
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig_of("no-patch", rules), namespace=namespace)
    run = cluster.submit(script(image, "sleep 1; echo on", "no-patch"), submission="21")
    assert not run.detach()
    assert run.wait().logs == "on\n"
    told = [record.message for record in caplog.records if "is not detached" in record.message]
    assert len(told) == 1
    assert 'Allow "patch" on "pods"' in told[0]
