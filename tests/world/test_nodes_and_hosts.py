"""What others hear of a node that dies, and where on the network it is."""

import asyncio
import socket
from typing import Any

import pytest

from faultloop import world
from faultloop.errors import UsageError
from tests.drivers.support import value
from tests.world.programs_nodes import both_networks, echo_server


@both_networks
def test_the_other_end_of_a_dead_nodes_connection_hears_that_it_is_closed(io: str):
    async def scenario() -> list[Any]:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        node = world.node("server")
        node.start(echo_server, ready)
        port = await ready
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"one\n")
        first = await reader.readline()
        node.crash()
        rest = await reader.read()
        writer.close()
        with pytest.raises(OSError, match="onnect"):
            await asyncio.open_connection("127.0.0.1", port)
        return [first, rest]

    assert value(scenario, io=io) == [b"one\n", b""]


def test_a_machine_that_falls_silent_tells_nobody():
    async def scenario() -> float:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        node = world.node("server")
        node.at_crash(lambda: world.fell("db"))
        with world.on(world.host("db")):
            node.start(echo_server, ready, "0.0.0.0")
        port = await ready
        reader, writer = await asyncio.open_connection("db", port)
        writer.write(b"one\n")
        await reader.readline()
        node.crash()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return asyncio.get_running_loop().time()

    assert value(scenario) == 5.0


async def serve_at_port_80() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async with await asyncio.start_server(echo, "0.0.0.0", 80) as server:
        await server.serve_forever()


async def ask_at_port_80(host: str) -> bytes:
    reader, writer = await asyncio.open_connection(host, 80)
    writer.write(b"question\n")
    answer = await reader.readline()
    writer.close()
    return answer


@pytest.mark.parametrize("after", [0.0, 5.0])
@pytest.mark.parametrize("said", ["around the start", "of the node"])
def test_a_node_that_starts_again_is_on_the_host_that_it_was_on(said: str, after: float):
    async def scenario() -> list[bytes]:
        if said == "of the node":
            node = world.node("db-1", host="db")
            node.start(serve_at_port_80)
        else:
            node = world.node("db-1")
            with world.on(world.host("db")):
                node.start(serve_at_port_80)
        await asyncio.sleep(1)
        answers = [await ask_at_port_80("db")]
        node.crash()
        node.restart(after=after)
        await asyncio.sleep(after + 1)
        return [*answers, await ask_at_port_80("db")]

    assert value(scenario) == [b"question\n"] * 2


def test_a_partition_parts_nodes_by_their_hosts():
    async def scenario() -> list[object]:
        for name in ("one", "two"):
            world.node(name, host=name).start(serve_at_port_80)
        await asyncio.sleep(1)
        log: list[object] = []

        async def ask() -> None:
            for _ in range(2):
                try:
                    async with asyncio.timeout(1):
                        log.append(await ask_at_port_80("two"))
                except TimeoutError:
                    log.append("no answer")
                await asyncio.sleep(100)

        world.node("three")
        with pytest.raises(UsageError, match=r'world\.node\("three", host="three"\)'):
            world.partition("one", "three")
        world.partition("one", "two")
        asyncio.get_running_loop().call_later(50, world.heal)
        with world.node("one"):
            asking = asyncio.create_task(ask())
        log.append(await ask_at_port_80("two"))  # from elsewhere
        await asking
        return log

    assert value(scenario) == [b"question\n", "no answer", b"question\n"]


def test_a_machine_that_fell_silent_is_there_again_once_its_node_starts_again():
    async def scenario() -> list[bytes]:
        node = world.node("server", host="db")
        node.at_crash(lambda: world.fell("db"))
        node.start(serve_at_port_80)
        await asyncio.sleep(1)
        answers = [await ask_at_port_80("db")]
        node.crash()
        node.restart(after=5)
        await asyncio.sleep(10)
        return [*answers, await ask_at_port_80("db")]

    assert value(scenario) == [b"question\n"] * 2


def test_raw_sockets_of_a_dead_node_are_closed():
    async def scenario() -> bytes:
        loop = asyncio.get_running_loop()
        mine, theirs = socket.socketpair()
        mine.setblocking(False)
        theirs.setblocking(False)

        async def listen() -> None:
            await loop.sock_recv(theirs, 10)

        node = world.node("listener")
        node.start(listen)
        await asyncio.sleep(1)
        node.crash()
        try:
            return await loop.sock_recv(mine, 10)
        finally:
            mine.close()

    assert value(scenario) == b""
