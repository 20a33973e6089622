"""A command that refuses what it does not know: traitlets only warns, or says nothing at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from traitlets.config import Application

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Sequence

_ALIAS = re.compile(r"Unrecognized alias: '([^']*)'")


class CommandLineApp(Application):
    """An application whose every argument means something; else it exits with 1."""

    def parse_command_line(self, argv: Sequence[str] | None = None) -> None:
        """Read the command line.

        Raises SystemExit for an option or an argument that means nothing.
        """
        unknown: list[str] = []

        def hear(record: logging.LogRecord) -> bool:
            message = record.getMessage()
            if alias := _ALIAS.search(message):
                unknown.append(f"--{alias[1].lstrip('-')}")
            return not alias and "not recognized by" not in message

        self.log.addFilter(hear)
        try:
            super().parse_command_line(argv)
        finally:
            self.log.removeFilter(hear)
        command = self.name.replace("-", " ")
        for option in [*unknown, *self._unknown_traits()]:
            self.exit(f"{command}: there is no option {option}; --help lists those that there are")
        for argument in self.extra_args:
            self.exit(f"{command}: {argument!r} means nothing here{self._meant(argument)}")

    def _unknown_traits(self) -> Iterator[str]:
        known = {base.__name__ for base in type(self).__mro__}
        names = set(self.class_trait_names(config=True))
        for section, values in self.cli_config.items():
            for name in values:
                if section not in known or name not in names:
                    yield f"--{section}.{name}"

    def _meant(self, argument: str) -> str:
        """Say what an argument that is no option may have been meant for."""
        options: dict[Any, Any] = self.aliases
        takes_config = any("f" in (key if isinstance(key, tuple) else (key,)) for key in options)
        return f"; name a config file with -f {argument}" if takes_config else ""
