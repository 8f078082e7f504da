"""Clients and servers on the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

HOST = "127.0.0.1"


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection for the length of a block."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def an_echo_comes_back() -> None:
    """What a client sends comes back, line by line, in order; a cut connection is an error or an end, never a mix."""
    served = open_now = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served, open_now
        open_now += 1
        try:
            while line := await reader.readline():
                writer.write(line)
                await writer.drain()
                served += 1
        except ConnectionError:
            pass
        finally:
            open_now -= 1
            writer.close()

    async def client(port: int, name: bytes) -> int:
        heard = 0
        try:
            async with asyncio.timeout(5), connected(port) as (reader, writer):
                for number in range(2):
                    line = b"%s %d\n" % (name, number)
                    writer.write(line)
                    await writer.drain()
                    answer = await reader.readline()
                    if not answer.endswith(b"\n"):
                        break  # the server ended in the middle
                    assert answer == line
                    heard += 1
        except (OSError, TimeoutError):
            pass
        return heard

    server = await asyncio.start_server(serve, HOST, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.TaskGroup() as group:
            clients = [group.create_task(client(port, name)) for name in (b"ann", b"bob")]
        assert served >= sum(task.result() for task in clients if not task.cancelled())


async def a_length_goes_before_each_message() -> None:
    """Framed messages through a pair of pipes: a message is had whole or not at all."""
    got: list[bytes] = []
    is_over = asyncio.Event()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    length = int.from_bytes(await reader.readexactly(2), "big")
                    got.append(await reader.readexactly(length))
        finally:
            writer.close()
            is_over.set()

    sent = [b"a", b"bc" * 100, b"", b"d"]
    async with await asyncio.start_server(receive, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connected(port) as (_, writer):
            for message in sent:
                writer.write(len(message).to_bytes(2, "big"))
                await asyncio.sleep(0)
                writer.write(message)
                with suppress(ConnectionError):
                    await writer.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await is_over.wait()
    assert got == sent[: len(got)]
