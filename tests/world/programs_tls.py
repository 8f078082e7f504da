"""Programs that show TLS over a network: Python's own ssl, whatever lies beneath."""

import asyncio
import ssl
from pathlib import Path

from tests.world.connections import LOCAL, Log, Program, port_of, tried

CERTIFICATE = Path(__file__).with_name("certificate.pem")


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def client_context() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=CERTIFICATE)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(100_000):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def an_echo_over_tls(log: Log) -> None:
    server = await asyncio.start_server(echo, LOCAL, 0, ssl=server_context())
    reader, writer = await asyncio.open_connection(LOCAL, port_of(server), ssl=client_context())
    log.append(writer.get_extra_info("peercert")["subject"])
    log.append(writer.get_extra_info("ssl_object").version())
    log.append(writer.can_write_eof())
    writer.write(b"secret" * 50_000)
    log.append(await reader.readexactly(300_000) == b"secret" * 50_000)
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def a_connection_is_upgraded(log: Log) -> None:
    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        log.append(await reader.readline())
        writer.write(b"go ahead\n")
        await writer.drain()
        await writer.start_tls(server_context())
        await echo(reader, writer)

    server = await asyncio.start_server(upgrade, LOCAL, 0)
    reader, writer = await asyncio.open_connection(LOCAL, port_of(server))
    writer.write(b"STARTTLS\n")
    log.append(await reader.readline())
    await writer.start_tls(client_context(), server_hostname="localhost")
    writer.write(b"secret")
    log.append(await reader.readexactly(6))
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def a_stranger_is_not_trusted(log: Log) -> None:
    server = await asyncio.start_server(echo, LOCAL, 0, ssl=server_context())
    stranger = ssl.create_default_context()
    try:
        await asyncio.open_connection(LOCAL, port_of(server), ssl=stranger)
    except ssl.SSLCertVerificationError as error:
        log.append(error.verify_message)
    wrong_name = asyncio.open_connection(LOCAL, port_of(server), ssl=client_context(), server_hostname="elsewhere")
    await tried(log, "another name", wrong_name)
    server.close()
    await server.wait_closed()


async def a_client_that_speaks_no_tls(log: Log) -> None:
    server = await asyncio.start_server(echo, LOCAL, 0, ssl=server_context())
    reader, writer = await asyncio.open_connection(LOCAL, port_of(server))
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await tried(log, "read", reader.read())
    writer.close()
    server.close()
    await server.wait_closed()


async def a_server_that_is_gone_during_the_handshake(log: Log) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(leave, LOCAL, 0)
    await tried(log, "connect", asyncio.open_connection(LOCAL, port_of(server), ssl=client_context()))
    server.close()
    await server.wait_closed()


PROGRAMS: tuple[Program, ...] = (
    an_echo_over_tls,
    a_connection_is_upgraded,
    a_stranger_is_not_trusted,
    a_client_that_speaks_no_tls,
    a_server_that_is_gone_during_the_handshake,
)
