"""The functions that a site may put into its config: plain ones, and coroutine functions."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from . import given, old_traits, overrides
from .own_loop import in_own_thread

if TYPE_CHECKING:
    from .executor import KubeAutogradeExecutor


_CONTAINER = "autograde"
"""How the container that grades is called, as grader-service calls it."""
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"

_WITH_CLIENT = ("start_pod", "_start_pod", "_get_pod_logs", "_delete_pod")
"""The methods whose overrides use the official client, by themselves or by what they are given."""


def plain(value: Any) -> Any:
    """Give config values as plain data; those of the official client's models become dicts."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if hasattr(value, "attribute_map"):
        return _models().to_dict(value)
    return value


def result(value: Any) -> Any:
    """Give what a hook returned; of a coroutine, what it comes to.

    A coroutine is run on an event loop of its own, in a thread of its own, since the caller's
    thread may have a running one, and a greenlet shares its thread. The async generation awaits its
    hooks beforehand instead (`await_all`), so that the service's event loop is not held up.
    """
    return in_own_thread(value) if inspect.isawaitable(value) else value


def pre_spawn(executor: KubeAutogradeExecutor, pod: dict[str, Any]) -> dict[str, Any]:
    """Show a pod to the site's `pre_spawn_hook`, as a `V1Pod`, and give what came back."""
    pod = _shown(pod)
    hooked = executor.pre_spawn_hook(executor.lecture, executor.assignment, _models().to_v1pod(pod))
    return _kept_or_changed(executor, pod, result(hooked))


def _shown(pod: dict[str, Any]) -> dict[str, Any]:
    """Give a pod with the empty list that grader-service's has, to which a hook appends."""
    return {**pod, "spec": {"imagePullSecrets": [], **pod["spec"]}}


def _kept_or_changed(
    executor: KubeAutogradeExecutor, pod: dict[str, Any], hooked: Any
) -> dict[str, Any]:
    if hooked is None:
        executor.log.warning(
            "pre_spawn_hook returned None for pod %s, which is kept as it was; end the hook with "
            "'return pod'",
            pod["metadata"]["name"],
        )
        return pod
    return _with_default_container(_models().changed(pod, hooked))


def _with_default_container(pod: dict[str, Any]) -> dict[str, Any]:
    """Say which container's log is the pod's, where a hook has put another before grader-service's.

    As `kubectl logs` does, kubegrader takes the first one unless an annotation names another.
    """
    spec, metadata = pod.get("spec"), pod.get("metadata")
    containers = spec.get("containers") if isinstance(spec, dict) else None
    if not isinstance(containers, list) or not isinstance(metadata, dict):
        return pod  # which no cluster takes
    if _CONTAINER not in [one.get("name") for one in containers[1:] if isinstance(one, dict)]:
        return pod
    annotations = {_DEFAULT_CONTAINER: _CONTAINER, **(metadata.get("annotations") or {})}
    return {**pod, "metadata": {**metadata, "annotations": annotations}}


async def await_all(executor: KubeAutogradeExecutor) -> None:
    """Await the hooks that are coroutine functions, before the pod is made."""
    if inspect.iscoroutinefunction(old_traits.image_function(executor)):
        executor._awaited_image = await _image(executor)  # noqa: SLF001
    if executor.pre_spawn_hook is not None or any(
        overrides.is_overridden(executor, name) for name in _WITH_CLIENT
    ):
        # kubernetes takes about a second to import, which is too long for an event loop.
        models = await asyncio.to_thread(_models)
    if inspect.iscoroutinefunction(executor.pre_spawn_hook):
        pod = _shown(executor._make_pod_before_hook())  # noqa: SLF001
        hooked = await executor.pre_spawn_hook(
            executor.lecture, executor.assignment, models.to_v1pod(pod)
        )
        executor._awaited_pod = _kept_or_changed(executor, pod, hooked)  # noqa: SLF001


async def _image(executor: KubeAutogradeExecutor) -> Future[str]:
    """Give the image's name, or why there is none: a subclass may never ask for it."""
    named: Future[str] = Future()
    try:
        image = executor._configured_image()  # noqa: SLF001
        if image is None:
            function = old_traits.image_function(executor)
            image = await function(executor.lecture, executor.assignment)
            image = given.text(image, "resolve_image_name", "the image's name")
        named.set_result(image)
    except Exception as error:  # noqa: BLE001  # it is raised where the image is asked for
        named.set_exception(error)
    return named


def _models() -> Any:
    from . import models  # imports kubernetes, which takes about a second

    return models
