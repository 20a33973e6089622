"""The values for grader-service's Helm chart, read as the chart and the service read them."""

from __future__ import annotations

import textwrap
from pathlib import Path

import kubegrader
import pytest
import yaml
from grader_service.autograding.kube import kube_grader
from grader_service.main import GraderService
from kubegrader.executor import KubeAutogradeExecutor
from kubegrader.site_config import imports_of_upstream

VALUES = Path(kubegrader.__file__).parent / "manifests" / "helm-values.yaml"

# What templates/configmap.yaml of the chart writes below extraConfig, with the chart's defaults.
OF_CHART = """\

from grader_service.autograding.kube.kube_grader import KubeAutogradeExecutor
c.RequestHandlerConfig.autograde_executor_class = KubeAutogradeExecutor

c.KubeAutogradeExecutor.kube_context = None

c.KubeAutogradeExecutor.resolve_image_name = lambda l, a: "ghcr.io/tu-wien-datalab/grader:latest"
c.KubeAutogradeExecutor.volume = {"name": "data","persistentVolumeClaim": {"claimName": "grader-service"} }
c.KubeAutogradeExecutor.extra_volumes = []
c.KubeAutogradeExecutor.extra_volume_mounts = []
c.KubeAutogradeExecutor.cell_timeout = 360
"""  # noqa: E501


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the config file that the chart makes of the values."""
    # Put back afterwards what the config replaces in this process.
    upstream = kube_grader.KubeAutogradeExecutor
    monkeypatch.setattr(kube_grader, "KubeAutogradeExecutor", upstream)
    values = yaml.safe_load(VALUES.read_text())
    indented = textwrap.indent(values["extraConfig"] + OF_CHART, "    ")
    map_ = yaml.safe_load(f"data:\n  grader_service_config.py: |\n{indented}")
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
