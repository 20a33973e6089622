"""What kept a pod from being run or judged. A pod that failed is an `Outcome` and no exception."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._core import Verdict


class KubegraderError(Exception):
    """The base of all of kubegrader's exceptions.

    `verdict` says whose fault it was, where that is known.
    """

    verdict: Verdict | None

    def __init__(self, message: str, *, verdict: Verdict | None = None) -> None:
        super().__init__(message)
        self.verdict = verdict


class ConfigError(KubegraderError):
    """The cluster's address or credentials cannot be had: kubeconfig, context, service account."""


class ImageError(KubegraderError, ValueError):
    """The image config cannot be read, or the image's name is no image reference."""


class InvalidPodError(KubegraderError, ValueError):
    """The pod cannot be sent to any API server; the message names the field."""


class ApiError(KubegraderError):
    """The API server refused a request, or went on failing for too long.

    `code` is the HTTP status, `reason` Kubernetes' word for it, such as ``Forbidden``.
    """

    code: int
    reason: str

    def __init__(
        self, message: str, *, verdict: Verdict | None = None, code: int = 0, reason: str = ""
    ) -> None:
        super().__init__(message, verdict=verdict)
        self.code = code
        self.reason = reason


class UnreachableError(KubegraderError, ConnectionError):
    """The API server does not answer."""


class NameTakenError(KubegraderError):
    """A pod of this name is there already, and is somebody else's or of a run that lives."""


class PodNotStartedError(KubegraderError):
    """The pod was created, and no container of it ever ran; `verdict` says why."""


class PodLostError(KubegraderError):
    """The pod was gone before it had ended, or the cluster ended it; `verdict` says how.

    Evicted, preempted, deleted by somebody else, its node lost: nothing of it can be judged.
    """


class RunCancelledError(KubegraderError):
    """The run was cancelled through its `PodRun`; its pod is deleted."""


class RunDetachedError(KubegraderError):
    """The run was detached through its `PodRun`; its pod runs on.

    The next run of the same submission and attempt adopts it.
    """
