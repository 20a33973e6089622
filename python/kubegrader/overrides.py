"""What a subclass of `KubeAutogradeExecutor` does itself, and so is not done a second time here."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from . import given
from .pod import GraderPod
from .releases import INSTALLED

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._core import RunOptions
    from .executor import KubeAutogradeExecutor


def is_overridden(executor: KubeAutogradeExecutor, name: str) -> bool:
    """Tell whether a method is not the executor's own."""
    from .executor import KubeAutogradeExecutor

    method = getattr(executor, name)
    return getattr(method, "__func__", method) is not getattr(KubeAutogradeExecutor, name)


def called(executor: KubeAutogradeExecutor, name: str) -> str:
    """Name a method as the subclass has it: newer releases put a _ before it."""
    return f"_{name}" if is_overridden(executor, f"_{name}") else name


def guarded(
    run: Callable[[], Any], afterwards: Callable[[], object], in_the_end: Callable[[], object]
) -> Callable[[], Any]:
    """Make a `_run` of a subclass's own, in its own generation, that is followed by something.

    `afterwards` where it succeeds; `in_the_end` however it ends.
    """
    if not INSTALLED.is_async:

        def run_guarded() -> None:
            try:
                run()
                afterwards()
            finally:
                in_the_end()

        return run_guarded

    async def await_guarded() -> None:
        try:
            await run()
            await asyncio.to_thread(afterwards)
        finally:
            in_the_end()

    return await_guarded


def options(executor: KubeAutogradeExecutor) -> RunOptions:
    """Give how the core has to run the pod, given what the subclass does itself."""
    reads, deletes = (is_overridden(executor, name) for name in ("_get_pod_logs", "_delete_pod"))
    return {"keep": reads or deletes, **({"log_limit": 0} if reads else {})}


def followed(executor: KubeAutogradeExecutor, pod: Any) -> GraderPod:
    """Take what a subclass's `start_pod` gave, which may be a pod of grader-service's own class.

    Raises InvalidPodError for anything else.
    """
    if isinstance(pod, GraderPod):
        return pod
    if not (hasattr(pod, "stop_polling") and hasattr(pod, "pod")):
        raise given.wrong(pod, called(executor, "start_pod"), "a GraderPod")
    pod.stop_polling()
    return GraderPod(pod.pod, executor.client, config=executor.config)


def logs(executor: KubeAutogradeExecutor, pod: GraderPod) -> str:
    """Give the log of a pod that has ended, fit for the service's database."""
    # PostgreSQL takes no NUL in a text, and no database half a surrogate pair: the record with the
    # grade would not be written.
    log = _logs(executor, pod).encode("utf-8", "replace").decode()
    return log.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _logs(executor: KubeAutogradeExecutor, pod: GraderPod) -> str:
    """Give the log as it is; one that cannot be read spoils nothing."""
    try:
        log = given.not_awaited(executor._get_pod_logs(pod), "_get_pod_logs")  # noqa: SLF001
    except Exception as error:
        if _is_time_limit(error):
            raise
        executor.log.warning("The log of pod %s cannot be read: %s", pod.name, error)
        return ""
    if isinstance(log, bytes):  # the official client's, asked not to decode it
        return log.decode("utf-8", "replace")
    return "" if log is None else str(log)


def _is_time_limit(error: Exception) -> bool:
    """Tell celery's soft time limit, which is raised within whatever code runs at that time."""
    billiard: Any = sys.modules.get("billiard.exceptions")
    return billiard is not None and isinstance(error, billiard.SoftTimeLimitExceeded)


def delete(executor: KubeAutogradeExecutor, pod: GraderPod) -> None:
    """Let the subclass delete a pod that was left to it; what it cannot delete is deleted here."""
    if not pod.is_kept:
        return
    try:
        given.not_awaited(executor._delete_pod(pod), "_delete_pod")  # type: ignore[func-returns-value]  # noqa: SLF001
    except Exception as error:
        executor.log.warning("Deleting pod %s failed: %s", pod.name, error)
        delete_quietly(executor, pod)
        if _is_time_limit(error):
            raise
    else:
        pod.is_kept = False


def delete_quietly(executor: KubeAutogradeExecutor, pod: GraderPod) -> None:
    """Delete a pod that was left to the subclass and that it has not deleted."""
    if not pod.is_kept:
        return
    pod.is_kept = False
    try:
        pod.delete(executor.client)
    except Exception as error:
        executor.log.warning("Pod %s is left behind: %s", pod.name, error)
        if _is_time_limit(error):
            raise
