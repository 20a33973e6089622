"""The traits that say what a submission's pod is made of."""

from __future__ import annotations

from typing import Any

from traitlets import Callable, Dict, HasTraits, List, Unicode, Union

from ._core import default_image
from .releases import INSTALLED


def _get_image_name(lecture: Any, assignment: Any = None) -> str:  # noqa: ARG001
    """Give ``<lecture code>_image``: grader-service's default, under its name."""
    return default_image(lecture.code)


def _no_node_selector(lecture: Any) -> None:
    """Let a submission run on any node."""


class _Strings(Dict):
    """A trait for labels and the like."""

    def info(self) -> str:
        """Say what it takes."""
        return "a dict of strings"


def _strings(text: str) -> Any:
    keys, values = Unicode(), Unicode()
    trait = _Strings(key_trait=keys, value_trait=values, allow_none=True, help=text)
    return trait.tag(config=True)


class PodTraits(HasTraits):
    """What a site may write about the pod itself."""

    annotations = _strings("Annotations of the pod: ``{key: value}``, both strings.")

    convert_executable = Unicode(
        "grader-convert",
        help="The executable that grades, as the course's image calls it. It need not exist here.",
    ).tag(config=True)

    extra_annotations = _strings(
        "More annotations of the pod, under KubeSpawner's name; they win over `annotations`."
    )

    extra_container_config = Dict(
        allow_none=True,
        help="""
        Fields of the pod's container that no other trait sets, as in KubeSpawner::

            c.KubeAutogradeExecutor.extra_container_config = {
                "envFrom": [{"secretRef": {"name": "licence"}}]
            }

        Each is a field of Kubernetes' Container, in camelCase or snake_case. It replaces, whole,
        what is made for the field otherwise: one that sets ``securityContext`` takes `uid` and
        `security` away. `pre_spawn_hook` comes after it.
        """,
    ).tag(config=True)

    extra_labels = _strings(
        "More labels of the pod, under KubeSpawner's name; they win over `labels`."
    )

    extra_pod_config = Dict(
        allow_none=True,
        help="""
        Fields of the pod that no other trait sets, as in KubeSpawner::

            c.KubeAutogradeExecutor.extra_pod_config = {"dnsPolicy": "Default"}

        Each is a field of Kubernetes' PodSpec, in camelCase or snake_case. It replaces, whole, what
        is made for the field otherwise: one that sets ``volumes`` takes `volume` away, and one that
        sets ``containers`` everything. None takes a field away. `pre_spawn_hook` comes after it.
        """,
    ).tag(config=True)

    extra_volume_mounts = List(
        help="""
        Where the `extra_volumes` are mounted::

            c.KubeAutogradeExecutor.extra_volume_mounts = [
                {"name": "datasets", "mountPath": "/datasets", "readOnly": True}
            ]
        """
    ).tag(config=True)

    extra_volumes = List(
        help="""
        More volumes of the pod, as Kubernetes writes them (keys in camelCase or snake_case)::

            c.KubeAutogradeExecutor.extra_volumes = [
                {"name": "datasets", "persistentVolumeClaim": {"claimName": "datasets"}}
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
        grader-service dropped it with 0.12.4; it works here with every release.
        """,
    ).tag(config=True)

    image_pull_policy = Unicode(
        "" if INSTALLED.copies_files else "Always",
        help="""
        ``Always``, ``IfNotPresent``, ``Never``, or an empty string for Kubernetes' own choice.

        grader-service up to 0.6.3 leaves the choice to Kubernetes; from 0.7.0 on it is ``Always``.
        """,
    ).tag(config=True)

    image_pull_secrets = Union(
        [List(), Unicode(), Dict()],
        default_value=None,
        allow_none=True,
        help="""
        Secrets of the pod's namespace to pull images with.

        A name, an object as ``{"name": "registry"}``, or a list of them.
        """,
    ).tag(config=True)

    labels = _strings("Labels of the pod: ``{key: value}``, both strings.")

    node_selector = _strings(
        """
        The labels that a node must have to run submissions::

            c.KubeAutogradeExecutor.node_selector = {"pool": "grading"}

        Those that `resolve_node_selector` gives for a lecture win over them.
        """
    )

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

        It comes last, after all other traits, and may be a coroutine function.
        """,
    ).tag(config=True)

    priority_class_name = Unicode(
        None,
        allow_none=True,
        help="""
        The pods' PriorityClass.

        Those of a high one get a node first. Those of a low one may be preempted, which is told as
        the cluster's doing and not the student's.
        """,
    ).tag(config=True)

    queue_name = Unicode(
        None,
        allow_none=True,
        help="""
        The LocalQueue of Kueue in which the pods wait for their turn.

        It becomes the label ``kueue.x-k8s.io/queue-name``. A pod that Kueue holds back counts as
        queued: neither `start_timeout` nor the time to run goes by meanwhile.
        """,
    ).tag(config=True)

    resolve_image_name = Callable(
        _get_image_name,
        help="""
        A function that names the image for a lecture and an assignment::

            def image(lecture, assignment):
                return f"registry.example.org/{lecture.code}:2026"

            c.KubeAutogradeExecutor.resolve_image_name = image

        By default ``<lecture code>_image``. It may be a coroutine function. grader-service dropped
        it with 0.12.4; it works here with every release.
        """,
    ).tag(config=True)

    resolve_node_selector = Callable(
        _no_node_selector,
        help="""
        A function that gives, for a lecture, the labels that a node must have, or None.

            c.KubeAutogradeExecutor.resolve_node_selector = lambda lecture: {"pool": lecture.code}

        grader-service dropped it with 0.12.4; it works here with every release. For labels that are
        the same for every lecture there is `node_selector`.
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

        One toleration may be written as a dict by itself, and several as a dict of dicts, whose
        keys only sort them.
        """,
    ).tag(config=True)

    volume = Dict(
        help="""
        The volume that holds ``grader_service_dir``. It must be called ``data``::

            c.KubeAutogradeExecutor.volume = {
                "name": "data", "persistentVolumeClaim": {"claimName": "grader-service"}
            }
        """
    ).tag(config=True)
