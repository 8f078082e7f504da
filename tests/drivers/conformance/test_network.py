"""The simulated network on every driver: unmodified anyio programs, hosts, links, and faults that are drawn."""

import contextlib
import socket
from typing import Any

import anyio
import anyio.abc
import pytest

import faultloop
from faultloop import Status, world
from faultloop.errors import EscapeRefused
from tests.drivers.conformance.kit import DRIVERS, passed

pytestmark = pytest.mark.parametrize("driver", DRIVERS)


async def echo(stream: anyio.abc.ByteStream) -> None:
    async with stream:
        with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                await stream.send((await stream.receive()).upper())


@contextlib.asynccontextmanager
async def serving(host: str, port: int = 5432) -> Any:
    """A server on a host of the simulated network."""
    listening = await anyio.create_tcp_listener(local_host=host, local_port=port)
    async with listening, anyio.create_task_group() as group:
        group.start_soon(listening.serve, echo)
        yield
        group.cancel_scope.cancel()


def test_a_server_is_reached_by_name_and_answers_after_the_links_latency(driver: str):
    async def scenario() -> list[object]:
        world.host("db.internal", "10.0.0.5")
        async with serving("10.0.0.5"):
            world.link("localhost", "db.internal", latency=0.02)
            began = anyio.current_time()
            async with await anyio.connect_tcp("db.internal", 5432) as client:
                await client.send(b"hello")
                return [await client.receive(), round(anyio.current_time() - began, 9)]

    assert passed(scenario, driver).value == [b"HELLO", 0.08]  # one round trip to connect, one to ask


def test_much_data_comes_whole_and_in_order(driver: str):
    sent = bytes(range(256)) * 2_000

    async def scenario() -> bool:
        async with serving("10.0.0.5"), await anyio.connect_tcp("10.0.0.5", 5432) as client:
            got = bytearray()

            async def receive() -> None:
                while len(got) < len(sent):
                    got.extend(await client.receive())

            async with anyio.create_task_group() as group:
                group.start_soon(receive)
                await client.send(sent)
            return bytes(got) == sent.upper()

    assert passed(scenario, driver).value


def test_a_host_that_nobody_serves_is_refused_by_name(driver: str):
    async def scenario() -> None:
        await anyio.connect_tcp("nowhere.example", 80)

    run = faultloop.run(scenario, driver=driver)
    error: Any = run.exception
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, EscapeRefused)
    assert "nowhere.example" in str(error)


def test_nobody_who_listens_is_a_refused_connection(driver: str):
    async def scenario() -> str:
        world.host("cache", "10.0.0.9")
        try:
            await anyio.connect_tcp("cache", 6379)
        except OSError as error:
            return type(error).__name__
        return ""

    assert passed(scenario, driver).value in ("OSError", "ConnectionRefusedError", "ConnectionFailed")


def test_what_a_partition_holds_back_comes_when_it_is_healed(driver: str):
    async def scenario() -> float:
        world.host("db", "10.0.0.5")
        async with serving("10.0.0.5"), await anyio.connect_tcp("db", 5432) as client:
            world.partition("localhost", "db")
            await client.send(b"hello")
            with anyio.move_on_after(3) as scope:
                await client.receive()
            assert scope.cancelled_caught
            world.heal()
            assert await client.receive() == b"HELLO"
            return anyio.current_time()

    assert passed(scenario, driver).value > 3


def test_datagrams_go_through(driver: str):
    async def scenario() -> bytes:
        async with await anyio.create_udp_socket(local_host="127.0.0.1", family=socket.AF_INET) as one:
            port = one.extra(anyio.abc.SocketAttribute.local_port)
            async with await anyio.create_connected_udp_socket("127.0.0.1", port, family=socket.AF_INET) as other:
                await other.send(b"ping")
                data, address = await one.receive()
                await one.sendto(data.upper(), *address)
                return await other.receive()

    assert passed(scenario, driver, io="simulated").value == b"PING"


def test_closing_wakes_who_waits_for_the_socket(driver: str):
    async def scenario() -> str:
        said: list[str] = []
        async with serving("10.0.0.5"):
            client = await anyio.connect_tcp("10.0.0.5", 5432)

            async def wait() -> None:
                try:
                    await client.receive()
                except anyio.ClosedResourceError:
                    said.append("closed")

            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await anyio.sleep(1)
                await client.aclose()
        return said[0]

    assert passed(scenario, driver).value == "closed"


def test_real_loopback_is_still_the_machines(driver: str):
    async def scenario() -> bytes:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, echo)
            async with await anyio.connect_tcp("127.0.0.1", port) as client:
                await client.send(b"hello")
                answer = await client.receive()
            group.cancel_scope.cancel()
        await listener.aclose()
        return answer

    assert passed(scenario, driver).value == b"HELLO"
    assert passed(scenario, driver, io="simulated").value == b"HELLO"


def test_a_node_that_dies_closes_its_connections_and_a_paused_one_answers_late(driver: str):
    async def scenario() -> list[object]:
        world.host("db", "10.0.0.5")
        listener = await anyio.create_tcp_listener(local_host="10.0.0.5", local_port=5432)
        node = world.node("server")
        node.start(listener.serve, echo)
        client = await anyio.connect_tcp("db", 5432)
        await client.send(b"one")
        said: list[object] = [await client.receive()]
        node.pause()
        await client.send(b"two")
        with anyio.move_on_after(10):
            await client.receive()
        node.resume()
        said.append(await client.receive())
        node.crash()
        try:
            await client.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            said.append("closed")
        await client.aclose()
        return said

    assert passed(scenario, driver).value == [b"ONE", b"TWO", "closed"]


async def careless() -> None:
    """Sends again when an answer does not come, and counts answers as if each had been asked for once."""
    world.host("db", "10.0.0.5")
    async with serving("10.0.0.5"), await anyio.connect_tcp("db", 5432) as client:
        await client.send(b"hello")
        assert await client.receive() == b"HELLO"


def test_explore_draws_network_faults_and_what_it_finds_replays(driver: str):
    assert passed(careless, driver).value is None
    found = faultloop.explore(careless, driver=driver, faults=["net"], runs=60)
    assert found.status == "violated"
    assert faultloop.replay(found.failures[0].trace, careless).same_digest


def test_every_draw_of_network_faults_replays_to_the_same_digest(driver: str):
    digests = set[str]()
    for seed in range(60):
        run = faultloop.run(careless, driver=driver, seed=seed, order="batch", faults=["net"])
        assert run.status in (Status.PASSED, Status.CRASHED, Status.VIOLATED, Status.DEADLOCKED)
        assert faultloop.replay(run.trace, careless).same_digest, seed
        digests.add(run.trace.digest)
    assert len(digests) > 10


def test_sockets_are_the_machines_again_afterwards(driver: str):
    before = socket.socket, socket.getaddrinfo
    passed(careless, driver)
    assert (socket.socket, socket.getaddrinfo) == before
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert server.getsockname()[0] == "127.0.0.1"
