"""The example in docs/testing-offline.md runs as it is printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).parents[2] / "docs" / "testing-offline.md"
# `name`: at the end of a sentence, and the file's text.
FILE = re.compile(r"`([\w.]+)`:\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_the_example_runs(pytester: pytest.Pytester) -> None:
    files = dict(FILE.findall(PAGE.read_text()))
    assert list(files) == ["grader_service_config.py", "images.json", "conftest.py", "test_site.py"]
    for name, text in files.items():
        (pytester.path / name).write_text(text)
    pytester.runpytest_subprocess().assert_outcomes(passed=7)
