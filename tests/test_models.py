"""Pods as the official client's models, and back: nothing is lost on the way."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kubegrader import models
from kubernetes import client

if TYPE_CHECKING:
    from collections.abc import Callable

_WORDS = st.text(alphabet="abcxyz-0189", min_size=1, max_size=8)
# What Kubernetes itself makes: seconds and a zone.
_TIMES = st.sampled_from(["2026-01-02T03:04:05+00:00", "1999-12-31T23:59:59+00:00"])


@st.composite
def _of(draw: Callable[[Any], Any], type_name: str, field: str, depth: int) -> Any:
    """Draw a value of a type as the models' openapi_types name it."""
    if many := re.fullmatch(r"[lL]ist\[(.*)\]", type_name):
        return draw(st.lists(_of(many[1], field, depth), min_size=1, max_size=2))
    if keyed := re.fullmatch(r"[dD]ict[(\[]str, (.*)[)\]]", type_name):
        return draw(st.dictionaries(_WORDS, _of(keyed[1], field, depth), max_size=2))
    simple: dict[str, st.SearchStrategy[Any]] = {
        "str": _WORDS,
        "int": st.integers(0, 2**31),
        "float": st.floats(0, 100, allow_nan=False),
        "bool": st.booleans(),
        "datetime": _TIMES,
        "object": st.one_of(_WORDS, st.integers(0, 65535)),
    }
    if type_name == "object" and field in {"fieldsV1", "fields_v1"}:
        return {"f:metadata": {}}
    if type_name in simple:
        return draw(simple[type_name])
    return draw(_model(getattr(client, type_name), depth - 1))


def _needed(model: type[Any]) -> set[str]:
    """Name the fields that a model refuses to be made without."""
    if hasattr(model, "model_fields"):  # from kubernetes 37 on
        return {name for name, field in model.model_fields.items() if field.is_required()}
    source = inspect.getsource(model)
    return {name for name in model.openapi_types if f"Invalid value for `{name}`" in source}


@st.composite
def _model(draw: Callable[[Any], Any], model: type[Any], depth: int) -> dict[str, Any]:
    """Draw what an API server would send for a model: some of its fields, by Kubernetes' names."""
    value = {}
    for name, type_name in model.openapi_types.items():
        is_deep = depth <= 0 and "V1" in type_name
        if name in _needed(model) or (not is_deep and draw(st.integers(0, 3)) == 0):
            value[model.attribute_map[name]] = draw(_of(type_name, name, depth))
    return value


@st.composite
def _pods(draw: Callable[[Any], Any]) -> dict[str, Any]:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": draw(_model(client.V1ObjectMeta, 1))}
    return {**pod, "spec": draw(_model(client.V1PodSpec, 3))}


_SLOW = settings(
    max_examples=50,
    deadline=None,
    # A pod has some hundred fields: making a failing one smaller takes minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@_SLOW
@given(_pods())
def test_a_pod_that_a_hook_leaves_alone_comes_back_whole(pod: dict[str, Any]) -> None:
    assert models.changed(pod, models.to_v1pod(pod)) == pod
    assert models.to_dict(models.to_v1pod(pod)) == pod


@_SLOW
@given(_pods())
def test_a_change_changes_nothing_else(pod: dict[str, Any]) -> None:
    model = models.to_v1pod(pod)
    model.spec.node_name = "elsewhere"
    changed = models.changed(pod, model)
    assert changed == {**pod, "spec": {**pod["spec"], "nodeName": "elsewhere"}}


NEW = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "labels": {}},
    "spec": {
        "containers": [
            {"name": "a", "image": "a:1", "fieldOfTomorrow": 1},
            {"name": "b", "image": "b:1", "fieldOfTomorrow": {"deep": [1, 2]}},
        ],
        "fieldOfTomorrow": [{"x": 1}],
    },
}


def test_what_the_client_does_not_know_survives_a_change() -> None:
    model = models.to_v1pod(NEW)
    model.spec.containers[1].image = "b:2"
    changed = models.changed(NEW, model)
    a, b = NEW["spec"]["containers"]
    assert changed["spec"]["containers"] == [a, {**b, "image": "b:2"}]
    assert changed["spec"]["fieldOfTomorrow"] == [{"x": 1}]


def test_what_the_client_does_not_know_survives_in_containers_that_move() -> None:
    model = models.to_v1pod(NEW)
    model.spec.containers = [
        client.V1Container(name="new", image="new:1"),
        model.spec.containers[1],
        model.spec.containers[0],
    ]
    model.spec.containers[2].image = "a:2"
    a, b = NEW["spec"]["containers"]
    assert models.changed(NEW, model)["spec"]["containers"] == [
        {"name": "new", "image": "new:1"},
        b,
        {**a, "image": "a:2"},
    ]


MOUNTS = [
    {"name": "data", "mountPath": "/in", "future": 1},
    {"name": "data", "mountPath": "/out", "future": 2},
]
TOLERATIONS = [{"key": "a", "future": 1}, {"key": "b", "future": 2}, {"key": "c", "future": 3}]


def of_lists() -> dict[str, Any]:
    container = {"name": "c", "image": "c:1", "volumeMounts": MOUNTS}
    spec = {"containers": [container], "tolerations": TOLERATIONS}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


def test_what_the_client_does_not_know_stays_with_the_mount_of_its_path() -> None:
    pod = of_lists()
    model = models.to_v1pod(pod)
    model.spec.containers[0].volume_mounts[1].read_only = True
    (container,) = models.changed(pod, model)["spec"]["containers"]
    assert container["volumeMounts"] == [MOUNTS[0], {**MOUNTS[1], "readOnly": True}]


def test_what_the_client_does_not_know_stays_with_the_toleration_of_its_key() -> None:
    pod = of_lists()
    model = models.to_v1pod(pod)
    model.spec.tolerations.pop(0)
    model.spec.tolerations[0].effect = "NoSchedule"
    b, c = TOLERATIONS[1:]
    assert models.changed(pod, model)["spec"]["tolerations"] == [{**b, "effect": "NoSchedule"}, c]
    model = models.to_v1pod(pod)
    model.spec.tolerations.insert(0, client.V1Toleration(key="z"))
    assert models.changed(pod, model)["spec"]["tolerations"] == [{"key": "z"}, *TOLERATIONS]


def test_a_field_that_a_hook_takes_away_stays_away() -> None:
    pod = {**NEW, "spec": {**NEW["spec"], "nodeSelector": {"a": "b"}}}
    model = models.to_v1pod(pod)
    model.spec.node_selector = None
    assert "nodeSelector" not in models.changed(pod, model)["spec"]


def test_plain_data_in_a_model_is_taken_as_it_is() -> None:
    model = models.to_v1pod(NEW)
    model.spec.volumes = [{"name": "x", "emptyDir": {}}]
    assert models.changed(NEW, model)["spec"]["volumes"] == [{"name": "x", "emptyDir": {}}]


def test_the_api_is_of_the_kubeconfigs_cluster(kubeconfig: str, namespace: str) -> None:
    api = models.api(kubeconfig, None)
    assert [pod.metadata.name for pod in api.list_namespaced_pod(namespace).items] == []


def test_the_namespace_is_the_contexts(tmp_path: Any) -> None:
    path = tmp_path / "kubeconfig"
    contexts = [
        {"name": "a", "context": {"cluster": "c", "user": "u", "namespace": "one"}},
        {"name": "b", "context": {"cluster": "c", "user": "u"}},
    ]
    content = {
        "current-context": "a",
        "contexts": contexts,
        "clusters": [{"name": "c", "cluster": {"server": "https://c.example.org"}}],
        "users": [{"name": "u", "user": {}}],
    }
    path.write_text(json.dumps(content))
    assert models.namespace(str(path), None) == "one"
    assert models.namespace(str(path), "b") == "default"


def test_a_context_that_is_not_there_is_no_namespace(tmp_path: Any) -> None:
    from kubernetes.config import ConfigException

    path = tmp_path / "kubeconfig"
    path.write_text('{"contexts": []}')
    with pytest.raises(ConfigException):
        models.namespace(str(path), "nonsense")
