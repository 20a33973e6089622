"""The command kubegrader."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import kubegrader
import pytest
import yaml
from kubegrader.app import executor_classes
from kubegrader.releases import INSTALLED

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kubegrader", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_says_its_version() -> None:
    assert run("--version").stdout == f"{kubegrader.__version__}\n"


def test_without_a_task_it_says_which_there_are() -> None:
    done = run()
    assert done.returncode == 2
    assert all(f"\n{task}\n" in done.stdout for task in ("check", "demo", "reap"))


def test_help_needs_neither_grader_service_nor_kubernetes() -> None:
    code = (
        "import sys; sys.modules['grader_service'] = sys.modules['kubernetes'] = None\n"
        "from kubegrader.app import main; main(['--help'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_task_that_needs_grader_service_names_the_command_that_installs_it() -> None:
    code = (
        "import sys; sys.modules['grader_service'] = None\n"
        "from kubegrader.app import main; main(['check'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("kubegrader: kubegrader.executor needs grader-service")
    assert "pip install 'kubegrader[grader-service]'" in done.stderr


@pytest.mark.parametrize("missing", ["sqlalchemy", "grader_service", "ipykernel"])
@pytest.mark.parametrize(
    ("start", "name"),
    [
        ("from kubegrader.app import main; main(['demo'])", "kubegrader"),
        ("import runpy; runpy.run_module('kubegrader.demo', None, '__main__')", "kubegrader.demo"),
    ],
)
def test_the_demo_names_the_command_that_installs_what_it_lacks(
    missing: str, start: str, name: str
) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None\n{start}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    told = f"{name}: the demo needs {missing}, which is not here: pip install 'kubegrader[demo]'\n"
    assert (done.returncode, done.stderr) == (1, told)


@pytest.mark.parametrize("task", ["check", "reap", "demo"])
@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("other.py", "'other.py' means nothing here"),
        ("--unknown=1", "there is no option --unknown"),
        ("--ReapAp.namespace=1", "there is no option --ReapAp.namespace"),
        ("--Application.unknown=1", "there is no option --Application.unknown"),
    ],
)
def test_a_task_refuses_what_it_does_not_know(
    task: str, argument: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from kubegrader.check_app import CheckApp
    from kubegrader.demo.app import DemoApp
    from kubegrader.reap_app import ReapApp

    app = {"check": CheckApp, "reap": ReapApp, "demo": DemoApp}[task]()
    with pytest.raises(SystemExit) as end:
        app.initialize([argument])
    assert str(end.value.code).startswith(f"kubegrader {task}: {told}")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("task", ["check", "reap"])
def test_a_config_without_f_is_refused_with_the_option_that_it_needs(
    task: str, tmp_path: Path
) -> None:
    path = tmp_path / "site.py"
    path.write_text("c.KubeAutogradeExecutor.namespace = 'grading'\n")
    done = run(task, str(path))
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"kubegrader {task}: '{path}' means nothing here; name a config file with -f {path}\n",
    )


def test_a_task_that_there_is_not_is_refused() -> None:
    done = run("chek")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "kubegrader: 'chek' means nothing here; the tasks are check, demo, reap\n"
    )


TRAITS = {
    "KubeAutogradeExecutor": [
        "annotations",
        "base_input_path",
        "base_output_path",
        "cell_timeout",
        "convert_executable",
        "cpu_guarantee",
        "cpu_limit",
        "default_cell_timeout",
        "default_image_name",
        "extra_annotations",
        "extra_container_config",
        "extra_labels",
        "extra_pod_config",
        "extra_volume_mounts",
        "extra_volumes",
        "fs_gid",
        "git_executable",
        "git_manager_class",
        "image_config_path",
        "image_pull_policy",
        "image_pull_secrets",
        "instance_name",
        "kube_context",
        "kubeconfig",
        "labels",
        "log_limit",
        "max_attempts",
        "max_cell_timeout",
        "max_grading_time",
        "max_pods",
        "max_pods_in_namespace",
        "mem_guarantee",
        "mem_limit",
        "min_cell_timeout",
        "namespace",
        "node_selector",
        "pre_spawn_hook",
        "priority_class_name",
        "queue_name",
        "relative_input_path",
        "relative_output_path",
        "resolve_image_name",
        "resolve_node_selector",
        "security",
        "service_account",
        "start_timeout",
        "timeout_func",
        "tolerations",
        "uid",
        "volume",
        "volume_mounts",
        "volumes",
    ],
    "GraderPod": ["max_grading_time", "poll_interval"],
}
"""What a site's config may say, with every release."""


def test_the_classes_have_these_traits_and_no_others() -> None:
    found = {one.__name__: one.class_trait_names(config=True) for one in executor_classes()}
    assert {name: sorted(names) for name, names in found.items()} == TRAITS


def test_help_all_and_the_generated_config_list_every_trait_of_the_executor() -> None:
    help_all = run("--help-all").stdout
    config = run("--generate-config").stdout
    for section, names in TRAITS.items():
        for name in names:
            assert f"\n--{section}.{name}=" in help_all
            assert f"\n# c.{section}.{name} = " in config
    assert "# c.GraderPod.max_grading_time = 3600" in config
    assert "# c.KubeAutogradeExecutor.image_pull_secrets = None" in config
    assert "Undefined" not in config + help_all
    compile(config, "kubegrader_config.py", "exec")


GOOD = """\
from kubegrader.executor import KubeAutogradeExecutor

c = get_config()
c.RequestHandlerConfig.autograde_executor_class = KubeAutogradeExecutor
c.KubeAutogradeExecutor.volume = {
    "name": "data", "persistentVolumeClaim": {"claimName": "grader-service"}
}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "grader_service_config.py"


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


Check = Callable[..., Done]


@pytest.fixture
def check(path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Check a config in this process: each new one takes seconds to import grader-service."""
    from kubegrader.check_app import CheckApp

    def check(content: str, **traits: Any) -> Done:
        path.write_text(content)
        code = CheckApp(config_path=str(path), **traits).run()
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return check


def test_check_prints_the_pod_of_a_site_that_has_nothing_to_mend(path: Path) -> None:
    path.write_text(GOOD)
    before = sorted(path.parent.iterdir())
    done = run("check", "-f", str(path), "--strict", "--lecture=algebra")
    assert (done.returncode, done.stderr) == (0, "0 errors, 0 warnings\n")
    pod = yaml.safe_load(done.stdout)
    assert pod["spec"]["containers"][0]["image"] == "algebra_image"
    assert pod["spec"]["volumes"] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "grader-service"}}
    ]
    assert sorted(path.parent.iterdir()) == before


def test_check_goes_by_the_variable_that_is_the_services_own_default(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADER_SERVICE_DIRECTORY", "/data/grader")
    [container] = yaml.safe_load(check(GOOD).stdout)["spec"]["containers"]
    folders = [one["mountPath"].rpartition("/")[0] for one in container["volumeMounts"]]
    assert folders == ["/data/grader/convert_in", "/data/grader/convert_out"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("c.KubeAutogradeExecutor.mem_limits = '1G'", "did you mean mem_limit"),
        ("c.KubeAutogradExecutor.uid = 5", "did you mean c.KubeAutogradeExecutor?"),
        ("c.KubeAutogradeExecutor.poll_interval = 5", "is no trait; use c.GraderPod.poll_interval"),
        (
            "c.KubeAutogradeExecutor.cell_timeout = 360",
            "cell_timeout does nothing: no release of grader-service goes by it",
        ),
        (
            "import os; os.environ['GRADER_AUTOGRADE_IN_PATH'] = '/var/lib/grader-service/in'",
            "it works all the same. Instead, write relative_input_path",
        ),
        (
            "c.KubeAutogradeExecutor.extra_pod_config = {'node_selector': {}}",
            "replaces nodeSelector as a whole",
        ),
        (
            "import grader_service.autograding.kube.kube_grader",
            "line 8: grader_service.autograding.kube.kube_grader is grader-service's own executor",
        ),
        (
            "c.GraderPod.max_grading_time = c.KubeAutogradeExecutor.max_grading_time = 9",
            "c.GraderPod.max_grading_time does nothing beside",
        ),
        (
            "c.KubeAutogradeExecutor.pre_spawn_hook = lambda *_: None",
            "pre_spawn_hook returned None",
        ),
    ],
)
def test_check_warns(check: Check, monkeypatch: pytest.MonkeyPatch, line: str, told: str) -> None:
    monkeypatch.setenv("GRADER_AUTOGRADE_IN_PATH", "")  # put back what a config sets
    done = check(f"{GOOD}{line}\n")
    assert done.returncode == 0
    assert told in done.stderr
    assert done.stderr.endswith("0 errors, 1 warnings\n")
    assert check(f"{GOOD}{line}\n", strict=True).returncode == 1


FOLDER = "'/var/lib/grader-service/convert'"
"""Below the service's own folder, as it is where the config does not say."""


@pytest.mark.parametrize(
    ("trait", "last", "instead"),
    [
        (f"base_input_path = {FOLDER}", "0.1.11", "relative_input_path (below grader_service_dir)"),
        (
            f"base_output_path = {FOLDER}",
            "0.1.11",
            "relative_output_path (below grader_service_dir)",
        ),
        ("volumes = []", "0.1.11", "volume and extra_volumes"),
        ("volume_mounts = []", "0.1.11", "extra_volume_mounts"),
        (
            "default_image_name = lambda lecture, assignment: 'x:1'",
            "0.2.1",
            "resolve_image_name or pre_spawn_hook",
        ),
        (
            "timeout_func = lambda lecture: 9",
            "0.9.2",
            "default_cell_timeout, or the assignment's own setting",
        ),
        ("image_config_path = None", "0.12.3", "pre_spawn_hook"),
        (
            "resolve_image_name = lambda lecture, assignment: 'x:1'",
            "0.12.3",
            "pre_spawn_hook",
        ),
        (
            "resolve_node_selector = lambda lecture: {'disk': 'ssd'}",
            "0.12.3",
            "node_selector or pre_spawn_hook",
        ),
    ],
)
def test_check_says_what_to_write_instead_of_a_trait_that_the_installed_release_has_no_more(
    check: Check, trait: str, last: str, instead: str
) -> None:
    done = check(f"{GOOD}c.KubeAutogradeExecutor.{trait}\n")
    name = trait.partition(" ")[0]
    warning = (
        f"warning: c.KubeAutogradeExecutor.{name} is not of grader-service {INSTALLED.version}; "
        f"it works, and better is {instead}\n"
    )
    is_of_it = INSTALLED.number <= tuple(map(int, last.split(".")))
    told = "0 errors, 0 warnings\n" if is_of_it else f"{warning}0 errors, 1 warnings\n"
    assert (done.returncode, done.stderr) == (0, told)


def test_check_warns_of_newer_traits_that_the_installed_release_has_no_use_for(
    check: Check,
) -> None:
    lines = ("git_manager_class = 'site.Git'", "min_cell_timeout = 20", "max_cell_timeout = 600")
    if INSTALLED.number >= (0, 10):
        lines = lines[1:]
    done = check(GOOD + "".join(f"c.KubeAutogradeExecutor.{line}\n" for line in lines))
    told = () if INSTALLED.number >= (0, 10) else ("git_manager", "max_cell", "min_cell")
    assert all(f"c.KubeAutogradeExecutor.{name}" in done.stderr for name in told)
    assert done.stderr.count(" does nothing: ") == len(told)
    assert done.stderr.endswith(f"0 errors, {len(told)} warnings\n")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f"{GOOD}1 / 0\n", "line 8: ZeroDivisionError: division by zero"),
        (f"{GOOD}x = = 1\n", "line 8: SyntaxError"),
        (
            f"{GOOD}c.KubeAutogradeExecutor.mem_limit = 'lots'\n",
            "KubeAutogradeExecutor.mem_limit is 'lots', which is no amount of memory",
        ),
        (f"{GOOD}c.GraderPod.poll_interval = 0\n", "GraderPod.poll_interval must be more than 0"),
        ("c = get_config()\n", "autograde_executor_class is not set"),
        (
            "from grader_service.autograding.kube.kube_grader import KubeAutogradeExecutor\n"
            "c.RequestHandlerConfig.autograde_executor_class = KubeAutogradeExecutor\n",
            "which is grader-service's own. Write: from kubegrader.executor import",
        ),
        (f"{GOOD}c.KubeAutogradeExecutor.volume = {{}}\n", "the volume has no name"),
        (
            f"{GOOD}c.KubeAutogradeExecutor.pre_spawn_hook = lambda *_: 1 / 0\n",
            "no pod can be made of it: ZeroDivisionError",
        ),
    ],
)
def test_check_fails(check: Check, content: str, told: str) -> None:
    done = check(content)
    assert done.returncode == 1
    assert told in done.stderr


def test_check_of_a_file_that_is_not_there_says_so(path: Path) -> None:
    done = run("check", "-f", str(path))
    assert done.returncode == 1
    assert f"error: {path}: there is no such file" in done.stderr


def test_what_a_student_chose_cannot_steer_the_terminal(check: Check) -> None:
    hook = (
        "def hook(lecture, assignment, pod):\n"
        "    pod.metadata.annotations['name'] = assignment.name\n"
        "    raise ValueError(assignment.name)\n"
        "c.KubeAutogradeExecutor.pre_spawn_hook = hook\n"
    )
    evil = "a\x1b[31m\u202e\x9b\nerror: all is well"
    done = check(GOOD + hook, assignment=evil)
    assert done.returncode == 1
    assert "ValueError: a\\x1b[31m\\u202e\\x9b\\nerror: all is well" in done.stderr
    harmless = hook.replace("raise ValueError(assignment.name)", "return pod")
    evil_pod = check(GOOD + harmless, assignment=evil)
    assert evil_pod.returncode == 0
    assert all(one.isprintable() or one == "\n" for one in evil_pod.stdout)
    assert yaml.safe_load(evil_pod.stdout)["metadata"]["annotations"]["name"] == evil
