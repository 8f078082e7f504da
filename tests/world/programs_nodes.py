"""What runs on nodes: tasks with everything open that cleans up, and servers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

Log = list[Any]


@contextlib.contextmanager
def noted(log: Log, name: str) -> Iterator[None]:
    try:
        yield
    finally:
        log.append(f"left {name}")


@contextlib.asynccontextmanager
async def noted_async(log: Log, name: str) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await asyncio.sleep(0)
        log.append(f"left {name}")


async def counted(log: Log) -> AsyncIterator[int]:
    number = 0
    try:
        while True:
            number += 1
            yield number
    finally:
        log.append("left the generator")


async def careful(log: Log) -> None:
    """Has everything open that cleans up when a coroutine is let go."""
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(noted(log, "stack"))
        await stack.enter_async_context(noted_async(log, "async stack"))
        stack.callback(log.append, "called back")
        async with asyncio.timeout(50):
            async with asyncio.TaskGroup() as group:
                group.create_task(forever(log), name="child")
                with noted(log, "with"):
                    async with noted_async(log, "async with"):
                        async for number in counted(log):
                            try:
                                log.append(number)
                                await forever(log)
                            except BaseException as error:
                                log.append(f"caught {type(error).__name__}")
                                raise
                            finally:
                                log.append("finally")


async def forever(log: Log) -> None:
    try:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(1)
    finally:
        log.append("left forever")


async def echo_server(ready: asyncio.Future[int], address: str = "127.0.0.1") -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(serve, address, 0)
    if not ready.done():
        ready.set_result(server.sockets[0].getsockname()[1])
    await server.serve_forever()


both_networks = pytest.mark.parametrize("io", ["auto", "simulated"])
