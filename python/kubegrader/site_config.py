"""What to say about a site's ``grader_service_config.py``."""

from __future__ import annotations

import ast
import difflib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from traitlets.config import Config, Configurable
from traitlets.config.loader import LazyConfigValue

from . import trait_notices
from .executor import GraderPod, KubeAutogradeExecutor
from .releases import INSTALLED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UPSTREAM = "grader_service.autograding.kube"
_IMPORT = "from kubegrader.executor import KubeAutogradeExecutor"
_SECTIONS = ("GraderPod", "KubeAutogradeExecutor", "LocalAutogradeExecutor", "RequestHandlerConfig")
_ELSEWHERE = {
    "image": "resolve_image_name, image_config_path or pre_spawn_hook",
    "poll_interval": "c.GraderPod.poll_interval",
    "extra_resource_limits": 'extra_container_config, as {"resources": {"limits": {...}}}',
    "extra_resource_guarantees": 'extra_container_config, as {"resources": {"requests": {...}}}',
    "environment": 'extra_container_config, as {"env": [...]}, or an override of _create_env',
    "automount_service_account_token": "service_account, or extra_pod_config",
}


@dataclass(frozen=True)
class Finding:
    """Something to mend, or to know."""

    level: Literal["error", "warning"]
    text: str


def executor_class(config: Config) -> tuple[type[KubeAutogradeExecutor], list[Finding]]:
    """Give the executor that the site uses, or ours in the place of another one."""
    from traitlets.utils.importstring import import_item

    chosen = config.get("RequestHandlerConfig", Config()).get("autograde_executor_class")
    if isinstance(chosen, str):
        try:
            chosen = import_item(chosen)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # the site's own module
            told = f"it cannot be imported: {type(error).__name__}: {error}"
            text = f"RequestHandlerConfig.autograde_executor_class: {told}"
            return KubeAutogradeExecutor, [Finding("error", text)]
    if isinstance(chosen, type) and issubclass(chosen, KubeAutogradeExecutor):
        return chosen, []
    what = "is not set, so that the service grades by itself"
    if isinstance(chosen, type):
        of_upstream = any(base.__module__.startswith(_UPSTREAM) for base in chosen.__mro__)
        what = f"is {chosen.__module__}.{chosen.__qualname__}"
        what += ", which is grader-service's own" if of_upstream else ""
    text = f"RequestHandlerConfig.autograde_executor_class {what}. Write: {_IMPORT}"
    return KubeAutogradeExecutor, [Finding("error", text)]


def imports_of_upstream(path: Path) -> Iterator[Finding]:
    """Find imports of grader-service's own executor that are still in place."""
    imported = sys.modules.get(f"{_UPSTREAM}.kube_grader")
    if getattr(imported, "KubeAutogradeExecutor", None) is KubeAutogradeExecutor:
        return  # the config has put this class in its place, as manifests/helm-values.yaml does
    if path.suffix != ".py":
        return
    # As bytes: the file may say in which encoding it is.
    for node in ast.walk(ast.parse(path.read_bytes())):
        modules = [node.module] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.Import):
            modules = [name.name for name in node.names]
        for module in modules:
            if module is not None and module.startswith(f"{_UPSTREAM}.kube_grader"):
                line = getattr(node, "lineno", 0)
                yield Finding(
                    "warning",
                    f"{path}, line {line}: {module} is grader-service's own executor. "
                    "kubegrader.executor has the same names",
                )


def findings(config: Config, class_: type[KubeAutogradeExecutor]) -> Iterator[Finding]:
    """Say what of a config does nothing, has a better name, or is unknown."""
    for section in sorted(config):
        yield from _misspelt_section(section, class_)
    for owner in (class_, GraderPod):
        for base in owner.__mro__:
            if issubclass(base, Configurable):
                yield from _of_section(config, base.__name__, owner)
    yield from _of_values(config)


def _misspelt_section(section: str, class_: type[Any]) -> Iterator[Finding]:
    known = (*_SECTIONS, class_.__name__)
    close = difflib.get_close_matches(section, known, n=1, cutoff=0.8)
    if section not in known and close and section[:1].isupper():
        yield Finding("warning", f"c.{section} is read by nothing; did you mean c.{close[0]}?")


def _of_section(config: Config, section: str, owner: type[Any]) -> Iterator[Finding]:
    known = owner.class_trait_names(config=True)
    if section not in config or section in {"Configurable", "LoggingConfigurable"}:
        return
    for name in sorted(config[section]):
        full = f"c.{section}.{name}"
        instead, idle = trait_notices.replacement(name), trait_notices.idle(name)
        if name not in known:
            if name in _ELSEWHERE:
                yield Finding("warning", f"{full} is no trait; use {_ELSEWHERE[name]}")
                continue
            close = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
            mean = f"; did you mean {' or '.join(close)}?" if close else ""
            yield Finding("warning", f"{full} is no trait and does nothing{mean}")
        elif instead is not None:
            yield Finding(
                "warning",
                f"{full} is not of grader-service {INSTALLED.version}; it works, and better is "
                f"{instead}",
            )
        elif idle is not None:
            yield Finding("warning", f"{full} does nothing: {idle}")


def _of_values(config: Config) -> Iterator[Finding]:
    pod = config.get("GraderPod", Config())
    executor = config.get("KubeAutogradeExecutor", Config())
    interval = pod.get("poll_interval")
    if isinstance(interval, int):
        if INSTALLED.polls_in_milliseconds and interval < 100:  # noqa: PLR2004
            yield Finding("warning", f"c.GraderPod.poll_interval = {interval} is in milliseconds")
        elif not INSTALLED.polls_in_milliseconds and interval >= 500:  # noqa: PLR2004
            yield Finding("warning", f"c.GraderPod.poll_interval = {interval} is in seconds")
    if "max_grading_time" in pod and executor.get("max_grading_time") is not None:
        yield Finding(
            "warning",
            "c.GraderPod.max_grading_time does nothing beside "
            "c.KubeAutogradeExecutor.max_grading_time",
        )
    made = {
        "extra_pod_config": {"containers", "volumes", "tolerations", "nodeSelector"},
        "extra_container_config": {
            "args",
            "env",
            "image",
            "name",
            "resources",
            "securityContext",
            "volumeMounts",
            "workingDir",
        },
    }
    for name, fields in made.items():
        given = {_camel_case(key) for key in _keys(executor.get(name))}
        for field in sorted(fields & given):
            yield Finding(
                "warning",
                f"c.KubeAutogradeExecutor.{name} replaces {field} as a whole: what other traits "
                "say of it is lost",
            )


def _keys(value: Any) -> Iterator[str]:
    """Give the keys of a dict in a config, or of what ``update`` adds to it."""
    if isinstance(value, LazyConfigValue):
        value = value.to_dict().get("update")
    if isinstance(value, dict):
        yield from (key for key in value if isinstance(key, str))


def _camel_case(key: str) -> str:
    first, *more = key.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in more)
