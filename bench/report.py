"""The goals and the tables."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

from .contenders import CONTENDERS
from .measure_requests import SHARED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .goals import Goal
    from .percentiles import Figure
    from .results import Cost, Delays, Results

WHOLE = 100.0
"""From here on no tenths are shown."""
FINE = 10.0
"""Up to here hundredths are."""
LEFT = 42


def report(results: Results, judged: Sequence[Goal]) -> str:
    """Give everything that was measured, as text."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        for key, value in results.about.items():
            print(f"{key}: {value}")
        _show_goals(judged)
        _show_delays(results.delays)
        _show_costs("Many pods at once, a fresh process for each round", results.many)
        _show_costs("Growth: what a pod costs by the number there are", results.growth)
        _show_requests(results)
        _show_by_contender(
            "List and watch forbidden, poll_interval 5 s: ms from the event of the container's end",
            results.polling,
        )
        for pods in _sizes(results.real):
            _show_by_contender(
                f"Real pods, {pods} at once: ms from the event of the container's end",
                {name: by_pods[pods] for name, by_pods in results.real.items() if pods in by_pods},
            )
        _show_gradings(results)
        _show_start(results)
    return text.getvalue()


def number(value: float) -> str:
    """Show as many digits as say something."""
    if abs(value) >= WHOLE:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= FINE else f"{value:.2f}"


def _cell(figure: Figure | None) -> str:
    """Show a figure and its spread."""
    if figure is None:
        return "-"
    return f"{number(figure.value)} ({number(figure.lowest)}-{number(figure.highest)})"


def _line(left: str, cells: Sequence[str], width: int = 20) -> None:
    print(f"  {left:{LEFT}}" + "".join(f"{cell:>{width}}" for cell in cells))


def _title(name: str) -> str:
    return CONTENDERS[name].title


def _heading(text: str) -> None:
    print(f"\n{text}")


def _sizes(by_contender: Mapping[str, Mapping[int, object]]) -> list[int]:
    return sorted({pods for by_pods in by_contender.values() for pods in by_pods})


def _show_delays(by_contender: Mapping[str, Mapping[int, Delays]]) -> None:
    for pods in _sizes(by_contender):
        _heading(
            f"{pods} pods in flight: ms from the accepted Succeeded, all rounds (lowest-highest)"
        )
        _line("", ["seen p50", "seen p99", "returned p50", "returned p99", "returned max"])
        for name, by_pods in by_contender.items():
            if pods in by_pods:
                _delay(_title(name), by_pods[pods])


def _delay(title: str, one: Delays) -> None:
    cells = [one.seen.get("p50"), one.seen.get("p99")]
    cells += [one.returned.get(part) for part in ("p50", "p99", "max")]
    _line(title, [_cell(cell) for cell in cells])
    for error in one.errors[:2]:
        print(f"    ! {error}")


def _show_costs(heading: str, by_contender: Mapping[str, Mapping[int, Cost]]) -> None:
    for pods in _sizes(by_contender):
        _heading(f"{heading}: {pods}")
        _line(
            "", ["CPU ms a pod", "KiB a waiting pod", "completions/s", "lag p99 ms", "lag max ms"]
        )
        for name, by_pods in by_contender.items():
            if (one := by_pods.get(pods)) is None:
                continue
            late = [one.late.get(part) for part in ("p99", "max")]
            _line(_title(name), [_cell(cell) for cell in (one.cpu, one.memory, one.rate, *late)])


def _show_requests(results: Results) -> None:
    if not results.requests:
        return
    one = next(iter(results.requests.values()))
    kinds = ["create", "get", "log", "delete", "other", *sorted(SHARED)]
    _heading(f"Requests for {one.pods} pods that lived {one.life:g} s")
    _line("", ["a pod", *kinds], 8)
    for name, found in results.requests.items():
        counted = [str(found.kinds.get(kind, 0)) for kind in kinds]
        _line(_title(name), [f"{found.each:.1f}", *counted], 8)


def _show_by_contender(heading: str, by_contender: Mapping[str, Delays]) -> None:
    if not by_contender:
        return
    _heading(heading)
    _line("", ["seen p50", "seen p99", "returned p50", "returned p99", "returned max"])
    for name, one in by_contender.items():
        _delay(_title(name), one)


def _show_gradings(results: Results) -> None:
    if not results.gradings:
        return
    _heading("Real gradings in a row: ms that the executor took beside the life of its pod")
    _line("", ["gradings", "p50", "max"])
    for name, one in results.gradings.items():
        _line(name, [str(one.count), *(_cell(one.over.get(part)) for part in ("p50", "max"))])
        for error in one.errors[:2]:
            print(f"    ! {error}")


def _show_start(results: Results) -> None:
    if results.start:
        _heading("A fresh process, over bare Python")
        _line("", ["ms", "MB"], 24)
        for name, one in results.start.items():
            _line(name, [_cell(one.milliseconds), _cell(one.megabytes)], 24)
    if results.wheel is not None:
        print(f"\nWheel: {results.wheel / 1e6:.2f} MB")


WORDS = {True: "met", False: "NOT MET", None: "not measured"}


def _show_goals(judged: Sequence[Goal]) -> None:
    _heading("Goals, on the worse of `run` and `run_async` where both were measured")
    for goal in judged:
        print(f"  {WORDS[goal.met]:13} {goal.measure}: {goal.goal}")
        if goal.figure:
            print(f"  {'':13} {goal.figure}")
