"""Traits that upstream has and that cannot be used, or that are wrong in unclear words."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from losses import LOST
from traitlets import TraitError

if TYPE_CHECKING:
    from kubegrader.testing import KubeCluster
    from program import Program
    from service import Service
    from traitlets.config import Config


def choose_context(kubeconfig: Path, namespace: str) -> str:
    """Add a context with this namespace, and leave the current one with another."""
    content = yaml.safe_load(kubeconfig.read_text())
    [current] = content["contexts"]
    chosen = {"name": "chosen", "context": {**current["context"], "namespace": namespace}}
    current["context"]["namespace"] = "default"
    content["contexts"].append(chosen)
    kubeconfig.write_text(yaml.safe_dump(content))
    return "chosen"


@pytest.mark.fault(7, "0.7.0", "0.12.5", fails=LOST)
def test_a_toleration_can_be_set(service: Service, submission: int, settings: Config) -> None:
    settings.KubeAutogradeExecutor.tolerations = {"key": "exams", "operator": "Exists"}
    [graded] = service.grade(submission)
    assert graded.status == "automatically_graded"


@pytest.mark.fault(8, "0.7.0", "0.12.5", fails=LOST)
def test_image_pull_secrets_can_be_named(
    service: Service, submission: int, settings: Config
) -> None:
    settings.KubeAutogradeExecutor.image_pull_secrets = ["registry"]
    [graded] = service.grade(submission)
    assert graded.status == "automatically_graded"


@pytest.mark.fault(20, "0.7.0", "0.12.5", fails=LOST)
def test_a_hook_that_gives_nothing_back_changes_the_pod_that_it_got(
    service: Service, submission: int, settings: Config
) -> None:
    def hook(_lecture: Any, _assignment: Any, pod: Any) -> None:
        pod.metadata.labels = {"seen": "yes"}

    settings.KubeAutogradeExecutor.pre_spawn_hook = hook
    [graded] = service.grade(submission)
    assert graded.status == "automatically_graded"


@pytest.mark.fault(
    9, "0.3.0", "0.12.5", fails="KubeAutogradeExecutor.volume|'pending' == 'grading_failed'"
)
def test_the_log_names_the_trait_when_there_is_no_volume(
    service: Service, submission: int, settings: Config
) -> None:
    settings.KubeAutogradeExecutor.volume = {}
    [graded] = service.grade(submission)
    assert graded.status == "grading_failed"
    assert "Set KubeAutogradeExecutor.volume" in graded.log


@pytest.mark.fault(18, "0.3.0", "0.12.5", fails="kubegrader-test")
def test_the_namespace_is_the_chosen_contexts(
    service: Service, submission: int, settings: Config, kube_cluster: KubeCluster
) -> None:
    settings.KubeAutogradeExecutor.kube_context = choose_context(
        Path(kube_cluster.kubeconfig), kube_cluster.namespace
    )
    del settings.KubeAutogradeExecutor.namespace
    [graded] = service.grade(submission)
    assert service.executors[-1].namespace == kube_cluster.namespace
    assert graded.status == "automatically_graded"


@pytest.mark.fault(19, "0.3.0", "0.12.5", fails="'pending' == 'automatically_graded'")
def test_the_converter_need_not_be_on_the_services_machine(
    service: Service, submission: int, settings: Config, program: Program, tmp_path: Path
) -> None:
    script = program.use(settings)
    mount = tmp_path / "only-in-the-image"
    section = settings.KubeAutogradeExecutor
    section.extra_volumes = [{"name": "bin", "hostPath": {"path": str(script.parent)}}]
    section.extra_volume_mounts = [{"name": "bin", "mountPath": str(mount)}]
    section.convert_executable = str(mount / script.name)
    with contextlib.suppress(TraitError):  # upstream's constructor; the submission is pending then
        service.grade(submission)
    assert service.read(submission).status == "automatically_graded"
