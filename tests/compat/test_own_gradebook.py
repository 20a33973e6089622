"""Points come from a gradebook of the submission's own, whatever a pod leaves in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kubegrader.demo.course import SUBMISSIONS

if TYPE_CHECKING:
    from pathlib import Path

    from kubegrader.testing import KubeCluster
    from program import Program
    from service import Service
    from traitlets.config import Config


@pytest.mark.parametrize(
    "strange",
    ['ln -s "{other}" "$out/gradebook.json"', 'mkfifo "$out/gradebook.json"'],
)
def test_a_link_or_a_pipe_in_place_of_the_gradebook_is_no_grade(
    service: Service,
    settings: Config,
    prepared: Program,
    kube_cluster: KubeCluster,
    tmp_path: Path,
    strange: str,
) -> None:
    other = tmp_path / "another submission's.json"
    leaves = strange.format(other=other)
    prepared.use(
        settings,
        f'leave_results; mv "$out/gradebook.json" "{other}"; {leaves}; echo graded',
    )
    [graded] = service.grade(service.submit(SUBMISSIONS[0].notebook(service.site.course)))
    assert other.exists()
    assert (graded.status, graded.score) == ("grading_failed", None)
    assert "the pod has left a link or a pipe there and no file" in graded.log
    assert kube_cluster.pods() == []


@pytest.mark.parametrize(
    ("leaves", "told"),
    [
        ('rm "$out/gradebook.json"', "No such file or directory"),
        ('echo "half of a gra" > "$out/gradebook.json"', "it is no gradebook with points"),
        ('echo "[]" > "$out/gradebook.json"', "it is no gradebook with points"),
        ('echo "{}" > "$out/gradebook.json"', "it is no gradebook with points"),
        # Stored by sqlite as NULL, and by PostgreSQL as what no JSON has.
        (
            """sed -i 's/"auto_score": [0-9.]*/"auto_score": NaN/' "$out/gradebook.json" """,
            "it is no gradebook with points",
        ),
        (
            """sed -i 's/"auto_score": [0-9.]*/"auto_score": 1e400/' "$out/gradebook.json" """,
            "it is no gradebook with points",
        ),
        (
            """sed -i 's/"auto_score": [0-9.]*/"auto_score": "x"/' "$out/gradebook.json" """,
            "it is no gradebook with points",
        ),
    ],
)
def test_a_gradebook_that_is_gone_or_broken_is_told_as_that(
    service: Service,
    settings: Config,
    prepared: Program,
    kube_cluster: KubeCluster,
    leaves: str,
    told: str,
) -> None:
    prepared.use(settings, f"leave_results; {leaves}; echo graded")
    [graded] = service.grade(service.submit(SUBMISSIONS[0].notebook(service.site.course)))
    assert (graded.status, graded.score) == ("grading_failed", None)
    assert graded.log.startswith("graded\n\nYour submission")
    assert f"gradebook.json: {told}, though the pod succeeded" in graded.log
    assert "half of a gra" not in graded.log
    executor: Any = service.executors[-1]
    assert executor.verdict is None
    assert kube_cluster.pods() == []


def test_a_gradebook_larger_than_any_is_not_read(
    service: Service, settings: Config, prepared: Program
) -> None:
    prepared.use(settings, 'leave_results; truncate -s 20G "$out/gradebook.json"; echo graded')
    [graded] = service.grade(service.submit(SUBMISSIONS[0].notebook(service.site.course)))
    assert (graded.status, graded.score) == ("grading_failed", None)
    assert "gradebook.json: it has 21474836480 bytes, and no gradebook has more than" in graded.log
