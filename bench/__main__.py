"""`python -m bench`: kubegrader beside its peers, measured in one run."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from .about import about
from .api import Api
from .client import interpreter
from .contenders import CONTENDERS
from .goals import goals
from .measure_delays import measure_delays
from .measure_gradings import measure_gradings
from .measure_growth import measure_growth
from .measure_many import measure_many
from .measure_polling import measure_polling
from .measure_real import measure_real
from .measure_requests import measure_requests
from .measure_start import measure_start
from .measure_wheel import measure_wheel
from .patcher import patching
from .plan import FULL, MEASURES, QUICK, Plan
from .report import report
from .results import Results
from .sample import Player
from .server import embedded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .goals import Goal


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute instead of ten")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, help="these alone")
    parser.add_argument("--measures", nargs="+", choices=MEASURES, help="these alone")
    parser.add_argument("--at-most", type=int, metavar="PODS", help="no more pods at once")
    parser.add_argument(
        "--image", help="for `real`: an image with a shell, on KUBECONFIG's cluster"
    )
    parser.add_argument(
        "--course-image",
        help="for `gradings`: one with grader-service, on a cluster of this machine",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument(
        "--docs", type=Path, metavar="FOLDER", help="write tables, JSON and plots there"
    )
    return parser.parse_args()


def plan(options: argparse.Namespace) -> Plan:
    """Say what is to be done."""
    able = [name for name in options.contenders or CONTENDERS if interpreter(name) is not None]
    for name in CONTENDERS if not options.contenders else options.contenders:
        if name not in able:
            print(f"left out, since its interpreter is missing: {name}", file=sys.stderr)
    chosen = (QUICK if options.quick else FULL).only(able, options.measures)
    return chosen.at_most(options.at_most) if options.at_most else chosen


def measure(kubeconfig: str, chosen: Plan, image: str | None, course_image: str | None) -> Results:
    """Do what the plan says, on one API server."""
    api = Api(kubeconfig)
    results = Results()
    wanted = set(chosen.measures)
    with patching(kubeconfig) as patcher:
        player = Player(api, patcher)
        if "start" in wanted:
            with api.namespace("start") as name:
                rounds, peers = chosen.start_rounds, chosen.start_peer_rounds
                results.start = measure_start(kubeconfig, name, rounds, peers)
        if "requests" in wanted:
            pods, life = chosen.request_pods, chosen.request_life
            results.requests = measure_requests(player, chosen.contenders, pods, life)
        if "delays" in wanted:
            results.delays = measure_delays(player, chosen.contenders, chosen.few)
        if "many" in wanted:
            found, results.many = measure_many(player, chosen.many_contenders, chosen.many)
            for one, by_pods in found.items():
                results.delays.setdefault(one, {}).update(by_pods)
        if "growth" in wanted:
            who, rounds = chosen.growth_contenders, chosen.growth_rounds
            results.growth = measure_growth(player, who, chosen.growth, rounds)
    if "polling" in wanted:
        results.polling = measure_polling(
            chosen.contenders, chosen.polling_pods, chosen.polling_seconds, chosen.polling_rounds
        )
    if "real" in wanted and image:
        results.real = measure_real(api, chosen.contenders, image, chosen.real)
    if "gradings" in wanted and course_image:
        results.gradings = measure_gradings(api, course_image, chosen.gradings)
    results.wheel = measure_wheel() if "wheel" in wanted else None
    return results


def write(results: Results, judged: Sequence[Goal], path: Path) -> None:
    """Write all figures."""
    found = {**results.to_dict(), "goals": [asdict(goal) for goal in judged]}
    path.write_text(json.dumps(found, indent=1) + "\n")


def stop(_signal: int, _frame: object) -> NoReturn:
    """End as on Ctrl-C, so that the namespaces are deleted."""
    sys.exit("bench: stopped by a signal")


def main() -> None:
    """Run the benchmark."""
    options = arguments()
    signal.signal(signal.SIGTERM, stop)
    chosen = plan(options)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        kubeconfig = os.environ.get("KUBECONFIG") or stack.enter_context(embedded())
        where = about(Api(kubeconfig), chosen)
        results = measure(kubeconfig, chosen, options.image, options.course_image)
    results.about = {**where, "seconds": round(time.monotonic() - began)}
    judged = goals(results)
    text = report(results, judged)
    print(text)
    if options.json:
        write(results, judged, options.json)
    if options.docs:
        from .plots import plot

        (options.docs / "benchmark.txt").write_text(text)
        write(results, judged, options.docs / "benchmark.json")
        plot(results, options.docs)


if __name__ == "__main__":
    main()
