"""Executors of one process share a cluster, as long as it is the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubegrader.cluster import shared_cluster

if TYPE_CHECKING:
    import pytest


def test_executors_share_a_cluster_until_kubeconfig_in_the_environment_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/one")
    one = shared_cluster("context", None)
    assert shared_cluster("context", None) is one
    assert shared_cluster("other", None) is not one
    monkeypatch.setenv("KUBECONFIG", "/two")
    assert shared_cluster("context", None) is not one
    monkeypatch.setenv("KUBECONFIG", "/one")
    assert shared_cluster("context", None) is one
