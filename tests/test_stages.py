"""Pod lives played from data, from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubegrader
import pytest

POD: dict[str, Any] = {
    "metadata": {"generateName": "p-"},
    "spec": {"containers": [{"name": "main", "image": "none:1", "command": ["true"]}]},
}
OUT_OF_CPU = Path(kubegrader.__file__).parent / "stages" / "kubelet-out-of-cpu.yaml"
INLINE = {
    "name": "inline",
    "steps": [
        {"bind": "n"},
        {"moment": "rejected", "status": {"reason": "OutOfcpu", "message": "Pod was rejected"}},
    ],
}


def cause(embedded: kubegrader.EmbeddedCluster) -> str:
    cluster = kubegrader.Cluster(kubeconfig=embedded.kubeconfig)
    try:
        return cluster.run(POD, start_timeout=60, timeout=60).verdict.cause
    except kubegrader.KubegraderError as error:
        if error.verdict is None:
            raise
        return error.verdict.cause


@pytest.mark.parametrize(
    "stage",
    ["kubelet-out-of-cpu", OUT_OF_CPU, str(OUT_OF_CPU), OUT_OF_CPU.read_text(), INLINE],
    ids=["name", "path", "text of a path", "YAML", "mapping"],
)
def test_a_stage_is_a_name_a_path_text_or_a_mapping(stage: Any) -> None:
    with kubegrader.EmbeddedCluster(stages=[stage]) as embedded:
        assert cause(embedded) == "OutOfcpu"


def test_a_stage_is_played_from_the_moment_it_is_given() -> None:
    with kubegrader.EmbeddedCluster() as embedded:
        assert cause(embedded) == "Completed"
        embedded.play({**INLINE, "pods": 1})
        assert cause(embedded) == "OutOfcpu"
        assert cause(embedded) == "Completed"


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ("no-such-life", "there are completed, "),
        ({"name": "a", "steps": [{"delay": "soon"}]}, r'steps\[0\].delay: "soon" is no duration'),
        ("/no/such/file.yaml", "/no/such/file.yaml: it cannot be read"),
    ],
)
def test_a_wrong_stage_is_refused_with_what_is_wrong(stage: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        kubegrader.EmbeddedCluster(stages=[stage])


def test_anything_else_is_no_stage() -> None:
    with pytest.raises(TypeError, match="not int"):
        kubegrader.EmbeddedCluster(stages=[7])  # type: ignore[list-item]
