"""`KubeAutogradeExecutor`: grades submissions in pods, in place of grader-service's own class.

A site changes one import in its ``grader_service_config.py``::

    from kubegrader.executor import KubeAutogradeExecutor

    c.RequestHandlerConfig.autograde_executor_class = KubeAutogradeExecutor

This file is glue: traits go in, an `Outcome` or an exception comes out. What happens to the pod is
decided in the Rust core.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

try:
    from grader_service.autograding.local_grader import LocalAutogradeExecutor

    from .releases import INSTALLED
except ImportError as error:
    if error.name is None or not error.name.startswith("grader_service"):
        raise
    raise ImportError(
        "kubegrader.executor needs grader-service, which is not installed here: "
        "pip install 'kubegrader[grader-service]'",
        name="grader_service",
    ) from error

from . import hooks, results
from ._core import autograde_pod_name, build_pod, configured_image
from .cluster import shared_cluster
from .executor_traits import ExecutorTraits
from .explain import explain
from .hooks import plain
from .pod import GraderPod

if TYPE_CHECKING:
    from ._core import Outcome, RunOptions, Verdict

__all__ = ["GraderPod", "KubeAutogradeExecutor", "SubmissionFailedError"]


class SubmissionFailedError(RuntimeError):
    """A submission has no grade; the text is what the student reads, `verdict` says the rest."""

    def __init__(self, message: str, verdict: Verdict | None) -> None:
        super().__init__(message)
        self.verdict = verdict


class KubeAutogradeExecutor(ExecutorTraits, LocalAutogradeExecutor):
    """Grades each submission in a Kubernetes pod of its own.

    The service and the pods share a volume that holds ``grader_service_dir``. The service's account
    needs the verbs create, get and delete on pods and get on pods/log; with list and watch on pods
    too, ends are seen within milliseconds and nothing is polled.
    """

    def __init__(self, grader_service_dir: str, submission: Any, **kwargs: Any) -> None:
        """Take the submission. Nothing here can fail for want of a cluster: see `_run`."""
        super().__init__(grader_service_dir, submission, **kwargs)
        self.lecture = self.assignment.lecture
        self.outcome: Outcome | None = None
        self.verdict: Verdict | None = None
        self._awaited_image: str | None = None
        self._awaited_pod: dict[str, Any] | None = None

    # --- the pod, one method for each part that sites override; newer releases put a _ before it

    def get_image(self) -> str:
        """Name the image: by `image_config_path`, else by `resolve_image_name`."""
        if self.image_config_path is not None:
            image = configured_image(
                self.image_config_path, self.lecture.code, self.assignment.name
            )
            if image is not None:
                return image
        if self._awaited_image is not None:
            return self._awaited_image
        return str(hooks.result(self.resolve_image_name(self.lecture, self.assignment)))

    def _get_image(self) -> str:
        return self.get_image()

    def get_autograde_pod_name(self) -> str:
        """Name the pod: by the commit up to 0.6.3, by user and submission from 0.7.0 on."""
        if INSTALLED.copies_files:
            return str(self.submission.commit_hash)
        user = getattr(self.submission, "user", None)
        name = self.submission.username if user is None else user.name
        return autograde_pod_name(name, self.submission.id)

    def _get_autograde_pod_name(self) -> str:
        return self.get_autograde_pod_name()

    def create_env(self) -> list[Any]:
        """Make the container's environment, as Kubernetes' objects or `V1EnvVar`."""
        if INSTALLED.copies_files:
            return []
        from grader_service.orm.assignment import json_serial  # from 0.7.0 on

        settings = json.dumps(self.assignment.settings.to_dict(), default=json_serial)
        return [{"name": "ASSIGNMENT_SETTINGS", "value": settings}]

    def _create_env(self) -> list[Any]:
        return self.create_env()

    def _cell_timeout_seconds(self) -> int:
        """How long one cell may run: three releases, three ways to say it."""
        if hasattr(type(self), "cell_timeout"):  # from 0.10.0 on
            return int(self.cell_timeout)
        if hasattr(type(self), "timeout_func"):  # from 0.2.8 on
            return int(self.timeout_func(self.lecture))
        return 360

    def _command(self) -> list[str]:
        copy_files = (
            [f"--copy_files={self.assignment.allow_files}"] if INSTALLED.copies_files else []
        )
        return [
            self.convert_executable,
            "autograde",
            "-i",
            self.input_path,
            "-o",
            self.output_path,
            "-p",
            INSTALLED.notebooks,
            *copy_files,
            "--log-level=INFO",
            f"--ExecutePreprocessor.timeout={self._cell_timeout_seconds()}",
        ]

    def _data_mounts(self) -> list[dict[str, str]]:
        folder = f"submission_{self.submission.id}"
        return [
            {"name": "data", "mountPath": path, "subPath": os.path.join(relative, folder)}  # noqa: PTH118
            for path, relative in (
                (self.input_path, self.relative_input_path),
                (self.output_path, self.relative_output_path),
            )
        ]

    def _request(self) -> dict[str, Any]:
        """Gather what the pod is made of, as plain data."""
        tolerations = self.tolerations or []
        return {
            "name": self._get_autograde_pod_name(),
            "image": self._get_image(),
            "image_pull_policy": self.image_pull_policy or None,
            "image_pull_secrets": plain(list(self.image_pull_secrets or [])),
            "args": self._command(),
            "working_dir": "/",
            "env": plain(self._create_env()),
            "volumes": plain([self.volume, *self.extra_volumes]),
            "volume_mounts": plain([*self._data_mounts(), *self.extra_volume_mounts]),
            "labels": dict(self.labels or {}),
            "annotations": dict(self.annotations or {}),
            "tolerations": plain([tolerations] if isinstance(tolerations, dict) else tolerations),
            "node_selector": dict(self.resolve_node_selector(self.lecture) or {}),
            "run_as_user": self.uid,
        }

    def _make_pod_before_hook(self) -> dict[str, Any]:
        return build_pod(self._request())

    def _make_pod(self) -> dict[str, Any]:
        """Make the pod's manifest and show it to the hook."""
        if self._awaited_pod is not None:
            return self._awaited_pod
        pod = self._make_pod_before_hook()
        if self.pre_spawn_hook is None:
            return pod
        return hooks.pre_spawn(self, pod)

    def start_pod(self) -> GraderPod:
        """Make the pod and begin to run it, in the background."""
        options: RunOptions = {
            "namespace": self.namespace,
            "start_timeout": self.start_timeout,
            "submission": str(self.submission.id),
            # The folders were laid anew for this run: a pod of an earlier one writes elsewhere.
            "adopt": False,
            "log_limit": self.log_limit,
            "logger": self.log,
        }
        cluster = shared_cluster(self.kube_context, self.kubeconfig)
        return GraderPod(self._make_pod(), cluster, options, config=self.config)

    def _start_pod(self) -> GraderPod:
        return self.start_pod()

    # --- the run

    def _prepare(self) -> None:
        """Lay the output folder anew, up to 0.9.2; `start` does it from 0.10.0 on."""
        # From 0.3.0 to 0.4.0 a failure is lost where there is no log at all.
        self.grading_logs = ""
        if INSTALLED.start_prepares:
            return
        shutil.rmtree(self.output_path, ignore_errors=True)
        os.makedirs(self.output_path, exist_ok=True)  # noqa: PTH103
        if hasattr(self, "_put_grades_in_assignment_properties"):  # from 0.1.47 on
            gradebook = self._put_grades_in_assignment_properties()
        elif hasattr(self, "_put_grades_in_gradebook"):  # from 0.1.24 on
            gradebook = self._put_grades_in_gradebook()
        else:
            gradebook = self.assignment.properties
        self._write_gradebook(gradebook)

    def _conclude(self, outcome: Outcome) -> None:
        """Take an outcome: its log for the student, and an exception where it is no success."""
        self.outcome = outcome
        self.grading_logs = (outcome.logs or "").strip()
        self.log.debug("Pod logs:\n%s", self.grading_logs)
        self._require_success(outcome.verdict)

    def _require_success(self, verdict: Verdict) -> None:
        self.verdict = verdict
        if verdict.cause != "Completed":
            raise SubmissionFailedError(verdict.staff_text, verdict)

    def _failure(self, error: Exception) -> SubmissionFailedError:
        """Note a failure where student and staff will read it; give the exception to raise."""
        verdict = getattr(error, "verdict", None)
        if verdict is not None:
            self.verdict = verdict
        text = explain(error, verdict)
        if INSTALLED.start_prepares:
            # start() appends the exception's own text to what is there.
            self.grading_logs = f"{self.grading_logs}\n\n" if self.grading_logs else ""
        else:
            self.grading_logs = "\n\n".join(part for part in (self.grading_logs, text) if part)
        self.log.error("Submission %s has no grade: %s", self.submission.id, error)
        return SubmissionFailedError(text, verdict)

    async def _run_async(self) -> None:
        try:
            self._prepare()
            await hooks.await_all(self)
            pod = self._start_pod()
            self._conclude(await pod.wait_async())
            self._require_success(await results.verdict_async(self.input_path, self.output_path))
        except Exception as error:
            raise self._failure(error) from error

    def _run_sync(self) -> None:
        try:
            self._prepare()
            pod = self._start_pod()
            self._conclude(pod.wait())
            self._require_success(results.verdict(self.input_path, self.output_path))
        except Exception as error:
            raise self._failure(error) from error

    # What start() calls: a coroutine function up to 0.4.2, a plain one from 0.5.0 on. It runs the
    # submission in a pod; a failure is an exception that says why.
    _run = _run_async if INSTALLED.is_async else _run_sync
