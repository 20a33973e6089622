"""`KubeAutogradeExecutor`: grades submissions in pods, in place of grader-service's own class.

A site changes one import in its ``grader_service_config.py``::

    from kubegrader.executor import KubeAutogradeExecutor

    c.RequestHandlerConfig.autograde_executor_class = KubeAutogradeExecutor

This file is glue: traits go in, an `Outcome` or an exception comes out. What happens to the pod is
decided in the Rust core.
"""

from __future__ import annotations

import asyncio
import functools
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

from . import (
    database,
    failure,
    given,
    hooks,
    kept_log,
    old_traits,
    overrides,
    own_gradebook,
    planted,
    pod_start,
    results,
    started_pods,
    trait_notices,
    worker_start,
)
from ._core import build_pod, configured_image
from .closed_folders import open_up
from .cluster import shared_cluster
from .executor_traits import ExecutorTraits
from .explain import explain_misconfigured
from .failure import SubmissionFailedError
from .handed_in import HandedIn
from .output_folder import OutputFolder, clean_up
from .pod import GraderPod
from .pod_request import pod_name, pod_request
from .pod_traits import _get_image_name
from .submission_lock import SubmissionLock

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ._core import Outcome, RunOptions, Verdict

__all__ = ["GraderPod", "KubeAutogradeExecutor", "SubmissionFailedError", "_get_image_name"]


class KubeAutogradeExecutor(ExecutorTraits, LocalAutogradeExecutor):
    """Grades each submission in a Kubernetes pod of its own.

    The service and the pods share a volume that holds ``grader_service_dir``. The service's account
    needs the verbs create, get and delete on pods and get on pods/log; with list and watch on pods
    too, ends are seen within milliseconds and nothing is polled.
    """

    def __init__(self, grader_service_dir: str, submission: Any, **kwargs: Any) -> None:
        """Take the submission. Nothing here can fail for want of a cluster: see `_run`.

        Raises TraitError for a config that cannot be, and whatever a subclass's own traits raise;
        the submission is then recorded as failed, since the service would let it be pending for
        ever.
        """
        try:
            super().__init__(grader_service_dir, submission, **kwargs)
            self.lecture = self.assignment.lecture
            if trait_notices.is_set(self, "git_executable") and hasattr(self, "git_manager"):
                self.git_manager.git_executable = self.git_executable
            trait_notices.tell(self)
        except Exception as error:
            self._record_misconfigured(submission, error)
            raise
        self.outcome: Outcome | None = None
        self.verdict: Verdict | None = None
        self._awaited_image: Future[str] | None = None
        self._awaited_pod: dict[str, Any] | None = None
        self._handed_in = HandedIn()
        self._output: OutputFolder | None = None
        self._started = started_pods.StartedPods()

    def _record_misconfigured(self, submission: Any, error: Exception) -> None:
        from sqlalchemy.orm import Session  # grader-service's own

        self.submission = submission
        self.session = Session.object_session(submission)
        if self.session is None:  # one that is in no database
            return
        self.log.error("Submission %s has no grade: %s", submission.id, error)
        self.grading_logs = explain_misconfigured(error)
        self._set_db_state(success=False)
        if hasattr(self, "_update_submission_logs"):  # from 0.10.0 on
            self._update_submission_logs()

    @functools.cached_property
    def client(self) -> Any:
        """A `kubernetes.client.CoreV1Api` of the same cluster, made when it is first asked for."""
        from . import models  # takes about a second

        api = models.api(self.kubeconfig, self.kube_context)
        api.cluster, api.options = self._cluster(), self._run_options()
        api.started = self._started
        return api

    @property
    def input_path(self) -> str:
        """The folder of what was handed in."""
        folder = old_traits.folder(self, "input")
        if folder is None:
            return str(super().input_path)
        return os.path.join(folder, f"submission_{self.submission.id}")  # noqa: PTH118

    @property
    def output_path(self) -> str:
        """The folder of the results."""
        folder = old_traits.folder(self, "output")
        if folder is None:
            return str(super().output_path)
        return os.path.join(folder, f"submission_{self.submission.id}")  # noqa: PTH118

    # --- the pod, one method for each part that sites override; newer releases put a _ before it

    def get_image(self) -> str:
        """Name the image: by `image_config_path`, else by `resolve_image_name`."""
        if self._awaited_image is not None:
            return self._awaited_image.result()
        image = self._configured_image()
        if image is not None:
            return image
        image = hooks.result(old_traits.image_function(self)(self.lecture, self.assignment))
        return given.text(image, "resolve_image_name", "the image's name")

    def _configured_image(self) -> str | None:
        if self.image_config_path is None:
            return None
        return configured_image(self.image_config_path, self.lecture.code, self.assignment.name)

    def _get_image(self) -> str:
        return self.get_image()

    def get_autograde_pod_name(self) -> str:
        """Name the pod: by commit or user, and by the submission."""
        return pod_name(self.submission)

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

    def _make_pod_before_hook(self) -> dict[str, Any]:
        return build_pod(pod_request(self))

    def _make_pod(self) -> dict[str, Any]:
        """Make the pod's manifest and show it to the hook."""
        if self._awaited_pod is not None:
            return self._awaited_pod
        pod = self._make_pod_before_hook()
        if self.pre_spawn_hook is None:
            return pod
        return hooks.pre_spawn(self, pod)

    def _cluster(self) -> Any:
        return shared_cluster(
            self.kube_context, self.kubeconfig, self.max_pods, self.max_pods_in_namespace
        )

    def _run_options(self) -> RunOptions:
        options: RunOptions = {
            # Not self.namespace, which a subclass may read: that takes a look at the kubeconfig.
            "namespace": self.namespace if self.trait_has_value("namespace") else None,
            "instance": self.instance_name,
            "start_timeout": self.start_timeout,
            "submission": str(self.submission.id),
            "lecture": str(self.lecture.code),
            # The folders were laid anew for this run: a pod of an earlier one writes elsewhere.
            "adopt": False,
            "log_limit": self.log_limit,
            "logger": self.log,
            **overrides.options(self),
        }
        if self.max_grading_time is not None:
            options["timeout"] = self.max_grading_time
        if not options.get("keep") and self._output is not None:
            # A pod that the subclass reads or deletes itself is the only one, and so is one of
            # which nobody knows how its folder was.
            options["max_attempts"] = self.max_attempts
            options["before_attempt"] = self._prepare_again
        return options

    def start_pod(self) -> GraderPod:
        """Make the pod and begin to run it, in the background.

        For a subclass's own code it is there when this returns: see `pod_start`.
        """
        return pod_start.start(self)

    def _start_pod(self) -> GraderPod:
        return self.start_pod()

    def _get_pod_logs(self, pod: GraderPod) -> str:
        """Give the log of a pod that has ended; an override is called in place of the core."""
        if pod.outcome is not None and pod.outcome.logs is not None:
            return pod.outcome.logs.strip()
        if not pod.is_kept:
            return ""
        return kept_log.read(self.client, pod, self.log_limit).strip()

    def _delete_pod(self, pod: GraderPod) -> None:
        """Delete a pod that has ended; an override is called in place of the core."""
        if pod.is_kept or not pod.run.done:
            pod.delete(self.client)

    # --- the run

    def _prepare(self) -> None:
        """Lay the output folder anew, up to 0.9.2; `start` does it from 0.10.0 on."""
        # From 0.3.0 to 0.4.0 a failure is lost where there is no log at all.
        self.grading_logs = ""
        if not INSTALLED.start_prepares:
            shutil.rmtree(self.output_path, ignore_errors=True)
            os.makedirs(self.output_path, exist_ok=True)  # noqa: PTH103
            if hasattr(self, "_put_grades_in_assignment_properties"):  # from 0.1.47 on
                gradebook = self._put_grades_in_assignment_properties()
            elif hasattr(self, "_put_grades_in_gradebook"):  # from 0.1.24 on
                gradebook = self._put_grades_in_gradebook()
            else:
                gradebook = self.assignment.properties
            self._write_gradebook(gradebook)

    def _remember(self, input_path: str, output_path: str, properties: str | None) -> None:
        """Remember the folders as they are before a pod may change them.

        It reads files, as many as a student likes, and asks no database: any thread may do it.
        """
        self._output = OutputFolder.if_restorable(output_path, self.log)
        self._handed_in = HandedIn.of(input_path, properties)

    def _folders(self) -> tuple[str, str, str | None]:
        return self.input_path, self.output_path, self.assignment.properties

    def _prepare_again(self, attempt: int) -> None:
        """Put the output folder and the gradebook back as they were before the first attempt.

        It asks neither the database nor a logger: the core calls it from a thread of its own.

        Raises OSError.
        """
        if self._output is not None:
            self._output.restore(attempt)

    def _conclude(self, pod: GraderPod) -> None:
        """Take an outcome: its log for the student, and an exception where it is no success."""
        outcome = pod.outcome
        if outcome is None:  # its end raises otherwise
            return
        self.outcome = outcome
        self.grading_logs = overrides.logs(self, pod)
        self.log.debug("Pod logs:\n%s", self.grading_logs)
        overrides.delete(self, pod)
        self._require_success(outcome.verdict)

    def _secure_output(self) -> None:
        """Let the service meet nothing in the output folder that is run or leads elsewhere.

        Raises PlantedError and StrangeGradebookError.
        """
        own_gradebook.require(self.output_path)
        removed = planted.remove(self.output_path)
        if any(removed):
            self.log.warning(
                "Submission %s: %d .git and %d links removed from its output folder, where "
                "grader-service runs git and follows links: the notebook, or the course's image, "
                "has left them there",
                self.submission.id,
                *removed,
            )

    def _require_success(self, verdict: Verdict) -> None:
        self.verdict = verdict
        if verdict.cause != "Completed":
            raise SubmissionFailedError(verdict.staff_text, verdict)

    async def _run_async(self) -> None:
        pod = None
        try:
            self._prepare()
            await asyncio.to_thread(self._remember, *self._folders())
            await hooks.await_all(self)
            pod = overrides.followed(self, self._start_pod())
            # Not wait_async: an override may ask the task for its result afterwards.
            await pod.polling_task()
            self._conclude(pod)
            await asyncio.to_thread(self._secure_output)
            self._require_success(await results.verdict_async(self._handed_in, self.output_path))
            await asyncio.to_thread(own_gradebook.require_left, self.output_path)
        except Exception as error:  # noqa: BLE001  # it is raised, as another one
            if pod is not None:
                overrides.delete(self, pod)
            raise failure.noted(self, error)  # noqa: B904  # it has its cause
        finally:
            if pod is not None:
                overrides.delete_quietly(self, pod)
            elif self._started:
                await asyncio.to_thread(self._started.end)
            self._revive_session()

    def _run_sync(self) -> None:
        pod = None
        try:
            self._prepare()
            self._remember(*self._folders())
            pod = overrides.followed(self, self._start_pod())
            database.give_back_connection(self.session, self.log)
            pod.wait()
            self._conclude(pod)
            self._secure_output()
            self._require_success(results.verdict(self._handed_in, self.output_path))
            own_gradebook.require_left(self.output_path)
        except Exception as error:  # noqa: BLE001  # it is raised, as another one
            if pod is not None:
                overrides.delete(self, pod)
            raise failure.noted(self, error)  # noqa: B904  # it has its cause
        finally:
            if pod is not None:
                overrides.delete_quietly(self, pod)
            else:
                self._started.end()
            self._revive_session()

    def _revive_session(self) -> None:
        # An event loop waits for nothing: a connection belongs to its thread.
        patience = 0.0 if INSTALLED.is_async else database.PATIENCE
        database.revive(self.session, self.log, patience)

    def _start_sync(self) -> None:
        """Grade the submission, as the base class does, without a connection while it can."""
        database.give_back_connection(self.session, self.log)
        with self._lock() as lock:
            folders = self._begin(lock)
            open_up(*folders)
            clean_up(folders[1])
            try:
                super().start()
            finally:
                clean_up(folders[1])

    async def _start_async(self) -> None:
        """Grade the submission, as the base class does."""
        database.give_back_connection(self.session, self.log)
        async with self._lock() as lock:
            folders = self._begin(lock)
            await asyncio.to_thread(open_up, *folders)
            await asyncio.to_thread(clean_up, folders[1])
            try:
                await super().start()
            finally:
                await asyncio.to_thread(clean_up, folders[1])

    def _lock(self) -> SubmissionLock:
        return SubmissionLock(self.input_path, self.submission.id, self.log)

    def _begin(self, lock: SubmissionLock) -> tuple[str, str]:
        """Do what has to be done when nobody else grades it; give both folders' paths.

        The base class closes the session at its end, and with it the submission's id is gone.
        """
        # From 0.3.0 to 0.4.0 a failure is lost where there is no log at all.
        if getattr(self, "grading_logs", None) is None:
            self.grading_logs = ""
        if lock.has_waited:  # for a grading that has changed the submission
            database.forget(self.session)
        self._guard_run()
        return self.input_path, self.output_path

    def _cleanup(self) -> None:
        """Remove the folders, as the base class does, whatever the pod has made of their rights."""
        open_up(self.input_path, self.output_path)
        super()._cleanup()

    def _guard_run(self) -> None:
        """Let a `_run` of a subclass's own, too, leave nothing that git runs."""
        if overrides.is_overridden(self, "_run"):
            self._run = overrides.guarded(self._run, self._secure_output, self._end_own_run)

    def _end_own_run(self) -> None:
        # An event loop waits for nothing.
        self._started.end(0.0 if INSTALLED.is_async else started_pods.PATIENCE)
        self._revive_session()

    start = _start_async if INSTALLED.is_async else _start_sync

    # What start() calls: a coroutine function up to 0.4.2, a plain one from 0.5.0 on. It runs the
    # submission in a pod; a failure is an exception that says why.
    _run = _run_async if INSTALLED.is_async else _run_sync


worker_start.connect()
