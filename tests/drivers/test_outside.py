"""Sockets, signals, child processes: what stays on this machine works, what would leave it is refused."""

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

import faultloop
from faultloop import Limits, Status
from faultloop.drivers.asyncio.loop import Loop
from faultloop.errors import EscapeRefused
from tests.drivers.support import passed, value

Log = list[Any]


# Sockets


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[bytes]:
    answers: list[bytes] = []
    for word in (b"a\n", b"b\n"):
        writer.write(word)
        answers.append(await reader.readline())
    writer.close()
    await writer.wait_closed()
    return answers


async def _over_tcp() -> list[bytes]:
    async with await asyncio.start_server(_echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        return await _ask(*await asyncio.open_connection("localhost", port, family=socket.AF_INET))


def test_streams_over_loopback_work_and_repeat():
    runs = [passed(_over_tcp) for _ in range(5)]
    assert runs[0].value == [b"A\n", b"B\n"]
    assert runs[0].virtual_time == 0
    assert len({run.trace.digest for run in runs}) == 1


def test_streams_over_a_unix_socket_work(tmp_path: Path):
    async def scenario() -> list[bytes]:
        path = str(tmp_path / "s")
        async with await asyncio.start_unix_server(_echo, path):
            return await _ask(*await asyncio.open_unix_connection(path))

    assert value(scenario) == [b"A\n", b"B\n"]


def test_datagrams_over_loopback_work():
    class Receiver(asyncio.DatagramProtocol):
        def __init__(self, got: "asyncio.Future[bytes]") -> None:
            self.got = got

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.got.set_result(data)

    async def scenario() -> bytes:
        loop = asyncio.get_running_loop()
        got: asyncio.Future[bytes] = loop.create_future()
        receiver, _ = await loop.create_datagram_endpoint(lambda: Receiver(got), local_addr=("127.0.0.1", 0))
        address = receiver.get_extra_info("sockname")
        sender, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=address)
        sender.sendto(b"hello")
        try:
            return await got
        finally:
            sender.close()
            receiver.close()
            await asyncio.sleep(0)

    assert value(scenario) == b"hello"


def test_raw_sockets_work():
    async def scenario() -> bytes:
        loop = asyncio.get_running_loop()
        a, b = socket.socketpair()
        with a, b:
            a.setblocking(False)
            b.setblocking(False)
            reading = asyncio.create_task(loop.sock_recv(b, 10))
            await asyncio.sleep(0)
            await loop.sock_sendall(a, b"x" * 5)
            return await reading

    assert value(scenario) == b"xxxxx"


def test_a_spin_on_a_socket_is_no_livelock():
    async def scenario() -> int:
        loop = asyncio.get_running_loop()
        a, b = socket.socketpair()
        seen: list[bytes] = []
        with a, b:
            b.setblocking(False)
            loop.add_reader(b, lambda: seen.append(b.recv(10)))
            a.send(b"x")
            spins = 0
            while not seen:
                spins += 1
                await asyncio.sleep(0)
            loop.remove_reader(b)
        return spins

    assert value(scenario) <= 3


def test_events_of_one_poll_come_by_descriptor():
    async def scenario() -> list[int]:
        loop = asyncio.get_running_loop()
        pairs = [socket.socketpair() for _ in range(5)]
        order: list[int] = []

        def got(receiver: socket.socket) -> None:
            order.append(receiver.fileno())
            loop.remove_reader(receiver)

        for _, receiver in reversed(pairs):
            loop.add_reader(receiver, got, receiver)
        for sender, _ in reversed(pairs):
            sender.send(b"x")
        await asyncio.sleep(0.1)
        for pair in pairs:
            for each in pair:
                each.close()
        return order

    order = value(scenario)
    assert order == sorted(order)


def test_a_socket_nobody_writes_to_is_a_deadlock():
    a, b = socket.socketpair()
    b.setblocking(False)

    async def scenario() -> None:
        await asyncio.get_running_loop().sock_recv(b, 1)

    with a, b:
        assert faultloop.run(scenario).status is Status.DEADLOCKED


def test_getaddrinfo_answers_for_this_machine():
    async def scenario() -> Any:
        loop = asyncio.get_running_loop()
        return await loop.getaddrinfo("localhost", 80, family=socket.AF_INET, type=socket.SOCK_STREAM)

    assert value(scenario)[0][4] == ("127.0.0.1", 80)


@pytest.mark.parametrize("how", ["getaddrinfo", "open_connection", "by address", "sock_connect", "datagram"])
def test_a_foreign_host_is_refused_by_name_and_code(how: str):
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        if how == "getaddrinfo":
            await loop.getaddrinfo("example.invalid", 80)
        elif how == "open_connection":
            await asyncio.open_connection("example.invalid", 80)
        elif how == "by address":
            await asyncio.open_connection("192.0.2.1", 80)
        elif how == "sock_connect":
            with socket.socket() as sock:
                sock.setblocking(False)
                await loop.sock_connect(sock, ("192.0.2.1", 80))
        else:
            await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("192.0.2.1", 80))

    run = faultloop.run(scenario, limits=Limits(wall_seconds=5))
    assert isinstance(run.exception, EscapeRefused), run.exception
    assert run.exception.code.startswith("FL3")
    assert ("example.invalid" if how in ("getaddrinfo", "open_connection") else "192.0.2.1") in str(run.exception)


# Signals and child processes


def test_a_signal_sent_to_oneself_is_handled_and_repeats():
    async def scenario() -> Log:
        loop = asyncio.get_running_loop()
        log: Log = []
        got = asyncio.Event()

        def handler() -> None:
            log.append("handled")
            got.set()

        loop.add_signal_handler(signal.SIGUSR1, handler)
        os.kill(os.getpid(), signal.SIGUSR1)
        log.append("sent")
        await got.wait()
        assert loop.remove_signal_handler(signal.SIGUSR1)
        return log

    runs = [passed(scenario) for _ in range(5)]
    assert runs[0].value == ["sent", "handled"]
    assert len({run.trace.digest for run in runs}) == 1
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_a_child_process_is_waited_for():
    async def scenario() -> Log:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe)
        out, _ = await process.communicate(b"through")
        return [out, process.returncode]

    assert value(scenario) == [b"through", 0]


def test_no_descriptor_is_opened_by_a_run_that_needs_none():
    loop = Loop()
    try:
        loop.run_until_complete(asyncio.sleep(1))
        assert "_selector" not in vars(loop)
    finally:
        loop.close()
