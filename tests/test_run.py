"""A pod is run once, its end is told truly, and nothing of it is left."""

from __future__ import annotations

import asyncio
import math
from collections import ChainMap
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

import kubegrader
import pytest
from kubernetes.client import V1Container, V1ObjectMeta, V1Pod, V1PodSpec
from pods import names, phase, script, until

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api


def test_a_pod_that_ends_well_succeeds_with_its_log(
    cluster: kubegrader.Cluster, image: str
) -> None:
    outcome = cluster.run(script(image, "echo one; echo two >&2"))
    assert (outcome.phase, outcome.verdict.cause, outcome.verdict.blame) == (
        "Succeeded",
        "Completed",
        None,
    )
    assert sorted((outcome.logs or "").split()) == ["one", "two"]


def test_a_pod_that_ends_badly_is_an_outcome_and_the_students_fault(
    cluster: kubegrader.Cluster, image: str
) -> None:
    outcome = cluster.run(script(image, "echo no; exit 3"))
    verdict = outcome.verdict
    assert (outcome.phase, verdict.cause, verdict.blame) == ("Failed", "Error", "student")
    assert (verdict.exit_code, verdict.retryable) == (3, False)
    assert outcome.logs == "no\n"
    assert verdict.staff_text == "container main ended with exit code 3 (Error)"
    assert verdict.student_text == (
        "Grading your submission ended with an error; the log says where."
    )


def test_a_pod_that_runs_too_long_is_stopped_and_its_log_is_kept(
    cluster: kubegrader.Cluster, image: str
) -> None:
    outcome = cluster.run(script(image, "echo begun; sleep 600"), timeout=2)
    assert (outcome.phase, outcome.verdict.cause) == ("Failed", "DeadlineExceeded")
    assert outcome.verdict.blame == "student"
    assert outcome.logs == "begun\n"


def test_the_clusters_own_deadline_is_told_as_one(cluster: kubegrader.Cluster, image: str) -> None:
    pod = script(image, "sleep 600", activeDeadlineSeconds=1, terminationGracePeriodSeconds=1)
    outcome = cluster.run(pod)
    assert (outcome.phase, outcome.verdict.cause) == ("Failed", "DeadlineExceeded")


def test_a_command_that_is_not_there_is_the_courses_fault(
    cluster: kubegrader.Cluster, image: str
) -> None:
    pod = script(image, "")
    pod["spec"]["containers"][0]["command"] = ["/no/such/program"]
    verdict = cluster.run(pod).verdict
    assert (verdict.cause, verdict.blame, verdict.exit_code) == ("StartError", "course", 128)


def test_no_pod_is_left(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    for text in ("true", "exit 1"):
        name = cluster.run(script(image, text)).pod["metadata"]["name"]
        assert name not in names(api, namespace)


def test_the_outcome_has_the_pod_with_its_last_status(
    cluster: kubegrader.Cluster, namespace: str, image: str
) -> None:
    pod = cluster.run(script(image, "exit 4")).pod
    assert pod["metadata"]["namespace"] == namespace
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["nodeName"]
    terminated = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert terminated["exitCode"] == 4


def test_the_parts_of_the_time_add_up(cluster: kubegrader.Cluster, image: str) -> None:
    timings = cluster.run(script(image, "sleep 1")).timings
    parts = timings.queued + timings.starting + timings.running + timings.overhead
    assert parts == pytest.approx(timings.total, abs=0.05)
    assert timings.running > 0.5
    assert timings.created_at <= timings.seen_at <= timings.returned_at


def test_a_pod_of_the_official_client_is_taken(cluster: kubegrader.Cluster, image: str) -> None:
    container = V1Container(name="main", image=image, command=["sh", "-c", "echo hi"])
    pod = V1Pod(
        metadata=V1ObjectMeta(generate_name="v1pod-"),
        spec=V1PodSpec(containers=[container], restart_policy="Never"),
    )
    assert cluster.run(pod).logs == "hi\n"


def test_run_async_does_the_same_without_blocking_the_loop(
    cluster: kubegrader.Cluster, image: str
) -> None:
    async def main() -> tuple[kubegrader.Outcome, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        outcome = await asyncio.create_task(cluster.run_async(script(image, "sleep 1; exit 5")))
        ticking.cancel()
        return outcome, ticks

    outcome, ticks = asyncio.run(main())
    assert outcome.verdict.exit_code == 5
    assert ticks > 10


def test_many_pods_share_one_watch_and_cost_three_requests_each(
    cluster: kubegrader.Cluster, image: str
) -> None:
    texts = [f"echo {number}" for number in range(20)]
    with ThreadPoolExecutor(len(texts)) as pool:
        outcomes = list(pool.map(lambda text: cluster.run(script(image, text)), texts))
    assert [outcome.logs for outcome in outcomes] == [f"{number}\n" for number in range(20)]
    requests = cluster.requests
    assert {kind: requests[kind] for kind in ("create", "log", "delete", "list", "watch")} == {
        "create": 20,
        "log": 20,
        "delete": 20,
        "list": 1,
        "watch": 1,
    }
    assert requests["get"] == 0


def test_cancelling_the_task_deletes_the_pod(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    async def main() -> None:
        running = asyncio.create_task(cluster.run_async(script(image, "sleep 600", "cancel-task")))
        await asyncio.to_thread(until, lambda: "cancel-task" in names(api, namespace))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    until(lambda: "cancel-task" not in names(api, namespace))


def test_a_submitted_run_can_be_awaited(cluster: kubegrader.Cluster, image: str) -> None:
    run = cluster.submit(script(image, "echo hi; exit 7"))

    async def main() -> list[kubegrader.Outcome]:
        # Twice: the second finds it ended.
        return [await run.wait_async(), await run.wait_async()]

    assert [(one.verdict.exit_code, one.logs) for one in asyncio.run(main())] == [(7, "hi\n")] * 2


def test_cancelling_a_task_that_awaits_a_submitted_run_deletes_the_pod(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    run = cluster.submit(script(image, "sleep 600", "cancel-awaited"))

    async def main() -> None:
        awaiting = asyncio.ensure_future(run.wait_async())
        await asyncio.to_thread(until, lambda: "cancel-awaited" in names(api, namespace))
        awaiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await awaiting

    asyncio.run(main())
    until(lambda: "cancel-awaited" not in names(api, namespace))


def test_a_run_can_be_cancelled_from_another_thread(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    run = cluster.submit(script(image, "sleep 600", "cancel-run"))
    until(lambda: "cancel-run" in names(api, namespace))
    assert run.cancel()
    with pytest.raises(kubegrader.RunCancelledError, match="cancelled; no pod is left behind"):
        run.wait()
    until(lambda: "cancel-run" not in names(api, namespace))


def test_a_queueing_run_that_was_told_to_go_on_is_not_detached_later(
    kubeconfig: str, api: CoreV1Api, namespace: str, image: str
) -> None:
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace, max_pods=1)
    first = cluster.submit(script(image, "sleep 3", "before-detach"))
    until(lambda: "before-detach" in names(api, namespace))
    second = cluster.submit(script(image, "true", "detach-queued"), submission="detach-queued")
    until(lambda: second.queue_position == 1)
    assert not second.detach(0.5)
    assert first.wait().phase == "Succeeded"
    assert second.wait().phase == "Succeeded"
    assert "detach-queued" not in names(api, namespace)


def test_a_detach_can_be_asked_for_again(
    kubeconfig: str, api: CoreV1Api, namespace: str, image: str
) -> None:
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace, max_pods=1)
    first = cluster.submit(script(image, "sleep 600", "before-again"))
    until(lambda: "before-again" in names(api, namespace))
    second = cluster.submit(script(image, "sleep 600", "detach-again"), submission="detach-again")
    assert not second.detach(0)
    assert first.cancel()
    until(lambda: "detach-again" in names(api, namespace))
    assert second.detach()
    with pytest.raises(kubegrader.RunDetachedError):
        second.wait()
    api.delete_namespaced_pod("detach-again", namespace, grace_period_seconds=0)
    until(lambda: "detach-again" not in names(api, namespace))


def test_an_async_function_prepares_no_attempt(cluster: kubegrader.Cluster, image: str) -> None:
    async def prepare(_attempt: int) -> None: ...

    with pytest.raises(TypeError, match="before_attempt must be no async function"):
        cluster.submit(script(image, "true"), max_attempts=2, before_attempt=prepare)


def test_a_preparation_that_gives_a_coroutine_fails_the_run(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    async def prepare(_attempt: int) -> None: ...

    run = cluster.submit(
        script(image, "sleep 600", "hidden-coroutine"),
        max_attempts=2,
        before_attempt=[prepare].pop().__call__,
    )
    until(lambda: phase(api, namespace, "hidden-coroutine") == "Running")
    api.delete_namespaced_pod("hidden-coroutine", namespace, grace_period_seconds=0)
    with pytest.raises(kubegrader.KubegraderError, match="gave a coroutine"):
        run.wait()


def test_a_mapping_that_is_no_dict_is_a_pod_too(cluster: kubegrader.Cluster, image: str) -> None:
    pod = MappingProxyType(script(image, "true"))
    assert cluster.run(ChainMap({}, pod)).phase == "Succeeded"


def test_what_a_signals_handler_raises_while_a_pod_is_read_is_no_fault_of_the_pod(
    cluster: kubegrader.Cluster,
) -> None:
    class SoftTimeLimitExceeded(Exception):  # noqa: N818  # celery's name
        pass

    class Interrupted(dict[str, object]):
        def items(self) -> NoReturn:
            raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        cluster.submit({"metadata": Interrupted(name="p")})


def test_a_run_that_nobody_holds_is_cancelled(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    run = cluster.submit(script(image, "sleep 600", "dropped"))
    until(lambda: "dropped" in names(api, namespace))
    del run
    until(lambda: "dropped" not in names(api, namespace))


def test_a_pod_of_another_submission_is_not_touched(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    other = cluster.submit(script(image, "sleep 600", "taken"), submission="8")
    until(lambda: "taken" in names(api, namespace))
    with pytest.raises(kubegrader.NameTakenError, match="kubegrader.io/submission=8"):
        cluster.run(script(image, "true", "taken"), submission="9")
    assert "taken" in names(api, namespace)
    other.cancel()


def test_without_adoption_the_pod_of_an_earlier_run_is_stopped_and_replaced(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    first = cluster.submit(script(image, "sleep 600", "replaced"), submission="10")
    until(lambda: "replaced" in names(api, namespace))
    assert first.detach()
    second = cluster.run(script(image, "echo second", "replaced"), submission="10", adopt=False)
    assert second.logs == "second\n"
    assert "replaced" not in names(api, namespace)


@pytest.mark.parametrize("adopt", [True, False])
def test_the_pod_of_a_run_that_lives_is_neither_adopted_nor_replaced(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str, *, adopt: bool
) -> None:
    name = f"busy-{adopt}".lower()
    first = cluster.submit(script(image, "sleep 600", name), submission="11")
    until(lambda: name in names(api, namespace))
    with pytest.raises(kubegrader.NameTakenError, match="a run of this process is at work on it"):
        cluster.run(script(image, "echo second", name), submission="11", adopt=adopt)
    assert name in names(api, namespace)
    assert first.cancel()


def test_a_pod_that_somebody_deletes_is_lost_to_the_cluster(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    run = cluster.submit(script(image, "sleep 600", "deleted"))
    until(lambda: "deleted" in names(api, namespace))
    api.delete_namespaced_pod("deleted", namespace, grace_period_seconds=0)
    with pytest.raises(kubegrader.PodLostError, match="deleted by someone else") as lost:
        run.wait()
    assert lost.value.verdict is not None
    assert lost.value.verdict.cause == "Deleted"


def test_a_long_log_is_kept_with_its_beginning_and_its_end(
    cluster: kubegrader.Cluster, image: str
) -> None:
    pod = script(image, "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done")
    logs = cluster.run(pod, log_limit=2000).logs or ""
    assert len(logs) < 2200
    assert logs.startswith("line 0\nline 1\n")
    assert logs.endswith("line 2998\nline 2999\n")
    assert "bytes of the log are left out here" in logs


@pytest.mark.parametrize("timeout", [math.inf, 1e19])
def test_a_cancel_without_a_limit_waits_until_the_run_has_ended(
    kubeconfig: str, api: CoreV1Api, namespace: str, image: str, timeout: float
) -> None:
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)
    run = cluster.submit(script(image, "sleep 600", "cancelled"))
    until(lambda: names(api, namespace) == ["cancelled"])
    assert run.cancel(timeout)
    assert run.done
    until(lambda: names(api, namespace) == [])


@pytest.mark.parametrize("timeout", [-1.0, math.nan])
def test_a_time_that_cannot_be_neither_cancels_nor_detaches(
    kubeconfig: str, namespace: str, image: str, timeout: float
) -> None:
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)
    run = cluster.submit(script(image, "sleep 600", "goes-on"), submission="1")
    for stop in (run.cancel, run.detach):
        with pytest.raises(ValueError, match="timeout must be a number of seconds from 0 on"):
            stop(timeout)
        assert not run.done
    assert run.cancel()
