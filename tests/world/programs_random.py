"""Programs that no person wrote: what sockets do, one thing after another, and what each call came to."""

import asyncio
import errno
import random
import select
import socket
from collections.abc import Callable
from typing import Any

from tests.world.connections import LOCAL, Log, Program

Operation = tuple[str, int, Any]
NO_TIME = b"\1\0\0\0\0\0\0\0"
STREAMS = (
    *(("send", some) for some in (b"a", b"xyz", b"", b"longer than that")),
    *(("recv", size) for size in (0, 1, 2, 100)),
    *((f"recv_{how}", size) for how in ("into", "peek", "message") for size in (0, 2, 100)),
    *(("shutdown", how) for how in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR)),
    *(
        (name, None)
        for name in ("close", "linger", "error", "peer", "own", "listen", "accept", "poll", "poll", "watch")
    ),
    ("connect", "listener"),
    ("connect", "nobody"),
)
DATAGRAMS = (
    *(("send", some) for some in (b"a", b"xyz", b"")),
    *(("send_to", name) for name in ("nobody", 0, 1, 2)),
    *(("recv", size) for size in (0, 1, 100)),
    *((f"recv_{how}", size) for how in ("from", "into", "peek", "message") for size in (0, 1, 100)),
    *((name, None) for name in ("close", "error", "peer", "poll", "watch")),
    *(("connect", name) for name in ("nobody", 0, 1, 2)),
)
TURNS = 6
"""After so many turns of a loop, what was sent has come: on one machine that is at once."""


def came_to(call: Callable[[], Any]) -> Any:
    """What a call returned, or the name of its error."""
    try:
        return call()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, repr(error))


async def settled() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def watched(sock: socket.socket) -> str:
    """For what a loop calls back."""
    loop, heard = asyncio.get_running_loop(), set[str]()
    if sock.fileno() < 0:
        return "closed"
    loop.add_reader(sock, heard.add, "read")
    loop.add_writer(sock, heard.add, "write")
    await settled()
    loop.remove_reader(sock)
    loop.remove_writer(sock)
    return " ".join(sorted(heard))


def polled(sock: socket.socket) -> Any:
    """What poll and select say of it."""
    if sock.fileno() < 0:
        return "closed"
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLOUT | select.POLLRDHUP)
    readable, writable, _ = select.select([sock], [sock], [], 0)
    return [events for _, events in poll.poll(0)], bool(readable), bool(writable)


def filled(sock: socket.socket, size: int) -> Any:
    buffer = bytearray(size)
    return sock.recv_into(buffer), bytes(buffer)


def done_by(sock: socket.socket, name: str, argument: Any, addresses: dict[Any, Any]) -> Callable[[], Any]:
    """What an operation calls."""
    return {
        "send": lambda: sock.send(argument),
        "send_to": lambda: sock.sendto(b"to", addresses[argument]),
        "recv": lambda: sock.recv(argument),
        "recv_from": lambda: sock.recvfrom(argument)[0],
        "recv_into": lambda: filled(sock, argument),
        "recv_peek": lambda: sock.recv(argument, socket.MSG_PEEK),
        "recv_message": lambda: sock.recvmsg(argument)[0],
        "shutdown": lambda: sock.shutdown(argument),
        "close": sock.close,
        "linger": lambda: sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_TIME),
        "error": lambda: sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
        "peer": lambda: bool(sock.getpeername()),
        "own": lambda: sock.getsockname()[0],
        "listen": lambda: sock.listen(1),
        "accept": lambda: bool(sock.accept()),
        "connect": lambda: sock.connect_ex(addresses[argument]),
        "poll": lambda: polled(sock),
    }[name]


async def perform(operations: list[Operation], socks: list[socket.socket], addresses: Any, log: Log) -> None:
    for name, number, argument in operations:
        sock = socks[number]
        result = await watched(sock) if name == "watch" else came_to(done_by(sock, name, argument, addresses))
        log.append((name, number, argument, result))
        await settled()


def bound(kind: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    sock.setblocking(False)
    sock.bind((LOCAL, 0))
    return sock


def stream_program(seed: int, *, most: int = 10) -> Program:
    """A connection, a client that nobody has accepted, one that was refused, and one that does not connect yet."""
    source = random.Random(seed)
    operations = [drawn(source, STREAMS, 6) for _ in range(source.randint(1, most))]
    # Linux remembers what was shut of a socket that never was connected, also when it is connected later.
    operations = [operation for operation in operations if operation[0] != "shutdown" or operation[1] in (0, 1, 2, 5)]

    async def program(log: Log) -> None:
        listener, gone = bound(socket.SOCK_STREAM), bound(socket.SOCK_STREAM)
        addresses = {"listener": listener.getsockname(), "nobody": gone.getsockname()}
        gone.close()
        listener.listen(5)
        clients = [socket.socket() for _ in range(4)]
        for client, name in zip(clients, ("listener", "listener", "nobody"), strict=False):
            client.setblocking(False)
            log.append(client.connect_ex(addresses[name]))
            await settled()
        clients[3].setblocking(False)
        accepted, _ = listener.accept()
        accepted.setblocking(False)
        socks = [clients[0], accepted, *clients[1:], listener]
        await perform(operations, socks, addresses, log)
        for sock in socks:
            sock.close()

    return program


def datagram_program(seed: int, *, most: int = 10) -> Program:
    """Three sockets, each of which may speak with each, and with nobody."""
    source = random.Random(seed)
    operations = [drawn(source, DATAGRAMS, 3) for _ in range(source.randint(1, most))]

    async def program(log: Log) -> None:
        gone = bound(socket.SOCK_DGRAM)
        socks = [bound(socket.SOCK_DGRAM) for _ in range(3)]
        addresses: dict[Any, Any] = {i: sock.getsockname() for i, sock in enumerate(socks)}
        addresses["nobody"] = gone.getsockname()
        gone.close()
        await perform(operations, socks, addresses, log)
        for sock in socks:
            sock.close()

    return program


def drawn(source: random.Random, table: tuple[tuple[str, Any], ...], socks: int) -> Operation:
    name, argument = source.choice(table)
    return name, source.choices(range(socks), [4, 4, *[1] * 4][:socks])[0], argument
