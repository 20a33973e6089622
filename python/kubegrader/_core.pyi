import os
from collections.abc import Callable, Iterable, Mapping
from logging import Logger, LoggerAdapter
from types import TracebackType
from typing import Any, Literal, TypeAlias, TypedDict, final, type_check_only

from typing_extensions import Self, Unpack, disjoint_base

__all__ = [
    "Bell",
    "Cluster",
    "EmbeddedCluster",
    "Faults",
    "LogLines",
    "Outcome",
    "PodRun",
    "Prepared",
    "Reaped",
    "Timings",
    "Verdict",
    "__version__",
    "_farewell",
    "_unpickled",
    "api_request",
    "autograde_pod_name",
    "build_pod",
    "check_images",
    "check_mounts",
    "check_pod",
    "check_request",
    "completed",
    "configured_image",
    "default_image",
    "kept_log",
    "kubeconfig_with_namespace",
    "no_notebook",
    "no_results",
    "pod_verdict",
]

__version__: str

@type_check_only
class RunOptions(TypedDict, total=False):
    """The keyword arguments of `Cluster.run`, `run_async` and `submit`."""

    namespace: str | None
    """The namespace of a pod that names none; None: the cluster's."""
    start_timeout: float | None
    """Seconds from the create until a container runs; time behind a scheduling gate does not count.
    None: as long as the cluster reports nothing that waiting cannot mend."""
    timeout: float | None
    """Seconds that the containers may run. None: as long as they like."""
    instance: str
    """The installation that the pod belongs to; its pods share one watch. Default ``default``."""
    submission: str | None
    """The submission that the pod grades: a label, and a word in each line of the log."""
    lecture: str | None
    """The submission's lecture: where pods queue for `max_pods`, lectures go in turn."""
    attempt: int
    """The attempt at the submission, from 1."""
    max_attempts: int
    """How many attempts there may be where the cluster breaks one (evicted, preempted, node lost,
    deleted by someone; a registry, a volume or a runtime that does not answer for five minutes).
    Each is a new pod, named ``<name>-attempt-<number>`` from the second on. Default 1."""
    before_attempt: Callable[[int], object] | None
    """What has to be done before an attempt after the first, such as putting back folders that the
    pod before it has written to. Called in a thread of kubegrader's, with the attempt's number,
    when nothing of the attempt before runs any more; an exception ends the run as
    `KubegraderError`."""
    adopt: bool
    """Whether a pod that an earlier run of the same submission and attempt left at work is taken
    over (True, the default), or stopped and replaced. The pod of a run that is known to live
    is neither: `NameTakenError`."""
    uid: str | None
    """The uid of a pod that is there already: it is not created, but watched to its end."""
    keep: bool
    """Whether the pod is left to the caller to delete, however it ended. One whose run is cancelled
    is deleted all the same. At its end it stops naming this process as its owner: one more request,
    and the verb `patch` or `update`."""
    log_limit: int
    """Bytes of the log that are kept, half from its beginning and half from its end. With 0 it is
    not read."""
    poll_interval: float
    """Seconds between two reads of a pod, at most, where watching is forbidden."""
    reap: bool
    """Whether pods of the same namespace and instance whose owner is gone are looked for and
    deleted in the background, from time to time. Default True."""
    logger: Logger | LoggerAdapter[Any] | None
    """Where the steps of the run are told. None: ``logging.getLogger("kubegrader")``."""

@final
class Verdict:
    """How a pod ended, whose fault that was, and what to tell whom."""

    @property
    def phase(self) -> Literal["Pending", "Running", "Succeeded", "Failed"]:
        """The phase that the pod ended in, or was in when it was given up."""

    @property
    def cause(self) -> str:
        """Why: Kubernetes' own reason where it has one, such as ``OOMKilled``."""

    @property
    def blame(self) -> Literal["student", "course", "cluster"] | None:
        """Whose fault it is; None for a pod that did what it should."""

    @property
    def retryable(self) -> bool:
        """Whether another attempt may end differently without anybody changing anything."""

    @property
    def exit_code(self) -> int | None:
        """The exit code of the container that decided, where one ended."""

    @property
    def student_text(self) -> str:
        """What the student may read: plain words, no cluster internals."""

    @property
    def staff_text(self) -> str:
        """What the operator reads: Kubernetes' own words."""

    @property
    def log_text(self) -> str:
        """What a log may hold: `staff_text` without the message that a container left."""

    def to_dict(self) -> dict[str, Any]:
        """Give all of it as plain data."""

    def __eq__(self, other: object, /) -> bool: ...

@final
class Timings:
    """How long the parts of a run took, in seconds, and when they happened, since 1970."""

    @property
    def queued(self) -> float:
        """Seconds from the create to a node, and the wait for a quota before it."""

    @property
    def starting(self) -> float:
        """Seconds from a node to a running container."""

    @property
    def running(self) -> float:
        """Seconds from a running container to the end of all of them."""

    @property
    def overhead(self) -> float:
        """Seconds for everything else: the create itself, seeing the end, log and delete."""

    @property
    def total(self) -> float:
        """Seconds for all of it."""

    @property
    def created_at(self) -> float:
        """When the API server had accepted the pod, in seconds since 1970."""

    @property
    def seen_at(self) -> float:
        """When the pod's end was seen, in seconds since 1970."""

    @property
    def returned_at(self) -> float:
        """When log and delete were done, in seconds since 1970."""

    def to_dict(self) -> dict[str, float]:
        """Give all of it as plain data."""

@final
class Outcome:
    """What came of a pod that was run to its end, be it a good one or a bad one."""

    @property
    def phase(self) -> Literal["Succeeded", "Failed"]:
        """The phase that the pod ended in."""

    @property
    def verdict(self) -> Verdict:
        """Why it ended so, and whose fault that was."""

    @property
    def attempt(self) -> int:
        """Which attempt it was, from 1."""

    @property
    def logs(self) -> str | None:
        """The log of the container that decided; None when it could not be read."""

    @property
    def timings(self) -> Timings:
        """How long everything took."""

    @property
    def pod(self) -> dict[str, Any]:
        """The Pod as it was sent, with the last status that was seen."""

@final
class PodRun:
    """A run that is under way. When nobody holds it any more, it is cancelled."""

    @property
    def name(self) -> str:
        """The pod's name."""

    @property
    def namespace(self) -> str | None:
        """The pod's namespace; None for the cluster's own."""

    @property
    def done(self) -> bool:
        """Whether the run has ended."""

    @property
    def queue_position(self) -> int | None:
        """The place in the queue for `max_pods`, from 1: how many are let in up to this one.

        None when the run does not queue.
        """

    def wait(self) -> Outcome:
        """Wait for the end, without the GIL.

        An exception from a signal handler (Ctrl-C, SystemExit, celery's soft time limit) ends the
        wait within 0.2 seconds; the pod is deleted.

        Raises `KubegraderError`.
        """

    async def wait_async(self) -> Outcome:
        """Wait for the end without blocking the event loop; cancelling deletes the pod.

        Raises `KubegraderError`.
        """

    def cancel(self, timeout: float = 5.0) -> bool:
        """End the run and delete its pod; wait for that for at most `timeout` seconds.

        True when it is done; what takes longer is done in the background. Raises `ValueError`, and
        ends nothing, for a time that is negative or no number; ``math.inf`` is one.
        """

    def detach(self, timeout: float = 5.0) -> bool:
        """End the run and leave its pod; wait for that for at most `timeout` seconds.

        The next run of the same submission and attempt, in any process, adopts the pod at
        whatever point it is, and no reaper takes it while it runs. Whoever waits for this run
        gets a `RunDetachedError`.

        True when it is done. False when the run had ended, or goes on: because it names no
        submission, the pod's name was made of its `generateName`, the pod may not be marked, or
        there was no pod yet, or no answer, for so long. It can be asked for again. Raises
        `ValueError` as `cancel` does.
        """

    def _ring(self, bell: Bell, token: int) -> None: ...

@final
class Bell:
    """Runs that have ended, for one event loop."""

    def __new__(cls) -> Self: ...
    def fileno(self) -> int:
        """The file descriptor that is readable while there are any."""

    def take(self, limit: int) -> list[int]:
        """Give the tokens of at most `limit` of them."""

@final
class LogLines:
    """The lines that are to be logged, for the thread that writes them."""

    def take(self) -> list[tuple[Logger | LoggerAdapter[Any] | None, int, str]]:
        """Wait for lines, and give them with their levels, and with loggers of their own.

        It never returns when the interpreter exits.
        """

@final
class Prepared:
    """Where it is told how the preparation of an attempt went."""

    def tell(self, error: BaseException | None = None) -> None:
        """Tell what was raised; None: nothing."""

@final
class Reaped:
    """What was done about a pod of which nobody may be left who owns it, and why."""

    @property
    def namespace(self) -> str:
        """The pod's namespace."""

    @property
    def name(self) -> str:
        """The pod's name."""

    @property
    def uid(self) -> str:
        """The pod's uid."""

    @property
    def submission(self) -> str | None:
        """The submission that it grades, as its label says it."""

    @property
    def attempt(self) -> int | None:
        """The attempt at the submission."""

    @property
    def action(self) -> Literal["deleted", "would delete", "left", "failed"]:
        """What was done."""

    @property
    def reason(self) -> str:
        """The proof that its owner is gone, or what is missing for one."""

    def to_dict(self) -> dict[str, Any]:
        """Give all of it as plain data."""

@disjoint_base
class Cluster:
    """A cluster that pods are run on."""

    def __new__(
        cls,
        context: str | None = None,
        kubeconfig: str | os.PathLike[str] | None = None,
        namespace: str | None = None,
        *,
        max_pods: int | None = None,
        max_pods_in_namespace: int | None = None,
    ) -> Self: ...
    @property
    def max_pods(self) -> int | None:
        """How many pods of this object are in flight at most; the others queue. None: no limit."""

    @property
    def max_pods_in_namespace(self) -> int | None:
        """The same for each namespace."""

    @property
    def context(self) -> str | None:
        """The context that was asked for."""

    @property
    def kubeconfig(self) -> str | None:
        """The kubeconfig that was asked for."""

    @property
    def namespace(self) -> str | None:
        """The namespace that was asked for."""

    @property
    def requests(self) -> dict[str, int]:
        """How many requests were sent, by kind.

        The kinds are ``create``, ``get``, ``list``, ``watch``, ``log``, ``delete``, ``lease`` and
        ``other``.
        """

    @property
    def staleness(self) -> float:
        """For how many seconds pods have been run without a live watch; 0.0 while it is live.

        It grows where the watch is forbidden or the API server is away: each pod is then read again
        and again. For a gauge that an operator looks at.
        """

    def run(self, pod: Mapping[str, Any] | object, **options: Unpack[RunOptions]) -> Outcome:
        """Run a pod to its end, read its log, delete it, and say how it ended.

        `pod` is a dict with Kubernetes' own keys, or a `kubernetes.client.V1Pod`. Without a
        ``restartPolicy`` it gets ``Never``. A pod that failed is an `Outcome`; one that the cluster
        ended (evicted, preempted, deleted by somebody) is a `PodLostError`.

        Raises `ConfigError`, `InvalidPodError`, `ApiError`, `UnreachableError`, `NameTakenError`,
        `PodNotStartedError`, `PodLostError`; each names the step and what to do.
        """

    def submit(self, pod: Mapping[str, Any] | object, **options: Unpack[RunOptions]) -> PodRun:
        """Begin to run a pod, in the background."""

    def reap(
        self,
        *,
        namespace: str | None = None,
        instance: str = "default",
        dry_run: bool = False,
        finished_for: float | None = 900.0,
        logger: Logger | LoggerAdapter[Any] | None = None,
    ) -> list[Reaped]:
        """Delete the pods of an instance whose owner is provably gone; tell of each what was done.

        A pod whose owner may live is left, but for one that has been finished, and unchanged, for
        `finished_for` seconds by the API server's clock (None: never). Takes about a minute where
        a Lease has to be watched. Needs the verb ``list`` on ``pods``.

        Raises `ApiError` and `UnreachableError`, when the pods cannot be listed.
        """

    def reap_in_background(
        self,
        *,
        namespace: str | None = None,
        instance: str = "default",
        logger: Logger | LoggerAdapter[Any] | None = None,
    ) -> None:
        """Do as `reap` does in ten seconds, as long as this object is there, and wait for nothing.

        For a service that has just been started: whoever starts one grades anew what was under way
        before, and may adopt pods that would else be deleted. Where nobody answers, it is done
        again every five minutes. Each pod that is deleted, and a failure, is a line of the log. A
        process that has runs does so by itself.
        """

_Stage: TypeAlias = str | os.PathLike[str] | Mapping[str, Any]

@final
class EmbeddedCluster:
    """A Kubernetes API for pods in this process, whose pods run as processes of this machine.

    It isolates nothing: its containers are ordinary processes of this user. Use it as a context
    manager; it listens on the loopback interface, behind a random token.
    """

    def __new__(cls, seed: int = 0, *, stages: Iterable[_Stage] | None = None) -> Self: ...
    @property
    def faults(self) -> Faults:
        """What happens between its clients and its API server; nothing, until it is told."""

    def restart(self, *, keep_history: bool = True, downtime: float = 0.0) -> None:
        """Let the API server end and begin anew, while its pods go on running.

        All connections and watches break, and new ones are refused for `downtime` seconds. Returns
        at once. Without its history the server answers versions from before with 410, as after
        etcd's compaction.
        """

    @property
    def clock_skew(self) -> float:
        """Seconds by which the clock of the server and its kubelet is ahead; negative: behind.

        Every timestamp that they write from now on is off by so much.
        """

    @clock_skew.setter
    def clock_skew(self, seconds: float, /) -> None: ...
    @property
    def kubeconfig(self) -> str:
        """The path of a kubeconfig for it; readable by this user alone."""

    @property
    def url(self) -> str:
        """The address of its API server."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
    def play(self, stage: _Stage) -> None:
        """Let pods that are created from now on, and that it selects, play a life from data.

        A stage is the name of one that comes with kubegrader (``"evicted-api"``), a path, YAML
        text, or a mapping of the same shape. Raises `ValueError`, which names the field that is
        wrong.
        """

    def stop(self) -> None:
        """End it: its pods' processes are killed, its folder is removed."""

@final
class Faults:
    """Trouble between clients and an embedded cluster, by rule and by chance.

    The same seed and the same requests meet the same faults.

        >>> with kubegrader.EmbeddedCluster(seed=7) as embedded:
        ...     embedded.faults.add("reset-after", verb="create", times=1)
        ...     embedded.faults.add("internal-error", chance=0.1)
    """

    def add(
        self,
        fault: str,
        *,
        verb: str | None = None,
        name: str | None = None,
        namespace: str | None = None,
        path: str | None = None,
        chance: float = 1.0,
        times: int | None = None,
        skip: int = 0,
        seconds: float | None = None,
        retry_after: int | None = None,
        at_byte: int | None = None,
    ) -> None:
        """Add a rule: from now on this happens to requests, or to events of watches, that match.

        `fault` is one of ``latency``, ``refused``, ``reset-before``, ``reset-after``, ``cut-body``,
        ``watch-stalled``, ``watch-closed``, ``gone``, ``bookmark-lost``, ``event-duplicated``,
        ``event-delayed``, ``events-reordered``, ``unauthorized``, ``forbidden``, ``conflict``,
        ``too-many-requests``, ``unavailable``, ``internal-error``, ``bad-gateway``.

        `verb` is one of ``create``, ``get``, ``list``, ``watch``, ``patch``, ``update``,
        ``delete``, ``deletecollection``, ``log``, ``other``; `name` and `namespace` are those of
        the object; `path` is how the request's path begins. The first `skip` that match are
        spared, at most `times` are struck, and each with the probability `chance`. `seconds`: how
        late, or after how long; `retry_after`: seconds that the client is asked to wait;
        `at_byte`: how many bytes of the body arrive.

        Raises ValueError for a name that there is not (it lists those that there are), and for a
        number that the fault needs or does not have.
        """

    def clear(self) -> None:
        """Remove all rules."""

    def trace(self) -> list[str]:
        """Tell what happened, one line a request: ``create pods default #1: reset-after, 201``."""

    def seed(self, n: int) -> None:
        """Set the seed and begin anew: counts and trace are forgotten, rules stay."""

def configured_image(path: str | os.PathLike[str], lecture: str, assignment: str) -> str | None:
    """Give the image that a course's image config names for an assignment, if it does.

    Raises `ImageError`.
    """

def default_image(lecture: str) -> str:
    """Give ``<lecture code>_image``, grader-service's own default."""

def autograde_pod_name(user: str, submission: int) -> str:
    """Name the pod of a submission as grader-service does from 0.7.0 on."""

def build_pod(request: Mapping[str, Any]) -> dict[str, Any]:
    """Make a submission's Pod from the executor's traits.

    Raises `InvalidPodError`, which names the trait. Images and mounts are not checked, since a hook
    may replace them: see `check_images` and `check_mounts`.
    """

def check_images(pod: Mapping[str, Any]) -> None:
    """Check the images of all containers of a Pod as it is to be sent.

    Raises `ImageError` for the first that no registry and no kubelet would take, and
    `InvalidPodError` for what is no plain data.
    """

def check_mounts(pod: Mapping[str, Any]) -> None:
    """Check that the containers of a Pod, as it is to be sent, mount volumes that it has.

    Raises `InvalidPodError`, which names the mount.
    """

def check_request(request: Mapping[str, Any]) -> None:
    """Check parts of what `build_pod` takes, each by itself; neither name nor image is needed.

    Raises `InvalidPodError`, which names the part and the entry.
    """

def check_pod(pod: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Say what every cluster would refuse of a Pod as it is to be sent, in Kubernetes 1.34's words.

    Gives fields, as in ``spec.containers[0].image``, and their problems; None for a field that
    Kubernetes does not have. Raises `InvalidPodError` for what is no plain data.
    """

def completed() -> Verdict:
    """Give the verdict on a submission whose results are there."""

def no_notebook(expected: list[str]) -> Verdict:
    """Give the verdict on a submission of which no notebook is one of the assignment's, by name."""

def no_results(output_path: str) -> Verdict:
    """Give the verdict on a pod that succeeded and left no graded notebook in a folder."""

def kept_log(chunks: Iterable[bytes], limit: int) -> str:
    """Give what is kept of a log that comes in these chunks: at most `limit` bytes.

    Half of them are from its beginning; a line in the middle says how many bytes are left out.
    Bytes that are not UTF-8 become U+FFFD. No more than that and one chunk is in memory at a time.
    """

def api_request(
    cluster: Cluster, method: str, path: str, body: Mapping[str, Any] | None = None
) -> str:
    """Send one request to a cluster's API server and give the text of its answer.

    The body of a PATCH is a merge patch. Raises `ConfigError`, `ApiError` and `UnreachableError`.
    """

def kubeconfig_with_namespace(kubeconfig: str | os.PathLike[str], namespace: str) -> str:
    """Give the text of a kubeconfig whose one context is the current one, in that namespace.

    It holds credentials. Raises `ConfigError`.
    """

def _farewell() -> None: ...
def _unpickled(text: str) -> Verdict | Timings | Outcome: ...
def pod_verdict(pod: Mapping[str, Any] | object) -> Verdict | None:
    """Give the verdict on a pod that has ended, or that queues or waits for what Kubernetes names.

    None for a pod that runs, or that waits for nothing in particular.
    """
