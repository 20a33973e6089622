"""What a config says for a site's executor, where there is no submission to make one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traitlets.config.loader import LazyConfigValue

from .config_traits import MisconfiguredError

if TYPE_CHECKING:
    from traitlets.config import Config


def name(config: Config, trait: str) -> str | None:
    """Give a trait that is a name, such as `namespace`, as the executor would read it; None: unset.

    Raises MisconfiguredError where it is something else than a string.
    """
    for section in _sections(config):
        values = config.get(section, {})
        value = values.get(trait)
        # One that the config only reads is there too, as a LazyConfigValue without changes.
        if isinstance(value, LazyConfigValue) and not value.to_dict():
            continue
        if value is None:
            if trait in values:  # as the executor would take it: its own default
                return None
            continue
        if not isinstance(value, str):
            full = f"{section}.{trait}"
            raise MisconfiguredError(f"{full} must be a string", trait=full)
        return value
    return None


def _sections(config: Config) -> list[str]:
    """Name the config's sections of the site's executor: its own, then its bases'."""
    chosen = config.get("RequestHandlerConfig", {}).get("autograde_executor_class")
    if isinstance(chosen, type):
        return [base.__name__ for base in chosen.__mro__]
    named = [str(chosen).rpartition(".")[2]] if isinstance(chosen, str) else []
    return [*named, "KubeAutogradeExecutor"]
