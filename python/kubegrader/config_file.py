"""A site's ``grader_service_config.py``, read as the service reads it. A faulty one is an error."""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from pathlib import Path

from traitlets.config import Config
from traitlets.config.loader import (
    ConfigFileNotFound,
    FileConfigLoader,
    JSONFileConfigLoader,
    PyFileConfigLoader,
)

_OF_PYTHON = (
    ArithmeticError,
    AttributeError,
    ImportError,
    KeyError,
    NameError,
    OSError,
    SyntaxError,
    TypeError,
)
"""Python's own exceptions whose texts name things of the code. A ValueError quotes the value."""


class ConfigFileError(Exception):
    """The config file cannot be read; the text names file and line, and holds no value of it."""


def load(path: Path) -> Config:
    """Read a config file as the service does, a JSON file of the same name included.

    What it prints goes to stderr. Unlike traitlets' applications, which log the error and go on
    with what was set before it, this raises ConfigFileError.
    """
    if not path.is_file():
        raise ConfigFileError(f"{path}: there is no such file")
    if path.suffix not in {".py", ".json"}:
        raise ConfigFileError(f"{path}: the service reads files in .py and .json, and not this one")
    folder = str(path.parent.resolve())
    config = Config()
    for class_, suffix in ((PyFileConfigLoader, ".py"), (JSONFileConfigLoader, ".json")):
        file = path.with_suffix(suffix)
        config.merge(_loaded(class_(file.name, path=folder), file))
    return config


def _loaded(loader: FileConfigLoader, path: Path) -> Config:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return loader.load_config()
    except ConfigFileNotFound:
        return Config()
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a config raises anything
        raise ConfigFileError(f"{_place(error, path)}: {_told(error)}") from None


def _place(error: BaseException, path: Path) -> str:
    """Name the file, and the line of it that was being run."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).name == path.name]
    if isinstance(error, SyntaxError) and Path(error.filename or "").name == path.name:
        lines = [error.lineno]
    return f"{path}, line {lines[-1]}" if lines else str(path)


def _told(error: BaseException) -> str:
    """Say what is wrong. The text of a site's own exception may hold a password."""
    name = type(error).__name__
    if isinstance(error, SystemExit):
        return f"{name}: the config ends the program, and would end the service"
    of_python = type(error).__module__ == "builtins" and isinstance(error, _OF_PYTHON)
    if of_python or isinstance(error, json.JSONDecodeError):
        return f"{name}: {error}"
    return f"{name}, whose text may hold values of the config and is not shown"
