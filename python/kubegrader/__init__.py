"""A submission goes in, one pod runs, and a true answer comes out.

    >>> import kubegrader
    >>> cluster = kubegrader.Cluster()
    >>> outcome = cluster.run({"metadata": {"name": "hello"}, "spec": {"containers": [...]}})
    >>> outcome.phase, outcome.verdict.cause
    ('Succeeded', 'Completed')

Nothing is started by importing this package: no thread, no connection, and no ``kubernetes``.
The executor for grader-service is in ``kubegrader.executor``.
"""

from __future__ import annotations

from ._core import (
    EmbeddedCluster,
    Faults,
    Outcome,
    PodRun,
    Reaped,
    Timings,
    Verdict,
    __version__,
)
from .cluster import Cluster
from .exceptions import (
    ApiError,
    ConfigError,
    ImageError,
    InvalidPodError,
    KubegraderError,
    NameTakenError,
    PodLostError,
    PodNotStartedError,
    RunCancelledError,
    RunDetachedError,
    UnreachableError,
)

__all__ = [
    "ApiError",
    "Cluster",
    "ConfigError",
    "EmbeddedCluster",
    "Faults",
    "ImageError",
    "InvalidPodError",
    "KubegraderError",
    "NameTakenError",
    "Outcome",
    "PodLostError",
    "PodNotStartedError",
    "PodRun",
    "Reaped",
    "RunCancelledError",
    "RunDetachedError",
    "Timings",
    "UnreachableError",
    "Verdict",
    "__version__",
]
