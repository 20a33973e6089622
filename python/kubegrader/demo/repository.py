"""The git side of a site: the environment that git needs, and a commit per submission.

grader-service keeps a bare repository for each student, pulls branch ``main`` from it and checks
out the submission's commit. It runs git with the environment of its own process.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BRANCH = "main"
"""The branch that grader-service pulls, in every release."""

_SETTINGS = {
    # The service names no branch when it makes a repository.
    "init.defaultBranch": BRANCH,
    # The folder may belong to another user, e.g. a mounted volume's.
    "safe.directory": "*",
    # A clean-up in the background would race with the removal of the folders.
    "gc.auto": "0",
}

_MISLEADING = (
    # Set while git runs a hook; they would send each command to the wrong repository.
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
)


def git_environment() -> dict[str, str | None]:
    """The variables that make git work alike for every user; None means that it must be unset.

    No configuration file is read (HOME does not matter, no commit is signed, no hook of the
    user's runs), and ``git commit`` has an author. ``GIT_CONFIG_COUNT`` needs git 2.31 or newer,
    ``GIT_CONFIG_GLOBAL`` 2.32.
    """
    wanted: dict[str, str | None] = dict.fromkeys(_MISLEADING)
    for role in ("AUTHOR", "COMMITTER"):
        wanted[f"GIT_{role}_NAME"] = "grader-service"
        wanted[f"GIT_{role}_EMAIL"] = "grader-service@localhost"
        wanted[f"GIT_{role}_DATE"] = None
    wanted["GIT_CONFIG_GLOBAL"] = os.devnull
    wanted["GIT_CONFIG_NOSYSTEM"] = "1"
    wanted["GIT_TERMINAL_PROMPT"] = "0"
    wanted["GIT_CONFIG_COUNT"] = str(len(_SETTINGS))
    for number, (key, value) in enumerate(_SETTINGS.items()):
        wanted[f"GIT_CONFIG_KEY_{number}"] = key
        wanted[f"GIT_CONFIG_VALUE_{number}"] = value
    return wanted


def set_environment(wanted: dict[str, str | None]) -> dict[str, str | None]:
    """Set or unset these variables of this process; give back what undoes it."""
    before = {name: os.environ.get(name) for name in wanted}
    for name, value in wanted.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return before


def commit_file(repository: Path, username: str, name: str, content: str) -> str:
    """Commit one file to ``main`` of a bare repository, which is made if it is missing.

    The commit holds this file alone and has the former head as its parent. The author is the
    student: two students who hand in the same notebook have two different commits, and some
    releases name the pod by the commit's hash. Gives the hash, 40 hex digits.

    Raises subprocess.CalledProcessError, with git's own words in ``stderr``.
    """
    if not repository.exists():
        repository.mkdir(parents=True)
        _git(repository, "init", "--bare")
    blob = _git(repository, "hash-object", "-w", "--stdin", given=content)
    tree = _git(repository, "mktree", given=f"100644 blob {blob}\t{name}\n")
    head = _git(repository, "for-each-ref", "--format=%(objectname)", f"refs/heads/{BRANCH}")
    parents = ["-p", head] if head else []
    author = {"GIT_AUTHOR_NAME": username, "GIT_AUTHOR_EMAIL": f"{username}@localhost"}
    message = ["-m", f"submission of {username}"]
    commit = _git(repository, "commit-tree", tree, *parents, *message, extra=author)
    _git(repository, "update-ref", f"refs/heads/{BRANCH}", commit)
    return commit


def _git(
    repository: Path, *arguments: str, given: str | None = None, extra: dict[str, str] | None = None
) -> str:
    """Run git in a bare repository and give what it printed, without the line's end."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=repository,
        env={**os.environ, **(extra or {})},
        input=given,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
