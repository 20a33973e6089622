"""Signals belong to the program: kubegrader's threads take none from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from child import Child
from kubegrader import Cluster, EmbeddedCluster
from pods import names, script, until

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api

STATUS = ["SigBlk", "/proc/self/status"]
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
        # No shell comes before it: dash unblocks all signals when it starts.
        container = {"name": "c", "image": "i", "command": ["grep", *STATUS]}
        pod = {"metadata": {"name": "p"}, "spec": {"containers": [container]}}
        assert cluster.run(pod).logs == NONE_BLOCKED


PLUGIN = """\
#!{python}
from pathlib import Path

lines = Path("/proc/self/status").read_text().splitlines(keepends=True)
Path(__file__).with_name("status").write_text(*[line for line in lines if "SigBlk" in line])
print({credential!r})
"""


def test_a_credential_plugin_may_be_sent_all_signals(
    tmp_path: Path, kubeconfig: str, namespace: str, image: str
) -> None:
    config = yaml.safe_load(Path(kubeconfig).read_text())
    version = "client.authentication.k8s.io/v1"
    token = {"token": config["users"][0]["user"]["token"]}
    credential = {"apiVersion": version, "kind": "ExecCredential", "status": token}
    plugin = tmp_path / "plugin"
    text = PLUGIN.format(python=sys.executable, credential=json.dumps(credential))
    plugin.write_text(text)
    plugin.chmod(0o700)
    command = {"apiVersion": version, "command": str(plugin), "interactiveMode": "Never"}
    config["users"][0]["user"] = {"exec": command}
    own = tmp_path / "kubeconfig"
    own.write_text(yaml.safe_dump(config))
    cluster = Cluster(kubeconfig=str(own), namespace=namespace)
    assert cluster.run(script(image, "echo hi")).logs == "hi\n"
    assert (tmp_path / "status").read_text() == NONE_BLOCKED


def test_what_is_called_before_a_later_attempt_may_start_processes_that_take_all_signals(
    cluster: Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    told: list[str] = []

    def prepare(_attempt: int) -> None:
        told.append(
            subprocess.run(["grep", *STATUS], check=True, capture_output=True, text=True).stdout
        )

    pod = script(image, "sleep 5; echo hi", "prepared", terminationGracePeriodSeconds=1)
    run = cluster.submit(pod, max_attempts=2, before_attempt=prepare)
    until(lambda: "prepared" in names(api, namespace))
    api.create_namespaced_pod_eviction("prepared", namespace, {"metadata": {"name": "prepared"}})
    assert run.wait().attempt == 2
    assert told == [NONE_BLOCKED]
