"""Submissions handed in and graded through the real service code."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kubegrader.demo.course import SUBMISSIONS
from kubegrader.demo.generation import run_together
from kubegrader.executor import KubeAutogradeExecutor

if TYPE_CHECKING:
    from kubegrader.demo.site import Graded, Site
    from traitlets.config import Config


def grade(site: Site, settings: Config, handed_in: list[tuple[str, int]]) -> list[Graded]:
    """Grade all at once: user names, and which of the demo's submissions each hands in."""
    submissions = [
        site.submit(user, SUBMISSIONS[kind].notebook(site.course)) for user, kind in handed_in
    ]
    return run_together(
        [partial(site.grade, number, KubeAutogradeExecutor, settings) for number in submissions],
        [
            partial(site.grade_async, number, KubeAutogradeExecutor, settings)
            for number in submissions
        ],
    )
