"""What a notebook leaves for git in its output folder is gone before the service runs git there."""

from __future__ import annotations

import logging
import subprocess
from typing import TYPE_CHECKING

import pytest
from kubegrader import planted
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.executor import KubeAutogradeExecutor
from kubegrader.releases import INSTALLED

if TYPE_CHECKING:
    from pathlib import Path

    from kubegrader.testing import KubeCluster
    from program import Program
    from service import Service
    from traitlets.config import Config

RUN_BY_GIT = """
cat > "$evil" <<'END'
#!/bin/sh
touch "{ran}"
END
chmod +x "$evil"
plant() {{
    git init -q "$1"
    git -C "$1" config core.fsmonitor "$evil"
    git -C "$1" config core.hooksPath "$1/.git/hooks"
    for hook in pre-commit post-commit post-checkout reference-transaction pre-push; do
        cp "$evil" "$1/.git/hooks/$hook"
    done
}}
"""

PLANTED = {
    "a repository with hooks": 'plant "$out"',
    "a nested repository": """
        mkdir -p "$out/deep/er" && echo 1 > "$out/deep/er/data.csv"
        plant "$out/deep/er"
        harmless="git -C $out/deep/er -c core.hooksPath=/ -c core.fsmonitor=false"
        harmless="$harmless -c user.name=x -c user.email=x@localhost"
        $harmless add . && $harmless commit -qm planted
    """,
    "a file that names a folder": """
        plant "$out/elsewhere" && mv "$out/elsewhere/.git" "$out/elsewhere/git"
        echo "gitdir: $out/elsewhere/git" > "$out/.git"
    """,
    "a link to a folder": """
        plant "$out/elsewhere" && mv "$out/elsewhere/.git" "$out/elsewhere/git"
        ln -s elsewhere/git "$out/.git"
    """,
    "a folder that cannot be listed": 'plant "$out" && chmod 000 "$out/.git" "$out"',
    # Git looks for none of these where there is a .git, which the service makes first.
    "a bare repository": """
        plant "$out" && mv "$out/.git"/* "$out/" && rmdir "$out/.git"
        git -C "$out" config core.hooksPath "$out/hooks"
        git -C "$out" config init.templateDir "$out"
    """,
    # Git asks its configuration what these names stand for, and none of it is in the folder.
    "attributes and submodules": """
        echo '* filter=evil diff=evil merge=evil' > "$out/.gitattributes"
        printf '[filter "evil"]\\nclean = %s\\n' "$evil" | tee "$out/.gitconfig" > "$out/config"
        printf '[submodule "x"]\\npath = x\\nurl = ext::%s\\nupdate = !%s\\n' "$evil" "$evil" \
            > "$out/.gitmodules"
    """,
}


@pytest.mark.parametrize("what", PLANTED)
def test_git_runs_no_command_that_a_pod_has_left_in_the_output_folder(
    service: Service,
    settings: Config,
    prepared: Program,
    kube_cluster: KubeCluster,
    tmp_path: Path,
    what: str,
) -> None:
    ran, evil = tmp_path / "ran", tmp_path / "evil"
    script = (
        f'evil="{evil}"\n{RUN_BY_GIT.format(ran=ran)}leave_results\n{PLANTED[what]}\necho graded'
    )
    prepared.use(settings, script)
    [graded] = service.grade(service.submit(SUBMISSIONS[0].notebook(service.site.course)))
    assert evil.exists()
    assert not ran.exists()
    assert (graded.status, graded.score, graded.log) == ("automatically_graded", 3.0, "graded")
    assert kube_cluster.pods() == []


class OwnRun(KubeAutogradeExecutor):
    """A site's subclass that does all of it itself, as grader-service's own class does."""

    if INSTALLED.is_async:

        async def _run(self) -> None:
            self._prepare()
            pod = self.start_pod()
            await pod.polling
            self.grading_logs = self._get_pod_logs(pod)

    else:

        def _run(self) -> None:
            self._prepare()
            pod = self._start_pod()
            pod.poll()
            self.grading_logs = self._get_pod_logs(pod)


def test_a_subclass_with_a_run_of_its_own_is_guarded_too(
    service: Service, settings: Config, prepared: Program, tmp_path: Path
) -> None:
    ran, evil = tmp_path / "ran", tmp_path / "evil"
    begin = f'evil="{evil}"\n{RUN_BY_GIT.format(ran=ran)}leave_results'
    prepared.use(settings, f'{begin}\nplant "$out"\necho graded')
    service.executor_class = OwnRun
    [graded] = service.grade(service.submit(SUBMISSIONS[0].notebook(service.site.course)))
    assert evil.exists()
    assert not ran.exists()
    assert (graded.status, graded.score, graded.log) == ("automatically_graded", 3.0, "graded")


def test_no_link_reaches_the_repository_from_which_feedback_is_made(
    service: Service, settings: Config, prepared: Program, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.ipynb"
    secret.write_text("{}")
    links = " ".join(
        f'ln -s "{secret}" "$out/{name}";' for name in ("plot.csv", "second.ipynb", "d/x.ipynb")
    )
    prepared.use(settings, f'leave_results; mkdir "$out/d"; {links} echo graded')
    notebook = SUBMISSIONS[0].notebook(service.site.course)
    [graded] = service.grade(service.submit(notebook, "trudy"))
    assert (graded.status, graded.score) == ("automatically_graded", 3.0)
    [repository] = service.site.directory.glob("git/demo/1/autograde/user/trudy")

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(repository), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    branches = git("for-each-ref", "--format=%(refname)").split()
    committed = [git("ls-tree", "-r", one) for one in branches]
    assert any("loops.ipynb" in one for one in committed)
    assert not any(line.startswith("120000") for one in committed for line in one.splitlines())
    assert secret.read_text() == "{}"


def test_the_log_says_how_many_were_removed_and_not_what_they_are_called(
    service: Service, settings: Config, prepared: Program, caplog: pytest.LogCaptureFixture
) -> None:
    planting = 'mkdir -p "$out/.git" "$out/secret/.git"; ln -s /etc "$out/x"'
    prepared.use(settings, f"leave_results; {planting}; echo graded")
    number = service.submit(SUBMISSIONS[0].notebook(service.site.course))
    # Where a service has been configured in this process, its logger propagates nothing.
    logger = logging.getLogger("GraderService")
    logger.addHandler(caplog.handler)
    try:
        [graded] = service.grade(number)
    finally:
        logger.removeHandler(caplog.handler)
    assert graded.status == "automatically_graded"
    records = [one for one in caplog.records if "removed from" in one.getMessage()]
    [told] = {(one.levelname, one.getMessage()) for one in records}
    assert told == (
        "WARNING",
        f"Submission {number}: 2 .git and 1 links removed from its output folder, where "
        "grader-service runs git and follows links: the notebook, or the course's image, has left "
        "them there",
    )


def test_git_does_not_run_where_something_cannot_be_removed(
    service: Service, settings: Config, prepared: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int, _name: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(planted, "_remove", refuse)
    prepared.use(settings, 'leave_results; mkdir "$out/.git"; echo graded')
    [graded] = service.grade(
        service.submit(SUBMISSIONS[0].notebook(service.site.course), "mallory")
    )
    assert (graded.status, graded.score) == ("grading_failed", None)
    assert graded.log.endswith(", folder '.': Operation not permitted")
    assert "For the course's staff: removing what a pod has planted in " in graded.log
    assert not list(service.site.directory.glob("git/demo/1/autograde/user/mallory"))
