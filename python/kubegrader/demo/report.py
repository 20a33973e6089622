"""What the person in front of the terminal sees: progress while it grades, then one table.

On a terminal it is drawn with ``rich``, anywhere else it is plain lines.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

from typing_extensions import Self

from kubegrader.demo.row import HEADINGS, Row, visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType


def to_json(rows: Sequence[Row], grader_service: str, python: str) -> str:
    """The whole result as one JSON object, times in seconds, unknown values as null."""
    submissions = [asdict(row) for row in rows]
    ok = all(row.difference is None for row in rows)
    result: dict[str, Any] = {"grader_service": grader_service, "python": python}
    return json.dumps({**result, "submissions": submissions, "ok": ok}, indent=2)


class Progress(AbstractContextManager["Progress"]):
    """Plain progress: one line when a submission starts, one when it ends. Threads may share it."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.lock = threading.Lock()
        self.begun = time.monotonic()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to tidy: each line was complete."""

    def started(self, name: str) -> None:
        """The submission's grading begins."""
        self._line(f"{visible(name)}: grading")

    def ended(self, row: Row) -> None:
        """The submission's grading has ended, well or badly."""
        _, status, score, cause, *_ = row.cells()
        self._line(f"{visible(row.name)}: {status}, score {score}, cause {cause}")

    def _line(self, text: str) -> None:
        with self.lock:
            print(f"[{time.monotonic() - self.begun:5.1f} s] {text}", file=self.stream, flush=True)


class LiveProgress(Progress):
    """Progress on a terminal: a line for each submission, redrawn while the time passes."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        from rich.console import Console
        from rich.live import Live

        self._lines: dict[str, tuple[float, Row | None]] = {}
        self._live = Live(
            console=Console(file=stream),
            get_renderable=self._table,
            refresh_per_second=4,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def started(self, name: str) -> None:
        with self.lock:
            self._lines[name] = (time.monotonic(), None)

    def ended(self, row: Row) -> None:
        with self.lock:
            begun, _ = self._lines.get(row.name, (self.begun, None))
            self._lines[row.name] = (begun, row)

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        with self.lock:
            lines = list(self._lines.items())
        for name, (begun, row) in lines:
            state = f"grading, {time.monotonic() - begun:.0f} s" if row is None else row.cells()[1]
            table.add_row(Text(visible(name)), Text(state))
        return table


def progress(stream: TextIO) -> Progress:
    """Live progress when the stream is a terminal and ``rich`` is there, plain lines otherwise."""
    return LiveProgress(stream) if _on_terminal(stream) else Progress(stream)


def print_table(rows: Sequence[Row], stream: TextIO) -> None:
    """Print the table, and below it what the students of failed gradings are told."""
    lines = [row.cells() for row in rows]
    print("Times in seconds.", file=stream)
    if _on_terminal(stream):
        _print_rich(lines, stream)
    else:
        widths = [max(map(len, column)) for column in zip(HEADINGS, *lines, strict=True)]
        for line in (HEADINGS, *lines):
            padded = [text.ljust(width) for text, width in zip(line, widths, strict=True)]
            print("  ".join(padded).rstrip(), file=stream)
    for row in rows:
        if row.student_text and row.score is None:
            print(f"{visible(row.name)} reads: {visible(row.student_text)}", file=stream)


def _print_rich(lines: Sequence[Sequence[str]], stream: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Without a frame, and with one space between columns, it fits into 80 columns.
    table = Table(*HEADINGS, box=None, padding=(0, 1, 0, 0))
    for line in lines:
        # Text, because a plain string in a table is read as markup.
        table.add_row(*map(Text, line))
    Console(file=stream).print(table)


def _on_terminal(stream: TextIO) -> bool:
    if not stream.isatty():
        return False
    try:
        import rich  # noqa: F401
    except ImportError:
        return False
    return True
