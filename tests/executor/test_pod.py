"""The pod of a submission, as the installed release of grader-service would make it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from kubegrader.releases import INSTALLED

if TYPE_CHECKING:
    from pathlib import Path

    from kubegrader.demo.site import Site
    from traitlets.config import Config


def test_without_security_the_pod_is_the_one_that_the_installed_release_makes(
    site: Site, settings: Config, executor: Any
) -> None:
    settings.KubeAutogradeExecutor.security = "off"
    made = executor()
    pod = made._make_pod()
    number = made.submission.id
    inside, outside = (
        f"{site.directory}/convert_{way}/submission_{number}" for way in ("in", "out")
    )
    (container,) = pod["spec"]["containers"]
    assert container["name"] == "autograde"
    assert container["image"] == "demo_image"
    assert container["workingDir"] == "/"
    assert container["volumeMounts"] == [
        {"name": "data", "mountPath": inside, "subPath": f"convert_in/submission_{number}"},
        {"name": "data", "mountPath": outside, "subPath": f"convert_out/submission_{number}"},
    ]
    assert container["securityContext"] == {"runAsUser": made.uid}
    assert pod["spec"]["restartPolicy"] == "Never"
    common = ["grader-convert", "autograde", "-i", inside, "-o", outside, "-p"]
    if INSTALLED.number >= (0, 7):
        assert pod["metadata"]["name"] == f"autograde-job-ada-l-example-org-{number}"
        timeout = 300 if INSTALLED.number >= (0, 10) else 360
        assert container["args"] == [
            *common,
            "*.ipynb",
            "--log-level=INFO",
            f"--ExecutePreprocessor.timeout={timeout}",
        ]
        assert container["imagePullPolicy"] == "Always"
        (variable,) = container["env"]
        assert variable["name"] == "ASSIGNMENT_SETTINGS"
        assert ("cell_timeout" in json.loads(variable["value"])) is (INSTALLED.number >= (0, 10))
    else:
        # Two submissions may share a commit.
        assert pod["metadata"]["name"] == f"{made.submission.commit_hash}-{made.submission.id}"
        assert container["args"] == [
            *common,
            "**/*.ipynb" if INSTALLED.version == "0.4.2" else "*.ipynb",
            "--copy_files=False",
            "--log-level=INFO",
            "--ExecutePreprocessor.timeout=360",
        ]
        assert "imagePullPolicy" not in container
        assert container["env"] == []


def test_traits_reach_the_pod(settings: Config, executor: Any) -> None:
    section = settings.KubeAutogradeExecutor
    section.labels = {"course": "demo"}
    section.annotations = {"note": "1"}
    section.tolerations = {"key": "grading", "operator": "Exists"}
    section.image_pull_secrets = ["registry"]
    section.resolve_node_selector = lambda lecture: {"pool": lecture.code}
    section.extra_volumes = [{"name": "datasets", "persistent_volume_claim": {"claim_name": "d"}}]
    section.extra_volume_mounts = [{"name": "datasets", "mount_path": "/d", "read_only": True}]
    pod = executor()._make_pod()
    assert pod["metadata"]["labels"] == {"course": "demo"}
    assert pod["metadata"]["annotations"] == {"note": "1"}
    spec = pod["spec"]
    assert spec["tolerations"] == [{"key": "grading", "operator": "Exists"}]
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["nodeSelector"] == {"pool": "demo"}
    assert spec["volumes"][1] == {"name": "datasets", "persistentVolumeClaim": {"claimName": "d"}}
    assert spec["containers"][0]["volumeMounts"][2] == {
        "name": "datasets",
        "mountPath": "/d",
        "readOnly": True,
    }


@pytest.mark.parametrize(
    ("content", "image"),
    [
        ({"demo": "demo:1"}, "demo:1"),
        ({"demo": {"loops": "loops:1"}}, "loops:1"),
        ({"demo": {"other": "other:1"}}, "demo_image"),
        ({"physics": "physics:1"}, "demo_image"),
    ],
)
def test_the_image_is_the_image_configs_or_else_the_lectures(
    settings: Config, executor: Any, tmp_path: Path, content: Any, image: str
) -> None:
    path = tmp_path / "images.json"
    path.write_text(json.dumps(content))
    settings.KubeAutogradeExecutor.image_config_path = str(path)
    assert executor().get_image() == image


def test_a_coroutine_function_may_name_the_image(settings: Config, executor: Any) -> None:
    async def resolve(lecture: Any, assignment: Any) -> str:
        return f"{lecture.code}-{assignment.name}"

    settings.KubeAutogradeExecutor.resolve_image_name = resolve
    assert executor().get_image() == "demo-loops"


def test_the_constructor_needs_neither_cluster_nor_executable(
    settings: Config, executor: Any
) -> None:
    section = settings.KubeAutogradeExecutor
    section.kubeconfig = "/no/such/file"
    section.kube_context = "nonsense"
    section.convert_executable = "/only/in/the/image"
    assert executor().convert_executable == "/only/in/the/image"
