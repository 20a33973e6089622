"""Faults between a client and the embedded cluster, as a test in Python sets them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import kubegrader
import pytest
from kubegrader.testing import KubeCluster
from kubernetes.client import ApiException
from pods import script


@pytest.fixture
def embedded() -> kubegrader.EmbeddedCluster:
    return kubegrader.EmbeddedCluster(seed=7)


def run(embedded: kubegrader.EmbeddedCluster, name: str) -> kubegrader.Outcome:
    return kubegrader.Cluster(kubeconfig=embedded.kubeconfig).run(script("i", "echo hi", name))


def test_a_pod_is_run_in_spite_of_trouble(embedded: kubegrader.EmbeddedCluster) -> None:
    embedded.faults.add("reset-after", verb="create", times=1)
    embedded.faults.add("unavailable", verb="delete", times=1, retry_after=1)
    embedded.faults.add("forbidden", verb="watch")
    with embedded:
        outcome = run(embedded, "p")
    assert outcome.verdict.cause == "Completed"
    trace = embedded.faults.trace()
    assert "create pods default #1: reset-after, 201" in trace
    assert "delete pods default/p #1: unavailable, 503" in trace
    assert "watch pods default #1: forbidden, 403" in trace


def test_a_rule_may_be_about_the_paths_that_begin_so(embedded: kubegrader.EmbeddedCluster) -> None:
    embedded.faults.add("forbidden", verb="list", path="/api/v1/namespaces/")
    with embedded:
        api = KubeCluster(embedded.kubeconfig, "default").core_v1()
        assert api.list_pod_for_all_namespaces().items == []
        with pytest.raises(ApiException) as refused:
            api.list_namespaced_pod("default")
    assert refused.value.status == 403


def test_a_rule_that_is_cleared_strikes_no_more(embedded: kubegrader.EmbeddedCluster) -> None:
    embedded.faults.add("forbidden", verb="create")
    with embedded:
        with pytest.raises(kubegrader.ApiError, match="Forbidden"):
            run(embedded, "p")
        embedded.faults.clear()
        assert run(embedded, "p").verdict.cause == "Completed"
        embedded.faults.seed(8)
        assert embedded.faults.trace() == []


def test_a_wrong_name_is_refused_with_the_right_ones(embedded: kubegrader.EmbeddedCluster) -> None:
    with pytest.raises(ValueError, match=r"there is no fault \"refuse\"; .*refused, reset-before"):
        embedded.faults.add("refuse")
    with pytest.raises(ValueError, match=r"there is no verb \"post\"; .*create, get"):
        embedded.faults.add("refused", verb="post")
    with pytest.raises(ValueError, match="latency needs seconds"):
        embedded.faults.add("latency")
    with pytest.raises(ValueError, match="refused has no at_byte"):
        embedded.faults.add("refused", at_byte=3)
    with pytest.raises(ValueError, match="chance must be from 0 to 1"):
        embedded.faults.add("refused", chance=2)
    with pytest.raises(ValueError, match="seconds must be"):
        embedded.faults.add("latency", seconds=-1)


@pytest.mark.parametrize("keep_history", [True, False])
def test_a_restart_of_the_server_harms_no_run(
    embedded: kubegrader.EmbeddedCluster, *, keep_history: bool
) -> None:
    with embedded:
        cluster = kubegrader.Cluster(kubeconfig=embedded.kubeconfig)
        pod = cluster.submit(script("i", "sleep 1; echo hi", "p"))
        embedded.restart(keep_history=keep_history, downtime=0.5)
        assert pod.wait().verdict.cause == "Completed"
    kept = "kept" if keep_history else "lost"
    assert f"-- restart, history {kept}, 0.5 s down" in embedded.faults.trace()


def test_a_clock_may_be_wrong(embedded: kubegrader.EmbeddedCluster) -> None:
    with embedded:
        assert embedded.clock_skew == 0
        embedded.clock_skew = -3600
        assert embedded.clock_skew == -3600
        status = run(embedded, "p").pod["status"]["containerStatuses"][0]
        finished = datetime.fromisoformat(status["state"]["terminated"]["finishedAt"])
        assert timedelta(minutes=50) < datetime.now(UTC) - finished < timedelta(minutes=70)
        with pytest.raises(ValueError, match="clock_skew must be"):
            embedded.clock_skew = float("nan")
    with pytest.raises(RuntimeError, match="is not running"):
        _ = embedded.clock_skew
