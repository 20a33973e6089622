"""The traits of `KubeAutogradeExecutor`: what a site may write in its config.

Names are grader-service's own (0.1.0 to 0.12.5); new ones are KubeSpawner's where it has them.
"""

from __future__ import annotations

from typing import Any

from traitlets import (
    Callable,
    Dict,
    Float,
    HasTraits,
    Integer,
    List,
    TraitError,
    Unicode,
    Union,
    validate,
)

from ._core import default_image
from .releases import INSTALLED


def _image_of_lecture(lecture: Any, assignment: Any = None) -> str:  # noqa: ARG001
    """Give ``<lecture code>_image``, the default of grader-service."""
    return default_image(lecture.code)


def _no_node_selector(lecture: Any) -> None:
    """Let a submission run on any node."""


class ExecutorTraits(HasTraits):
    """What a site may write below ``c.KubeAutogradeExecutor``."""

    annotations = Dict(
        allow_none=True, help="Annotations of the pod: ``{key: value}``, both strings."
    ).tag(config=True)

    convert_executable = Unicode(
        "grader-convert",
        help="The executable that grades, as the course's image calls it. It need not exist here.",
    ).tag(config=True)

    extra_volumes = List(
        help="""
        More volumes of the pod, as Kubernetes writes them (keys in camelCase or snake_case)::

            c.KubeAutogradeExecutor.extra_volumes = [
                {"name": "datasets", "persistentVolumeClaim": {"claimName": "datasets"}}
            ]
        """
    ).tag(config=True)

    extra_volume_mounts = List(
        help="""
        Where the `extra_volumes` are mounted::

            c.KubeAutogradeExecutor.extra_volume_mounts = [
                {"name": "datasets", "mountPath": "/datasets", "readOnly": True}
            ]
        """
    ).tag(config=True)

    image_config_path = Unicode(
        None,
        allow_none=True,
        help="""
        A JSON file that names the image of each lecture, or of each of its assignments::

            {"algebra": "registry.example.org/algebra:2026",
             "physics": {"Sheet 1": "registry.example.org/physics:1"}}

        It is read for every submission. What it does not name is left to `resolve_image_name`.
        """,
    ).tag(config=True)

    image_pull_policy = Unicode(
        "" if INSTALLED.copies_files else "Always",
        help="""
        ``Always``, ``IfNotPresent``, ``Never``, or an empty string for Kubernetes' own choice.

        grader-service up to 0.6.3 leaves the choice to Kubernetes; from 0.7.0 on it is ``Always``.
        """,
    ).tag(config=True)

    image_pull_secrets = List(
        allow_none=True,
        help='Secrets to pull images with: names, or objects as ``{"name": "registry"}``.',
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

    labels = Dict(allow_none=True, help="More labels of the pod: ``{key: value}``, strings.").tag(
        config=True
    )

    log_limit = Integer(
        1024 * 1024,
        help="""
        How many bytes of a pod's log are kept: the first half and the last half of them.

        A notebook that prints for ever costs neither memory nor database beyond that.
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

    pre_spawn_hook = Callable(
        None,
        allow_none=True,
        help="""
        A function that may change a pod before it is created.

        It is called with the lecture, the assignment and the pod, a `kubernetes.client.V1Pod`, and
        returns the pod::

            def hook(lecture, assignment, pod):
                pod.spec.containers[0].image = f"registry.example.org/{lecture.code}:latest"
                return pod

            c.KubeAutogradeExecutor.pre_spawn_hook = hook

        Up to grader-service 0.4.2 it may be a coroutine function.
        """,
    ).tag(config=True)

    resolve_image_name = Callable(
        _image_of_lecture,
        help="""
        A function that names the image for a lecture and an assignment.

        By default ``<lecture code>_image``. Up to grader-service 0.4.2 it may be a coroutine
        function.
        """,
    ).tag(config=True)

    resolve_node_selector = Callable(
        _no_node_selector,
        help="""
        A function that gives, for a lecture, the labels that a node must have, or None.

            c.KubeAutogradeExecutor.resolve_node_selector = lambda lecture: {"pool": "grading"}
        """,
    ).tag(config=True)

    start_timeout = Float(
        600.0,
        help="""
        How long a pod may take from its create until its container runs, in seconds.

        Covers waiting for a node and pulling the image; not the student's time, which is
        ``GraderPod.max_grading_time``. Time behind a scheduling gate does not count.
        """,
    ).tag(config=True)

    tolerations = Union(
        [List(), Dict()],
        default_value=None,
        allow_none=True,
        help="""
        Tolerations of the pod, as a list of Kubernetes' objects::

            c.KubeAutogradeExecutor.tolerations = [
                {"key": "grading", "operator": "Exists", "effect": "NoSchedule"}
            ]

        One toleration may be written as a dict by itself.
        """,
    ).tag(config=True)

    uid = Integer(1000, help="The user id of the pod's container.").tag(config=True)

    volume = Dict(
        help="""
        The volume that holds ``grader_service_dir``. It must be called ``data``::

            c.KubeAutogradeExecutor.volume = {
                "name": "data", "persistentVolumeClaim": {"claimName": "grader-service"}
            }
        """
    ).tag(config=True)

    @validate("convert_executable")
    def _validate_executable(self, proposal: Any) -> str:
        # The base class looks for it on the service's own host, where it need not be.
        executable: str = proposal["value"]
        return executable

    @validate("start_timeout", "log_limit")
    def _validate_positive(self, proposal: Any) -> float:
        value: float = proposal["value"]
        if value <= 0:
            name = proposal["trait"].name
            raise TraitError(f"KubeAutogradeExecutor.{name} must be more than 0, and it is {value}")
        return value
