"""What programs that show a kernel's doings are made of: connections that tell what happens to them."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from typing import Any

Log = list[Any]
Program = Callable[[Log], Awaitable[None]]
LOCAL = "127.0.0.1"


class Recorder(asyncio.Protocol):
    """Logs what its transport tells it, and lets itself be waited for."""

    def __init__(self, log: Log, name: str, *, keep_open: bool = False) -> None:
        self.log, self.name, self.keep_open = log, name, keep_open
        self.transport: Any = None
        self.received = bytearray()
        loop = asyncio.get_running_loop()
        self.made, self.ended, self.lost = loop.create_future(), loop.create_future(), loop.create_future()
        self.paused, self.resumed = loop.create_future(), loop.create_future()
        self.some = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.made.set_result(None)

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.some.set()

    def eof_received(self) -> bool:
        self.log.append(f"{self.name}: end")
        self.ended.set_result(None)
        return self.keep_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.log.append(f"{self.name}: lost {said(exc)}")
        self.lost.set_result(None)

    def pause_writing(self) -> None:
        if not self.paused.done():
            self.paused.set_result(None)

    def resume_writing(self) -> None:
        if not self.resumed.done():
            self.resumed.set_result(None)


def said(error: BaseException | None) -> str:
    """An error as a program sees it: its class and number."""
    if error is None:
        return "None"
    number = getattr(error, "errno", None)
    return f"{type(error).__name__}({errno.errorcode.get(number, number) if number else ''})"


async def tried(log: Log, what: str, awaitable: Awaitable[Any]) -> Any:
    try:
        result = await awaitable
    except Exception as error:
        log.append(f"{what}: {said(error)}")
        return None
    log.append(f"{what}: done")
    return result


async def pair(log: Log, *, keep_open: bool = False) -> tuple[Recorder, Recorder, asyncio.AbstractServer]:
    """A connection: its client, its server's side, and the server."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Queue[Recorder] = asyncio.Queue()

    def accept() -> Recorder:
        protocol = Recorder(log, "server", keep_open=keep_open)
        accepted.put_nowait(protocol)
        return protocol

    server = await loop.create_server(accept, LOCAL, 0)
    _, client = await loop.create_connection(
        lambda: Recorder(log, "client", keep_open=keep_open), LOCAL, port_of(server)
    )
    server_side = await accepted.get()
    await server_side.made
    return client, server_side, server


def port_of(server: Any) -> int:
    return int(server.sockets[0].getsockname()[1])


def free_port() -> int:
    """A port that nobody on this machine has, by whatever version of the protocol."""
    with socket.socket() as four:
        four.bind((LOCAL, 0))
        return int(four.getsockname()[1])


async def closed(server: Any, *ends: Recorder) -> None:
    for end in ends:
        await end.lost
    server.close()
    await server.wait_closed()


async def sock_pair(log: Log) -> tuple[socket.socket, socket.socket, socket.socket]:
    loop = asyncio.get_running_loop()
    listener = socket.socket()
    listener.bind((LOCAL, 0))
    listener.listen(1)
    listener.setblocking(False)
    client = socket.socket()
    client.setblocking(False)
    accepting = asyncio.ensure_future(loop.sock_accept(listener))
    await loop.sock_connect(client, listener.getsockname())
    server_side, address = await accepting
    log.append(address == client.getsockname())
    return client, server_side, listener


async def peername(sock: socket.socket) -> Any:
    return sock.getpeername()


async def receive_now(sock: socket.socket) -> bytes:
    return sock.recv(10)
