"""The table that is printed, and the same as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from . import goals
from .official import KINDS
from .percentiles import PERCENTILES
from .results import DELAYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .percentiles import Figure
    from .results import Result

LABELS = {
    "seen": "end seen",
    "done": "log and delete done",
    "returned": "the caller has it",
}
KUBEGRADER = {"run", "async"}
WHOLE = 1000.0
"""Milliseconds from which on no tenths are shown."""


def show(results: Sequence[Result], about: Mapping[str, object]) -> None:
    """Print everything."""
    print()
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    _show_delays(results)
    _show_requests(results)
    _show_notes(results)


def _cell(figure: Figure) -> str:
    digits = 1 if figure.highest < WHOLE else 0
    pooled, lowest, highest = (
        f"{value:.{digits}f}" for value in (figure.pooled, figure.lowest, figure.highest)
    )
    return f"{pooled} ({lowest} to {highest})"


def _show_delays(results: Sequence[Result]) -> None:
    print()
    print("Milliseconds from the accepted Succeeded: all rounds (lowest to highest round)")
    print(f"{'':22}" + "".join(f"{name:>26}" for name in PERCENTILES) + "  goal")
    for result in results:
        print(result.title)
        for what in DELAYS if result.name in KUBEGRADER else ("seen", "returned"):
            cells = "".join(f"{_cell(figure):>26}" for figure in result.delays(what).values())
            goal = ""
            if result.name in KUBEGRADER:
                goal = f"  p99 <= {goals.P99[what]:.0f}: {goals.delay(result, what)}"
            print(f"  {LABELS[what]:20}{cells}{goal}")


def _show_requests(results: Sequence[Result]) -> None:
    kinds = [kind for kind in KINDS if kind not in {"list", "watch"}]
    print()
    print("API requests for each pod in the counted rounds, and lists and watches in the whole run")
    head = "".join(f"{kind:>8}" for kind in [*kinds, "a pod", "lists", "watches"])
    print(f"{'':8}{head}  in s  goal")
    for result in results:
        counted = result.requests()
        cells = "".join(f"{counted[kind] / result.count():>8.2f}" for kind in kinds)
        life = result.life_requests
        goal = ""
        if result.name in KUBEGRADER:
            goal = (
                f"  a pod <= {goals.REQUESTS_A_POD:.0f}: {goals.requests(result)}; "
                f"1 watch, renewed each {goals.WATCH_SECONDS} s: {goals.watches(result)}"
            )
        print(
            f"{result.name:8}{cells}{result.requests_a_pod():>8.2f}"
            f"{life['list']:>8}{life['watch']:>8}{result.life:>6.0f}{goal}"
        )


def _show_notes(results: Sequence[Result]) -> None:
    early = ", ".join(f"{result.name} {result.early()} of {result.count()}" for result in results)
    patch = ", ".join(
        f"{result.name} {result.patch()['p50'].pooled:.1f} and {result.patch()['p99'].pooled:.1f}"
        for result in results
    )
    print(f"""
- Zero is the moment at which the answer to the PATCH of the status had arrived in the patching
  process, by the one clock that all processes read. The watch's event may overtake that answer:
  then a delay is negative. Seen so early: {early}.
- The PATCH itself, from sending to answer, p50 and p99 in ms: {patch}.
- "log and delete done" is the client's own word; "the caller has it" is read by the thread or
  task that called it. With the official client both are one.
- The pods have no node, so that the API server itself answers for their log (204, no text). A log
  that a kubelet has to give takes longer, for each client alike.""")


def as_json(results: Sequence[Result], about: Mapping[str, object]) -> dict[str, Any]:
    """Give all figures, and the moments of every pod."""
    return {
        "about": dict(about),
        "contenders": [
            {
                "name": result.name,
                "title": result.title,
                "delays_ms": {
                    what: {name: asdict(one) for name, one in result.delays(what).items()}
                    for what in DELAYS
                },
                "patch_ms": {name: asdict(one) for name, one in result.patch().items()},
                "seen_before_answer": result.early(),
                "requests_a_pod": result.requests_a_pod(),
                "life_seconds": result.life,
                "life_requests": dict(result.life_requests),
                "rounds": [
                    {
                        "requests": dict(one.requests),
                        "pods": {
                            name: {**pod.patched._asdict(), **asdict(pod.moments)}
                            for name, pod in one.pods.items()
                        },
                    }
                    for one in result.rounds
                ],
            }
            for result in results
        ],
    }
