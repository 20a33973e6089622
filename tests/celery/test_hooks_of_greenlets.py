"""Coroutine functions as hooks, in a process whose threads are greenlets."""

from __future__ import annotations

import subprocess
import sys

# Each hook ends when the other has begun: they meet, as those of two gradings do.
MEETING = """
from gevent import monkey

monkey.patch_all()

import asyncio

import gevent
from kubegrader.hooks import result

begun = []

async def hook(number):
    begun.append(number)
    while len(begun) < 2:
        await asyncio.sleep(0.01)
    return number

greenlets = [gevent.spawn(result, hook(number)) for number in range(2)]
gevent.joinall(greenlets, timeout=60, raise_error=True)
print([greenlet.value for greenlet in greenlets])
"""


def test_coroutine_hooks_of_two_greenlets_run_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEETING], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "[0, 1]\n"), done.stderr
