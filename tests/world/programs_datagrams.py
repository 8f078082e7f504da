"""Programs that show what a kernel does with UDP."""

import asyncio
import socket
from typing import Any

from tests.world.connections import LOCAL, Log, Program, receive_now, said, tried


class Listener(asyncio.DatagramProtocol):
    """Logs what comes, and lets itself be waited for."""

    def __init__(self, log: Log, name: str) -> None:
        self.log, self.name = log, name
        self.transport: Any = None
        self.heard: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.put_nowait((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.log.append(f"{self.name}: {said(exc)}")
        self.heard.put_nowait((b"", None))

    def connection_lost(self, exc: Exception | None) -> None:
        self.log.append(f"{self.name}: lost {said(exc)}")
        self.lost.set_result(None)


async def datagrams_come_whole_and_in_order(log: Log) -> None:
    loop = asyncio.get_running_loop()
    _, server = await loop.create_datagram_endpoint(lambda: Listener(log, "server"), local_addr=(LOCAL, 0))
    address = server.transport.get_extra_info("sockname")
    _, client = await loop.create_datagram_endpoint(lambda: Listener(log, "client"), remote_addr=address)
    log.append(client.transport.get_extra_info("peername") == address)
    for word in (b"one", b"two", b"x" * 60_000):
        client.transport.sendto(word)
    for _ in range(3):
        data, source = await server.heard.get()
        log.append(len(data))
    log.append(source == client.transport.get_extra_info("sockname"))
    server.transport.sendto(b"answer", source)
    log.append((await client.heard.get())[0])
    for end in (client, server):
        end.transport.close()
        await end.lost


async def nobody_hears(log: Log) -> None:
    """A connected socket is told; one that is not never hears of it."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind((LOCAL, 0))
        address = gone.getsockname()
    _, client = await loop.create_datagram_endpoint(lambda: Listener(log, "client"), remote_addr=address)
    client.transport.sendto(b"hello?")
    await client.heard.get()
    _, other = await loop.create_datagram_endpoint(lambda: Listener(log, "other"), local_addr=(LOCAL, 0))
    other.transport.sendto(b"hello?", address)
    for _ in range(5):
        await asyncio.sleep(0)
    log.append(other.heard.qsize())
    for end in (client, other):
        end.transport.close()
        await end.lost


async def a_stranger_is_not_heard_by_a_connected_socket(log: Log) -> None:
    loop = asyncio.get_running_loop()
    _, server = await loop.create_datagram_endpoint(lambda: Listener(log, "server"), local_addr=(LOCAL, 0))
    _, client = await loop.create_datagram_endpoint(
        lambda: Listener(log, "client"), remote_addr=server.transport.get_extra_info("sockname")
    )
    _, stranger = await loop.create_datagram_endpoint(lambda: Listener(log, "stranger"), local_addr=(LOCAL, 0))
    target = client.transport.get_extra_info("sockname")
    stranger.transport.sendto(b"psst", target)
    server.transport.sendto(b"hello", target)
    log.append((await client.heard.get())[0])
    for end in (client, server, stranger):
        end.transport.close()
        await end.lost


async def sockets_of_the_loop(log: Log) -> None:
    loop = asyncio.get_running_loop()
    one, other = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    for sock in (one, other):
        sock.setblocking(False)
        sock.bind((LOCAL, 0))
    await loop.sock_sendto(one, b"a datagram", other.getsockname())
    data, address = await loop.sock_recvfrom(other, 3)
    log += [data, address == one.getsockname()]
    await tried(log, "the rest is gone", receive_now(other))
    await tried(log, "too long", loop.sock_sendto(one, b"x" * 70_000, other.getsockname()))
    await tried(log, "taken", bound_to(other.getsockname()))
    one.close()
    other.close()


async def bound_to(address: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(address)


PROGRAMS: tuple[Program, ...] = (
    datagrams_come_whole_and_in_order,
    nobody_hears,
    a_stranger_is_not_heard_by_a_connected_socket,
    sockets_of_the_loop,
)
