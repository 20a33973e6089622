"""How many pods of a process are in flight at once; runs that begin and end together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import kubegrader
import pytest
from pods import names, script, until

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api


def test_a_pod_is_only_created_when_another_one_has_gone_and_its_run_knows_its_place(
    kubeconfig: str, api: CoreV1Api, namespace: str, image: str
) -> None:
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace, max_pods=1)
    first = cluster.submit(script(image, "sleep 600", "max-pods-first"), lecture="algebra")
    until(lambda: "max-pods-first" in names(api, namespace))
    second = cluster.submit(script(image, "echo second", "max-pods-second"), lecture="algebra")
    until(lambda: second.queue_position == 1)
    third = cluster.submit(script(image, "echo third", "max-pods-third"), lecture="algebra")
    until(lambda: third.queue_position == 2)
    assert first.queue_position is None
    assert not {"max-pods-second", "max-pods-third"} & set(names(api, namespace))
    assert second.cancel()
    until(lambda: third.queue_position == 1)
    assert first.cancel(timeout=60)
    assert third.wait().logs == "third\n"
    assert third.queue_position is None
    with pytest.raises(kubegrader.RunCancelledError):
        second.wait()


@pytest.mark.parametrize("name", ["max_pods", "max_pods_in_namespace"])
def test_a_limit_below_nothing_is_refused_and_none_at_all_is_no_limit(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} is -1: "):
        kubegrader.Cluster(**{name: -1})
    for none in (0, None):
        assert getattr(kubegrader.Cluster(**{name: none}), name) is None
    assert getattr(kubegrader.Cluster(**{name: 7}), name) == 7


def test_runs_of_an_event_loop_that_begin_and_end_together_are_each_told_once() -> None:
    pod = {"spec": {"containers": [{"name": "main", "image": "none:1"}]}}

    async def main(cluster: kubegrader.Cluster) -> list[kubegrader.Outcome | BaseException]:
        runs = [
            asyncio.create_task(
                cluster.run_async({**pod, "metadata": {"name": f"p{number}"}}, timeout=600)
            )
            for number in range(200)
        ]
        # One that has not begun, and one that has.
        runs[199].cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        runs[0].cancel()
        return await asyncio.gather(*runs, return_exceptions=True)

    with kubegrader.EmbeddedCluster(stages=["completed"]) as embedded:
        told = asyncio.run(main(kubegrader.Cluster(kubeconfig=embedded.kubeconfig)))
    for number in (0, 199):
        assert isinstance(told[number], asyncio.CancelledError)
    ended = [run for run in told if isinstance(run, kubegrader.Outcome)]
    assert [run.pod["metadata"]["name"] for run in ended] == [f"p{n}" for n in range(1, 199)]
    assert {run.verdict.cause for run in ended} == {"Completed"}


def test_each_event_loop_is_told_of_its_own_runs() -> None:
    pod = {
        "metadata": {"generateName": "p-"},
        "spec": {"containers": [{"name": "main", "image": "none:1"}]},
    }

    async def main(cluster: kubegrader.Cluster) -> set[str]:
        runs = [cluster.run_async(pod) for _ in range(20)]
        return {outcome.verdict.cause for outcome in await asyncio.gather(*runs)}

    with kubegrader.EmbeddedCluster(stages=["completed"]) as embedded:
        cluster = kubegrader.Cluster(kubeconfig=embedded.kubeconfig)
        # One loop after the other, as with asyncio.run in a celery worker, and two at once.
        assert asyncio.run(main(cluster)) == {"Completed"}
        assert asyncio.run(main(cluster)) == {"Completed"}

        async def both() -> list[set[str]]:
            other = asyncio.to_thread(lambda: asyncio.run(main(cluster)))
            return list(await asyncio.gather(main(cluster), other))

        assert asyncio.run(both()) == [{"Completed"}, {"Completed"}]
