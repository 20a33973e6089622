"""The traits that say where a submission's pod runs, with what, as whom, and for how long."""

from __future__ import annotations

from typing import Any

from traitlets import Enum, HasTraits, Unicode, default

from .byte_specification import ByteSpecification
from .number_traits import HIGHEST_ID, FiniteNumber, WholeNumber


class RunTraits(HasTraits):
    """What a site may write about the run: cluster, account, resources, limits of time."""

    cpu_guarantee = FiniteNumber(
        None,
        allow_none=True,
        help="""
        Cores that a node must have left for a submission: the container's ``requests.cpu``.

        None: `cpu_limit`, where that is set; else what the namespace's LimitRange says.
        """,
    ).tag(config=True)

    cpu_limit = FiniteNumber(
        None,
        allow_none=True,
        help="Cores that a submission may use at most: the container's ``limits.cpu``.",
    ).tag(config=True)

    fs_gid = WholeNumber(
        None,
        allow_none=True,
        min=0,
        max=HIGHEST_ID,
        help="""
        The group that the pod's volumes belong to, where their kind can be given to a group: the
        pod's ``fsGroup``.

        With many files on the volume Kubernetes may need long to hand them over.
        """,
    ).tag(config=True)

    instance_name = Unicode(
        "default",
        help="""
        The installation that the pods belong to: a label of each.

        Two installations of grader-service whose pods share a namespace, such as one for tries and
        the one in use, number their submissions alike, and need two names. ``kubegrader reap``
        reads it from the same config.
        """,
    ).tag(config=True)

    kube_context = Unicode(
        None,
        allow_none=True,
        help="""
        The context of the kubeconfig to use.

        None: the service account of the pod that the service runs in, or, outside of a cluster, the
        kubeconfig's current context.
        """,
    ).tag(config=True)

    kubeconfig = Unicode(
        None,
        allow_none=True,
        help="The kubeconfig file. None: ``$KUBECONFIG``, else ``~/.kube/config``.",
    ).tag(config=True)

    log_limit = WholeNumber(
        1024 * 1024,
        min=1,
        help="""
        How many bytes of a pod's log are kept: the first half and the last half of them.

        A notebook that prints for ever costs neither memory nor database beyond that.
        """,
    ).tag(config=True)

    max_attempts = WholeNumber(
        3,
        min=1,
        help="""
        How often a submission is tried when the cluster spoils an attempt: a node that was lost, an
        eviction, a registry that did not answer.

        What a notebook or the course's image did is never tried again. 1: never try again.
        """,
    ).tag(config=True)

    max_grading_time = FiniteNumber(
        None,
        allow_none=True,
        help="""
        How long a submission may run, in seconds.

        None: as long as ``GraderPod.max_grading_time`` says, which is where grader-service has it
        and where it is an hour. Counts from the start of the container, see `start_timeout`. It
        should be longer than one cell may run, and shorter than celery's time limits.
        """,
    ).tag(config=True)

    max_pods = WholeNumber(
        None,
        allow_none=True,
        min=0,
        help="""
        How many pods of this process may be in flight at once; None or 0: no limit.

        The others queue, and lectures go in turn. That time is not the student's. A celery worker
        with the pool prefork has a process for each grading: limit them by its concurrency.
        """,
    ).tag(config=True)

    max_pods_in_namespace = WholeNumber(
        None,
        allow_none=True,
        min=0,
        help="""
        The same for each namespace, for a site whose lectures have one of their own.
        """,
    ).tag(config=True)

    mem_guarantee = ByteSpecification(
        None,
        allow_none=True,
        help="""
        Memory that a node must have left for a submission: the container's ``requests.memory``.

        Written as `mem_limit`. None: `mem_limit`, where that is set.
        """,
    ).tag(config=True)

    mem_limit = ByteSpecification(
        None,
        allow_none=True,
        help="""
        Memory that a submission may use at most: the container's ``limits.memory``.

        Bytes, or a number with K, M, G or T in units of 1024, as ``"512M"``. A submission that
        needs more is ended, and its student reads that it used too much memory.
        """,
    ).tag(config=True)

    namespace = Unicode(
        None,
        allow_none=True,
        help="""
        The namespace of the pods.

        None: the one of the kubeconfig's context or of the service's own pod. In another namespace,
        the service's account needs a Role and a RoleBinding there.
        """,
    ).tag(config=True)

    security = Enum(
        ["restricted", "baseline", "off"],
        default_value="restricted",
        help="""
        What a notebook's process may do, by the names of Kubernetes' Pod Security Standards.

        ``restricted``: no service account's token, no root, no capabilities, no gain of privileges,
        the runtime's seccomp filter; the default where `uid` is not 0. ``baseline``: the same, but
        root and its usual capabilities are left to the image; the default where `uid` is 0.
        ``off``: as grader-service makes its pods, with a token of the namespace's default service
        account.

        It concerns the grading container; containers that a hook or `extra_pod_config` adds are
        left as they are.
        """,
    ).tag(config=True)

    service_account = Unicode(
        None,
        allow_none=True,
        help="""
        The service account of the pods, in their namespace.

        Its token is mounted, so that whoever hands in a notebook can use it: give it no more rights
        than a student may have. None: no token (see `security`).
        """,
    ).tag(config=True)

    start_timeout = FiniteNumber(
        600.0,
        help="""
        How long a pod may take from its create until its container runs, in seconds.

        Covers waiting for a node and pulling the image; not the student's time, which is
        `max_grading_time`. Time behind a scheduling gate, as in Kueue's queues, does not count.
        """,
    ).tag(config=True)

    uid = WholeNumber(
        1000,
        min=0,
        max=HIGHEST_ID,
        help="The user id of the pod's container, which must be able to write on the volume.",
    ).tag(config=True)

    @default("namespace")
    def _current_namespace(self) -> Any:
        # Asked for by a subclass alone: the core finds it by itself.
        from . import models  # takes about a second

        try:
            return models.namespace(self.kubeconfig, self.kube_context)
        except Exception:  # noqa: BLE001  # whatever is wrong with a kubeconfig is told by the run
            return None

    @default("security")
    def _default_security(self) -> Any:
        return "restricted" if self.uid else "baseline"
