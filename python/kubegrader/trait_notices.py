"""What is said of a trait of another release of grader-service: one line, once for each process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .releases import INSTALLED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .executor import KubeAutogradeExecutor

_OLDER = {
    "base_input_path": ((0, 1, 11), "relative_input_path (below grader_service_dir)"),
    "base_output_path": ((0, 1, 11), "relative_output_path (below grader_service_dir)"),
    "default_image_name": ((0, 2, 1), "resolve_image_name or pre_spawn_hook"),
    "image_config_path": ((0, 12, 3), "pre_spawn_hook"),
    "resolve_image_name": ((0, 12, 3), "pre_spawn_hook"),
    "resolve_node_selector": ((0, 12, 3), "node_selector or pre_spawn_hook"),
    "timeout_func": ((0, 9, 99), "default_cell_timeout, or the assignment's own setting"),
    "volume_mounts": ((0, 1, 11), "extra_volume_mounts"),
    "volumes": ((0, 1, 11), "volume and extra_volumes"),
}
"""The last release that has the trait, and what to write instead."""

_NEWER = {
    "annotations": (0, 7, 0),
    "convert_executable": (0, 1, 5),
    "default_cell_timeout": (0, 10, 0),
    "extra_volume_mounts": (0, 1, 12),
    "extra_volumes": (0, 1, 12),
    "image_pull_policy": (0, 7, 0),
    "image_pull_secrets": (0, 7, 0),
    "labels": (0, 7, 0),
    "namespace": (0, 1, 6),
    "pre_spawn_hook": (0, 7, 0),
    "relative_input_path": (0, 1, 12),
    "relative_output_path": (0, 1, 12),
    "resolve_image_name": (0, 2, 2),
    "resolve_node_selector": (0, 3, 0),
    "timeout_func": (0, 2, 8),
    "tolerations": (0, 7, 0),
    "uid": (0, 1, 7),
    "volume": (0, 1, 12),
}
"""The first release that has the trait."""

FOLDER_VARIABLES = {
    "input": "GRADER_AUTOGRADE_IN_PATH",
    "output": "GRADER_AUTOGRADE_OUT_PATH",
}
"""The variables that are the defaults of base_input_path and base_output_path up to 0.1.11."""

_told: set[str] = set()
"""What this process's log has told already."""


def replacement(name: str) -> str | None:
    """Say what to write instead of a trait; None where the installed release has it itself."""
    last, instead = _OLDER.get(name, (None, None))
    return None if last is None or INSTALLED.number <= last else instead


def idle(name: str) -> str | None:
    """Say why a trait can do nothing with the installed release; None where it does something."""
    if name == "cell_timeout":
        # From 0.10.0 on the base class overwrites what the config says; before, there is none.
        return "no release of grader-service goes by it. Write default_cell_timeout"
    if INSTALLED.has_cell_timeout:
        return None
    if name in {"min_cell_timeout", "max_cell_timeout"}:
        return f"assignments of grader-service {INSTALLED.version} have no timeout of their own"
    if name == "git_manager_class":
        return f"grader-service {INSTALLED.version} runs git by itself; it came with 0.10.0"
    return None


_IDLE = ("cell_timeout", "git_manager_class", "max_cell_timeout", "min_cell_timeout")


def is_set(executor: KubeAutogradeExecutor, name: str) -> bool:
    """Tell whether a site has set a trait."""
    trait = executor.traits().get(name)
    if trait is None or not executor.trait_has_value(name):
        return False
    value = getattr(executor, name)
    return bool(value) and value != trait.default()


def is_written(executor: KubeAutogradeExecutor, name: str) -> bool:
    """Tell whether a trait is in the config, whatever has become of its value."""
    sections = type(executor).section_names()
    return any(name in executor.config.get(section, {}) for section in sections)


def _lines(executor: KubeAutogradeExecutor) -> Iterator[tuple[str, str]]:
    """Give each trait of another release that the site has set, and the line on it."""
    section, here = type(executor).__name__, INSTALLED.version
    works = f"is not of grader-service {here}; it works all the same"
    for name in _OLDER:
        instead = replacement(name)
        if instead is not None and is_set(executor, name):
            yield name, f"{section}.{name} {works}. Instead, write {instead}"
    for name, first in _NEWER.items():
        if INSTALLED.number < first and is_set(executor, name):
            since = ".".join(map(str, first))
            yield name, f"{section}.{name} {works}. It came with {since}"
    for name in _IDLE:
        why = idle(name)
        if why is not None and is_written(executor, name):
            yield name, f"{section}.{name} does nothing: {why}"
    limit = "max_grading_time"
    if INSTALLED.number < (0, 6, 3) and limit in executor.config.get("GraderPod", {}):
        yield f"GraderPod.{limit}", f"GraderPod.{limit} {works}. It came with 0.6.3"


def tell(executor: KubeAutogradeExecutor) -> None:
    """Log a line for each trait that the installed release does not have: once for each trait."""
    for name, line in _lines(executor):
        tell_once(executor, name, line)


def tell_once(executor: KubeAutogradeExecutor, name: str, line: str) -> None:
    """Log a line, if none of this name has been logged yet."""
    if name not in _told:
        _told.add(name)
        executor.log.warning("%s", line)


def be_quiet() -> None:
    """Log no line on a trait: somebody else tells of them. Those on variables are logged anew."""
    _told.clear()
    _told.update(_OLDER, _NEWER, _IDLE, ["GraderPod.max_grading_time"])
