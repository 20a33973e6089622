"""One environment for each release of grader-service: `make test-compat`.

The same tests run in all of them, and the same wheel is installed in all of them.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2026"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"

ROOT = Path(__file__).parent
WHEELS = ROOT / "target" / "compat"

RELEASES = {
    "0.3.0": "3.11",
    "0.4.2": "3.11",
    "0.5.0": "3.12",
    "0.6.3": "3.12",
    "0.9.2": "3.12",
    "0.10.0": "3.12",
    "0.12.0": "3.12",
    "0.12.5": "3.12",
}
"""Each release with the newest Python that all its dependencies have wheels for."""

CLIENTS = {"0.10.0": ["kubernetes==36.0.3"]}
"""A client other than the newest: 36 gives a log as the text of a bytes literal, fault 10."""

OF_TRAITS = [f"tests/executor/test_{name}.py" for name in ("traits", "pod", "hooks", "overrides")]
"""What a site may write and override, whatever its release."""


NONE_CHOSEN = 5
"""pytest's exit code where ``-k`` has left no test."""


def interpreter(version: str) -> str:
    """Give the path of a Python of this version, or else the version: nox says what is missing."""
    found = subprocess.run(  # noqa: S603
        [ROOT / "tools" / "find-python", version], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or version


INTERPRETERS = {version: interpreter(version) for version in set(RELEASES.values())}


@nox.session
@nox.parametrize(
    ("python", "release"),
    [(INTERPRETERS[version], release) for release, version in RELEASES.items()],
    ids=list(RELEASES),
)
def compat(session: nox.Session, release: str) -> None:
    """Run what depends on the release with one of them; arguments after ``--`` are pytest's."""
    [wheel] = WHEELS.glob("*.whl")
    # Releases up to 0.6.3 import pkg_resources, which setuptools 81 dropped.
    versions = [f"grader-service=={release}", "setuptools<81", *CLIENTS.get(release, [])]
    session.install("--group", "compat", *versions)
    # It may have been built anew under the same version.
    session.install("--no-deps", "--reinstall-package", "kubegrader", str(wheel))
    # They mostly wait: for pods, for upstream's next look, for an outage to end.
    # Two runs: files of both have the same names, and each part has processes of its own.
    for tests in (["tests/compat"], OF_TRAITS):
        session.run("pytest", *tests, "-n", "2", *session.posargs, success_codes=[0, NONE_CHOSEN])
