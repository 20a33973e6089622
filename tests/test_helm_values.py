"""The values for grader-service's Helm chart, read as the chart and the service read them.

Where KUBEGRADER_CHART names the chart's folder (charts/grader-service in its repository), helm
itself renders it, too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
from typing import TYPE_CHECKING

import pytest
import yaml
from grader_service.autograding.kube import kube_grader
from grader_service.main import GraderService
from kubegrader.executor import KubeAutogradeExecutor
from kubegrader.site_config import imports_of_upstream
from shipped import MANIFESTS

if TYPE_CHECKING:
    from pathlib import Path

VALUES = MANIFESTS / "helm-values.yaml"

# What templates/configmap.yaml of the chart writes of the executor, with the chart's defaults.
OF_CHART = """\

from grader_service.autograding.kube.kube_grader import KubeAutogradeExecutor
c.RequestHandlerConfig.autograde_executor_class = KubeAutogradeExecutor
c.KubeAutogradeExecutor.kube_context = None
c.KubeAutogradeExecutor.volume = {"name": "data","persistentVolumeClaim": {"claimName": "grader-service"}}
c.KubeAutogradeExecutor.extra_volumes = []
c.KubeAutogradeExecutor.extra_volume_mounts = []
"""  # noqa: E501


def chart(extra: str, place: str) -> str:
    """Give the config that the chart makes: older charts write extraConfig first, newer ones last.

    What each of them writes besides of the executor stands with its place.
    """
    if place == "extraConfig first":
        image = 'lambda l, a: "ghcr.io/tu-wien-datalab/grader:latest"'
        own = (
            f"c.KubeAutogradeExecutor.resolve_image_name = {image}\n"
            "c.KubeAutogradeExecutor.cell_timeout = 360\n"
        )
        written = extra + OF_CHART + own
    else:
        own = (
            "c.KubeAutogradeExecutor.labels = {}\nc.KubeAutogradeExecutor.image_pull_secrets = []\n"
        )
        written = OF_CHART + own + extra
    indented = textwrap.indent(written, "    ")
    return f"data:\n  grader_service_config.py: |\n{indented}"


def rendered() -> str:
    """Let helm render the chart that this machine has."""
    folder, helm = os.environ.get("KUBEGRADER_CHART"), shutil.which("helm")
    if folder is None or helm is None:
        pytest.skip("set KUBEGRADER_CHART to the chart's folder, and install helm")
    command = [helm, "template", "site", folder, "--values", str(VALUES)]
    command += ["--show-only", "templates/configmap.yaml"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(params=["extraConfig first", "extraConfig last", "helm"])
def config_file(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Give the config file that the chart makes of the values."""
    # Put back afterwards what the config replaces in this process.
    upstream = kube_grader.KubeAutogradeExecutor
    monkeypatch.setattr(kube_grader, "KubeAutogradeExecutor", upstream)
    if request.param == "helm":
        map_ = yaml.safe_load(rendered())
    else:
        values = yaml.safe_load(VALUES.read_text())
        map_ = yaml.safe_load(chart(values["extraConfig"], request.param))
    config = tmp_path / "grader_service_config.py"
    config.write_text(map_["data"]["grader_service_config.py"])
    return config


def test_the_service_grades_with_kubegrader_where_the_chart_chooses_the_executor(
    config_file: Path,
) -> None:
    service = GraderService()
    service.load_config_file(str(config_file))
    chosen = service.config.RequestHandlerConfig.autograde_executor_class
    assert chosen is KubeAutogradeExecutor
    section = service.config.KubeAutogradeExecutor
    assert (section.mem_limit, section.cpu_limit) == ("2G", 2)
    assert section.volume["persistentVolumeClaim"] == {"claimName": "grader-service"}
    # `kubegrader check` has nothing to say of the chart's import.
    assert list(imports_of_upstream(config_file)) == []


def test_the_values_name_only_keys_of_the_chart() -> None:
    values = yaml.safe_load(VALUES.read_text())
    assert set(values) == {"extraConfig", "autogradeExecutorClass"}
    assert values["autogradeExecutorClass"] == "KubeAutogradeExecutor"
