"""A process that grades submissions of the demo's course in a row: `python -m bench.grading ...`.

Through the real service code, on a site in a folder that the cluster's node has under the same
path. For each it prints a line of JSON: when the executor's `_run` began and returned, and whether
the result was the right one.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from kubegrader.demo.course import SUBMISSIONS
from kubegrader.demo.site import Site
from traitlets.config import Config

from . import kubeconfig as kubeconfigs
from . import tls

UPSTREAM = "upstream"
KUBEGRADER = "kubegrader"
MAX_SCORE = 3.0
"""Of the submission that is graded: all of it is right."""


def executor_of(name: str, image: str) -> Any:
    """Give an executor that notes when its part begins and ends: the pod's create to its delete."""
    if name == UPSTREAM:
        from grader_service.autograding.kube import kube_grader
        from grader_service.autograding.kube.kube_grader import KubeAutogradeExecutor

        make = kube_grader.make_pod
        # 0.12.5 has no trait for the image.
        kube_grader.make_pod = lambda **given: make(**{**given, "image": image})
    else:
        from kubegrader.executor import KubeAutogradeExecutor

    class Timed(KubeAutogradeExecutor):
        began = returned = 0.0

        def _run(self) -> None:
            self.began = time.monotonic()
            super()._run()
            self.returned = time.monotonic()

    return Timed


def settings(site: Site, kubeconfig: str, namespace: str, image: str) -> Config:
    """Write a site's config."""
    return Config(
        {
            "KubeAutogradeExecutor": {
                "kube_context": kubeconfigs.current(kubeconfig),
                "namespace": namespace,
                "resolve_image_name": lambda _lecture, _assignment: image,
                "image_pull_policy": "IfNotPresent",
                "uid": os.getuid(),
                "volume": {"name": "data", "hostPath": {"path": str(site.directory)}},
            }
        }
    )


def main() -> None:
    """Grade so many submissions."""
    name, kubeconfig, namespace, image, folder, count = sys.argv[1:]
    tls.relax()
    executor = executor_of(name, image)
    with Site(folder) as site:
        config = settings(site, kubeconfig, namespace, image)
        notebook = SUBMISSIONS[0].notebook(site.course)
        for number in range(int(count)):
            graded = site.grade(site.submit(f"student-{number}", notebook), executor, config)
            done: Any = graded.executor
            is_right = graded.status == "automatically_graded" and graded.score == MAX_SCORE
            told = {
                "began": done.began,
                "returned": done.returned,
                "error": None if is_right else f"{graded.status}, {graded.score}: {graded.log}",
            }
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
