"""Programs that show what a kernel does with TCP. Each leaves a log, without ports, times and descriptors."""

import asyncio
import socket

from tests.world.connections import (
    LOCAL,
    Log,
    Program,
    closed,
    free_port,
    pair,
    peername,
    port_of,
    sock_pair,
    tried,
)

MANY = 8_000_000
"""More bytes than any kernel takes without a reader."""

# Connecting


async def an_echo_by_streams(log: Log) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        log.append("server: end")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(echo, LOCAL, 0)
    reader, writer = await asyncio.open_connection(LOCAL, port_of(server))
    for word in (b"one\n", b"two\n"):
        writer.write(word)
        log.append(await reader.readline())
    writer.write_eof()
    log.append(await reader.read())
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def addresses_of_both_sides(log: Log) -> None:
    client, server_side, server = await pair(log)
    ours, theirs = client.transport.get_extra_info, server_side.transport.get_extra_info
    log.append(ours("sockname") == theirs("peername"))
    log.append(ours("peername") == theirs("sockname"))
    log.append(ours("peername")[0])
    sock = ours("socket")
    log += [sock.family, sock.type, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)]
    log.append(bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    log.append(bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)))
    log += [client.transport.can_write_eof(), client.transport.is_reading(), client.transport.is_closing()]
    client.transport.close()
    log += [client.transport.is_reading(), client.transport.is_closing()]
    await closed(server, client, server_side)


async def nobody_listens(log: Log) -> None:
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, LOCAL, 0)
    port = port_of(server)
    server.close()
    await server.wait_closed()
    await tried(log, "connect", asyncio.open_connection(LOCAL, port))


async def the_port_is_taken(log: Log) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, LOCAL, 0)
    await tried(log, "second server", loop.create_server(asyncio.Protocol, LOCAL, port_of(server)))
    port = port_of(server)
    server.close()
    await server.wait_closed()
    second = await tried(log, "after it closed", loop.create_server(asyncio.Protocol, LOCAL, port))
    second.close()


async def a_port_is_free_again_while_a_connection_lives(log: Log) -> None:
    """SO_REUSEADDR, which asyncio sets, lets a server come back to a port whose old connections are open."""
    loop = asyncio.get_running_loop()
    client, server_side, server = await pair(log)
    port = port_of(server)
    server.close()
    await asyncio.sleep(0)
    second = await tried(log, "again", loop.create_server(asyncio.Protocol, LOCAL, port))
    await tried(log, "strictly", loop.create_server(asyncio.Protocol, LOCAL, port, reuse_address=False))
    second.close()
    client.transport.close()
    await client.lost
    await server_side.lost


async def another_host_cannot_be_bound_twice(log: Log) -> None:
    loop = asyncio.get_running_loop()
    wild = await loop.create_server(asyncio.Protocol, "0.0.0.0", 0)
    await tried(log, "its loopback", loop.create_server(asyncio.Protocol, LOCAL, port_of(wild)))
    _, writer = await asyncio.open_connection(LOCAL, port_of(wild))
    log.append(writer.get_extra_info("peername")[0])
    writer.close()
    wild.close()


async def six_and_four_are_apart(log: Log) -> None:
    loop = asyncio.get_running_loop()
    six = await loop.create_server(asyncio.Protocol, "::1", free_port())
    log.append(six.sockets[0].getsockname()[0])
    log.append(len(six.sockets[0].getsockname()))
    await tried(log, "by four", asyncio.open_connection(LOCAL, port_of(six)))
    four = await tried(log, "the same port", loop.create_server(asyncio.Protocol, LOCAL, port_of(six)))
    _, writer = await asyncio.open_connection("::1", port_of(six))
    log.append(writer.get_extra_info("peername")[0])
    writer.close()
    four.close()
    six.close()


async def localhost_is_found(log: Log) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, "localhost", 0)
    _, writer = await asyncio.open_connection("localhost", port_of(server))
    log.append(writer.get_extra_info("peername")[1] == port_of(server))
    found = await loop.getaddrinfo(LOCAL, 80, type=socket.SOCK_STREAM)
    log.append(found)
    await tried(log, "six for four", loop.getaddrinfo(LOCAL, 80, family=socket.AF_INET6))
    writer.close()
    server.close()


async def many_connections_at_once(log: Log) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(3))
        writer.close()
        await writer.wait_closed()

    async def ask(number: int) -> bytes:
        reader, writer = await asyncio.open_connection(LOCAL, port)
        writer.write(b"%03d" % number)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    server = await asyncio.start_server(serve, LOCAL, 0, backlog=100)
    port = port_of(server)
    log.append(await asyncio.gather(*(ask(number) for number in range(60))))
    server.close()
    await server.wait_closed()


async def connections_nobody_accepts_are_reset(log: Log) -> None:
    """A listening socket that closes resets what is in its queue."""
    loop = asyncio.get_running_loop()
    with socket.socket() as listener:
        listener.bind((LOCAL, 0))
        listener.listen(5)
        address = listener.getsockname()
        sock = socket.socket()
        sock.setblocking(False)
        await loop.sock_connect(sock, address)
    await tried(log, "receive", loop.sock_recv(sock, 10))
    await tried(log, "once more", loop.sock_recv(sock, 10))
    await tried(log, "send", loop.sock_sendall(sock, b"x"))
    sock.close()


# Ends


async def the_client_ends_first_and_still_hears(log: Log) -> None:
    client, server_side, server = await pair(log, keep_open=True)
    client.transport.write(b"question")
    client.transport.write_eof()
    await server_side.ended
    server_side.transport.write(b"answer")
    server_side.transport.close()
    await client.ended
    log.append(bytes(client.received))
    client.transport.close()
    await closed(server, client, server_side)


async def the_server_ends_first_and_still_hears(log: Log) -> None:
    client, server_side, server = await pair(log, keep_open=True)
    server_side.transport.write_eof()
    await client.ended
    client.transport.write(b"late")
    await server_side.some.wait()
    log.append(bytes(server_side.received))
    client.transport.close()
    await server_side.ended
    server_side.transport.close()
    await closed(server, client, server_side)


async def an_end_closes_by_default(log: Log) -> None:
    client, server_side, server = await pair(log)
    client.transport.write_eof()
    await closed(server, client, server_side)


async def the_end_comes_after_the_bytes(log: Log) -> None:
    client, server_side, server = await pair(log)
    server_side.transport.pause_reading()
    client.transport.write(b"x" * 100_000)
    client.transport.close()
    await client.lost
    server_side.transport.resume_reading()
    await closed(server, server_side)
    log.append(len(server_side.received))


async def writing_to_who_has_closed(log: Log) -> None:
    """The first write is taken and answered by a reset, the next one fails."""
    client, server_side, server = await pair(log, keep_open=True)
    server_side.transport.close()
    await client.ended
    client.transport.write(b"1")
    for _ in range(50):
        await asyncio.sleep(0)
    client.transport.write(b"2")
    await closed(server, client, server_side)


async def closing_unread_bytes_resets(log: Log) -> None:
    client, server_side, server = await pair(log)
    server_side.transport.pause_reading()
    await asyncio.sleep(0)
    client.transport.write(b"never read")
    for _ in range(10):
        await asyncio.sleep(0)
    server_side.transport.abort()
    await closed(server, client, server_side)


async def bytes_that_came_before_a_reset_are_read(log: Log) -> None:
    """The client reads what was sent, then meets the reset."""
    loop = asyncio.get_running_loop()
    client, server_side, server = await sock_pair(log)
    await loop.sock_sendall(server_side, b"farewell")
    await loop.sock_sendall(client, b"unread")
    server_side.close()
    await tried(log, "peer", peername(client))
    log.append(await loop.sock_recv(client, 100))
    await tried(log, "receive", loop.sock_recv(client, 100))
    await tried(log, "once more", loop.sock_recv(client, 100))
    await tried(log, "send", loop.sock_sendall(client, b"x"))
    client.close()
    server.close()


async def a_hard_close_resets(log: Log) -> None:
    loop = asyncio.get_running_loop()
    client, server_side, server = await sock_pair(log)
    server_side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server_side.close()
    await tried(log, "send", loop.sock_sendall(client, b"x"))
    await tried(log, "send again", loop.sock_sendall(client, b"x"))
    await tried(log, "receive", loop.sock_recv(client, 100))
    client.close()
    server.close()


async def abort_drops_what_was_not_sent(log: Log) -> None:
    client, server_side, server = await pair(log)
    server_side.transport.pause_reading()
    await asyncio.sleep(0)
    client.transport.write(b"x" * MANY)
    client.transport.abort()
    await client.lost
    server_side.transport.resume_reading()
    await server_side.lost
    log.append(0 < len(server_side.received) < MANY)
    server.close()


async def a_server_that_closes_keeps_its_connections(log: Log) -> None:
    client, server_side, server = await pair(log)
    server.close()
    log.append(server.is_serving())
    client.transport.write(b"still")
    await server_side.some.wait()
    server_side.transport.write(b"here")
    await client.some.wait()
    log.append(bytes(client.received))
    client.transport.close()
    await client.lost
    await server_side.lost
    await server.wait_closed()


# Flow


async def a_large_transfer_comes_whole(log: Log) -> None:
    client, server_side, server = await pair(log)
    sent = bytes(range(256)) * (MANY // 256)
    client.transport.write(sent)
    client.transport.write_eof()
    await closed(server, client, server_side)
    log.append(bytes(server_side.received) == sent)


async def a_reader_that_pauses_stops_the_writer(log: Log) -> None:
    client, server_side, server = await pair(log)
    server_side.transport.pause_reading()
    for _ in range(MANY // 100_000):
        client.transport.write(b"x" * 100_000)
    await client.paused
    log.append(client.transport.get_write_buffer_size() > 0)
    log.append(len(server_side.received))
    server_side.transport.resume_reading()
    await client.resumed
    client.transport.close()
    await closed(server, client, server_side)
    log.append(len(server_side.received))


async def drain_waits_for_the_reader(log: Log) -> None:
    done = asyncio.get_running_loop().create_future()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        count = 0
        while data := await reader.read(50_000):
            count += len(data)
        done.set_result(count)
        writer.close()

    server = await asyncio.start_server(slow, LOCAL, 0)
    _, writer = await asyncio.open_connection(LOCAL, port_of(server))
    for _ in range(MANY // 200_000):
        writer.write(b"y" * 200_000)
        await writer.drain()
    writer.close()
    log.append(await done)
    server.close()


PROGRAMS: tuple[Program, ...] = (
    an_echo_by_streams,
    addresses_of_both_sides,
    nobody_listens,
    the_port_is_taken,
    a_port_is_free_again_while_a_connection_lives,
    another_host_cannot_be_bound_twice,
    six_and_four_are_apart,
    localhost_is_found,
    many_connections_at_once,
    connections_nobody_accepts_are_reset,
    the_client_ends_first_and_still_hears,
    the_server_ends_first_and_still_hears,
    an_end_closes_by_default,
    the_end_comes_after_the_bytes,
    writing_to_who_has_closed,
    closing_unread_bytes_resets,
    bytes_that_came_before_a_reset_are_read,
    a_hard_close_resets,
    abort_drops_what_was_not_sent,
    a_server_that_closes_keeps_its_connections,
    a_large_transfer_comes_whole,
    a_reader_that_pauses_stops_the_writer,
    drain_waits_for_the_reader,
)
