"""The pods of a process that was killed are deleted, and those of one that lives never are."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from child import Child
from pods import names, phase, script, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import kubegrader
    from kubernetes.client import CoreV1Api

    Spawn = Callable[..., Child]

# A volume that nobody has: the pod stays pending.
WAITING = """
manifest = pod("sleep 600")
manifest["spec"]["volumes"] = [{"name": "v", "configMap": {"name": "missing"}}]
manifest["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/missing"}]
cluster.run(manifest, submission=name, instance="reap")
"""
RUNNING = 'cluster.run(pod("sleep 600"), submission=name, instance="reap")'
SHORT = 'cluster.run(pod("sleep 2"), submission=name, instance="reap")'


@pytest.fixture
def spawn(kubeconfig: str, namespace: str, image: str) -> Iterator[Spawn]:
    """Start processes that run a pod each; those that still live are killed at the end."""
    children = []

    def start(code: str, name: str) -> Child:
        child = Child(code, kubeconfig, namespace, image, name)
        children.append(child)
        return child

    yield start
    for child in children:
        child.process.kill()
        child.ends()


def kill(child: Child) -> None:
    child.process.kill()
    assert child.ends()[0] == -signal.SIGKILL


def actions(report: list[kubegrader.Reaped]) -> dict[str, str]:
    return {pod.name: pod.action for pod in report}


def test_of_many_processes_only_the_pods_of_the_killed_ones_are_deleted(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str, spawn: Spawn
) -> None:
    codes = {"pending": WAITING, "running": RUNNING, "finished": SHORT, "living": RUNNING}
    children = {name: spawn(code, name) for name, code in codes.items()}
    until(lambda: set(codes) <= set(names(api, namespace)))
    # Stopped, it cannot delete its pod at the end.
    until(lambda: phase(api, namespace, "finished") == "Running")
    children["finished"].process.send_signal(signal.SIGSTOP)
    until(lambda: phase(api, namespace, "finished") == "Succeeded")
    until(lambda: phase(api, namespace, "running") == "Running")
    assert phase(api, namespace, "pending") == "Pending"
    api.create_namespaced_pod(namespace, script(image, "sleep 600", "strangers"))

    assert actions(cluster.reap(instance="reap")) == dict.fromkeys(codes, "left")
    for name in ("pending", "running", "finished"):
        kill(children[name])
    doomed = {"pending", "running", "finished"}
    expected = {"living": "left", **dict.fromkeys(doomed, "would delete")}
    assert actions(cluster.reap(instance="reap", dry_run=True)) == expected
    report = cluster.reap(instance="reap")
    assert actions(report) == {"living": "left", **dict.fromkeys(doomed, "deleted")}
    pids = {name: child.process.pid for name, child in children.items()}
    assert {pod.name: pod.reason for pod in report} == {
        "living": f"process {pids['living']} of this machine runs",
        **{name: f"process {pids[name]} of this machine has ended" for name in doomed},
    }
    until(lambda: not doomed & set(names(api, namespace)))
    assert {"living", "strangers"} <= set(names(api, namespace))
    assert actions(cluster.reap(instance="reap")) == {"living": "left"}
    api.delete_namespaced_pod("strangers", namespace, grace_period_seconds=0)
    children["living"].process.send_signal(signal.SIGINT)
    children["living"].ends()
    until(lambda: not {"living", "strangers"} & set(names(api, namespace)))


def test_a_pod_that_was_just_created_when_its_process_was_killed_is_deleted(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, spawn: Spawn
) -> None:
    child = spawn('cluster.run(pod("sleep 600"), instance="just-created")', "just-created")
    until(lambda: "just-created" in names(api, namespace))
    kill(child)
    assert actions(cluster.reap(instance="just-created")) == {"just-created": "deleted"}
    until(lambda: "just-created" not in names(api, namespace))


def test_a_process_with_runs_of_its_own_reaps_in_the_background(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str, spawn: Spawn
) -> None:
    child = spawn('cluster.run(pod("sleep 600"), instance="background")', "left-alone")
    until(lambda: "left-alone" in names(api, namespace))
    run = cluster.submit(script(image, "sleep 600", "at-work"), instance="background")
    until(lambda: "at-work" in names(api, namespace))
    kill(child)
    until(lambda: "left-alone" not in names(api, namespace))
    assert "at-work" in names(api, namespace)
    assert run.cancel()


def test_a_process_without_runs_reaps_in_the_background_when_it_is_told_to(
    cluster: kubegrader.Cluster,
    api: CoreV1Api,
    namespace: str,
    spawn: Spawn,
    caplog: pytest.LogCaptureFixture,
) -> None:
    child = spawn('cluster.run(pod("sleep 600"), instance="soon")', "left-alone")
    until(lambda: "left-alone" in names(api, namespace))
    kill(child)
    with caplog.at_level(logging.INFO):
        cluster.reap_in_background(instance="soon", logger=logging.getLogger("service"))
        until(lambda: "left-alone" not in names(api, namespace))
        until(lambda: "left-alone" in caplog.text)
    assert f"process {child.process.pid} of this machine has ended" in caplog.text


def test_a_process_that_runs_another_program_now_finds_what_the_one_before_left(
    api: CoreV1Api, namespace: str, spawn: Spawn
) -> None:
    child = spawn(
        """
        if name == "before":
            run = cluster.submit(pod("sleep 600"), instance="exec")
            sys.stdin.readline()
            sys.argv[4] = "after"
            # Nothing of it is told to end: neither atexit nor a destructor runs.
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:3], *sys.argv[1:]])
        print([(pod.name, pod.action, pod.reason) for pod in cluster.reap(instance="exec")])
        """,
        "before",
    )
    until(lambda: phase(api, namespace, "before") == "Running")
    code, out, err = child.ends("now\n")
    reason = "it is that of a program which this process ran before the present one"
    assert (code, out) == (0, str([("before", "deleted", reason)])), err
    until(lambda: names(api, namespace) == [])


def test_forked_children_leave_the_pods_of_their_parent_and_of_each_other_alone(
    api: CoreV1Api, namespace: str, spawn: Spawn
) -> None:
    # As celery's prefork pool: the cluster is made before the fork, and used in all of them.
    code = """
    run = cluster.submit(pod("sleep 600"), instance="forked")
    children = []
    for number in range(2):
        child = os.fork()
        if child == 0:
            run = cluster.submit(pod("sleep 600", f"{name}-{number}"), instance="forked")
            sys.stdin.readline() if number else time.sleep(600)
            report = cluster.reap(instance="forked")
            print(*sorted(f"{pod.name}={pod.action}" for pod in report), flush=True)
            run.cancel(30)
            os._exit(0)
        children.append(child)
    os.waitpid(children[1], 0)
    os.kill(children[0], signal.SIGKILL)
    os.waitpid(children[0], 0)
    # The pod of the child that ended well may still be about to go.
    report = [pod for pod in cluster.reap(instance="forked") if pod.name != f"{name}-1"]
    print(*sorted(f"{pod.name}={pod.action}" for pod in report), flush=True)
    run.cancel(30)
    """
    child = spawn(code, "family")
    family = {"family", "family-0", "family-1"}
    until(lambda: family <= set(names(api, namespace)))
    code, out, err = child.ends("\n")
    assert (code, out.splitlines()) == (
        0,
        ["family-0=left family-1=left family=left", "family-0=deleted family=left"],
    ), err
    until(lambda: not family & set(names(api, namespace)))


def test_a_pod_whose_owners_number_is_another_process_by_now_is_deleted(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, spawn: Spawn
) -> None:
    child = spawn('cluster.run(pod("sleep 600"), instance="reused")', "reused")
    until(lambda: "reused" in names(api, namespace))
    kill(child)
    # What another process with the same number would look like: this one.
    key = "kubegrader.io/owner-claim"
    claim = json.loads(api.read_namespaced_pod("reused", namespace).metadata.annotations[key])
    claim["process"]["pid"] = os.getpid()
    patch = {"metadata": {"annotations": {key: json.dumps(claim)}}}
    api.patch_namespaced_pod("reused", namespace, patch)
    (pod,) = cluster.reap(instance="reused")
    assert (pod.action, pod.reason) == (
        "deleted",
        f"process {os.getpid()} of this machine has ended, and its number is another's",
    )
    until(lambda: "reused" not in names(api, namespace))


@pytest.mark.parametrize("point", ["created", "running", "finished"])
def test_a_detached_pod_outlives_its_process_and_is_adopted_where_it_is(
    cluster: kubegrader.Cluster,
    api: CoreV1Api,
    namespace: str,
    image: str,
    spawn: Spawn,
    point: str,
) -> None:
    name = f"detached-{point}"
    ends = "until [ -e /tmp/never ]; do sleep 1; done" if point == "running" else "sleep 1"
    code = f"""
    run = cluster.submit(pod("echo first; {ends}"), submission="7", instance="detached")
    sys.stdin.readline()
    print(run.detach(), flush=True)
    try:
        run.wait()
    except kubegrader.RunDetachedError as error:
        print(error, flush=True)
    """
    child = spawn(code, name)
    until(lambda: name in names(api, namespace))
    if point == "running":
        until(lambda: phase(api, namespace, name) == "Running")
    code, out, err = child.ends("\n")
    assert (code, out.splitlines()) == (
        0,
        [
            "True",
            f"running pod {namespace}/{name}: detached; the pod runs on, for the next run of its "
            "submission and attempt",
        ],
    ), err
    assert name in names(api, namespace)
    if point == "finished":
        until(lambda: phase(api, namespace, name) == "Succeeded")
    (pod,) = cluster.reap(instance="detached")
    assert (pod.action, pod.reason) == ("left", "it was detached, and waits for the next run")
    options: Any = {"submission": "7", "instance": "detached"}
    if point == "running":
        options["timeout"] = 2
    outcome = cluster.run(script(image, "echo second", name), **options)
    cause = "DeadlineExceeded" if point == "running" else "Completed"
    assert (outcome.verdict.cause, outcome.logs) == (cause, "first\n")
    assert name not in names(api, namespace)


def test_a_run_that_has_ended_cannot_be_detached(cluster: kubegrader.Cluster, image: str) -> None:
    run = cluster.submit(script(image, "true"), submission="8")
    assert run.wait().phase == "Succeeded"
    assert not run.detach()


def test_a_pod_with_a_generated_name_could_not_be_found_by_a_later_run_and_is_not_detached(
    cluster: kubegrader.Cluster, image: str, caplog: pytest.LogCaptureFixture
) -> None:
    pod = script(image, "sleep 1; echo on")
    assert set(pod["metadata"]) == {"generateName"}
    run = cluster.submit(pod, submission="9")
    assert not run.detach()
    assert run.wait().logs == "on\n"
    assert "its name was generated: give the pod a name" in caplog.text


def test_a_run_that_no_later_one_could_find_is_not_detached_and_goes_on(
    cluster: kubegrader.Cluster, image: str
) -> None:
    run = cluster.submit(script(image, "sleep 1; echo on"))
    assert not run.detach()
    assert run.wait().logs == "on\n"


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kubegrader", "reap", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_tells_of_each_pod_what_was_done_and_why(
    kubeconfig: str, api: CoreV1Api, namespace: str, spawn: Spawn, tmp_path: Path
) -> None:
    child = spawn('cluster.run(pod("sleep 600"), submission="9", instance="command")', "by-hand")
    until(lambda: "by-hand" in names(api, namespace))
    kill(child)
    reason = f"process {child.process.pid} of this machine has ended"
    site = tmp_path / "grader_service_config.py"
    site.write_text(
        f"c.KubeAutogradeExecutor.namespace = {namespace!r}\n"
        f"c.KubeAutogradeExecutor.kubeconfig = {kubeconfig!r}\n"
        "c.KubeAutogradeExecutor.instance_name = 'command'\n"
    )
    other = command("-f", str(site), "--instance=default", "--dry-run", "--json")
    assert [pod for pod in json.loads(other.stdout) if pod["name"] == "by-hand"] == []
    tried = command("-f", str(site), "--dry-run")
    assert (tried.returncode, tried.stderr) == (0, "")
    header, row = tried.stdout.splitlines()
    assert header.split() == ["POD", "SUBMISSION", "ATTEMPT", "ACTION", "REASON"]
    assert row.split() == [f"{namespace}/by-hand", "9", "1", "would", "delete", *reason.split()]
    done = command("-f", str(site), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (pod,) = json.loads(done.stdout)
    assert pod.pop("uid")
    assert pod == {
        "namespace": namespace,
        "name": "by-hand",
        "submission": "9",
        "attempt": 1,
        "action": "deleted",
        "reason": reason,
    }
    until(lambda: "by-hand" not in names(api, namespace))
    again = command(f"--namespace={namespace}", f"--kubeconfig={kubeconfig}", "--instance=command")
    assert (again.returncode, again.stdout.splitlines()[1:]) == (
        0,
        ["There are no pods of this instance."],
    )


def test_the_command_says_in_one_line_what_keeps_it_from_its_work(tmp_path: Path) -> None:
    failed = command(f"--kubeconfig={tmp_path / 'missing'}")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("kubegrader reap: loading the cluster's configuration: ")
    failed = command("-f", str(tmp_path / "missing.py"))
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == f"kubegrader reap: there is no config file {tmp_path / 'missing.py'}\n"
