"""All traits of `KubeAutogradeExecutor`, and what is checked when one is set.

Names are grader-service's own (0.1.0 to 0.12.5); new ones are KubeSpawner's where it has them. A
value that no cluster would take is a TraitError that names the trait, when the config is loaded.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from traitlets import validate

from ._core import check_request
from .config_traits import ConfigTraits, MisconfiguredError
from .exceptions import InvalidPodError
from .hooks import plain
from .name_rules import subdomain_fault
from .old_traits import OldTraits
from .pod_traits import PodTraits
from .run_traits import RunTraits
from .tolerations import faults, tolerations

_PULL_POLICIES = ("", "Always", "IfNotPresent", "Never")


def pull_secrets(value: Any) -> list[Any]:
    """Give the secrets as a list of names and objects, however the site wrote them."""
    return [value] if isinstance(value, (str, dict)) and value else list(value or [])


def _check(trait: str, part: str, value: Any, written: str | None = None) -> None:
    """Check one part of a pod; `written`: how the part is called where it is at fault."""
    try:
        check_request({part: plain(value)})
    except InvalidPodError as error:
        told = str(error)
        field = part if written is None else written
        told = trait + told.removeprefix(field) if told.startswith(field) else f"{trait}: {told}"
        raise _misfit(trait, told) from None


def _misfit(trait: str, told: str) -> MisconfiguredError:
    """Make the error on a trait; `told` begins with the trait's name."""
    return MisconfiguredError(
        f"KubeAutogradeExecutor.{told}", trait=f"KubeAutogradeExecutor.{trait}"
    )


class ExecutorTraits(ConfigTraits, PodTraits, RunTraits, OldTraits):
    """What a site may write below ``c.KubeAutogradeExecutor``."""

    @validate("convert_executable")
    def _validate_executable(self, proposal: Any) -> str:
        # The base class looks for it on the service's own host, where it need not be.
        executable: str = proposal["value"]
        return executable

    @validate("relative_input_path", "relative_output_path")
    def _validate_service_dir(self, proposal: Any) -> str | None:
        # The base class asks for its grader_service_dir, which it does not have yet, and fails.
        path: str | None = proposal["value"]
        if path and (Path(path).is_absolute() or os.pardir in Path(path).parts):
            name = proposal["trait"].name
            raise _misfit(
                name,
                f"{name} is {path!r}; it must be a folder below grader_service_dir, which the "
                "volume holds",
            )
        return path

    @validate("start_timeout", "max_grading_time")
    def _validate_positive(self, proposal: Any) -> float | None:
        value: float | None = proposal["value"]
        if value is not None and value <= 0:
            name = proposal["trait"].name
            raise _misfit(name, f"{name} must be more than 0, and it is {value}")
        return value

    @validate("cpu_guarantee", "cpu_limit", "mem_guarantee", "mem_limit")
    def _validate_resources(self, proposal: Any) -> Any:
        name = proposal["trait"].name
        names = ("cpu_guarantee", "cpu_limit", "mem_guarantee", "mem_limit")
        resources = {one: getattr(self, one) for one in names} | {name: proposal["value"]}
        if any(isinstance(value, int) and value < 0 for value in resources.values()):
            raise _misfit(name, f"{name} must be more than 0")
        try:
            check_request({"resources": resources})
        except InvalidPodError as error:
            raise _misfit(str(error).partition(":")[0], str(error)) from None
        return proposal["value"]

    @validate("security", "uid")
    def _validate_security(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        uid = value if name == "uid" else self.uid
        wants = value if name == "security" else self.trait_has_value("security") and self.security
        if uid == 0 and wants == "restricted":
            raise _misfit(
                "security",
                "security is 'restricted', which no process of user 0 may be, and "
                "KubeAutogradeExecutor.uid is 0: set uid to the image's user, or security to "
                "'baseline'",
            )
        return value

    @validate("image_pull_policy")
    def _validate_pull_policy(self, proposal: Any) -> str:
        value: str = proposal["value"]
        if value not in _PULL_POLICIES:
            raise _misfit(
                "image_pull_policy",
                f"image_pull_policy is {value!r}; it may be 'Always', 'IfNotPresent', 'Never', or "
                "'' for Kubernetes' own choice",
            )
        return value

    @validate("image_pull_secrets")
    def _validate_pull_secrets(self, proposal: Any) -> Any:
        secrets = plain(pull_secrets(proposal["value"]))
        _check("image_pull_secrets", "image_pull_secrets", secrets)
        for at, secret in enumerate(secrets):
            name = secret if isinstance(secret, str) else secret.get("name") or ""
            if fault := subdomain_fault(name):
                raise _misfit("image_pull_secrets", f"image_pull_secrets[{at}]: {fault}")
        return proposal["value"]

    @validate("tolerations")
    def _validate_tolerations(self, proposal: Any) -> Any:
        try:
            values = tolerations(proposal["value"])
        except TypeError as error:
            raise _misfit("tolerations", f"tolerations: {error}") from None
        _check("tolerations", "tolerations", values)
        for fault in faults(values):
            raise _misfit("tolerations", f"tolerations{fault}")
        return proposal["value"]

    @validate("volume")
    def _validate_volume(self, proposal: Any) -> Any:
        if proposal["value"]:
            _check("volume", "volumes", [proposal["value"]], "volumes[0]")
        return proposal["value"]

    @validate("extra_volumes", "volumes")
    def _validate_volumes(self, proposal: Any) -> Any:
        _check(proposal["trait"].name, "volumes", proposal["value"])
        return proposal["value"]

    @validate("extra_volume_mounts", "volume_mounts")
    def _validate_mounts(self, proposal: Any) -> Any:
        name = proposal["trait"].name
        _check(name, "volume_mounts", proposal["value"])
        for at, mount in enumerate(plain(proposal["value"])):
            if not (mount.get("mountPath") or mount.get("mount_path")):
                raise _misfit(name, f"{name}[{at}].mountPath: the mount has none")
            if not mount.get("name"):
                raise _misfit(name, f"{name}[{at}].name: the mount does not name its volume")
        return proposal["value"]

    @validate("labels", "extra_labels", "annotations", "extra_annotations", "node_selector")
    def _validate_keys(self, proposal: Any) -> Any:
        name = proposal["trait"].name
        _check(name, name.removeprefix("extra_"), proposal["value"] or {})
        return proposal["value"]

    @validate("extra_pod_config", "extra_container_config")
    def _validate_extra(self, proposal: Any) -> Any:
        name = proposal["trait"].name
        _check(name, name, proposal["value"] or {})
        return proposal["value"]

    @validate("queue_name", "service_account", "priority_class_name")
    def _validate_name(self, proposal: Any) -> Any:
        name = proposal["trait"].name
        # An empty string is KubeSpawner's way to say none.
        _check(name, name, proposal["value"] or None)
        return proposal["value"]
