"""Signals belong to the program: kubegrader's threads take none from it."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from child import Child
from kubegrader import Cluster, EmbeddedCluster
from pods import script

NONE_BLOCKED = "SigBlk:\t0000000000000000\n"
"""A line of /proc/self/status, proc_pid_status(5)."""


def test_a_signal_that_the_main_thread_blocks_stays_pending(
    kubeconfig: str, namespace: str, image: str
) -> None:
    # billiard blocks SIGTERM like this around the last words of a worker's process, with a lock
    # held that all processes of the pool share.
    code = """
    ending = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
    ending |= {signal.SIGUSR1, signal.SIGUSR2}
    cluster.run(pod("true"))
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    for number in ending:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    print(signal.sigpending() == ending, flush=True)
    for _ in ending:
        signal.sigwait(ending)
    """
    child = Child(code, kubeconfig, namespace, image, "pending")
    assert child.ends() == (0, "True", "")


def test_a_container_of_the_embedded_cluster_may_be_sent_all_signals() -> None:
    with EmbeddedCluster() as embedded:
        cluster = Cluster(kubeconfig=embedded.kubeconfig)
        outcome = cluster.run(script("busybox", "grep SigBlk /proc/self/status"))
        assert outcome.logs == NONE_BLOCKED


PLUGIN = """\
#!/bin/sh
grep SigBlk /proc/self/status >"$(dirname "$0")/status"
echo '{credential}'
"""


def test_a_credential_plugin_may_be_sent_all_signals(
    tmp_path: Path, kubeconfig: str, namespace: str, image: str
) -> None:
    config = yaml.safe_load(Path(kubeconfig).read_text())
    version = "client.authentication.k8s.io/v1"
    token = {"token": config["users"][0]["user"]["token"]}
    credential = {"apiVersion": version, "kind": "ExecCredential", "status": token}
    plugin = tmp_path / "plugin"
    plugin.write_text(PLUGIN.format(credential=json.dumps(credential)))
    plugin.chmod(0o700)
    command = {"apiVersion": version, "command": str(plugin), "interactiveMode": "Never"}
    config["users"][0]["user"] = {"exec": command}
    own = tmp_path / "kubeconfig"
    own.write_text(yaml.safe_dump(config))
    cluster = Cluster(kubeconfig=str(own), namespace=namespace)
    assert cluster.run(script(image, "echo hi")).logs == "hi\n"
    assert (tmp_path / "status").read_text() == NONE_BLOCKED
