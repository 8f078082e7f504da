"""Programs that show what a kernel does with the sockets of a program's own, and the loop's calls for them."""

import asyncio
import socket

from tests.world.connections import (
    LOCAL,
    Log,
    Program,
    Recorder,
    closed,
    peername,
    receive_now,
    sock_pair,
    tried,
)


async def sockets_of_the_loop(log: Log) -> None:
    loop = asyncio.get_running_loop()
    client, server_side, listener = await sock_pair(log)
    await loop.sock_sendall(client, b"abcdef")
    log.append(await loop.sock_recv(server_side, 2))
    log.append(server_side.recv(2, socket.MSG_PEEK))
    buffer = bytearray(10)
    log.append(await loop.sock_recv_into(server_side, buffer))
    log.append(bytes(buffer[:4]))
    await tried(log, "nothing there", receive_now(server_side))
    client.shutdown(socket.SHUT_WR)
    log.append(await loop.sock_recv(server_side, 10))
    await tried(log, "send after shutdown", loop.sock_sendall(client, b"x"))
    await loop.sock_sendall(server_side, b"other way")
    log.append(await loop.sock_recv(client, 100))
    for sock in (client, server_side, listener):
        sock.close()
    log.append(client.fileno())
    await tried(log, "closed", receive_now(client))


async def a_socket_made_elsewhere(log: Log) -> None:
    """Libraries make their own sockets and hand them over."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((LOCAL, 0))
    accepted: list[Recorder] = []

    def accept() -> Recorder:
        accepted.append(Recorder(log, "server"))
        return accepted[-1]

    server = await loop.create_server(accept, sock=sock)
    outgoing = socket.socket()
    outgoing.setblocking(False)
    await tried(log, "connect", loop.sock_connect(outgoing, sock.getsockname()))
    await tried(log, "connect again", loop.sock_connect(outgoing, sock.getsockname()))
    transport, client = await loop.create_connection(lambda: Recorder(log, "client"), sock=outgoing)
    transport.write(b"hello")
    transport.write_eof()
    await closed(server, client, accepted[0])
    log.append(bytes(accepted[0].received))


async def readers_and_writers_by_hand(log: Log) -> None:
    loop = asyncio.get_running_loop()
    client, server_side, listener = await sock_pair(log)
    readable, writable = asyncio.Event(), asyncio.Event()
    loop.add_writer(client, writable.set)
    await writable.wait()
    log.append(loop.remove_writer(client))
    log.append(loop.remove_writer(client))
    loop.add_reader(server_side.fileno(), readable.set)
    client.send(b"x")
    await readable.wait()
    log.append(loop.remove_reader(server_side.fileno()))
    for sock in (client, server_side, listener):
        sock.close()


async def what_is_not_connected(log: Log) -> None:
    sock = socket.socket()
    sock.setblocking(False)
    await tried(log, "peer", peername(sock))
    await tried(log, "receive", receive_now(sock))

    async def shut() -> None:
        sock.shutdown(socket.SHUT_WR)

    async def send() -> None:
        sock.send(b"x")

    async def accept() -> None:
        sock.accept()

    await tried(log, "shutdown", shut())
    await tried(log, "send", send())
    await tried(log, "accept", accept())
    log.append(sock.getsockname())
    sock.close()


async def an_accepted_socket_becomes_a_transport(log: Log) -> None:
    loop = asyncio.get_running_loop()
    client, server_side, listener = await sock_pair(log)
    transport, protocol = await loop.connect_accepted_socket(lambda: Recorder(log, "server"), server_side)
    await loop.sock_sendall(client, b"hello")
    await protocol.some.wait()
    transport.write(b"bye")
    log.append(await loop.sock_recv(client, 10))
    client.close()
    await protocol.lost
    listener.close()


PROGRAMS: tuple[Program, ...] = (
    sockets_of_the_loop,
    a_socket_made_elsewhere,
    readers_and_writers_by_hand,
    what_is_not_connected,
    an_accepted_socket_becomes_a_transport,
)
