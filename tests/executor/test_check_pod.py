"""``kubegrader check`` says of the pod that a hook gives what every grading would meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from kubegrader.check_app import CheckApp

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
from kubegrader.executor import KubeAutogradeExecutor

c = get_config()
c.RequestHandlerConfig.autograde_executor_class = KubeAutogradeExecutor
c.KubeAutogradeExecutor.volume = {"name": "data", "persistentVolumeClaim": {"claimName": "g"}}
"""

NAMELESS = "metadata.name: Required value: name or generateName is required"


def check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, **traits: bool
) -> tuple[int, str, str]:
    path = tmp_path / "grader_service_config.py"
    path.write_text(CONFIG + content)
    code = CheckApp(config_path=str(path), **traits).run()
    return (code, *capsys.readouterr())


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("return {}", f"pod.{NAMELESS}"),
        ("return p.spec", f"pod.{NAMELESS}"),
        ("p.metadata.name = None", f"pod.{NAMELESS}"),
        (
            "p.metadata.name = 'A_b'",
            'pod.metadata.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain',
        ),
        ("p.spec = None", "pod.spec.containers: Required value"),
        ("p.spec.containers = []", "pod.spec.containers: Required value"),
        ("p.spec.containers[0].image = ''", "pod.spec.containers[0].image: Required value"),
        (
            "p.spec.containers[0].volume_mounts[0].name = 'dta'",
            'pod.spec.containers[0].volumeMounts[0].name: Not found: "dta"',
        ),
        (
            "p.spec.containers.append(p.spec.containers[0])",
            'pod.spec.containers[1].name: Duplicate value: "autograde"',
        ),
        (
            "p.spec.containers[0].resources = {'limits': {'cpu': 'many'}}",
            'pod.spec: Pod in version "v1" cannot be handled as a Pod: quantities must match',
        ),
        (
            "p.spec.restart_policy = 'Always'",
            'pod.spec.restartPolicy: a pod with "Always" never ends; use "Never" (the default',
        ),
        (
            "p.metadata.labels = {'bad key!': 'x'}",
            'pod.metadata.labels: Invalid value: "bad key!": name part must consist of',
        ),
        (
            "p.metadata.labels = {'a': 'x y'}",
            'pod.metadata.labels: Invalid value: "x y": a valid label must be an empty string or',
        ),
        (
            "p.metadata.annotations = {'a/b/c': ''}",
            'pod.metadata.annotations: Invalid value: "a/b/c": a qualified name must consist of',
        ),
        (
            "return {'metadata': {'name': 'a', 'annotations': ['a']}, 'spec': p.spec}",
            "pod.metadata.annotations: invalid type: sequence, expected a map",
        ),
        (
            "return {'metadata': {'name': 'a', 'labels': {'a': 5}}, 'spec': p.spec}",
            "pod.metadata.labels.a: invalid type: integer, expected a string",
        ),
        (
            "return p.to_dict()",
            "pod.api_version: there is no such field; Kubernetes writes",
        ),
        (
            "return {'spec': {'containers': [{'name': 'a', 'image_pull_policy': 'Never'}]}}",
            "pod.spec.containers[0].image_pull_policy: there is no such field; Kubernetes writes",
        ),
        (
            "return {'kind': 'Job', 'metadata': {'name': 'a'}, 'spec': {}}",
            'pod.kind: it must be "Pod"',
        ),
        (
            "return {'spec': {'containers': [{'name': 'a'}], 'activeDeadlineSeconds': 'soon'}}",
            "pod.spec.activeDeadlineSeconds: invalid type: string, expected i64",
        ),
        (
            "return {'spec': {'containers': [{'name': 'a', 'env': [{'name': 'A', 'value': 5}]}]}}",
            "pod.spec.containers[0].env[0].value: invalid type: integer, expected a string",
        ),
        (
            "return {'metadata': 'a', 'spec': ['a']}",
            "pod.metadata: it must be an object\nerror: pod.spec: it must be an object",
        ),
        ("return {'spec': {'priority': float('nan')}}", "pod: it holds something that is no JSON"),
    ],
)
def test_a_pod_of_a_hook_that_no_grading_can_create_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: str, told: str
) -> None:
    hook = f"def hook(l, a, p):\n    {lines}\n    return p\n"
    code, _, err = check(tmp_path, capsys, f"{hook}c.KubeAutogradeExecutor.pre_spawn_hook = hook\n")
    assert f"error: {told}" in err
    assert code == 1


def test_keys_that_the_site_chooses_may_hold_underscores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = (
        "def hook(l, a, p):\n"
        "    p.metadata.labels = {'a_b': 'c_d'}\n"
        "    p.spec.node_selector = {'pool_of': 'x_y'}\n"
        "    p.spec.volumes[0].persistent_volume_claim = None\n"
        "    p.spec.volumes[0].csi = {'driver': 'd', 'volumeAttributes': {'my_key': 'v'}}\n"
        "    p.spec.containers[0].resources = {'limits': {'example.com/my_gpu': '1'}}\n"
        "    return p\n"
        "c.KubeAutogradeExecutor.pre_spawn_hook = hook\n"
    )
    code, _, err = check(tmp_path, capsys, hook)
    assert (code, err) == (0, "0 errors, 0 warnings\n")


def test_a_hook_that_ends_the_program_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = "def hook(*_): raise SystemExit(0)\nc.KubeAutogradeExecutor.pre_spawn_hook = hook\n"
    code, out, err = check(tmp_path, capsys, hook)
    assert (code, out) == (1, "")
    assert err.startswith("error: no pod can be made of it: SystemExit")


def test_what_config_and_hooks_print_is_no_part_of_the_pod(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (
        "print('from the config')\n"
        "def hook(l, a, p):\n"
        "    print('from the hook')\n"
        "    return p\n"
        "c.KubeAutogradeExecutor.pre_spawn_hook = hook\n"
    )
    code, out, err = check(tmp_path, capsys, content)
    assert code == 0
    assert yaml.safe_load(out)["kind"] == "Pod"
    assert err == "from the config\nfrom the hook\n0 errors, 0 warnings\n"


def test_the_printed_pod_names_the_namespace_that_is_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = check(tmp_path, capsys, "c.KubeAutogradeExecutor.namespace = 'grading'\n")
    assert yaml.safe_load(out)["metadata"]["namespace"] == "grading"
    _, out, _ = check(tmp_path, capsys, "")
    assert "namespace" not in yaml.safe_load(out)["metadata"]


def test_a_field_that_a_newer_cluster_may_know_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    container = "{'name': 'c', 'image': 'i', 'newField': 5, 'resources': {'limits': {'cpu': 1}}}"
    pod = f"{{'metadata': {{'name': 'a'}}, 'spec': {{'containers': [{container}]}}}}"
    hook = f"c.KubeAutogradeExecutor.pre_spawn_hook = lambda *_: {pod}\n"
    code, _, err = check(tmp_path, capsys, hook)
    assert (code, err) == (
        0,
        "warning: pod.spec.containers[0].newField: there is no such field in any Kubernetes that "
        "kubegrader knows\n0 errors, 1 warnings\n",
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("extra_pod_config.update({'dnsPolicy': 'Default'})", "0 errors, 0 warnings\n"),
        (
            "extra_pod_config.update({'node_selector': {'a': 'b'}})",
            "warning: c.KubeAutogradeExecutor.extra_pod_config replaces nodeSelector as a whole",
        ),
        ("extra_container_config.update({'stdin': True})", "0 errors, 0 warnings\n"),
        (
            "extra_container_config = [{'name': 'a'}]",
            "error: The 'extra_container_config' trait of a KubeAutogradeExecutor instance expected"
            " a dict or None, and it is set to a value of type list.\n",
        ),
        ("tolerations.append({'key': 'a', 'operator': 'Exists'})", "0 errors, 0 warnings\n"),
    ],
)
def test_values_that_grow_or_are_of_a_wrong_type_end_in_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, told: str
) -> None:
    code, _, err = check(tmp_path, capsys, f"c.KubeAutogradeExecutor.{line}\n")
    assert err.startswith(told)
    assert code == (1 if told.startswith("error") else 0)


def test_a_config_may_be_in_another_encoding_than_utf_8(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "grader_service_config.py"
    path.write_bytes(b"# -*- coding: latin-1 -*-\n# \xfc\n" + CONFIG.encode())
    assert CheckApp(config_path=str(path)).run() == 0
    assert capsys.readouterr().err == "0 errors, 0 warnings\n"


def test_an_executor_class_whose_module_fails_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "of_the_site.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    line = "c.RequestHandlerConfig.autograde_executor_class = 'of_the_site.Own'\n"
    code, _, err = check(tmp_path, capsys, line)
    assert code == 1
    assert (
        "error: RequestHandlerConfig.autograde_executor_class: it cannot be imported: "
        "ZeroDivisionError: division by zero\n"
    ) in err


@pytest.mark.usefixtures("api")
def test_a_cluster_is_shown_the_pod_as_the_executor_would_create_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kubeconfig: str, namespace: str
) -> None:
    content = (
        f"c.KubeAutogradeExecutor.kubeconfig = {kubeconfig!r}\n"
        f"c.KubeAutogradeExecutor.namespace = {namespace!r}\n"
    )
    code, _, err = check(tmp_path, capsys, content, cluster=True)
    assert (code, err) == (0, "0 errors, 0 warnings\n")
    hook = (
        "def hook(l, a, p):\n"
        "    pod = p.to_dict()\n"
        "    return pod\n"
        "c.KubeAutogradeExecutor.pre_spawn_hook = hook\n"
    )
    code, _, err = check(tmp_path, capsys, content + hook, cluster=True)
    assert code == 1
    assert 'strict decoding error: unknown field "api_version"' in err
