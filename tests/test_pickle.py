"""What came of a pod can leave its process, as a worker's result or an exception's."""

from __future__ import annotations

import copy
import pickle

import kubegrader
import pytest
from pods import script


@pytest.fixture(scope="module")
def outcome(kubeconfig: str, namespace: str, image: str) -> kubegrader.Outcome:
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig, namespace=namespace)
    return cluster.run(script(image, "echo hi; exit 3", "pickled"))


def test_an_outcome_is_the_same_after_a_journey(outcome: kubegrader.Outcome) -> None:
    for other in (
        pickle.loads(pickle.dumps(outcome)),  # noqa: S301
        copy.copy(outcome),
        copy.deepcopy(outcome),
    ):
        assert (other.phase, other.attempt, other.logs) == ("Failed", 1, "hi\n")
        assert other.verdict == outcome.verdict
        assert other.verdict.staff_text == "container main ended with exit code 3 (Error)"
        assert other.timings.to_dict() == outcome.timings.to_dict()
        assert other.pod == outcome.pod
        assert other.pod["status"]["phase"] == "Failed"


def test_causes_of_the_same_name_stay_apart() -> None:
    message = 'Container a exceeded its local ephemeral storage limit "2Mi". '
    status = {"phase": "Failed", "reason": "Evicted", "message": message}
    verdict = kubegrader.testing.pod_verdict({"spec": {"containers": []}, "status": status})
    assert (verdict.cause, verdict.blame) == ("Evicted", "student")
    assert pickle.loads(pickle.dumps(verdict)) == verdict  # noqa: S301


def test_an_exception_takes_its_verdict_along(outcome: kubegrader.Outcome) -> None:
    error = kubegrader.PodLostError("the pod was lost")
    error.verdict = outcome.verdict
    other = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert isinstance(other, kubegrader.PodLostError)
    assert (str(other), other.verdict) == ("the pod was lost", outcome.verdict)
