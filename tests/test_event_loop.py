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
