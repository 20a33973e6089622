"""What a celery worker that has just started does about the pods of one that was killed."""

from __future__ import annotations

import sys
from typing import Any

from . import _core, executor_section
from .cluster import shared_cluster


def connect() -> None:
    """Let a worker of this process look for such pods ten seconds after it is ready.

    A process that becomes a worker has imported celery before it reads the site's config.
    """
    if "celery" in sys.modules:
        from celery.signals import worker_process_shutdown, worker_ready

        worker_ready.connect(_reap, weak=False, dispatch_uid="kubegrader reaps")
        # Where a child of the pool prefork ends, Python's own atexit is not heard.
        worker_process_shutdown.connect(_end, weak=False, dispatch_uid="kubegrader ends")


def _end(**_: Any) -> None:
    """End what this process has under way, and its Leases."""
    _core._farewell()  # noqa: SLF001


def _reap(**_: Any) -> None:
    """Begin to look for them, where the site grades with this executor: it blocks nobody.

    What goes wrong is told: pods that are not found here are found by the first grading.
    """
    from grader_service.autograding.celery.app import CeleryApp
    from grader_service.handlers.base_handler import RequestHandlerConfig

    from .executor import KubeAutogradeExecutor

    service = CeleryApp.instance()
    try:
        chosen = RequestHandlerConfig.instance().autograde_executor_class
        if not (isinstance(chosen, type) and issubclass(chosen, KubeAutogradeExecutor)):
            return
        cluster = shared_cluster(
            executor_section.name(service.config, "kube_context"),
            executor_section.name(service.config, "kubeconfig"),
        )
        namespace = executor_section.name(service.config, "namespace")
        instance = executor_section.name(service.config, "instance_name") or "default"
        cluster.reap_in_background(namespace=namespace, instance=instance, logger=service.log)
    except Exception as error:  # noqa: BLE001  # the worker can grade all the same
        # Of the site's config, which may hold secrets, no value is told.
        service.log.warning(
            "Pods that a killed worker left behind are not looked for: %s", type(error).__name__
        )
