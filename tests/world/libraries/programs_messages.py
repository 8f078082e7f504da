"""Messages and streams: websockets, grpclib over HTTP/2, anyio's streams and asyncio's own."""

import asyncio
import contextlib
import ssl
from typing import Any

import anyio
import websockets.asyncio.client
import websockets.asyncio.server
from anyio.streams.tls import TLSListener, TLSStream
from grpclib.client import Channel, StreamStreamMethod, UnaryUnaryMethod
from grpclib.const import Cardinality, Handler
from grpclib.encoding.base import CodecBase
from grpclib.server import Server, Stream

from tests.world.programs_tls import client_context, server_context


async def websockets_against_itself() -> Any:
    async def shout(connection: websockets.asyncio.server.ServerConnection) -> None:
        async for message in connection:
            assert isinstance(message, str)
            await connection.send(message.upper())

    async with (
        websockets.asyncio.server.serve(shout, "ws.example.com", 80),
        websockets.asyncio.client.connect("ws://ws.example.com", proxy=None) as connection,
    ):
        answers = []
        for word in ("one", "two"):
            await connection.send(word)
            answers.append(await connection.recv())
        return answers


async def anyio_streams_with_tls() -> Any:
    async def echo(stream: TLSStream) -> None:
        async with stream:
            with contextlib.suppress(anyio.EndOfStream):
                while True:
                    await stream.send(await stream.receive())

    listener = TLSListener(
        await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=8443), server_context(), False
    )
    with anyio.fail_after(30):  # for whoever waits for a server that was cancelled
        return await _ask_in_secret(listener, echo)


async def _ask_in_secret(listener: TLSListener, echo: Any) -> Any:
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, echo)
        async with await anyio.connect_tcp(
            "127.0.0.1", 8443, ssl_context=client_context(), tls_standard_compatible=False
        ) as stream:
            await stream.send(b"secret")
            answer = await stream.receive()
            peer = stream.extra(anyio.abc.SocketAttribute.remote_address)
        group.cancel_scope.cancel()
    return [answer, peer]


async def asyncio_streams_upgraded_to_tls() -> Any:
    """A protocol of lines that changes to TLS in the midst of its connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, ssl.SSLError):
            while line := await reader.readline():
                if line == b"secret\n":
                    writer.write(b"go ahead\n")
                    await writer.start_tls(server_context())
                else:
                    writer.write(line.upper())
                    await writer.drain()

    async with await asyncio.start_server(serve, "mail.example.com", 25), asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("mail.example.com", 25)
        try:
            answers = []
            for line in (b"hello\n", b"secret\n", b"bye\n"):
                writer.write(line)
                answers.append(await reader.readline())
                if line == b"secret\n":
                    await writer.start_tls(client_context(), server_hostname="localhost")
            return [*answers, writer.get_extra_info("peername")[1]]
        finally:
            writer.close()


class Text(CodecBase):
    """Messages are texts: no generated code."""

    __content_subtype__ = "text"

    def encode(self, message: Any, message_type: Any) -> bytes:
        return str(message).encode()

    def decode(self, data: bytes, message_type: Any) -> str:
        return data.decode()


class Shouting:
    """A service with a call of one message and a call of many."""

    async def one(self, stream: "Stream[str, str]") -> None:
        word = await stream.recv_message()
        assert word is not None
        await stream.send_message(word.upper())

    async def each(self, stream: "Stream[str, str]") -> None:
        async for word in stream:
            await stream.send_message(word.upper())

    def __mapping__(self) -> dict[str, Handler]:
        return {
            "/Shouting/One": Handler(self.one, Cardinality.UNARY_UNARY, str, str),
            "/Shouting/Each": Handler(self.each, Cardinality.STREAM_STREAM, str, str),
        }


async def grpclib_against_itself() -> Any:
    server = Server([Shouting()], codec=Text())
    await server.start("rpc.example.com", 50051)
    channel = Channel("rpc.example.com", 50051, codec=Text())
    try:
        answers: list[Any] = [await UnaryUnaryMethod(channel, "/Shouting/One", str, str)("one", timeout=5)]
        async with StreamStreamMethod(channel, "/Shouting/Each", str, str).open(timeout=5) as stream:
            for word in ("two", "three"):
                await stream.send_message(word)
                answers.append(await stream.recv_message())
            await stream.end()
            answers.append(await stream.recv_message())
        return answers
    finally:
        channel.close()
        server.close()
        await server.wait_closed()
