"""Whoever asks what a simulated socket is ready for is told; whoever would wait for it is refused."""

import asyncio
import contextlib
import select
import socket
from typing import Any

import httpx
import pytest

import faultloop
from faultloop.errors import EscapeRefused
from tests.drivers.support import value
from tests.world.test_hosts import echo


async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter, socket.socket]:
    await asyncio.start_server(echo, "db", 80)
    reader, writer = await asyncio.open_connection("db", 80)
    return reader, writer, writer.get_extra_info("socket")._sock


async def ten_questions() -> int:
    """How many connections a client of HTTP makes for ten questions, one after the other."""
    connections, ended = 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, httpx.AsyncClient() as client:
        for _ in range(10):
            await client.get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    await ended.wait()
    return connections


def test_a_client_that_asks_poll_whether_a_connection_is_still_good_uses_it_again():
    assert asyncio.run(ten_questions()) == 1
    assert value(ten_questions, io="loopback") == 1
    assert value(ten_questions, io="simulated") == 1


def test_poll_and_select_tell_of_sockets_of_both_kernels_together():
    async def scenario() -> list[Any]:
        reader, writer, ours = await connected()
        one, other = socket.socketpair()
        with one, other:
            poll = select.poll()
            for sock in (one, ours):
                poll.register(sock, select.POLLIN)
            said: list[Any] = [poll.poll(0), select.select([one, ours], [ours], [], 0)[1] == [ours]]
            other.send(b"x")
            writer.write(b"y")
            await reader.read(0)
            await asyncio.sleep(0.1)
            said += [[fd == one.fileno() for fd, _ in poll.poll()], select.select([ours, one], [], [])[0] == [one]]
            poll.unregister(ours)
            poll.modify(one, select.POLLOUT)
            said.append([events for _, events in poll.poll()])
        writer.close()
        return said

    assert value(scenario) == [[], True, [True], True, [select.POLLOUT]]


def test_a_socket_that_is_closed_is_none_to_poll_and_select():
    async def scenario() -> list[Any]:
        _, writer, ours = await connected()
        number = ours.fileno()
        poll = select.poll()
        poll.register(number)
        writer.close()
        await writer.wait_closed()
        with pytest.raises(OSError, match="Bad file descriptor"):
            select.select([number], [], [], 0)
        poll.unregister(number)
        with pytest.raises(KeyError):
            poll.unregister(number)
        poll.register(number)
        return [events for _, events in poll.poll(0)]

    assert value(scenario) == [select.POLLNVAL]


@pytest.mark.parametrize("wait", ["select", "poll"])
def test_waiting_for_a_simulated_socket_is_refused_by_name(wait: str):
    async def scenario() -> None:
        _, writer, ours = await connected()
        try:
            if wait == "select":
                select.select([ours], [], [], 5)
            else:
                poll = select.poll()
                poll.register(ours, select.POLLIN)
                poll.poll(-1)
        finally:
            writer.close()

    run = faultloop.run(scenario)
    assert isinstance(run.exception, EscapeRefused)
    assert run.exception.code == "FL303"
    assert f"a blocking {wait} on a simulated socket" in str(run.exception)


def test_the_names_of_the_module_are_given_back():
    async def scenario() -> bool:
        return select.poll is before[0] or select.select is before[1]

    before = select.poll, select.select
    assert value(scenario) is False
    assert (select.poll, select.select) == before


def test_who_lets_go_of_a_socket_closes_it():
    async def scenario() -> list[bytes]:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as sock:
            listener.setblocking(False)
            sock.setblocking(False)
            await loop.sock_connect(sock, listener.getsockname())
            accepted: Any = (await loop.sock_accept(listener))[0]
            await loop.sock_sendall(accepted, b"bye")
            del accepted
            return [await loop.sock_recv(sock, 10), await loop.sock_recv(sock, 10)]

    assert value(scenario, io="simulated") == [b"bye", b""]
