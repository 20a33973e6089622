"""Python may interrupt anything, fork at any time, and exit whenever it likes; no pod is left."""

from __future__ import annotations

import signal
import textwrap
from typing import TYPE_CHECKING

import kubegrader
import pytest
from child import Child
from pods import names, phase, script, until

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api


@pytest.mark.parametrize(
    ("handler", "number", "raised"),
    [
        ("pass", signal.SIGINT, "KeyboardInterrupt"),
        (
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))",
            signal.SIGTERM,
            "SystemExit",
        ),
        (
            "class SoftTimeLimitExceeded(Exception): pass\n"
            "def soft(*_): raise SoftTimeLimitExceeded\n"
            "signal.signal(signal.SIGUSR1, soft)",
            signal.SIGUSR1,
            "SoftTimeLimitExceeded",
        ),
    ],
    ids=["ctrl-c", "system-exit", "soft-time-limit"],
)
def test_what_a_signal_handler_raises_ends_the_run_and_deletes_the_pod(
    kubeconfig: str,
    namespace: str,
    image: str,
    api: CoreV1Api,
    handler: str,
    number: int,
    raised: str,
) -> None:
    name = f"interrupted-{raised.lower()}"
    code = f"""
{textwrap.indent(handler, " " * 0)}
try:
    cluster.run(pod("sleep 600"))
except BaseException as error:
    print(type(error).__name__, flush=True)
    time.sleep(0.5)
"""
    child = Child(code, kubeconfig, namespace, image, name)
    until(lambda: name in names(api, namespace))
    child.process.send_signal(number)
    assert child.ends()[:2] == (0, raised)
    until(lambda: name not in names(api, namespace))


def test_an_interpreter_that_exits_at_once_deletes_its_pods_first(
    kubeconfig: str, namespace: str, image: str, api: CoreV1Api
) -> None:
    code = """
    thread = threading.Thread(target=cluster.run, args=(pod("sleep 600"),), daemon=True)
    thread.start()
    sys.stdin.readline()
    """
    child = Child(code, kubeconfig, namespace, image, "left-at-exit")
    until(lambda: "left-at-exit" in names(api, namespace))
    code, _, err = child.ends()
    assert code == 0, err
    until(lambda: "left-at-exit" not in names(api, namespace))


@pytest.mark.parametrize("seconds", [0.4, 3])
def test_an_interpreter_exits_well_though_a_log_handler_is_slow(
    kubeconfig: str, namespace: str, image: str, seconds: float
) -> None:
    code = f"""
    import logging

    class Slow(logging.Handler):
        def emit(self, record):
            time.sleep({seconds})

    logger = logging.getLogger("kubegrader")
    logger.setLevel("INFO")
    logger.addHandler(Slow())
    print(cluster.run(pod("true")).phase, flush=True)
    """
    name = f"slow-log-{seconds}".replace(".", "-")
    child = Child(code, kubeconfig, namespace, image, name)
    code, out, err = child.ends()
    assert (code, out, err) == (0, "Succeeded", "")


def test_an_interpreter_exits_well_though_an_attempt_is_still_prepared(
    kubeconfig: str, namespace: str, image: str, api: CoreV1Api
) -> None:
    code = """
    def prepare(attempt):
        print("prepares", attempt, flush=True)
        while True:
            time.sleep(0.01)

    run = cluster.submit(pod("sleep 600"), max_attempts=2, before_attempt=prepare)
    sys.stdin.readline()
    """
    child = Child(code, kubeconfig, namespace, image, "prepared-at-exit")
    until(lambda: phase(api, namespace, "prepared-at-exit") == "Running")
    api.delete_namespaced_pod("prepared-at-exit", namespace, grace_period_seconds=0)
    assert child.process.stdout is not None
    assert child.process.stdout.readline() == "prepares 2\n"
    code, _, err = child.ends()
    assert code == 0, err


def test_a_child_of_celerys_pool_deletes_its_pods_before_it_ends(
    kubeconfig: str, namespace: str, image: str, api: CoreV1Api
) -> None:
    # Such a child ends by os._exit, and no atexit is heard.
    code = """
    import celery.signals
    import kubegrader.executor
    forked = os.fork()
    if not forked:
        run = cluster.submit(pod("sleep 600"))
        sys.stdin.readline()
        celery.signals.worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)
        os._exit(0)
    os.waitpid(forked, 0)
    """
    child = Child(code, kubeconfig, namespace, image, "left-by-a-child")
    until(lambda: "left-by-a-child" in names(api, namespace))
    code, _, err = child.ends()
    assert code == 0, err
    until(lambda: "left-by-a-child" not in names(api, namespace))


def test_a_cluster_works_in_a_forked_child_and_still_in_its_parent(
    kubeconfig: str, namespace: str, image: str
) -> None:
    code = """
    print(cluster.run(pod("echo before")).logs.strip(), flush=True)
    child = os.fork()
    if child == 0:
        print(cluster.run(pod("echo child", name + "-child")).logs.strip(), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    print(cluster.run(pod("echo parent", name + "-parent")).logs.strip(), flush=True)
    """
    child = Child(code, kubeconfig, namespace, image, "forked")
    code, out, err = child.ends()
    assert (code, out.split()) == (0, ["before", "child", "parent"]), err


def test_a_run_of_the_parent_is_refused_in_a_forked_child(
    kubeconfig: str, namespace: str, image: str
) -> None:
    code = """
    run = cluster.submit(pod("sleep 1"))
    child = os.fork()
    if child == 0:
        try:
            run.wait()
        except RuntimeError as error:
            print(error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print(run.wait().phase)
    """
    child = Child(code, kubeconfig, namespace, image, "inherited")
    code, out, err = child.ends()
    assert (code, out.splitlines()) == (
        0,
        [
            "this run was started before a fork and belongs to the parent process",
            "Succeeded",
        ],
    ), err


def test_an_interrupted_event_loop_deletes_the_pod(
    kubeconfig: str, namespace: str, image: str, api: CoreV1Api
) -> None:
    code = """
    import asyncio
    try:
        asyncio.run(cluster.run_async(pod("sleep 600")))
    except KeyboardInterrupt:
        print("KeyboardInterrupt", flush=True)
    """
    child = Child(code, kubeconfig, namespace, image, "interrupted-loop")
    until(lambda: "interrupted-loop" in names(api, namespace))
    child.process.send_signal(signal.SIGINT)
    assert child.ends()[:2] == (0, "KeyboardInterrupt")
    until(lambda: "interrupted-loop" not in names(api, namespace))


def test_the_pod_that_a_killed_process_left_is_adopted_by_the_next_run_of_its_submission(
    kubeconfig: str, namespace: str, image: str, api: CoreV1Api
) -> None:
    child = Child(
        'cluster.run(pod("sleep 5; echo first"), submission="7")',
        kubeconfig,
        namespace,
        image,
        "left-by-kill",
    )
    until(lambda: "left-by-kill" in names(api, namespace))
    child.process.kill()
    child.ends()
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)
    outcome = cluster.run(script(image, "echo second", "left-by-kill"), submission="7")
    assert (outcome.phase, outcome.logs) == ("Succeeded", "first\n")
    assert "left-by-kill" not in names(api, namespace)
