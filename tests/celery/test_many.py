"""As many submissions at once as a course hands in before its deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pods import until

if TYPE_CHECKING:
    from workers import Workplace

MANY = 200


def test_two_hundred_submissions_are_graded_at_once_by_the_threads_of_one_worker(
    held: Workplace,
) -> None:
    with held.worker("threads", concurrency=MANY) as worker:
        # Its pool has 15 connections to the database: none is held while a pod is waited for.
        submissions = held.in_flight(worker, MANY)
        assert len(held.pods()) == MANY
        held.quick.open()
        until(lambda: worker.is_graded(*submissions), 180)
        assert {worker.status(one) for one in submissions} == {("automatically_graded", 3.0)}
        assert held.pods() == []
        assert worker.end() == 0
