"""``c.KubeAutogradeExecutor.tolerations.append(...)``: what traitlets lets a config write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kubegrader.config_traits import MisconfiguredError
from kubegrader.executor import KubeAutogradeExecutor
from traitlets.config.loader import PyFileConfigLoader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from traitlets.config import Config

A = {"key": "a", "operator": "Exists"}
B = {"key": "b", "operator": "Exists"}


@pytest.fixture
def made(settings: Config, executor: Any, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Make the spec of the pod of a config's lines, as a second executor of the process does."""

    def made(*lines: str, class_: type[Any] = KubeAutogradeExecutor) -> dict[str, Any]:
        path = tmp_path / "config.py"
        path.write_text("".join(f"c.KubeAutogradeExecutor.{line}\n" for line in lines))
        settings.merge(PyFileConfigLoader(str(path)).load_config())
        executor(class_)
        spec: dict[str, Any] = executor(class_)._make_pod()["spec"]
        return spec

    return made


@pytest.mark.parametrize(
    ("lines", "tolerations"),
    [
        ([f"tolerations.append({A})"], [A]),
        ([f"tolerations.extend([{A}, {B}])"], [A, B]),
        ([f"tolerations.append({A})", f"tolerations.prepend([{B}])"], [B, A]),
        ([f"tolerations.append({A})", f"tolerations.insert(0, {B})"], [B, A]),
        ([f"tolerations.update({A})"], [A]),
        ([f"tolerations.update({{'2': {B}, '1': {A}}})"], [A, B]),
        ([f"tolerations = [{A}]", f"tolerations.append({B})"], [A, B]),
    ],
)
def test_tolerations_grow_as_lists_and_dicts_do(
    made: Callable[..., dict[str, Any]], lines: list[str], tolerations: list[Any]
) -> None:
    assert made(*lines)["tolerations"] == tolerations


@pytest.mark.parametrize(
    ("line", "secrets"),
    [
        ("image_pull_secrets.append('a')", [{"name": "a"}]),
        ("image_pull_secrets.extend(['a', {'name': 'b'}])", [{"name": "a"}, {"name": "b"}]),
        ("image_pull_secrets.update({'name': 'a'})", [{"name": "a"}]),
    ],
)
def test_pull_secrets_grow_as_lists_and_dicts_do(
    made: Callable[..., dict[str, Any]], line: str, secrets: list[Any]
) -> None:
    assert made(line)["imagePullSecrets"] == secrets


def test_a_subclasss_section_adds_to_what_the_base_has(
    settings: Config, made: Callable[..., dict[str, Any]]
) -> None:
    class Own(KubeAutogradeExecutor):
        pass

    settings.Own.tolerations.append(B)
    assert made(f"tolerations = [{A}]", class_=Own)["tolerations"] == [A, B]


@pytest.mark.parametrize(
    "line", ["tolerations", "namespace", "image_pull_secrets", "uid", "extra_pod_config", "labels"]
)
def test_a_trait_that_a_config_only_reads_keeps_its_default(
    made: Callable[..., dict[str, Any]], line: str
) -> None:
    spec = made(line)
    assert "tolerations" not in spec
    assert "imagePullSecrets" not in spec


@pytest.mark.parametrize(
    ("lines", "trait"),
    [
        ([f"tolerations.append({A})", f"tolerations.update({B})"], "tolerations"),
        (["tolerations.add('a')"], "tolerations"),
        (["labels.append('a')"], "labels"),
        (["extra_volumes.update({'name': 'a'})"], "extra_volumes"),
        (["extra_pod_config.append('a')"], "extra_pod_config"),
        (["start_timeout.append(5)"], "start_timeout"),
        (["convert_executable.append('x')"], "convert_executable"),
        (["security.update({'a': 1})"], "security"),
        (["cpu_limit.append(5)"], "cpu_limit"),
        (["max_pods.append(5)"], "max_pods"),
        (["labels.update({'a': 5})"], "labels"),
    ],
)
def test_what_cannot_grow_is_told_with_the_traits_name(
    made: Callable[..., dict[str, Any]], lines: list[str], trait: str
) -> None:
    with pytest.raises(MisconfiguredError) as error:
        made(*lines)
    assert error.value.trait == f"KubeAutogradeExecutor.{trait}"
    assert trait in str(error.value)
