"""A submission's pod, from the executor's traits and the methods that sites override."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import given, old_traits, overrides
from ._core import autograde_pod_name
from .executor_traits import pull_secrets
from .hooks import plain
from .releases import INSTALLED
from .tolerations import tolerations

if TYPE_CHECKING:
    from .executor import KubeAutogradeExecutor


def pod_name(submission: Any) -> str:
    """Name the pod: by commit and submission up to 0.6.3, by user and submission from 0.7.0 on.

    grader-service's own names of the older ones have the commit alone, which two submissions may
    share: those that instructors make have one of zeros.
    """
    if INSTALLED.copies_files:
        return f"{submission.commit_hash}-{submission.id}"
    user = getattr(submission, "user", None)
    return autograde_pod_name(submission.username if user is None else user.name, submission.id)


def command(executor: KubeAutogradeExecutor) -> list[str]:
    """Give the container's arguments, as the installed release's own executor has them."""
    copy_files = (
        [f"--copy_files={executor.assignment.allow_files}"] if INSTALLED.copies_files else []
    )
    return [
        executor.convert_executable,
        "autograde",
        "-i",
        executor.input_path,
        "-o",
        executor.output_path,
        "-p",
        INSTALLED.notebooks,
        *copy_files,
        "--log-level=INFO",
        f"--ExecutePreprocessor.timeout={old_traits.cell_timeout(executor)}",
    ]


def volumes(executor: KubeAutogradeExecutor) -> list[Any]:
    """Give the pod's volumes."""
    # As in releases up to 0.1.11 the site may name all of them by itself.
    of_site = [executor.volume] if executor.volume or not executor.volumes else []
    return [*of_site, *executor.volumes, *executor.extra_volumes]


def volume_mounts(executor: KubeAutogradeExecutor) -> list[Any]:
    """Give the container's mounts: the submission's two folders, and the site's own."""
    of_site = [*executor.volume_mounts, *executor.extra_volume_mounts]
    if executor.volumes and not executor.volume:
        return of_site
    own = [
        {"name": "data", "mountPath": path, "subPath": old_traits.sub_path(executor, path)}
        for path in (executor.input_path, executor.output_path)
    ]
    return [*own, *of_site]


def _text(executor: KubeAutogradeExecutor, method: str, what: str) -> str:
    value = getattr(executor, f"_{method}")()
    return given.text(value, overrides.called(executor, method), what)


def _env(executor: KubeAutogradeExecutor) -> list[Any]:
    env: Any = executor._create_env()  # noqa: SLF001
    if isinstance(env, (list, tuple)):
        return list(env)
    what = "the container's environment as a list of V1EnvVar, or of dicts with name and value"
    raise given.wrong(env, overrides.called(executor, "create_env"), what)


def pod_request(executor: KubeAutogradeExecutor) -> dict[str, Any]:
    """Gather what the pod is made of, as plain data."""
    of_lecture = executor.resolve_node_selector(executor.lecture)
    return {
        "name": _text(executor, "get_autograde_pod_name", "the pod's name"),
        "image": _text(executor, "get_image", "the image's name"),
        "image_pull_policy": executor.image_pull_policy or None,
        "image_pull_secrets": plain(pull_secrets(executor.image_pull_secrets)),
        "args": command(executor),
        "working_dir": "/",
        "env": plain(_env(executor)),
        "volumes": plain(volumes(executor)),
        "volume_mounts": plain(volume_mounts(executor)),
        "labels": {**(executor.labels or {}), **(executor.extra_labels or {})},
        "annotations": {**(executor.annotations or {}), **(executor.extra_annotations or {})},
        "tolerations": plain(tolerations(executor.tolerations)),
        "node_selector": {**(executor.node_selector or {}), **(of_lecture or {})},
        "run_as_user": executor.uid,
        "fs_group": executor.fs_gid,
        "resources": {
            "cpu_limit": executor.cpu_limit,
            "cpu_guarantee": executor.cpu_guarantee,
            "mem_limit": executor.mem_limit,
            "mem_guarantee": executor.mem_guarantee,
        },
        "security": executor.security,
        "service_account": executor.service_account or None,
        "priority_class_name": executor.priority_class_name or None,
        "queue_name": executor.queue_name or None,
        "extra_pod_config": plain(executor.extra_pod_config or {}),
        "extra_container_config": plain(executor.extra_container_config or {}),
    }
