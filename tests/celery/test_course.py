"""The whole course of a small site, with grader-service's own server and nothing in its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kubegrader.demo.course import NOTEBOOK_FILE, SUBMISSIONS, release
from pods import names, until
from quick_grader import PARTLY
from small_site import Person, SmallSite

if TYPE_CHECKING:
    from pathlib import Path

    from kubernetes.client import CoreV1Api
    from traitlets.config import Config

INSTRUCTOR, STUDENT = 2, 0


def test_a_submission_that_is_pushed_over_http_is_graded_and_its_result_read(
    settings: Config, tmp_path: Path, api: CoreV1Api, namespace: str
) -> None:
    course = release(tmp_path / "course")
    site = SmallSite(tmp_path, settings)
    with site.started() as worker:
        teacher, student = Person(site, "teacher"), Person(site, "student")

        lecture = teacher.api("POST", "/lectures", {"code": "demo", "name": "Demo"})["id"]
        roles = [("teacher", INSTRUCTOR), ("student", STUDENT)]
        users = [{"username": name, "role": role} for name, role in roles]
        teacher.api("POST", f"/lectures/{lecture}/roles", {"users": users})
        loops = {"name": "loops", "status": "created", "settings": {"autograde_type": "auto"}}
        made = teacher.api("POST", f"/lectures/{lecture}/assignments", loops)["id"]
        assignment = f"/lectures/{lecture}/assignments/{made}"
        released = teacher.clone(f"demo/{made}/release")
        (released / NOTEBOOK_FILE).write_text(json.dumps(course.notebook))
        teacher.push(released, "the assignment")
        teacher.api("PUT", f"{assignment}/properties", json.loads(course.properties))
        teacher.api("PUT", assignment, {**loops, "id": made, "status": "released"})

        handed_out = student.clone(f"demo/{made}/user")
        notebook = handed_out / NOTEBOOK_FILE
        assert json.loads(notebook.read_text()) == course.notebook
        notebook.write_text(json.dumps(SUBMISSIONS[PARTLY].notebook(course)))
        commit = student.push(handed_out, "my answers")
        handed_in = {"commit_hash": commit}
        submission = student.api("POST", f"{assignment}/submissions", handed_in)["id"]

        page = f"{assignment}/submissions/{submission}"
        until(lambda: f"submission {submission} exited!" in worker.read_text(), 120)
        result = student.api("GET", page)
        assert (result["auto_status"], result["score"]) == ("automatically_graded", 1.0)
        assert "Converting notebook" in teacher.api("GET", f"{page}/logs")
        (listed,) = teacher.api("GET", f"{assignment}/submissions?instructor-version=true")
        assert (listed["id"], listed["score"]) == (submission, 1.0)
        assert (teacher.clone(f"demo/{made}/autograde/{submission}")).exists()
        assert names(api, namespace) == []
