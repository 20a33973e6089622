"""The connections to an API server, seen from their sockets."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import kubegrader
import pytest
import yaml
from pods import script

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux' /proc")


def peer(one: socket.socket) -> int | None:
    """Give the port of the other end, where there is one."""
    try:
        return one.getpeername()[1] if one.family == socket.AF_INET else None
    except OSError:
        return None


def to_port(port: int) -> Iterator[socket.socket]:
    """Give copies of this process's sockets that are connected to a port, each for a while."""
    for fd in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - the names are numbers
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(fd).st_mode):
                continue
            with socket.socket(fileno=os.dup(fd)) as one:
                if peer(one) == port:
                    yield one


def test_requests_are_sent_at_once_and_a_dead_connection_is_found_out() -> None:
    with kubegrader.EmbeddedCluster() as embedded:
        config = yaml.safe_load(Path(embedded.kubeconfig).read_text())
        port = urlsplit(config["clusters"][0]["cluster"]["server"]).port
        cluster = kubegrader.Cluster(kubeconfig=embedded.kubeconfig)
        assert cluster.run(script("busybox", "true")).verdict.cause == "Completed"
        count = 0
        for one in to_port(port or 0):
            count += 1
            # Nagle's algorithm is off, as with every client of Go's (`net`, TCPConn.SetNoDelay).
            assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
            assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 15
            assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 2
            assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 45_000
        assert count
