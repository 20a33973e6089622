"""The first and the last part of a log that an override asks for."""

from __future__ import annotations

import tracemalloc

import pytest
from kubegrader._core import kept_log


@pytest.mark.parametrize(
    ("chunks", "kept"),
    [
        ([], ""),
        ([b"a\n", b"b\n"], "a\nb\n"),
        ([b"0123456789"], "0123456789"),
        ([b"0123456789a"], "01234\n[... 1 bytes of the log are left out here ...]\n6789a"),
        (
            [b"a\nbcd\nef", b"g\nhi", b"j\n"],
            "a\n[... 8 bytes of the log are left out here ...]\nhij\n",
        ),
        ([b"caf\xe9 ", b"\xe2\x82", b"\xac"], "caf\N{REPLACEMENT CHARACTER} \N{EURO SIGN}"),
    ],
)
def test_half_of_what_is_kept_is_from_the_beginning_and_half_from_the_end(
    chunks: list[bytes], kept: str
) -> None:
    assert kept_log(chunks, 10) == kept


def test_a_log_of_64_mebibytes_takes_no_more_memory_than_what_is_kept() -> None:
    chunk = b"x" * 65536
    tracemalloc.start()
    try:
        kept = kept_log((chunk for _ in range(1024)), 100_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept.startswith("x" * 50_000 + "\n[... 67008864 bytes of the log are left out here")
    assert kept.endswith("...]\n" + "x" * 50_000)
    assert peak < 1_000_000
