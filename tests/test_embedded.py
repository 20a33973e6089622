"""The embedded cluster as Python sees it: private, on the loopback, and gone with its process."""

from __future__ import annotations

import secrets
import ssl
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import kubegrader
import pytest
from pods import processes, script, until


def test_its_kubeconfig_is_the_users_own_and_goes_with_it() -> None:
    with kubegrader.EmbeddedCluster() as embedded:
        path = Path(embedded.kubeconfig)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert embedded.url.startswith("https://127.0.0.1:")
    assert not path.parent.exists()
    with pytest.raises(RuntimeError, match="is not running"):
        _ = embedded.kubeconfig


def test_nothing_answers_without_the_token() -> None:
    with kubegrader.EmbeddedCluster() as embedded:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        for path in ("/api/v1/pods", "/version", "/nonsense"):
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(embedded.url + path, context=context)  # noqa: S310
            assert error.value.code == 401


def test_two_clusters_at_once_never_meet() -> None:
    with kubegrader.EmbeddedCluster() as one, kubegrader.EmbeddedCluster() as other:
        outcomes = [
            kubegrader.Cluster(kubeconfig=each.kubeconfig).run(script("i", f"echo {n}", "same"))
            for n, each in enumerate((one, other))
        ]
    assert [outcome.logs for outcome in outcomes] == ["0\n", "1\n"]


def test_a_container_sees_nothing_of_this_processs_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVICE", "s3cret")
    with kubegrader.EmbeddedCluster() as embedded:
        cluster = kubegrader.Cluster(kubeconfig=embedded.kubeconfig)
        logs = cluster.run(script("i", "env")).logs or ""
    assert "PATH=" in logs
    assert "SECRET" not in logs


def test_stopping_it_ends_its_containers() -> None:
    marker = f"600.{secrets.randbelow(10**9)}"
    with kubegrader.EmbeddedCluster() as embedded:
        cluster = kubegrader.Cluster(kubeconfig=embedded.kubeconfig)
        run = cluster.submit(script("i", f"sleep {marker}"))
        until(lambda: processes(marker))
        embedded.stop()
        until(lambda: not processes(marker))
        run.cancel(0)


def test_an_interpreter_that_exits_inside_it_leaves_no_process_and_no_folder() -> None:
    marker = f"600.{secrets.randbelow(10**9)}"
    code = f"""
import kubegrader, threading
embedded = kubegrader.EmbeddedCluster().__enter__()
print(embedded.kubeconfig, flush=True)
cluster = kubegrader.Cluster(kubeconfig=embedded.kubeconfig)
pod = {script("i", f"sleep {marker}")!r}
threading.Thread(target=cluster.run, args=(pod,), daemon=True).start()
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        kubeconfig = Path(child.stdout.readline().strip())
        until(lambda: processes(marker))
        child.communicate("\n", timeout=60)
    assert child.returncode == 0
    assert processes(marker) == []
    assert not kubeconfig.parent.exists()
