"""What an event loop has under way goes with it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING

from pods import names, script, until

if TYPE_CHECKING:
    import kubegrader
    import pytest
    from kubernetes.client import CoreV1Api


def test_a_loop_that_nobody_holds_any_more_takes_its_runs_and_their_pods_along(
    cluster: kubegrader.Cluster,
    image: str,
    api: CoreV1Api,
    namespace: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def begin() -> weakref.ref[asyncio.AbstractEventLoop]:
        loop = asyncio.new_event_loop()
        task = loop.create_task(cluster.run_async(script(image, "sleep 600", "forgotten")))
        seen = asyncio.to_thread(until, lambda: names(api, namespace) == ["forgotten"])
        loop.run_until_complete(seen)
        assert not task.done()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        return weakref.ref(loop)

    loop = begin()
    gc.collect()
    assert loop() is None
    until(lambda: names(api, namespace) == [])
    assert "Task was destroyed but it is pending" in caplog.text


def test_a_task_that_nobody_holds_goes_on_as_long_as_its_loop_runs(
    cluster: kubegrader.Cluster, image: str, api: CoreV1Api, namespace: str
) -> None:
    phases: list[str] = []

    async def grade(name: str) -> None:
        outcome = await cluster.run_async(script(image, "sleep 2", name))
        phases.append(outcome.verdict.phase)

    async def begin() -> None:
        # More than begin in one turn of the loop.
        names_wanted = {f"held-by-nobody-{number}" for number in range(20)}
        for name in names_wanted:
            asyncio.get_running_loop().create_task(grade(name))  # as many programs do
        gc.collect()
        await asyncio.to_thread(until, lambda: names_wanted <= set(names(api, namespace)))
        gc.collect()
        while len(phases) < len(names_wanted):
            await asyncio.sleep(0.1)
            gc.collect()

    asyncio.run(asyncio.wait_for(begin(), 60))
    assert set(phases) == {"Succeeded"}
