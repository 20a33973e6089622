"""A config that cannot be read ends each command that reads one, before anything is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kubegrader import config_file
from kubegrader.check_app import CheckApp
from kubegrader.config_file import ConfigFileError
from kubegrader.reap_app import ReapApp

if TYPE_CHECKING:
    from pathlib import Path

BROKEN = [
    ("c.KubeAutogradeExecutor.namespace = (\n", "line 1: SyntaxError: '(' was never closed"),
    (
        "from nosuchmodule import x\nc.KubeAutogradeExecutor.namespace = 'grading'\n",
        "line 1: ModuleNotFoundError: No module named 'nosuchmodule'",
    ),
    ("c.KubeAutogradeExecutor.uid = 5\nimport sys\nsys.exit(0)\n", "line 3: SystemExit"),
    ("raise RuntimeError('no such token: TOPSECRET')\n", "line 1: RuntimeError"),
    ("port = int('TOPSECRET')\n", "line 1: ValueError"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "grader_service_config.py"


@pytest.fixture
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(**_: object) -> None:
        raise AssertionError("a cluster was asked")

    monkeypatch.setattr("kubegrader.reap_app.Cluster", asked)


@pytest.mark.usefixtures("no_cluster")
@pytest.mark.parametrize(("content", "told"), BROKEN)
def test_reap_touches_nothing_where_the_config_cannot_be_read(
    path: Path, content: str, told: str
) -> None:
    path.write_text(content)
    app = ReapApp()
    with pytest.raises(SystemExit) as end:
        app.initialize(["-f", str(path)])
    # What is no number goes to stderr, and the exit code is 1.
    assert str(end.value.code).startswith(f"kubegrader reap: {path}, {told}")
    assert "TOPSECRET" not in str(end.value.code)


@pytest.mark.parametrize(("content", "told"), BROKEN)
def test_check_says_in_which_line_the_config_cannot_be_read(
    path: Path, content: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text(content)
    assert CheckApp(config_path=str(path)).run() == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {path}, {told}")
    assert err.endswith("1 errors, 0 warnings\n")
    assert "TOPSECRET" not in err


@pytest.mark.usefixtures("no_cluster")
@pytest.mark.parametrize("written", ["['grading']", "5", "c.Other.namespace"])
def test_reap_touches_nothing_where_the_namespace_is_no_string(
    path: Path, written: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text(
        f"c.Other.namespace.append('x')\nc.KubeAutogradeExecutor.namespace = {written}\n"
    )
    app = ReapApp()
    app.initialize(["-f", str(path)])
    with pytest.raises(SystemExit) as end:
        app.start()
    assert end.value.code == "kubegrader reap: KubeAutogradeExecutor.namespace must be a string"
    assert capsys.readouterr().out == ""


def test_a_file_that_the_service_would_not_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("c.KubeAutogradeExecutor.namespace = 'grading'\n")
    with pytest.raises(ConfigFileError, match=r"values.yaml: the service reads files in \.py"):
        config_file.load(path)


def test_a_json_file_of_the_same_name_is_read_too(path: Path) -> None:
    path.write_text("c.KubeAutogradeExecutor.uid = 5\nc.KubeAutogradeExecutor.fs_gid = 6\n")
    path.with_suffix(".json").write_text('{"KubeAutogradeExecutor": {"uid": 7}}')
    assert config_file.load(path) == {"KubeAutogradeExecutor": {"uid": 7, "fs_gid": 6}}
    path.with_suffix(".json").write_text('{"KubeAutogradeExecutor": ')
    with pytest.raises(ConfigFileError, match="config.json: JSONDecodeError: Expecting value"):
        config_file.load(path)


def test_what_a_config_prints_goes_to_stderr(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text("print('hello')\n")
    config_file.load(path)
    assert capsys.readouterr() == ("", "hello\n")
