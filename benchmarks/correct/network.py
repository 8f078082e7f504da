"""Clients and servers on the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

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


Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def serving(handle: Handle) -> AsyncIterator[int]:
    """A server for the length of a block, and its port. No task of a connection outlives it, if it may end in peace."""
    tasks: set[asyncio.Task[None]] = set()
    is_closing = False

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if is_closing:  # accepted at the last moment
            writer.close()
            return
        task = asyncio.create_task(handle(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(lambda _: writer.close())

    server = await asyncio.start_server(accept, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        is_closing = True
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


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

    async with serving(serve) as port, asyncio.TaskGroup() as group:
        clients = [group.create_task(client(port, name)) for name in (b"ann", b"bob")]
    assert served >= sum(task.result() for task in clients if not task.cancelled())
    assert open_now == 0


async def a_length_goes_before_each_message() -> None:
    """Framed messages through a pair of pipes: a message is had whole or not at all."""
    got: list[bytes] = []
    is_over = asyncio.Event()

    async def receive(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    length = int.from_bytes(await reader.readexactly(2), "big")
                    got.append(await reader.readexactly(length))
        finally:
            is_over.set()

    sent = [b"a", b"bc" * 100, b"", b"d"]
    async with serving(receive) as port:
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
