"""A small site: grader-service's own server and celery worker, and people who use them by HTTP."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import requests
from pods import until
from workers import MODULE, celery_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from traitlets.config import Config

HUB = {"client_id": "hub", "client_secret": "secret", "redirect_uri": "http://127.0.0.1/callback"}

CONFIG = """\
from kubegrader.executor import KubeAutogradeExecutor

c = get_config()
c.GraderService.grader_service_dir = {directory!r}
c.GraderService.db_url = "sqlite:///{directory}/grader.db"
c.GraderService.service_host = "127.0.0.1"
c.GraderService.service_port = {port}
c.GraderService.oauth_clients = [{hub!r}]
c.DummyAuthenticator.admin_users = {{"teacher"}}
c.RequestHandlerConfig.autograde_executor_class = KubeAutogradeExecutor
c.CeleryApp.conf = {celery!r}
c.CeleryApp.worker_kwargs = {{"pool": "prefork", "concurrency": 1, "loglevel": "INFO"}}
c.KubeAutogradeExecutor.update({traits!r})
"""

GIT = """\
[init]
    defaultBranch = main
[user]
    name = somebody
    email = somebody@localhost
[safe]
    directory = *
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class SmallSite:
    """The server's address, and what its processes and its users' git need."""

    def __init__(self, folder: Path, settings: Config) -> None:
        """Write the config, and make the database as `grader-service-migrate` does."""
        self.folder = folder
        self.directory = folder / "grader_service_dir"
        self.directory.mkdir()
        for name in ("convert_in", "convert_out"):
            (self.directory / name).mkdir()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/services/grader"
        traits = dict(settings.KubeAutogradeExecutor)
        traits["volume"] = {"name": "data", "hostPath": {"path": str(self.directory)}}
        self.config = folder / "grader_service_config.py"
        config = CONFIG.format(
            directory=str(self.directory),
            port=port,
            hub=HUB,
            celery=celery_settings(folder),
            traits=traits,
        )
        self.config.write_text(config)
        (folder / "gitconfig").write_text(GIT)
        self.environment = {
            **os.environ,
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
        }
        self.run("grader-service-migrate", "-f", str(self.config))

    def run(self, program: str, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            [shutil.which(program) or program, *arguments],
            cwd=cwd or self.folder,
            env=self.environment,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout.strip()

    @contextlib.contextmanager
    def process(self, name: str, *command: str) -> Iterator[Path]:
        """Run one of the site's processes until the end, and give its log."""
        path = self.folder / f"{name}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        try:
            yield path
        except BaseException:
            print(path.read_text(errors="replace")[-6000:])  # noqa: T201  # pytest shows it
            raise
        finally:
            process.terminate()
            process.wait(60)

    @contextlib.contextmanager
    def started(self) -> Iterator[Path]:
        """Run the server and a worker, and give the worker's log."""
        server = [shutil.which("grader-service") or "", "-f", str(self.config)]
        worker = [sys.executable, "-m", MODULE, "-f", str(self.config)]
        with (
            self.process("server", *server) as serving,
            self.process("worker", *worker) as working,
        ):
            until(lambda: "Grader service running" in serving.read_text(), 120)
            until(lambda: " ready." in working.read_text(), 120)
            yield working


class Person:
    """Somebody who has logged in, and got a token as JupyterHub gets it for its users."""

    def __init__(self, site: SmallSite, name: str) -> None:
        self.site, self.name = site, name
        self._session = requests.Session()
        self._post("/login", data={"username": name, "password": "any"})
        client, secret, address = HUB.values()
        question = {"client_id": client, "redirect_uri": address, "response_type": "code"}
        answer = self._post("/api/oauth2/authorize", params=question)
        code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
        token = self._post(
            "/api/oauth2/token",
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": address,
                "client_id": client,
                "client_secret": secret,
            },
        )
        self._token = token.json()["access_token"]

    def _post(self, path: str, **options: Any) -> requests.Response:
        answer = self._session.post(
            self.site.url + path, allow_redirects=False, timeout=60, **options
        )
        assert answer.status_code < 400, answer.text
        return answer

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the service's API, and give what it answers."""
        answer = requests.request(
            method,
            f"{self.site.url}/api{path}",
            json=body,
            headers={"Authorization": f"Token {self._token}"},
            timeout=60,
        )
        assert answer.status_code < 400, f"{answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def clone(self, repository: str) -> Path:
        """Clone one of the service's repositories over HTTP, as grader-labextension does."""
        scheme, rest = self.site.url.split("://")
        address = f"{scheme}://{self.name}:{self._token}@{rest}/git/{repository}"
        folder = self.site.folder / f"{self.name}-{repository.replace('/', '-')}"
        self.site.run("git", "clone", address, str(folder))
        return folder

    def push(self, folder: Path, message: str) -> str:
        """Commit all files of a clone and push them; give the commit's hash."""
        self.site.run("git", "add", "-A", cwd=folder)
        self.site.run("git", "commit", "-m", message, cwd=folder)
        self.site.run("git", "push", "origin", "HEAD:main", cwd=folder)
        return self.site.run("git", "rev-parse", "HEAD", cwd=folder)
