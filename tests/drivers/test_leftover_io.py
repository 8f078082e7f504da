"""Servers, connections and child processes that a run leaves open: closed with it, without a word or a leak."""

import asyncio
import gc
import os
import sys
import warnings
from pathlib import Path

import pytest

import faultloop
from faultloop import Status

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


kept: list[object] = []
"""Keeps what a run leaves open from being collected before its end: asyncio would complain then, as anywhere."""


async def left_open() -> str:
    """A server with a connection that is in the middle of a line; nobody closes anything."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept.append(writer)
        writer.write(b"half a li")
        await reader.readline()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    kept.extend((server, writer))
    writer.write(b"half a li")
    return (await reader.read(4)).decode()


@pytest.mark.parametrize("fault", [(), ("cancel left_open @ read",), ("cancel handle @ readline",)])
def test_what_a_run_leaves_open_is_closed_with_it(fault: tuple[str, ...]):
    faultloop.run(left_open)
    kept.clear()
    before = descriptors()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for _ in range(5):
            faultloop.run(left_open, faults=fault)
            kept.clear()
        assert descriptors() == before
    assert [str(warning.message) for warning in warned] == []


def test_a_connection_that_was_told_to_close_in_the_last_step_closes():
    async def scenario() -> None:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        _, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        kept.append(writer)
        server.close()
        await asyncio.sleep(1)
        writer.close()

    before = descriptors()
    assert faultloop.run(scenario).status is Status.PASSED
    assert descriptors() == before
    kept.clear()


def test_a_half_open_unix_socket_is_closed(tmp_path: Path):
    async def scenario() -> None:
        server = await asyncio.start_unix_server(lambda reader, writer: kept.append(writer), tmp_path / "socket")
        kept.extend((server, *await asyncio.open_unix_connection(tmp_path / "socket")))
        await asyncio.sleep(1)

    before = descriptors()
    assert faultloop.run(scenario).status is Status.PASSED
    kept.clear()
    assert descriptors() == before


def test_a_datagram_endpoint_is_closed():
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))

    before = descriptors()
    assert faultloop.run(scenario).status is Status.PASSED
    assert descriptors() == before


def test_a_child_process_that_was_left_running_ends_with_the_run():
    children: list[asyncio.subprocess.Process] = []

    async def scenario() -> None:
        program = "import time; time.sleep(600)"
        children.append(await asyncio.create_subprocess_exec(sys.executable, "-c", program))
        pids.append(children[-1].pid)

    pids: list[int] = []
    before = descriptors()
    assert faultloop.run(scenario).status is Status.PASSED
    children.clear()
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
    assert descriptors() == before
