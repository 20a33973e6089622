"""What runs beside the work, or before it, and ends it or holds it up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kubegrader
from pods import names, script, until

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api

FAILS = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}


def verdict_on(run: kubegrader.PodRun) -> kubegrader.Verdict | None:
    try:
        return run.wait().verdict
    except kubegrader.PodNotStartedError as error:
        return error.verdict


def test_what_the_course_runs_beside_the_work_is_told_as_the_courses(
    cluster: kubegrader.Cluster, api: CoreV1Api, namespace: str, image: str
) -> None:
    def pod(name: str, command: str = "sleep 60", **fields: Any) -> dict[str, Any]:
        made = script(image, command, f"beside-{name}", terminationGracePeriodSeconds=1)
        made["spec"]["containers"][0].update(fields)
        return made

    def first(name: str, command: list[str], **fields: Any) -> dict[str, Any]:
        made = pod(name)
        container = {"name": "first", "image": image, "command": command, **fields}
        made["spec"]["initContainers"] = [container]
        return made

    beside = pod("outlives", "true")
    helper = {"name": "helper", "image": image, "command": ["sleep", "60"]}
    beside["spec"]["containers"].append(helper)
    again = pod("again", "exit 3")
    again["spec"]["restartPolicy"] = "OnFailure"
    hook = {"postStart": {"exec": {"command": ["false"]}}}
    pods = {
        "startup": pod("startup", startupProbe=FAILS),
        "liveness": pod("liveness", livenessProbe=FAILS),
        "hook": pod("hook", lifecycle=hook),
        "outlives": beside,
        "hangs": first("hangs", ["sleep", "60"]),
        "missing": first("missing", ["/nope"], restartPolicy="Always"),
        "unready": first(
            "unready",
            ["sleep", "60"],
            restartPolicy="Always",
            startupProbe={**FAILS, "failureThreshold": 60},
        ),
        "again": again,
    }
    runs = {name: cluster.submit(made, timeout=8, start_timeout=8) for name, made in pods.items()}
    verdicts = {name: verdict_on(run) for name, run in runs.items()}
    assert {name: (one.cause, one.blame) for name, one in verdicts.items()} == {
        "startup": ("Unhealthy", "course"),
        "liveness": ("Unhealthy", "course"),
        "hook": ("FailedPostStartHook", "course"),
        "outlives": ("DeadlineExceeded", "course"),
        "hangs": ("InitContainerError", "course"),
        "missing": ("StartError", "course"),
        "unready": ("InitContainerError", "course"),
        "again": ("Error", "student"),
    }
    assert "init container first has not ended" in verdicts["hangs"].staff_text
    assert "its startup probe has not succeeded" in verdicts["unready"].staff_text
    assert "container helper ran on" in verdicts["outlives"].staff_text
    until(lambda: not any(name.startswith("beside-") for name in names(api, namespace)))
