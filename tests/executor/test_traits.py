"""What a site may write below c.KubeAutogradeExecutor, whatever its release of grader-service."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.executor import GraderPod, KubeAutogradeExecutor
from kubegrader.releases import INSTALLED
from kubernetes.client import V1LocalObjectReference, V1Toleration, V1Volume
from traitlets import TraitError

if TYPE_CHECKING:
    from kubegrader.demo.site import Site
    from traitlets.config import Config


def made(settings: Config, executor: Any, **traits: Any) -> dict[str, Any]:
    settings.KubeAutogradeExecutor.update(traits)
    pod: dict[str, Any] = executor()._make_pod()
    return pod


def test_kubespawners_traits_reach_the_pod(settings: Config, executor: Any) -> None:
    pod = made(
        settings,
        executor,
        uid=1000,
        cpu_limit=2,
        cpu_guarantee=0.5,
        mem_limit="1.5G",
        mem_guarantee="512M",
        node_selector={"pool": "grading", "zone": "a"},
        resolve_node_selector=lambda lecture: {"pool": lecture.code},
        service_account="grading",
        priority_class_name="low",
        labels={"a": "1", "b": "1"},
        extra_labels={"b": "2"},
        annotations={"a": "1", "b": "1"},
        extra_annotations={"b": "2"},
        extra_pod_config={"dns_policy": "Default"},
        extra_container_config={"envFrom": [{"secretRef": {"name": "licence"}}]},
        fs_gid=100,
        queue_name="students",
    )
    (container,) = pod["spec"]["containers"]
    # jupyterhub.traitlets.ByteSpecification: M and G are units of 1024.
    assert container["resources"] == {
        "limits": {"cpu": "2", "memory": "1610612736"},
        "requests": {"cpu": "500m", "memory": "536870912"},
    }
    assert container["envFrom"] == [{"secretRef": {"name": "licence"}}]
    assert container["securityContext"] == {
        "runAsUser": 1000,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    spec = pod["spec"]
    assert spec["nodeSelector"] == {"pool": "demo", "zone": "a"}
    assert spec["serviceAccountName"] == "grading"
    assert spec["priorityClassName"] == "low"
    assert spec["dnsPolicy"] == "Default"
    assert spec["securityContext"] == {"fsGroup": 100}
    assert pod["metadata"]["annotations"] == {"a": "1", "b": "2"}
    assert pod["metadata"]["labels"] == {
        "a": "1",
        "b": "2",
        "kueue.x-k8s.io/queue-name": "students",
    }


@pytest.mark.parametrize(
    "written",
    [
        [{"key": "grading", "effect": "NoExecute", "tolerationSeconds": 5}],
        {"key": "grading", "effect": "NoExecute", "toleration_seconds": "5"},
        {"any": {"key": "grading", "effect": "NoExecute", "tolerationSeconds": 5}},
        [V1Toleration(key="grading", effect="NoExecute", toleration_seconds=5)],
    ],
)
def test_tolerations_are_taken_as_sites_write_them(
    settings: Config, executor: Any, written: Any
) -> None:
    pod = made(settings, executor, tolerations=written)
    assert pod["spec"]["tolerations"] == [
        {"key": "grading", "effect": "NoExecute", "tolerationSeconds": 5}
    ]


@pytest.mark.parametrize(
    "written",
    ["registry", ["registry"], {"name": "registry"}, [V1LocalObjectReference(name="registry")]],
)
def test_pull_secrets_are_taken_as_sites_write_them(
    settings: Config, executor: Any, written: Any
) -> None:
    pod = made(settings, executor, image_pull_secrets=written)
    assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]


def test_volumes_may_be_models_of_the_official_client(settings: Config, executor: Any) -> None:
    volume = V1Volume(name="d", persistent_volume_claim={"claimName": "d"})
    pod = made(settings, executor, extra_volumes=[volume])
    assert pod["spec"]["volumes"][1] == {"name": "d", "persistentVolumeClaim": {"claimName": "d"}}


@pytest.mark.parametrize(
    ("traits", "told"),
    [
        ({"cpu_limit": 0.0}, "KubeAutogradeExecutor.cpu_limit: it is a number of cores"),
        ({"cpu_guarantee": "two"}, "'cpu_guarantee' trait"),
        ({"mem_limit": "512X"}, "KubeAutogradeExecutor.mem_limit is '512X', which is no amount of"),
        ({"mem_limit": -1}, "KubeAutogradeExecutor.mem_limit must be more than 0"),
        (
            {"mem_limit": "1G", "mem_guarantee": "2G"},
            "KubeAutogradeExecutor.mem_guarantee: 2147483648 bytes are more than mem_limit",
        ),
        ({"start_timeout": 0}, "KubeAutogradeExecutor.start_timeout must be more than 0"),
        ({"max_grading_time": float("nan")}, "'max_grading_time' trait"),
        ({"max_attempts": 0}, "'max_attempts' trait"),
        ({"log_limit": 0}, "'log_limit' trait"),
        ({"fs_gid": -1}, "'fs_gid' trait"),
        (
            {"uid": -1},
            "The 'uid' trait of a KubeAutogradeExecutor instance expected a whole number from 0 to "
            "2147483647, and it is set to -1.",
        ),
        ({"uid": True}, "'uid' trait"),
        ({"fs_gid": True}, "'fs_gid' trait"),
        ({"mem_limit": True}, "KubeAutogradeExecutor.mem_limit is True, which is no amount of"),
        ({"mem_limit": float("nan")}, "KubeAutogradeExecutor.mem_limit is nan, which is no amount"),
        ({"mem_limit": float("inf")}, "KubeAutogradeExecutor.mem_limit is inf, which is no amount"),
        ({"mem_guarantee": 10**30}, "KubeAutogradeExecutor.mem_guarantee is 10000000000000000"),
        ({"mem_guarantee": "9" * 400}, "KubeAutogradeExecutor.mem_guarantee is '99999"),
        ({"mem_limit": [1]}, "KubeAutogradeExecutor.mem_limit is of type list, which is no amount"),
        ({"cpu_limit": float("nan")}, "'cpu_limit' trait"),
        ({"cpu_limit": float("inf")}, "'cpu_limit' trait"),
        ({"cpu_limit": True}, "'cpu_limit' trait"),
        ({"start_timeout": float("inf")}, "'start_timeout' trait"),
        (
            {"tolerations": {1: {"key": "a"}, "b": {"key": "b"}}},
            "KubeAutogradeExecutor.tolerations: the keys of several tolerations must be strings",
        ),
        ({"security": "strict"}, "'security' trait"),
        ({"security": "restricted", "uid": 0}, "KubeAutogradeExecutor.security is 'restricted'"),
        ({"image_pull_policy": "always"}, "KubeAutogradeExecutor.image_pull_policy is 'always'"),
        ({"image_pull_secrets": [{"nmae": "x"}]}, "image_pull_secrets[0].nmae: there is no such"),
        ({"tolerations": [{"kye": "x"}]}, "KubeAutogradeExecutor.tolerations[0].kye: there is no"),
        ({"tolerations": {"x": "NoSchedule"}}, "KubeAutogradeExecutor.tolerations[0].x: there is"),
        (
            {"tolerations": [{"key": "a", "operator": "Exists"}, {"key": "a", "operator": "Is"}]},
            "KubeAutogradeExecutor.tolerations[1].operator: it must be 'Equal' or 'Exists'",
        ),
        (
            {"tolerations": {"key": "a", "effect": "noschedule"}},
            "KubeAutogradeExecutor.tolerations[0].effect: it must be 'NoSchedule', 'PreferNo",
        ),
        (
            {"tolerations": [{"key": "a b"}]},
            "KubeAutogradeExecutor.tolerations[0].key: name part must",
        ),
        (
            {"tolerations": [{"key": "a", "value": "b c"}]},
            "KubeAutogradeExecutor.tolerations[0].value: a valid label",
        ),
        (
            {"tolerations": [{"operator": "Equal", "value": "x"}]},
            "KubeAutogradeExecutor.tolerations[0].operator: it must be 'Exists' where there is no",
        ),
        (
            {"tolerations": [{"key": "a", "operator": "Exists", "value": "x"}]},
            "KubeAutogradeExecutor.tolerations[0].value: it must be left out",
        ),
        (
            {"tolerations": [{"key": "a", "operator": "Exists", "toleration_seconds": "5"}]},
            "KubeAutogradeExecutor.tolerations[0].effect: it must be 'NoExecute' where",
        ),
        (
            {"image_pull_secrets": "bad name!"},
            "KubeAutogradeExecutor.image_pull_secrets[0]: a lowercase RFC 1123 subdomain",
        ),
        (
            {"image_pull_secrets": ["a", {"name": ""}]},
            "KubeAutogradeExecutor.image_pull_secrets[1]: a lowercase RFC 1123 subdomain",
        ),
        ({"image_pull_secrets": [""]}, "KubeAutogradeExecutor.image_pull_secrets[0]: a lowercase"),
        ({"uid": 2**31}, "'uid' trait"),
        ({"fs_gid": 2**31}, "'fs_gid' trait"),
        (
            {"extra_volume_mounts": [{"name": "a"}]},
            "KubeAutogradeExecutor.extra_volume_mounts[0].mountPath: the mount has none",
        ),
        (
            {"extra_volume_mounts": [{"mount_path": "/a"}]},
            "KubeAutogradeExecutor.extra_volume_mounts[0].name: the mount does not name its",
        ),
        ({"volume": {"name": "data", "hostPth": {}, "nfs": 1}}, "KubeAutogradeExecutor.volume"),
        (
            {"volume": {"persistentVolumeClaim": {}}},
            "KubeAutogradeExecutor.volume.name: the volume",
        ),
        ({"extra_volumes": [{"name": "a", "nfss": 1}]}, "extra_volumes[0].nfss: there is no such"),
        ({"extra_volume_mounts": [{"nme": "a"}]}, "extra_volume_mounts[0].nme: there is no such"),
        ({"labels": {"a b": "x"}}, 'KubeAutogradeExecutor.labels, key "a b": name part must'),
        ({"labels": {"a": 1}}, "'labels' trait"),
        ({"extra_labels": {"a": "-"}}, 'KubeAutogradeExecutor.extra_labels["a"]: a valid label'),
        ({"annotations": {"a/b/c": "x"}}, 'KubeAutogradeExecutor.annotations, key "a/b/c"'),
        ({"node_selector": {"a": "b c"}}, 'KubeAutogradeExecutor.node_selector["a"]: a valid'),
        ({"queue_name": "A B"}, "KubeAutogradeExecutor.queue_name: a lowercase RFC 1123"),
        ({"service_account": "x_y"}, "KubeAutogradeExecutor.service_account: a lowercase"),
        ({"priority_class_name": "X"}, "KubeAutogradeExecutor.priority_class_name: a lowercase"),
        ({"extra_pod_config": {"dnsPolcy": 1}}, "KubeAutogradeExecutor.extra_pod_config.dnsPolcy"),
        (
            {"extra_container_config": {"env_form": [1]}},
            "KubeAutogradeExecutor.extra_container_config.envForm: there is no such field",
        ),
        (
            {"extra_pod_config": {"nodeName": object()}},
            "KubeAutogradeExecutor.extra_pod_config: request: it holds something that is no plain",
        ),
        (
            {"relative_input_path": "../x"},
            "KubeAutogradeExecutor.relative_input_path is '../x'; it",
        ),
        ({"relative_output_path": "/x"}, "KubeAutogradeExecutor.relative_output_path is '/x'; it"),
        *(
            []
            if INSTALLED.has_base_paths  # where None says that the other two are used
            else [
                ({"relative_input_path": None}, "The 'relative_input_path' trait"),
                ({"relative_output_path": None}, "The 'relative_output_path' trait"),
            ]
        ),
        ({"pre_spawn_hook": "hook"}, "'pre_spawn_hook' trait"),
    ],
)
def test_what_no_cluster_takes_is_told_when_the_config_is_loaded_and_recorded(
    site: Site, settings: Config, traits: dict[str, Any], told: str
) -> None:
    submission = site.submit("misconfigured", SUBMISSIONS[0].notebook(site.course))
    settings.KubeAutogradeExecutor.update(traits)
    with pytest.raises(TraitError) as error:
        site.grade(submission, KubeAutogradeExecutor, settings)
    assert told in str(error.value)
    # The service would leave it pending for ever.
    graded = site.read(submission)
    assert graded.status == "grading_failed"
    assert graded.log.startswith("Your submission could not be graded. It is not your fault")
    # The values are the site's own affair: which trait it is, and no more.
    trait = next(name for name in reversed(traits) if name in told)
    assert graded.log.partition("For the course's staff: ")[2] == (
        f"KubeAutogradeExecutor.{trait} cannot be what the service's config says. The service's "
        "log and `kubegrader check` say why"
    )


def test_an_error_of_a_trait_survives_the_way_through_celerys_pickle(executor: Any) -> None:
    with pytest.raises(TraitError) as error:
        executor().mem_limit = "lots"
    copy = pickle.loads(pickle.dumps(error.value))  # noqa: S301
    assert str(copy) == str(error.value)
    assert copy.trait == "KubeAutogradeExecutor.mem_limit"


def test_a_trait_is_checked_whenever_it_is_set(executor: Any) -> None:
    one = executor()
    with pytest.raises(TraitError, match="is no amount of memory"):
        one.mem_limit = "lots"
    one.mem_limit = 1024.0
    assert one.mem_limit == 1024


@pytest.mark.parametrize(("uid", "security"), [(0, "baseline"), (1000, "restricted")])
def test_security_is_restricted_where_the_sites_user_is_not_root(
    settings: Config, executor: Any, uid: int, security: str
) -> None:
    settings.KubeAutogradeExecutor.uid = uid
    assert executor().security == security


def test_the_old_volumes_stand_alone_where_no_new_one_is_set(
    settings: Config, executor: Any
) -> None:
    settings.KubeAutogradeExecutor.volume = {}
    volumes = [{"name": "srv", "hostPath": {"path": "/srv"}}]
    mounts = [{"name": "srv", "mountPath": "/srv"}]
    pod = made(settings, executor, volumes=volumes, volume_mounts=mounts)
    assert pod["spec"]["volumes"] == volumes
    assert pod["spec"]["containers"][0]["volumeMounts"] == mounts


def test_the_old_volumes_are_more_of_them_beside_a_new_one(settings: Config, executor: Any) -> None:
    volumes = [{"name": "srv", "hostPath": {"path": "/srv"}}]
    mounts = [{"name": "srv", "mountPath": "/srv"}]
    pod = made(settings, executor, volumes=volumes, volume_mounts=mounts)
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["data", "srv"]
    names = [mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]]
    assert names == ["data", "data", "srv"]


def test_the_oldest_name_of_the_image_function_works(settings: Config, executor: Any) -> None:
    async def image(lecture: Any, assignment: Any) -> str:  # noqa: ARG001
        return f"{lecture.code}:1"

    pod = made(settings, executor, default_image_name=image)
    assert pod["spec"]["containers"][0]["image"] == "demo:1"


def test_the_oldest_names_of_the_folders_work(site: Site, settings: Config, executor: Any) -> None:
    for way in ("input", "output"):
        settings.KubeAutogradeExecutor[f"base_{way}_path"] = f"{site.directory}/old/{way}"
    one = executor()
    number = one.submission.id
    assert one.input_path == f"{site.directory}/old/input/submission_{number}"
    (container,) = one._make_pod()["spec"]["containers"]
    assert [mount["subPath"] for mount in container["volumeMounts"]] == [
        f"old/{way}/submission_{number}" for way in ("input", "output")
    ]
    assert container["args"][3] == one.input_path


def test_the_folders_may_have_other_names(site: Site, settings: Config, executor: Any) -> None:
    # grader-service's own class fails on it, and the submission is pending for ever.
    settings.KubeAutogradeExecutor.relative_input_path = "grading/in"
    one = executor()
    number = one.submission.id
    assert one.input_path == f"{site.directory}/grading/in/submission_{number}"
    mount = one._make_pod()["spec"]["containers"][0]["volumeMounts"][0]
    assert mount["subPath"] == f"grading/in/submission_{number}"


def test_a_folder_that_the_volume_does_not_hold_is_told(settings: Config, executor: Any) -> None:
    settings.KubeAutogradeExecutor.base_input_path = "/elsewhere"
    with pytest.raises(
        ValueError, match="/elsewhere/submission_[0-9]+ is not below grader_service"
    ):
        executor()._make_pod()


@pytest.mark.parametrize(
    ("traits", "seconds"),
    [
        ({"timeout_func": lambda lecture: len(lecture.code) + 1}, 5),
        # nbclient: no limit.
        ({"timeout_func": lambda _: None}, None),
        ({"default_cell_timeout": 77}, 77),
    ],
)
def test_a_cell_may_run_as_long_as_either_generation_says(
    settings: Config, executor: Any, traits: dict[str, Any], seconds: int | None
) -> None:
    pod = made(settings, executor, **traits)
    argument = f"--ExecutePreprocessor.timeout={seconds}"
    assert pod["spec"]["containers"][0]["args"][-1] == argument


@pytest.mark.skipif(not INSTALLED.has_cell_timeout, reason="it came with 0.10.0")
def test_an_assignments_own_timeout_wins(settings: Config, executor: Any) -> None:
    settings.KubeAutogradeExecutor.timeout_func = lambda lecture: 5  # noqa: ARG005
    one = executor()
    one.assignment.settings = {**one.assignment.settings.to_dict(), "cell_timeout": 33}
    one.cell_timeout = one._determine_cell_timeout()
    assert one._make_pod()["spec"]["containers"][0]["args"][-1].endswith("=33")
    one.session.rollback()


# Each with the last release that has it.
OLD = {
    "base_input_path": ((0, 1, 11), "/srv/in"),
    "base_output_path": ((0, 1, 11), "/srv/out"),
    "default_image_name": ((0, 2, 1), lambda *_: "x"),
    "image_config_path": ((0, 12, 3), "/srv/images.json"),
    "resolve_image_name": ((0, 12, 3), lambda *_: "x"),
    "resolve_node_selector": ((0, 12, 3), lambda _: None),
    "timeout_func": ((0, 9, 2), lambda _: 1),
    "volumes": ((0, 1, 11), [{"name": "x", "emptyDir": {}}]),
    "volume_mounts": ((0, 1, 11), [{"name": "x", "mountPath": "/x"}]),
}
# Each with the first release that has it, of those that are not in all that are supported.
NEW = {
    "annotations": ((0, 7, 0), {"a": "1"}),
    "default_cell_timeout": ((0, 10, 0), 77),
    "image_pull_policy": ((0, 7, 0), "Never"),
    "image_pull_secrets": ((0, 7, 0), ["registry"]),
    "labels": ((0, 7, 0), {"a": "1"}),
    "pre_spawn_hook": ((0, 7, 0), lambda _lecture, _assignment, pod: pod),
    "tolerations": ((0, 7, 0), [{"key": "grading", "operator": "Exists"}]),
}


@pytest.fixture
def plain(settings: Config) -> Config:
    """Settings without the one that came with 0.6.3."""
    del settings.GraderPod.max_grading_time
    return settings


def told_of(
    settings: Config, executor: Any, caplog: pytest.LogCaptureFixture, **traits: Any
) -> list[str]:
    """Give what three executors of a config log of its traits."""
    settings.KubeAutogradeExecutor.update(traits)
    for _ in range(3):
        executor()
    assert "not recognized" not in caplog.text
    return sorted(caplog.messages)


def test_a_trait_of_an_older_release_is_told_once_with_what_to_write_instead(
    plain: Config, executor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    values = {name: value for name, (_, value) in OLD.items()}
    lines = told_of(plain, executor, caplog, **values)
    told = [line.split(" ")[0].removeprefix("KubeAutogradeExecutor.") for line in lines]
    assert told == sorted(name for name, (last, _) in OLD.items() if INSTALLED.number > last)
    middle = f"is not of grader-service {INSTALLED.version}; it works all the same. Instead, write"
    assert all(middle in line for line in lines)


def test_a_trait_of_a_newer_release_is_told_once_with_the_release_that_it_came_with(
    settings: Config, executor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.GraderPod.max_grading_time = 600
    values = {name: value for name, (_, value) in NEW.items()}
    lines = told_of(settings, executor, caplog, **values)
    firsts = {f"KubeAutogradeExecutor.{name}": first for name, (first, _) in NEW.items()}
    firsts["GraderPod.max_grading_time"] = (0, 6, 3)
    works = f"is not of grader-service {INSTALLED.version}; it works all the same. It came with"
    assert lines == sorted(
        f"{name} {works} {first[0]}.{first[1]}.{first[2]}"
        for name, first in firsts.items()
        if INSTALLED.number < first
    )


def test_a_trait_that_can_do_nothing_is_told_once(
    plain: Config, executor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    traits: dict[str, Any] = {"cell_timeout": 360}
    lines = [
        "KubeAutogradeExecutor.cell_timeout does nothing: no release of grader-service goes by it. "
        "Write default_cell_timeout"
    ]
    if INSTALLED.number < (0, 10):
        traits["git_manager_class"] = "site.git.Manager"
        lines.append(
            "KubeAutogradeExecutor.git_manager_class does nothing: grader-service "
            f"{INSTALLED.version} runs git by itself; it came with 0.10.0"
        )
        for name, value in (("max_cell_timeout", 600), ("min_cell_timeout", 20)):
            traits[name] = value
            lines.append(
                f"KubeAutogradeExecutor.{name} does nothing: assignments of grader-service "
                f"{INSTALLED.version} have no timeout of their own"
            )
    assert told_of(plain, executor, caplog, **traits) == lines


def paths(executor: Any) -> tuple[str, str]:
    return executor.input_path, executor.output_path


def test_the_oldest_releases_variables_name_the_folders(
    site: Site,
    plain: Config,
    executor: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRADER_AUTOGRADE_IN_PATH", f"{site.directory}/old/in")
    monkeypatch.setenv("GRADER_AUTOGRADE_OUT_PATH", f"{site.directory}/old/out")
    one = executor()
    number = one.submission.id
    assert paths(one) == tuple(
        f"{site.directory}/old/{way}/submission_{number}" for way in ("in", "out")
    )
    (container,) = one._make_pod()["spec"]["containers"]
    assert [mount["subPath"] for mount in container["volumeMounts"]] == [
        f"old/{way}/submission_{number}" for way in ("in", "out")
    ]
    works = f"is not of grader-service {INSTALLED.version}; it works all the same. Instead, write"
    assert caplog.messages == [
        f"$GRADER_AUTOGRADE_IN_PATH {works} relative_input_path",
        f"$GRADER_AUTOGRADE_OUT_PATH {works} relative_output_path",
    ]
    plain.KubeAutogradeExecutor.relative_input_path = "convert_in"
    plain.KubeAutogradeExecutor.base_output_path = f"{site.directory}/newer/out"
    assert paths(executor()) == (
        f"{site.directory}/convert_in/submission_{number}",
        f"{site.directory}/newer/out/submission_{number}",
    )


def test_a_variable_that_names_what_the_volume_does_not_hold_is_told_and_left_alone(
    site: Site,
    plain: Config,
    executor: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRADER_AUTOGRADE_IN_PATH", "/srv/in")
    one = executor()
    assert one.input_path == f"{site.directory}/convert_in/submission_{one.submission.id}"
    assert caplog.messages == [
        "$GRADER_AUTOGRADE_IN_PATH does nothing: /srv/in is not below grader_service_dir, "
        f"{site.directory}"
    ]
    # Up to 0.1.11 a site names all of the pod's volumes by itself.
    plain.KubeAutogradeExecutor.volume = {}
    plain.KubeAutogradeExecutor.volumes = [{"name": "srv", "hostPath": {"path": "/srv"}}]
    assert executor().input_path == f"/srv/in/submission_{one.submission.id}"


@pytest.mark.usefixtures("plain")
def test_a_config_without_traits_of_other_releases_is_told_nothing(
    executor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    executor()
    assert caplog.messages == []


def test_git_executable_reaches_whoever_runs_git_and_nothing_else_is_recommended(
    settings: Config, executor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.KubeAutogradeExecutor.git_executable = "/usr/bin/git"
    one = executor()
    assert getattr(one, "git_manager", one).git_executable == "/usr/bin/git"
    assert "git_executable" not in caplog.text


def test_the_poll_intervals_unit_is_the_installed_releases() -> None:
    pod = GraderPod.__new__(GraderPod)
    pod.poll_interval = 2000
    assert pod.poll_seconds == (2.0 if INSTALLED.number < (0, 6, 3) else 2000.0)


def test_the_namespace_is_the_kubeconfigs_when_a_subclass_asks(
    settings: Config, executor: Any, namespace: str
) -> None:
    del settings.KubeAutogradeExecutor.namespace
    one = executor()
    assert one._run_options()["namespace"] is None
    assert one.namespace == namespace


def test_the_pods_of_two_sites_in_one_namespace_are_told_apart_by_an_instances_name(
    settings: Config, executor: Any
) -> None:
    assert executor()._run_options()["instance"] == "default"
    settings.KubeAutogradeExecutor.instance_name = "tries"
    assert executor()._run_options()["instance"] == "tries"


def test_each_trait_has_a_help_text_that_teaches() -> None:
    for name, trait in KubeAutogradeExecutor.class_traits(config=True).items():
        if name == "git_manager_class":
            continue  # grader-service's own
        if name == "git_executable" and INSTALLED.number < (0, 10):
            continue
        assert len(trait.help.strip()) > 20, name
