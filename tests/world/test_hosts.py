"""Hosts, names, links and partitions, as a scenario says them."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

import faultloop
from faultloop import Status, world
from faultloop.errors import EscapeRefused, UsageError
from tests.drivers.support import passed, value
from tests.world.connections import said


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(100_000):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def ask(host: str, port: int, question: bytes = b"question") -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(question)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def test_a_name_that_is_served_is_found():
    async def scenario() -> bytes:
        await asyncio.start_server(echo, "api.example.com", 443)
        return await ask("api.example.com", 443)

    assert value(scenario) == b"question"


def test_a_host_has_the_addresses_it_was_given():
    async def scenario() -> list[object]:
        world.host("db", "10.0.0.5", "fd00::5")
        await asyncio.start_server(echo, "db", 5432)
        found = await asyncio.get_running_loop().getaddrinfo("db", 5432, type=socket.SOCK_STREAM)
        _, writer = await asyncio.open_connection("db", 5432)
        peer, own = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        writer.close()
        return [[row[4][0] for row in found], peer, own[0], await ask("10.0.0.5", 5432, b"by number")]

    assert value(scenario) == [["10.0.0.5", "fd00::5"], ("10.0.0.5", 5432), "10.0.0.1", b"by number"]


def test_a_host_nobody_has_is_refused_by_name_and_told_what_to_do():
    async def scenario() -> None:
        world.host("db")
        await asyncio.open_connection("bd", 5432)

    run = faultloop.run(scenario)
    assert isinstance(run.exception, EscapeRefused)
    assert run.exception.code == "FL301"
    assert "bd: no host of the simulated network has this name (there are db)" in str(run.exception)
    assert isinstance(faultloop.run(scenario, io="loopback").exception, UsageError)


def test_a_known_host_without_a_server_refuses_the_connection():
    async def scenario() -> str:
        world.host("db")
        try:
            await asyncio.open_connection("db", 5432)
        except OSError as error:
            return said(error)
        return "connected"

    assert value(scenario) == "ConnectionRefusedError(ECONNREFUSED)"


def test_loopback_stays_real_unless_it_is_asked_for():
    async def scenario() -> bool:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        is_real = server.sockets[0].fileno() < 1 << 20
        assert await ask(*server.sockets[0].getsockname()) == b"question"
        return is_real

    assert [value(scenario, io=io) for io in ("auto", "loopback", "simulated")] == [True, True, False]


def test_every_host_has_a_loopback_of_its_own():
    async def scenario() -> list[str]:
        world.host("db")
        with world.on("db"):
            server = await asyncio.start_server(echo, "127.0.0.1", 5432)
            inside = await ask("127.0.0.1", 5432)
        try:
            await asyncio.open_connection("127.0.0.1", 5432)
        except OSError as error:
            return [inside.decode(), said(error), str(server.is_serving())]
        return []

    expected = ["question", "ConnectionRefusedError(ECONNREFUSED)", "True"]
    assert value(scenario, io="simulated") == expected


def test_a_server_on_any_address_answers_at_its_hosts_name():
    async def scenario() -> bytes:
        world.host("api")
        with world.on("api"):
            await asyncio.start_server(echo, "0.0.0.0", 80)
        return await ask("api", 80)

    assert value(scenario) == b"question"


def test_latency_and_bandwidth_take_their_virtual_time():
    async def scenario() -> list[float]:
        world.host("far")
        world.link("localhost", "far", latency=0.05, bandwidth=1_000_000)
        await asyncio.start_server(echo, "far", 80)
        loop = asyncio.get_running_loop()
        began = loop.time()
        reader, writer = await asyncio.open_connection("far", 80)
        connected = loop.time()
        writer.write(b"x" * 100_000)
        await reader.readexactly(100_000)
        writer.close()
        return [connected - began, loop.time() - connected]

    connecting, answering = value(scenario)
    assert connecting == 0.1
    assert 0.2 <= answering < 0.22  # 50 ms each way, and 0.1 s for the bytes, whose echo follows piece by piece
    assert passed(scenario).trace.digest == passed(scenario).trace.digest


def test_a_partition_holds_back_and_healing_lets_through():
    async def scenario() -> list[object]:
        world.host("db")
        await asyncio.start_server(echo, "db", 80)
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection("db", 80)
        world.partition("localhost", "db")
        loop.call_later(5, world.heal)
        writer.write(b"late")
        answer = await reader.readexactly(4)
        writer.close()
        return [answer, loop.time() > 5]

    assert value(scenario) == [b"late", True]


def test_connecting_through_a_partition_times_out_as_linux_does():
    async def scenario() -> list[object]:
        world.host("db")
        await asyncio.start_server(echo, "db", 80)
        world.partition("db")
        try:
            await asyncio.open_connection("db", 80)
        except OSError as error:
            return [said(error), asyncio.get_running_loop().time()]
        return []

    assert value(scenario) == ["TimeoutError(ETIMEDOUT)", 127.0]


def test_a_machine_that_dies_says_nothing_and_one_that_rises_resets():
    async def scenario() -> list[object]:
        world.host("db")
        with world.on("db"):
            server = await asyncio.start_server(echo, "0.0.0.0", 80)
        reader, writer = await asyncio.open_connection("db", 80)
        world.fell("db")
        log: list[object] = []
        try:
            async with asyncio.timeout(60):
                await reader.read()
        except TimeoutError:
            log.append("silence")
        world.rise("db")
        writer.write(b"hello?")
        try:
            await reader.read()
        except OSError as error:
            log.append(said(error))
        try:
            await asyncio.open_connection("db", 80)
        except OSError as error:
            log.append(said(error))
        server.close()
        return log

    expected = ["silence", "ConnectionResetError(ECONNRESET)", "ConnectionRefusedError(ECONNREFUSED)"]
    assert value(scenario) == expected


def test_a_blocking_read_is_refused_by_name():
    async def scenario() -> None:
        await asyncio.start_server(echo, "db", 80)
        with socket.create_connection(("db", 80)) as sock:
            sock.recv(1)

    run = faultloop.run(scenario)
    assert run.status is Status.CRASHED
    assert isinstance(run.exception, EscapeRefused)
    assert run.exception.code == "FL303"


def test_names_of_the_socket_module_are_given_back():
    functions = [name for name in dir(socket) if callable(getattr(socket, name))]
    before = [getattr(socket, name) for name in functions]

    async def scenario() -> list[bool]:
        lent: Any = socket.socket
        one, other = socket.socketpair()
        with one, other:
            return [lent is real, isinstance(one, lent), isinstance(other, real)]

    real = socket.socket
    assert value(scenario) == [False, True, True]
    assert [getattr(socket, name) for name in functions] == before


def test_names_are_looked_up_in_the_host_table_by_whatever_function():
    async def scenario() -> list[Any]:
        world.host("db", "10.0.0.5", "fd00::5")
        loop = asyncio.get_running_loop()
        return [
            socket.gethostbyname("db"),
            socket.gethostbyname_ex("db"),
            socket.gethostbyaddr("10.0.0.5"),
            socket.gethostbyaddr("fd00::5")[0],
            await loop.getnameinfo(("10.0.0.5", 80)),
            socket.getnameinfo(("10.0.0.5", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV),
            socket.getnameinfo(("10.0.0.77", 80), socket.NI_NUMERICSERV),
            socket.getfqdn("10.0.0.5"),
        ]

    assert value(scenario) == [
        "10.0.0.5",
        ("db", [], ["10.0.0.5"]),
        ("db", [], ["10.0.0.5"]),
        "db",
        ("db", "http"),
        ("10.0.0.5", "80"),
        ("10.0.0.77", "80"),
        "db",
    ]


@pytest.mark.parametrize(
    ("look_up", "error"),
    [
        (lambda: socket.gethostbyname("nobody.example.com"), EscapeRefused),
        (lambda: socket.gethostbyname_ex("nobody.example.com"), EscapeRefused),
        (lambda: socket.gethostbyaddr("nobody.example.com"), EscapeRefused),
        (lambda: socket.gethostbyaddr("10.0.0.77"), socket.herror),
        (lambda: socket.getnameinfo(("10.0.0.77", 80), socket.NI_NAMEREQD), socket.gaierror),
    ],
    ids=["by-name", "by-name-ex", "by-name-of-address", "by-address", "name-required"],
)
def test_a_name_that_is_not_in_the_host_table_is_not_asked_of_the_machine(
    look_up: Callable[[], object], error: type[Exception]
):
    async def scenario() -> None:
        look_up()

    assert type(faultloop.run(scenario).exception) is error


def test_names_of_this_machine_stay_its_own():
    async def scenario() -> list[Any]:
        return [socket.gethostbyname("localhost"), socket.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST)]

    before = [socket.gethostbyname("localhost"), socket.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST)]
    assert value(scenario) == before
    assert value(scenario, io="simulated") == ["127.0.0.1", ("127.0.0.1", "http")]


def test_what_a_run_leaves_open_is_closed_with_it():
    """Neither a connection nor a server that the program forgot complains later, or stays."""

    forgotten: list[Any] = []

    async def scenario() -> None:
        forgotten[:] = [await asyncio.start_server(echo, "db", 80)]
        forgotten.append(await asyncio.open_connection("db", 80))
        forgotten[1][1].write(b"x")

    assert passed(scenario).trace.digest == passed(scenario).trace.digest
    server, (_, writer) = forgotten
    assert not server.is_serving()
    assert writer.transport.is_closing()
