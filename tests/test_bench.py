"""The benchmark's sums, and a small run of it on the embedded cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.goals import goals
from bench.measure_gradings import over
from bench.percentiles import Figure, middle, percentile, percentiles
from bench.plan import FULL, QUICK
from bench.pod_events import PodEvents
from bench.proxy import kind
from bench.results import Cost, Delays, Gradings, Requests, Results
from bench.schedule import schedule

ROOT = Path(__file__).parent.parent


def test_a_percentile_is_the_value_of_the_nearest_rank() -> None:
    values = [15.0, 20.0, 35.0, 40.0, 50.0]

    assert [percentile(values, percent) for percent in (5, 30, 40, 50, 100)] == [15, 20, 20, 35, 50]


def test_the_order_of_the_values_does_not_matter() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0


def test_percentiles_are_those_of_all_rounds_with_the_lowest_and_the_highest_round() -> None:
    found = percentiles([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])

    assert found == {
        "p50": Figure(3.0, 2.0, 20.0),
        "p99": Figure(30.0, 3.0, 30.0),
        "max": Figure(30.0, 3.0, 30.0),
    }


def test_a_round_without_values_does_not_count() -> None:
    assert percentiles([[], [4.0]])["p50"] == Figure(4.0, 4.0, 4.0)
    assert percentiles([[], []]) == {}


def test_one_value_a_round_gives_the_median_round() -> None:
    assert middle([5.0, 1.0, 3.0]) == Figure(3.0, 1.0, 5.0)
    assert middle([]) is None


def test_all_pods_of_a_burst_are_due_at_once() -> None:
    assert {at for _, at in schedule(["a", "b", "c"], 0, seed=1)} == {0.0}


def test_the_same_seed_ends_the_pods_in_the_same_order_at_the_same_moments() -> None:
    names = [str(at) for at in range(1_000)]

    first = schedule(names, 100, seed=7)

    assert first == schedule(names, 100, seed=7)
    assert sorted(name for name, _ in first) == sorted(names)
    # A thousand at a hundred a second.
    assert 9 < first[-1][1] < 11


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("POST", "/api/v1/namespaces/a/pods", "create"),
        ("POST", "/api/v1/namespaces/a/pods?fieldManager=x", "create"),
        ("GET", "/api/v1/namespaces/a/pods", "list"),
        ("GET", "/api/v1/namespaces/a/pods?limit=500&resourceVersion=0", "list"),
        ("GET", "/api/v1/namespaces/a/pods?allowWatchBookmarks=true&watch=true", "watch"),
        ("GET", "/api/v1/namespaces/a/pods/p", "get"),
        ("GET", "/api/v1/namespaces/a/pods/p/status", "get"),
        ("GET", "/api/v1/namespaces/a/pods/p/log?container=c", "log"),
        ("DELETE", "/api/v1/namespaces/a/pods/p", "delete"),
        ("PATCH", "/api/v1/namespaces/a/pods/p", "other"),
        ("GET", "/version", "other"),
        ("PATCH", "/apis/coordination.k8s.io/v1/namespaces/a/leases/l", "lease"),
    ],
)
def test_requests_are_counted_by_kind(method: str, target: str, expected: str) -> None:
    assert kind(method, target) == expected


def met(results: Results, measure: str) -> bool | None:
    [found] = [goal.met for goal in goals(results) if goal.measure == measure]
    return found


def test_a_goal_without_figures_is_neither_met_nor_missed() -> None:
    assert {goal.met for goal in goals(Results())} == {None}


@pytest.mark.parametrize(("each", "expected"), [(3.0, True), (3.1, False)])
def test_three_requests_a_submission_meet_the_goal(each: float, *, expected: bool) -> None:
    results = Results(requests={"async": Requests(10, 12.0, each, {"watch": 1})})

    assert met(results, "API requests a submission") is expected


@pytest.mark.parametrize(("rate", "expected"), [(950.0, True), (949.0, False)])
def test_completions_are_judged_against_the_floor(rate: float, *, expected: bool) -> None:
    def cost(value: float) -> dict[int, Cost]:
        return {2_000: Cost(1, None, None, Figure(value, value, value), {})}

    results = Results(many={"run": cost(2_000.0), "async": cost(rate), "floor": cost(1_000.0)})

    assert met(results, "Completions a second, 2000 pods") is expected


def delays(seen: float) -> dict[int, Delays]:
    figures = {part: Figure(seen, seen, seen) for part in ("p50", "p99", "max")}
    return {20: Delays(1, 20, figures, figures, [])}


@pytest.mark.parametrize(("theirs", "expected"), [(2.1, True), (2.0, False)])
def test_the_slower_of_run_and_run_async_has_to_be_ahead_of_the_best_peer(
    theirs: float, *, expected: bool
) -> None:
    results = Results(
        delays={
            "async": delays(1.0),
            "run": delays(2.0),
            "floor": delays(0.5),
            "kr8s": delays(9.0),
            "lightkube": delays(theirs),
        }
    )

    assert met(results, "seen, 20 pods") is expected


@pytest.mark.parametrize(
    ("bare", "expected"), [(0.5, True), (0.4, False), (-0.1, False), (1.0, True)]
)
def test_an_end_is_seen_within_twice_the_time_of_a_bare_watch(
    bare: float, *, expected: bool
) -> None:
    results = Results(delays={"async": delays(1.0), "floor": delays(bare)})

    assert met(results, "seen beside a bare watch, 20 pods") is expected


@pytest.mark.parametrize(
    ("median", "last", "sooner", "never_later"),
    [(100.0, 5_000.0, True, True), (500.1, 5_000.0, False, True), (100.0, 5_001.0, True, False)],
)
def test_polling_is_judged_by_its_median_and_by_its_last(
    median: float, last: float, *, sooner: bool, never_later: bool
) -> None:
    def polled(middle: float, most: float) -> Delays:
        parts = {"p50": middle, "p99": most, "max": most}
        figures = {part: Figure(value, value, value) for part, value in parts.items()}
        return Delays(1, 40, figures, figures, [])

    results = Results(polling={"async": polled(median, last), "upstream": polled(2_500.0, 5_000.0)})

    found = {goal.goal: goal.met for goal in goals(results)}
    assert found["median at least 5 times sooner"] is sooner
    assert found["never later than upstream"] is never_later


def test_a_grading_is_charged_for_what_it_takes_before_and_after_its_pods_life() -> None:
    events = PodEvents(added={"before": 9.0, "p": 10.5}, ended={"before": 9.5, "p": 13.5})
    # Half a second until the pod is there, a quarter after its container's end.
    assert over({"began": 10.0, "returned": 13.75, "error": None}, events) == 750.0


def test_a_grading_that_took_two_pods_is_not_measured() -> None:
    events = PodEvents(added={"p": 10.5, "p-attempt-2": 12.0}, ended={"p": 11.0})
    with pytest.raises(LookupError, match="a grading had 2 pods"):
        over({"began": 10.0, "returned": 13.75, "error": None}, events)


@pytest.mark.parametrize(
    ("worst", "errors", "expected"),
    [(99.0, [], True), (101.0, [], False), (50.0, ["grading_failed, None: "], False)],
)
def test_each_grading_has_to_be_right_and_within_the_goal(
    worst: float, errors: list[str], *, expected: bool
) -> None:
    figure = Figure(worst, worst, worst)
    results = Results(gradings={"kubegrader": Gradings(10, {"max": figure}, errors)})
    (goal,) = (one for one in goals(results) if one.measure == "Ten real gradings in a row")
    assert goal.met is expected


@pytest.mark.parametrize(("ours", "expected"), [(20.0, True), (20.1, False)])
def test_real_pods_are_judged_at_each_number_of_them(ours: float, *, expected: bool) -> None:
    [one], [many] = delays(ours).values(), delays(30.0).values()
    results = Results(real={"async": {1: one, 10: many}, "floor-log": {1: many}})
    measure = "Real pod: its container's end -> returned"
    assert met(results, f"{measure}, 1 at once") is expected
    assert met(results, f"{measure}, 10 at once") is False


def test_a_pod_that_did_not_return_misses_the_goal_whatever_the_others_took() -> None:
    [lost] = delays(1.0).values()
    results = Results(
        delays={
            "async": {20: Delays(1, 19, lost.seen, lost.returned, ["1 of 20 did not return"])},
            "lightkube": delays(9.0),
        }
    )

    assert met(results, "seen, 20 pods") is False


def test_a_plan_without_names_is_the_whole_plan() -> None:
    assert FULL.only(None, None) == FULL


def test_a_capped_plan_keeps_one_stage_of_each_kind() -> None:
    capped = QUICK.at_most(4)

    assert [stage.pods for stage in (*capped.few, *capped.many)] == [4, 4]
    assert capped.growth == (4,)


def test_the_quick_benchmark_runs_with_two_contenders_and_few_pods(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    command = [sys.executable, "-m", "bench", "--quick", "--at-most", "4", "--json", str(path)]
    environment = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}

    done = subprocess.run(
        [*command, "--contenders", "async", "floor"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(path.read_text())
    assert found["requests"]["async"]["kinds"]["create"] == 4
    assert found["requests"]["async"]["each"] == 3
    assert found["requests"]["floor"]["kinds"] == {"watch": 1, "create": 4, "delete": 4}
    for name in ("async", "floor"):
        # Two rounds with few, and one with many, which are as few here.
        assert found["delays"][name]["4"]["pods"] > 0
        assert found["delays"][name]["4"]["errors"] == []
        assert found["many"][name]["4"]["rate"]["value"] > 0
    assert found["growth"]["async"]["4"]["cpu"]["value"] > 0
    assert found["polling"]["async"]["pods"] == 4
    assert "goals" in found
    assert "Goals" in done.stdout
