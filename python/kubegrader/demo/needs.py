"""What the demo needs beside kubegrader itself; looked for before anything of it is imported."""

from __future__ import annotations

import importlib.util
import shutil

_MODULES = ("sqlalchemy", "grader_service", "ipykernel")

for _module in _MODULES:
    if importlib.util.find_spec(_module) is None:
        raise ImportError(
            f"the demo needs {_module}, which is not here: pip install 'kubegrader[demo]'",
            name=_module,
        )
if shutil.which("git") is None:
    raise ImportError("the demo needs git, as grader-service does, and there is none in PATH")
