"""A minimal HTTP/1.1 client on asyncio streams: the least that talking to an API server costs.

It keeps connections, sends prepared bytes, and looks at no more of an answer than it must.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from . import kubeconfig as kubeconfigs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONNECTIONS = 32
LIMIT = 2**20
"""The longest line of an answer: an event of a watch is one."""
OK = range(200, 300)


class AnswerError(RuntimeError):
    """An answer that says no."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status}: {body.decode(errors='replace')[:300]}")
        self.status = status


class Bare:
    """A client with a pool of connections."""

    def __init__(self, kubeconfig: str, connections: int = CONNECTIONS) -> None:
        self._access = kubeconfigs.read(kubeconfig)
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._slots = asyncio.Semaphore(connections)
        head = {"Host": f"{self._access.host}:{self._access.port}", **self._access.headers}
        self._head = "".join(f"{key}: {value}\r\n" for key, value in head.items())

    def _bytes(self, method: str, path: str, body: bytes, kind: str) -> bytes:
        typed = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n" if body else ""
        return f"{method} {path} HTTP/1.1\r\n{self._head}{typed}\r\n".encode() + body

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        access = self._access
        return await asyncio.open_connection(access.host, access.port, ssl=access.tls, limit=LIMIT)

    async def request(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/json"
    ) -> bytes:
        """Send a request and give the body of its answer. Raises `AnswerError`."""
        async with self._slots:
            sent = self._bytes(method, path, body, kind)
            try:
                status, answer = await self._exchange(sent)
            except (asyncio.IncompleteReadError, ConnectionError):
                # The server closes a connection that was idle: once more, on a new one.
                self.close()
                status, answer = await self._exchange(sent)
        if status not in OK:
            raise AnswerError(status, answer)
        return answer

    async def _exchange(self, sent: bytes) -> tuple[int, bytes]:
        reader, writer = self._free.pop() if self._free else await self._connect()
        try:
            writer.write(sent)
            status, answer, is_open = await _answer(reader)
        except BaseException:
            writer.close()
            raise
        if is_open:
            self._free.append((reader, writer))
        else:
            writer.close()
        return status, answer

    async def json(self, method: str, path: str, body: object = None) -> Any:
        """Send and receive JSON."""
        sent = b"" if body is None else json.dumps(body).encode()
        return json.loads(await self.request(method, path, sent))

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        """Give the lines of a watch, each as it comes."""
        reader, writer = await self._connect()
        try:
            writer.write(self._bytes("GET", path, b"", ""))
            status, headers = await _head(reader)
            if status not in OK:
                raise AnswerError(status, b"the watch was refused")
            yield b""  # it is open
            while line := await _chunked_line(reader, headers):
                yield line
        finally:
            writer.close()

    def close(self) -> None:
        """Close the connections."""
        while self._free:
            self._free.pop()[1].close()


async def _head(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head[9:12]), head.lower()


def _header(head: bytes, name: bytes) -> bytes | None:
    at = head.find(b"\r\n" + name + b":")
    if at < 0:
        return None
    begin = at + len(name) + 3
    return head[begin : head.index(b"\r\n", begin)].strip()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    status, head = await _head(reader)
    is_open = _header(head, b"connection") != b"close"
    if length := _header(head, b"content-length"):
        return status, await reader.readexactly(int(length)), is_open
    if _header(head, b"transfer-encoding") != b"chunked":
        return status, b"", is_open
    parts = []
    while part := await _chunk(reader):
        parts.append(part)
    return status, b"".join(parts), is_open


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
    return (await reader.readexactly(size + 2))[:-2]


async def _chunked_line(reader: asyncio.StreamReader, head: bytes) -> bytes:
    """Read until a chunk ends a line: servers end each event's chunk so."""
    if _header(head, b"transfer-encoding") != b"chunked":
        return await reader.readline()
    parts = []
    while part := await _chunk(reader):
        parts.append(part)
        if part.endswith(b"\n"):
            break
    return b"".join(parts)
