"""What kubegrader is to reach, as ratios in one run wherever that is possible.

A goal is judged on the worse of `run` and `async` where both were measured. One whose figures are
missing is neither met nor missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import measure_start
from .contenders import FLOOR, FLOOR_LOG, KUBEGRADER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .results import Delays, Results

SIZES = (20, 200, 2_000)
MANY = 2_000
MOST = 10_000
FEW = 100
SEEN_OVER_BARE = 2.0
REQUESTS = 3.0
COMPLETIONS = 0.95
MEMORY = 8.0
LATE_P99, LATE_MAX = 5.0, 50.0
CPU_OVER_FLOOR = 1.0
"""0.45 ms where the floor needs those 0.45 ms for create and delete."""
START_MS, START_MB = 40.0, 15.0
WHEEL = 8e6
SAME_COST = 1.1
"""What "the same cost" may be apart, since no two runs agree to the digit."""
SOONER = 5.0
REAL = 20.0
GRADING = 100.0
JUDGED = ("p50", "p99")


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal, and what came of it."""

    measure: str
    goal: str
    figure: str
    met: bool | None
    """None: it was not measured in this run."""


def goals(results: Results) -> list[Goal]:
    """Judge all of them."""
    return [
        *_delays(results, "seen", "seen"),
        *_over_bare(results),
        *_delays(results, "returned", "returned: log and delete done"),
        _requests(results),
        _watches(results),
        _completions(results),
        *_memory(results),
        _late(results),
        _cpu(results),
        *_start(results),
        _wheel(results),
        _same_cost(results),
        *_polling(results),
        *_real(results),
        _gradings(results),
    ]


def _ours(by_contender: dict[str, dict[int, Delays]], pods: int) -> dict[str, Delays]:
    return {
        name: by_contender[name][pods] for name in KUBEGRADER if pods in by_contender.get(name, {})
    }


def _worst(ours: dict[str, Delays], what: str, part: str) -> float:
    return max(
        getattr(one, what)[part].value if not one.errors else float("inf") for one in ours.values()
    )


def _best_peer(results: Results, pods: int, what: str, part: str) -> tuple[float, str] | None:
    values = [
        (getattr(by_pods[pods], what)[part].value, name)
        for name, by_pods in results.delays.items()
        if name not in {*KUBEGRADER, FLOOR, FLOOR_LOG}
        and pods in by_pods
        and not by_pods[pods].errors
    ]
    return min(values, default=None)


def _delays(results: Results, what: str, title: str) -> Iterator[Goal]:
    for pods in SIZES:
        measure, goal = f"{title}, {pods} pods", "p50 and p99 ahead of every peer"
        ours = _ours(results.delays, pods)
        best = {part: _best_peer(results, pods, what, part) for part in JUDGED}
        if not ours or None in best.values():
            yield Goal(measure, goal, "", None)
            continue
        figures, is_met = [], True
        for part, peer in best.items():
            if peer is not None:
                value = _worst(ours, what, part)
                is_met = is_met and value < peer[0]
                figures.append(f"{part} {value:.1f} ms, {peer[1]} {peer[0]:.1f}")
        yield Goal(measure, goal, "; ".join(figures), is_met)


def _over_bare(results: Results) -> Iterator[Goal]:
    for pods in SIZES:
        measure, goal = (
            f"seen beside a bare watch, {pods} pods",
            f"at most {SEEN_OVER_BARE:g} times the bare watch",
        )
        ours, bare = _ours(results.delays, pods), results.delays.get(FLOOR, {}).get(pods)
        if not ours or bare is None:
            yield Goal(measure, goal, "", None)
            continue
        pairs = [(part, _worst(ours, "seen", part), bare.seen[part].value) for part in JUDGED]
        figure = "; ".join(f"{part} {value:.1f} ms, bare {own:.1f}" for part, value, own in pairs)
        # Twice a delay below zero (the event overtook the answer) is not above it.
        is_met = all(value <= max(SEEN_OVER_BARE * own, own) for _, value, own in pairs)
        yield Goal(measure, goal, figure, is_met)


def _requests(results: Results) -> Goal:
    found = [results.requests[name].each for name in KUBEGRADER if name in results.requests]
    return Goal(
        "API requests a submission",
        f"{REQUESTS:g}",
        f"{max(found):.2f}" if found else "",
        max(found) <= REQUESTS if found else None,
    )


def _watches(results: Results) -> Goal:
    found = [results.requests[name] for name in KUBEGRADER if name in results.requests]
    most = max((one.kinds.get("watch", 0) for one in found), default=0)
    return Goal(
        "Watches",
        "one for all",
        f"{most} for {found[0].pods} pods in {found[0].life:g} s" if found else "",
        most == 1 if found else None,
    )


def _completions(results: Results) -> Goal:
    measure, goal = f"Completions a second, {MANY} pods", f"at least {COMPLETIONS:g} of the floor"
    rates = {name: cost[MANY].rate for name, cost in results.many.items() if MANY in cost}
    found = [rate.value for name in KUBEGRADER if (rate := rates.get(name))]
    floor = rates.get(FLOOR)
    if not found or floor is None:
        return Goal(measure, goal, "", None)
    ratio = min(found) / floor.value
    figure = f"{min(found):.0f}, floor {floor.value:.0f}: {ratio:.2f}"
    if with_log := rates.get(FLOOR_LOG):
        figure += f" ({min(found) / with_log.value:.2f} of one that reads the log)"
    return Goal(measure, goal, figure, ratio >= COMPLETIONS)


def _memory(results: Results) -> Iterator[Goal]:
    for pods, costs in ((MANY, results.many), (MOST, results.growth)):
        found = [
            cost[pods].memory for name, cost in costs.items() if name == "async" and pods in cost
        ]
        value = found[0].value if found and found[0] else None
        yield Goal(
            f"Memory a waiting pod, {pods} pods, `run_async`",
            f"at most {MEMORY:g} KiB",
            "" if value is None else f"{value:.1f} KiB",
            None if value is None else value <= MEMORY,
        )


def _late(results: Results) -> Goal:
    cost = results.many.get("async", {}).get(MANY)
    late = cost.late if cost else {}
    return Goal(
        f"Event-loop lag, {MANY} pods, `run_async`",
        f"p99 / max at most {LATE_P99:g} / {LATE_MAX:g} ms",
        f"{late['p99'].value:.1f} / {late['max'].value:.1f} ms" if late else "",
        late["p99"].value <= LATE_P99 and late["max"].value <= LATE_MAX if late else None,
    )


def _cpu(results: Results) -> Goal:
    measure, goal = f"Client CPU a submission, {MANY} pods", "at most the floor's (create, delete)"
    cpu = {name: cost[MANY].cpu for name, cost in results.many.items() if MANY in cost}
    found = [one.value for name in KUBEGRADER if (one := cpu.get(name))]
    floor = cpu.get(FLOOR)
    if not found or floor is None:
        return Goal(measure, goal, "", None)
    figure = f"{max(found):.2f} ms, floor {floor.value:.2f}"
    return Goal(measure, goal, figure, max(found) <= CPU_OVER_FLOOR * floor.value)


def _start(results: Results) -> Iterator[Goal]:
    for way in (measure_start.MADE, measure_start.ANSWERED):
        one = results.start.get(way)
        milliseconds = one.milliseconds.value if one else 0.0
        megabytes = one.megabytes.value if one else 0.0
        yield Goal(
            f"Fresh process: {way}",
            f"at most {START_MS:g} ms and {START_MB:g} MB over bare Python",
            f"{milliseconds:.0f} ms, {megabytes:.1f} MB" if one else "",
            milliseconds <= START_MS and megabytes <= START_MB if one else None,
        )


def _wheel(results: Results) -> Goal:
    size = results.wheel
    figure = "" if size is None else f"{size / 1e6:.1f} MB"
    met = None if size is None else size <= WHEEL
    return Goal("Wheel", f"at most {WHEEL / 1e6:g} MB", figure, met)


def _same_cost(results: Results) -> Goal:
    measure, goal = f"{MOST} pods at once", "finishes, the same cost a pod as at 100"
    costs = results.growth.get("async", {})
    if MOST not in costs or FEW not in costs:
        return Goal(measure, goal, "", None)
    few, most = costs[FEW].cpu, costs[MOST].cpu
    if most is None or few is None:
        return Goal(measure, goal, "does not finish", met=False)
    figure = f"{most.value:.2f} ms of CPU, at {FEW} {few.value:.2f}"
    return Goal(measure, goal, figure, most.value <= SAME_COST * few.value)


def _real(results: Results) -> Iterator[Goal]:
    measure, goal = "Real pod: its container's end -> returned", f"p99 at most {REAL:g} ms"
    sizes = {pods for by_pods in results.real.values() for pods in by_pods}
    if not sizes:
        yield Goal(measure, goal, "", None)
    for pods in sorted(sizes):
        found = _ours(results.real, pods)
        if not found:
            continue
        worst, bare = _worst(found, "returned", "p99"), results.real.get(FLOOR_LOG, {}).get(pods)
        beside = f", a bare client {bare.returned['p99'].value:.1f}" if bare else ""
        yield Goal(f"{measure}, {pods} at once", goal, f"{worst:.1f} ms{beside}", worst <= REAL)


def _gradings(results: Results) -> Goal:
    measure = "Ten real gradings in a row"
    goal = f"at most {GRADING:g} ms each over their pods' lives"
    found = results.gradings.get("kubegrader")
    if found is None or not found.over:
        return Goal(measure, goal, "", None)
    worst, theirs = found.over["max"].value, results.gradings.get("upstream")
    beside = f", upstream {theirs.over['max'].value:.0f}" if theirs and theirs.over else ""
    is_met = worst <= GRADING and not found.errors
    return Goal(measure, goal, f"{worst:.0f} ms{beside}", is_met)


def _polling(results: Results) -> Iterator[Goal]:
    ours = [results.polling[name] for name in KUBEGRADER if name in results.polling]
    theirs = results.polling.get("upstream")
    title = "List and watch forbidden"
    can = bool(ours) and theirs is not None and all(one.seen for one in (*ours, theirs))
    if not can or theirs is None:
        yield Goal(title, "never later than upstream", "", None)
        yield Goal(title, f"median at least {SOONER:g} times sooner", "", None)
        return
    worst = {part: max(one.seen[part].value for one in ours) for part in ("p50", "p99", "max")}
    upstream = {part: figure.value for part, figure in theirs.seen.items()}
    yield Goal(
        title,
        "never later than upstream",
        f"max {worst['max']:.0f} ms, upstream {upstream['max']:.0f}",
        all(worst[part] <= upstream[part] for part in worst),
    )
    yield Goal(
        title,
        f"median at least {SOONER:g} times sooner",
        f"{worst['p50']:.0f} ms, upstream {upstream['p50']:.0f}",
        worst["p50"] * SOONER <= upstream["p50"],
    )
