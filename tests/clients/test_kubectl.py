"""kubectl, unchanged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml
from pods import PATIENCE, script, until

if TYPE_CHECKING:
    import subprocess

    from kubectl import Kubectl

WAIT = f"--timeout={PATIENCE:.0f}s"


def manifest(pod: dict[str, Any], /, **labels: str) -> str:
    labelled = {**pod["metadata"], "labels": labels}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", **pod, "metadata": labelled})


def once(image: str, text: str, name: str) -> dict[str, Any]:
    return script(image, text, name, restartPolicy="Never", terminationGracePeriodSeconds=1)


def line_of(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline()


def succeeded(kubectl: Kubectl, name: str) -> None:
    kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", WAIT)


def test_run_wait_logs_and_delete(kubectl: Kubectl, image: str, name: str) -> None:
    command = ["--command", "--", "sh", "-c", "echo hi; sleep 600"]
    made = kubectl("run", name, f"--image={image}", "--restart=Never", *command)
    assert made == f"pod/{name} created\n"
    ready = kubectl("wait", f"pod/{name}", "--for=condition=Ready", WAIT)
    assert ready == f"pod/{name} condition met\n"
    assert kubectl("logs", name) == "hi\n"
    gone = kubectl("delete", "pod", name, "--grace-period=1")
    assert gone.startswith(f'pod "{name}" deleted')
    assert kubectl("get", "pod", name, "--ignore-not-found") == ""


def test_wait_ends_when_a_pod_has_ended(kubectl: Kubectl, image: str, name: str) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(once(image, "true", name)))
    met = kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", WAIT)
    assert met == f"pod/{name} condition met\n"


def test_wait_gives_up_at_its_timeout(kubectl: Kubectl, image: str, name: str) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(once(image, "sleep 600", name)))
    done = kubectl.run(
        "wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Failed", "--timeout=1s"
    )
    assert done.returncode == 1
    assert f"timed out waiting for the condition on pods/{name}" in done.stderr


def test_wait_for_a_delete(kubectl: Kubectl, image: str, name: str) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(once(image, "sleep 600", name)))
    kubectl("wait", f"pod/{name}", "--for=condition=Ready", WAIT)
    kubectl("delete", "pod", name, "--wait=false")
    kubectl("wait", f"pod/{name}", "--for=delete", WAIT)
    assert kubectl("get", "pod", name, "--ignore-not-found") == ""


def test_apply_creates_changes_and_leaves_alone(kubectl: Kubectl, image: str, name: str) -> None:
    pod = once(image, "sleep 600", name)
    first = manifest(pod, course="a", left="out")
    assert kubectl("apply", "-f", "-", stdin=first) == f"pod/{name} created\n"
    assert kubectl("apply", "-f", "-", stdin=first) == f"pod/{name} unchanged\n"
    second = manifest(pod, course="b")
    assert kubectl("apply", "-f", "-", stdin=second) == f"pod/{name} configured\n"
    labels = kubectl("get", "pod", name, "-o", "jsonpath={.metadata.labels}")
    assert json.loads(labels) == {"course": "b"}


def test_apply_tells_that_a_pods_command_cannot_change(
    kubectl: Kubectl, image: str, name: str
) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(once(image, "sleep 600", name)))
    done = kubectl.run("apply", "-f", "-", stdin=manifest(once(image, "sleep 601", name)))
    assert done.returncode == 1
    assert f'The Pod "{name}" is invalid: spec: Forbidden: pod updates may not' in done.stderr


def test_apply_refuses_a_field_that_there_is_not(kubectl: Kubectl, image: str, name: str) -> None:
    pod = once(image, "true", name)
    pod["spec"]["restartPolice"] = "Never"
    done = kubectl.run("apply", "-f", "-", stdin=manifest(pod))
    assert done.returncode == 1
    assert 'unknown field "spec.restartPolice"' in done.stderr
    assert kubectl("get", "pod", name, "--ignore-not-found") == ""


def test_a_dry_run_leaves_nothing(kubectl: Kubectl, image: str, name: str) -> None:
    pod = manifest(once(image, "true", name))
    for verb in ("create", "apply"):
        made = kubectl(verb, "-f", "-", "--dry-run=server", stdin=pod)
        assert made == f"pod/{name} created (server dry run)\n"
    assert kubectl("get", "pod", name, "--ignore-not-found") == ""


def test_create_tells_that_a_name_is_taken(kubectl: Kubectl, image: str, name: str) -> None:
    pod = manifest(once(image, "true", name))
    kubectl("create", "-f", "-", stdin=pod)
    done = kubectl.run("create", "-f", "-", stdin=pod)
    assert done.returncode == 1
    assert f'Error from server (AlreadyExists): error when creating "STDIN": pods "{name}"' in (
        done.stderr
    )


def test_get_in_every_form(kubectl: Kubectl, image: str, name: str) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(once(image, "true", name), course="forms"))
    succeeded(kubectl, name)
    assert kubectl("get", "pod", name, "-o", "name") == f"pod/{name}\n"
    assert json.loads(kubectl("get", "pod", name, "-o", "json"))["status"]["phase"] == "Succeeded"
    read = yaml.safe_load(kubectl("get", "pod", name, "-o", "yaml"))
    assert (read["apiVersion"], read["kind"], read["metadata"]["name"]) == ("v1", "Pod", name)
    assert kubectl("get", "pod", name, "-o", "jsonpath={.spec.containers[*].name}") == "main"
    header, row = kubectl("get", "pod", name).splitlines()
    assert header.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row.split()[:4] == [name, "0/1", "Completed", "0"]
    header, row = kubectl("get", "pod", name, "-o", "wide").splitlines()
    assert header.split()[5:7] == ["IP", "NODE"]
    assert row.split()[2] == "Completed"
    assert kubectl("get", "pods", "-l", "course=forms", "-o", "name") == f"pod/{name}\n"
    assert kubectl("get", "pods", "-l", "course=other", "-o", "name") == ""
    ended = kubectl("get", "pods", "--field-selector=status.phase=Succeeded", "-o", "name")
    assert f"pod/{name}" in ended.splitlines()
    listed = json.loads(kubectl("get", "pods", "-l", "course", "-o", "json"))
    assert listed["kind"] == "List"
    assert kubectl("get", "po", name, "-L", "course").splitlines()[1].split()[-1] == "forms"
    assert name in kubectl("get", "pods", "--all-namespaces")


def test_get_tells_that_there_is_no_such_pod(kubectl: Kubectl) -> None:
    done = kubectl.run("get", "pod", "nobody")
    assert done.returncode == 1
    assert done.stderr == 'Error from server (NotFound): pods "nobody" not found\n'


def test_get_watch_shows_a_pods_whole_life(kubectl: Kubectl, image: str, name: str) -> None:
    def apply(pod: str) -> None:
        kubectl("apply", "-f", "-", stdin=manifest(once(image, "sleep 2", pod), pod=name))

    seen: list[str] = []
    apply(f"{name}-before")
    with kubectl.following("get", "pods", "--watch", "--no-headers", "-l", f"pod={name}") as watch:
        # Its list is behind it when it shows a pod that was there: it misses nothing of another.
        assert line_of(watch).split()[0] == f"{name}-before"
        apply(name)
        while not seen or seen[-1] != "Completed":
            line = line_of(watch)
            assert line, f"the watch ended after {seen}"
            if line.split()[0] == name:
                seen.append(line.split()[2])
    order = [status for at, status in enumerate(seen) if seen.index(status) == at]
    assert order == ["Pending", "ContainerCreating", "Running", "Completed"]


def test_describe_tells_how_a_pod_ended(kubectl: Kubectl, image: str, name: str) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(once(image, "exit 3", name), course="described"))
    kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Failed", WAIT)
    lines = [line.split() for line in kubectl("describe", "pod", name).splitlines()]
    for expected in (
        ["Name:", name],
        ["Labels:", "course=described"],
        ["Status:", "Failed"],
        ["Reason:", "Error"],
        ["Exit", "Code:", "3"],
        ["Restart", "Count:", "0"],
    ):
        assert expected in lines


def test_logs_follow_while_they_are_written(kubectl: Kubectl, image: str, name: str) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(once(image, "echo one; sleep 3; echo two", name)))
    kubectl("wait", f"pod/{name}", "--for=condition=Ready", WAIT)
    with kubectl.following("logs", "--follow", name) as log:
        assert line_of(log) == "one\n"
        assert kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}") == "Running"
        assert line_of(log) == "two\n"
        assert line_of(log) == ""
        assert log.wait(PATIENCE) == 0


def test_logs_of_the_past(kubectl: Kubectl, image: str, name: str) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(once(image, "echo one; echo two", name)))
    succeeded(kubectl, name)
    assert kubectl("logs", name, "--tail=1") == "two\n"
    assert kubectl("logs", name, "--limit-bytes=3") == "one"
    stamped = kubectl("logs", name, "--timestamps").splitlines()
    assert [line.split("Z ")[1] for line in stamped] == ["one", "two"]
    assert kubectl("logs", name, "-c", "main", "--since=1h") == "one\ntwo\n"
    done = kubectl.run("logs", name, "--previous")
    assert done.returncode == 1
    assert 'previous terminated container "main" in pod' in done.stderr


def test_logs_of_a_container_that_began_anew(kubectl: Kubectl, image: str, name: str) -> None:
    pod = once(image, "echo run; exit 1", name)
    pod["spec"]["restartPolicy"] = "OnFailure"
    kubectl("apply", "-f", "-", stdin=manifest(pod))
    # A real kubelet keeps the log of one run before: between two runs it may have none.
    until(lambda: kubectl.run("logs", name, "--previous").stdout == "run\n")
    kubectl("delete", "pod", name)


def test_label_annotate_and_patch(kubectl: Kubectl, image: str, name: str) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(once(image, "sleep 600", name)))
    assert kubectl("label", "pod", name, "course=a") == f"pod/{name} labeled\n"
    assert kubectl("annotate", "pod", name, "why=test") == f"pod/{name} annotated\n"
    done = kubectl.run("label", "pod", name, "course=b")
    assert done.returncode == 1
    assert "'course' already has a value (a), and --overwrite is false" in done.stderr
    for kind, patch in (
        ("strategic", '{"metadata":{"labels":{"s":"1"}}}'),
        ("merge", '{"metadata":{"labels":{"m":"1"}}}'),
        ("json", '[{"op":"add","path":"/metadata/labels/j","value":"1"}]'),
    ):
        assert kubectl("patch", "pod", name, f"--type={kind}", "-p", patch) == (
            f"pod/{name} patched\n"
        )
    kubectl("label", "pod", name, "course-")
    labels = kubectl("get", "pod", name, "-o", "jsonpath={.metadata.labels}")
    assert json.loads(labels) == {"s": "1", "m": "1", "j": "1"}


def test_delete_by_label(kubectl: Kubectl, image: str, name: str) -> None:
    for number in ("1", "2"):
        pod = once(image, "sleep 600", f"{name}-{number}")
        kubectl("apply", "-f", "-", stdin=manifest(pod, group=name))
    gone = kubectl("delete", "pods", "-l", f"group={name}", "--grace-period=1")
    assert len(gone.splitlines()) == 2
    assert kubectl("get", "pods", "-l", f"group={name}", "-o", "name") == ""


def test_delete_tells_that_there_is_no_such_pod(kubectl: Kubectl) -> None:
    done = kubectl.run("delete", "pod", "nobody")
    assert done.returncode == 1
    assert done.stderr == 'Error from server (NotFound): pods "nobody" not found\n'
    assert kubectl("delete", "pod", "nobody", "--ignore-not-found") == ""


def test_events_tell_what_became_of_a_pod(kubectl: Kubectl, image: str, name: str) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(once(image, "true", name)))
    succeeded(kubectl, name)

    def reasons() -> list[str]:
        events = json.loads(kubectl("events", "--for", f"pod/{name}", "-o", "json"))
        return [event["reason"] for event in events["items"]]

    until(lambda: "Started" in reasons())
    assert {"Scheduled", "Created", "Started"} <= set(reasons())
    assert "Started" in kubectl("describe", "pod", name)


def test_what_the_server_has(kubectl: Kubectl) -> None:
    version = json.loads(kubectl("version", "-o", "json"))["serverVersion"]
    assert (version["major"], version["minor"]) == ("1", "34")
    assert "v1" in kubectl("api-versions").splitlines()
