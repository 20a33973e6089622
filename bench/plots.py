"""The same as pictures: SVG files, each of one idea."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .contenders import CONTENDERS, FLOOR, FLOOR_LOG, KUBEGRADER
from .report import number

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .percentiles import Figure
    from .results import Cost, Results

OURS, FLOORS, OTHERS = "#1f6f8b", "#707070", "#b8b8b8"
HEIGHT = 0.32
"""Inches for each client."""


def plot(results: Results, folder: Path) -> list[Path]:
    """Write what was measured; give the files."""
    import matplotlib as mpl

    mpl.use("svg")
    # The same results give the same bytes, and text stays text.
    mpl.rcParams.update({"svg.hashsalt": "kubegrader", "svg.fonttype": "none", "font.size": 9})
    written = []
    for write in (_delays, _costs, _growth):
        if figure := write(results):
            path = folder / f"benchmark-{write.__name__.strip('_')}.svg"
            figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
            written.append(path)
    return written


def _color(name: str) -> str:
    if name in KUBEGRADER:
        return OURS
    return FLOORS if name in {FLOOR, FLOOR_LOG} else OTHERS


def _delays(results: Results) -> Any:
    """Draw p50 to p99 of both delays, a row for each client and a column for each size.

    A client that lost pods has no span: the rest would flatter it.
    """
    from matplotlib.figure import Figure as Canvas

    sizes = sorted({pods for by_pods in results.delays.values() for pods in by_pods})
    if not sizes:
        return None
    names = list(reversed(results.delays))
    canvas = Canvas(figsize=(4 * len(sizes) + 2, HEIGHT * len(names) + 1), layout="constrained")
    axes: Any = canvas.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for axis, pods in zip(axes, sizes, strict=True):
        for at, name in enumerate(names):
            one = results.delays[name].get(pods)
            if one and not one.errors:
                for figures, line in ((one.seen, 0.15), (one.returned, -0.15)):
                    _span(axis, at + line, figures, _color(name), is_seen=line > 0)
        axis.set_xscale("symlog", linthresh=1)
        axis.set_title(f"{pods} pods in flight")
        axis.set_xlabel("ms after the accepted Succeeded")
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(range(len(names)), [CONTENDERS[name].title for name in names])
    canvas.suptitle("p50 (dot) to p99: thin until seen, thick until returned")
    return canvas


def _span(axis: Any, at: float, figures: dict[str, Figure], color: str, *, is_seen: bool) -> None:
    low, high = figures["p50"].value, figures["p99"].value
    axis.plot([low, high], [at, at], color=color, linewidth=1.5 if is_seen else 4)
    axis.plot([low], [at], "o", color=color, markersize=4)


def _costs(results: Results) -> Any:
    """Draw what the most pods cost, a row for each client."""
    from matplotlib.figure import Figure as Canvas

    sizes = [pods for by_pods in results.many.values() for pods in by_pods]
    if not sizes:
        return None
    pods = max(sizes)
    costs = {name: by[pods] for name, by in reversed(results.many.items()) if pods in by}
    parts: dict[str, Callable[[Cost], Figure | None]] = {
        "ms of CPU a pod": lambda one: one.cpu,
        "KiB a waiting pod": lambda one: one.memory,
        "completions a second": lambda one: one.rate,
        "event-loop lag, p99 ms": lambda one: one.late.get("p99"),
    }
    canvas = Canvas(figsize=(12, HEIGHT * len(costs) + 1), layout="constrained")
    axes: Any = canvas.subplots(1, len(parts), sharey=True)
    for axis, (title, part) in zip(axes, parts.items(), strict=True):
        values = [(part(one), _color(name)) for name, one in costs.items()]
        bars = axis.barh(
            range(len(values)),
            [one.value if one else 0 for one, _ in values],
            color=[color for _, color in values],
        )
        axis.bar_label(bars, [number(one.value) if one else "-" for one, _ in values], padding=3)
        axis.margins(x=0.25)
        axis.set_title(title)
    axes[0].set_yticks(range(len(costs)), [CONTENDERS[name].title for name in costs])
    canvas.suptitle(f"{pods} pods at once")
    return canvas


def _growth(results: Results) -> Any:
    """Draw the cost of a pod over the number of pods."""
    from matplotlib.figure import Figure as Canvas

    if not results.growth:
        return None
    parts: dict[str, Callable[[Cost], Figure | None]] = {
        "ms of CPU a pod": lambda one: one.cpu,
        "KiB a waiting pod": lambda one: one.memory,
    }
    canvas = Canvas(figsize=(9, 3), layout="constrained")
    axes: Any = canvas.subplots(1, len(parts))
    for axis, (title, part) in zip(axes, parts.items(), strict=True):
        for name, by_pods in results.growth.items():
            points = [(pods, one) for pods, cost in by_pods.items() if (one := part(cost))]
            spread = [
                [one.value - one.lowest for _, one in points],
                [one.highest - one.value for _, one in points],
            ]
            axis.errorbar(
                [pods for pods, _ in points],
                [one.value for _, one in points],
                spread,
                marker="o",
                capsize=3,
                color=_color(name),
                label=CONTENDERS[name].title,
            )
        axis.set_xscale("log")
        axis.set_ylim(bottom=0)
        axis.set_xlabel("pods at once")
        axis.set_title(title)
        axis.grid(alpha=0.3)
    axes[0].legend()
    return canvas
