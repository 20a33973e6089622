"""Counts the requests of clients that know nothing of it: a plain HTTP/1.1 proxy for each.

It forwards bytes to the API server with the credentials of a kubeconfig. Nothing that takes time is
measured through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import yaml  # type: ignore[import-untyped]

from . import kubeconfig as kubeconfigs
from .background import background

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 2**16
OWN = (b"host:", b"authorization:")
"""Headers that the proxy writes itself."""


def kind(method: str, target: str) -> str:
    """Tell what a request is, in the words of `kubegrader.Cluster.requests`."""
    url = urlsplit(target)
    if "/leases" in url.path:
        return "lease"
    if "/pods" not in url.path:
        return "other"
    if method == "GET" and url.path.endswith("/log"):
        return "log"
    if method == "GET" and url.path.endswith("/pods"):
        return "watch" if "watch=" in url.query else "list"
    return {"GET": "get", "POST": "create", "DELETE": "delete"}.get(method, "other")


class Proxy:
    """The proxies, in a thread of their own; each client has a port."""

    def __init__(self, kubeconfig: str, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._access = kubeconfigs.read(kubeconfig)
        self._folder = folder
        self._loop = loop

    def open(self, name: str) -> tuple[str, Counter[str]]:
        """Open the way of one client; give the kubeconfig that leads there, and its counts."""
        counts: Counter[str] = Counter()
        port = asyncio.run_coroutine_threadsafe(self._listen(counts), self._loop).result()
        cluster = {"name": "bench", "cluster": {"server": f"http://127.0.0.1:{port}"}}
        context = {"name": "bench", "context": {"cluster": "bench", "user": "bench"}}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [cluster],
            "contexts": [context],
            "users": [{"name": "bench", "user": {}}],
            "current-context": "bench",
        }
        path = self._folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(config))
        return str(path), counts

    async def _listen(self, counts: Counter[str]) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._serve(counts, reader, writer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def _serve(
        self, counts: Counter[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        access = self._access
        answers, server = await asyncio.open_connection(access.host, access.port, ssl=access.tls)
        back = asyncio.create_task(_copy(answers, writer))
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                method, target, _ = head.decode("latin-1").split(" ", 2)
                counts[kind(method, target)] += 1
                server.write(self._rewritten(head))
                await _copy_body(head, reader, server)
                await server.drain()
        finally:
            server.close()
            await back

    def _rewritten(self, head: bytes) -> bytes:
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(OWN)]
        own = {"Host": f"{self._access.host}:{self._access.port}", **self._access.headers}
        added = [f"{key}: {value}".encode() for key, value in own.items()]
        return b"\r\n".join([lines[0], *added, *lines[1:]])


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # TLS that is closed under data is one
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
        writer.close()


async def _copy_body(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    lower = head.lower()
    if b"\r\ntransfer-encoding: chunked" in lower:
        while True:
            size = await reader.readuntil(b"\r\n")
            rest = await reader.readexactly(int(size, 16) + 2)
            writer.write(size + rest)
            if int(size, 16) == 0:
                return
    _, found, rest = lower.partition(b"\r\ncontent-length:")
    if found:
        writer.write(await reader.readexactly(int(rest.split(b"\r\n", 1)[0])))


@contextlib.contextmanager
def proxying(kubeconfig: str) -> Iterator[Proxy]:
    """Start the proxies' thread, and end it."""
    with tempfile.TemporaryDirectory() as folder, background() as loop:
        yield Proxy(kubeconfig, Path(folder), loop)
