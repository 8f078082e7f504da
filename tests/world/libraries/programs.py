"""Unmodified clients and servers of other projects, which know nothing of a simulated network."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import anyio
import httpx
import redis.asyncio
import uvicorn
import websockets.asyncio.client
import websockets.asyncio.server
from aiohttp import web
from anyio.streams.tls import TLSListener, TLSStream
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.world.programs_tls import client_context, server_context

Program = Callable[[], Awaitable[Any]]


async def greet(request: Request) -> JSONResponse:
    body = await request.body()
    return JSONResponse({"hello": request.path_params["name"], "bytes": len(body)})


@contextlib.asynccontextmanager
async def uvicorn_on(host: str, port: int) -> AsyncIterator[None]:
    app = Starlette(routes=[Route("/{name}", greet, methods=["GET", "POST"])])
    server = uvicorn.Server(
        uvicorn.Config(app, host=host, port=port, log_config=None, lifespan="off", ws="none", http="h11")
    )
    serving = asyncio.create_task(server._serve())
    while not server.started and not serving.done():  # noqa: ASYNC110  # it has no event to wait for
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await serving


async def httpx_against_uvicorn() -> Any:
    async with uvicorn_on("api.example.com", 80), httpx.AsyncClient(base_url="http://api.example.com") as client:
        one, two = await asyncio.gather(client.get("/ann"), client.post("/bob", content=b"x" * 100_000))
        return [one.json(), two.json(), one.http_version]


async def aiohttp_against_itself() -> Any:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"hello": request.match_info["name"], "bytes": len(await request.read())})

    app = web.Application()
    app.add_routes([web.get("/{name}", answer), web.post("/{name}", answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "api.example.com", 443, ssl_context=server_context()).start()
        async with aiohttp.ClientSession("https://api.example.com") as session:

            async def ask(method: str, path: str, data: bytes | None = None) -> Any:
                async with session.request(method, path, data=data, ssl=client_context()) as response:
                    return await response.json()

            return [await ask("GET", "/ann"), await ask("POST", "/bob", b"x" * 100_000)]
    finally:
        await runner.cleanup()


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


async def redis_against_a_fake() -> Any:
    server = await asyncio.start_server(FakeRedis().serve, "redis.internal", 6379)
    try:
        async with redis.asyncio.Redis(host="redis.internal", protocol=2, socket_timeout=5) as client:
            await client.set("key", "value")
            async with client.pipeline(transaction=False) as pipe:
                for _ in range(2):
                    pipe.incr("count")
                pipe.get("key")
                piped = await pipe.execute()
            return [await client.get("key"), piped, await client.get("nothing")]
    finally:
        server.close()


class FakeRedis:
    """As much of RESP as a client needs to get, set and count."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while header := await reader.readline():
                words = []
                for _ in range(int(header[1:])):
                    size = int((await reader.readline())[1:])
                    words.append((await reader.readexactly(size + 2))[:-2])
                writer.write(self.answer(words))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def answer(self, words: list[bytes]) -> bytes:
        match words[0].upper(), *words[1:]:
            case b"SET", key, value:
                self.values[key] = value
            case b"GET", key:
                found = self.values.get(key)
                return b"$-1\r\n" if found is None else b"$%d\r\n%s\r\n" % (len(found), found)
            case b"INCRBY", key, by:
                self.values[key] = b"%d" % (int(self.values.get(key, b"0")) + int(by))
                return b":%s\r\n" % self.values[key]
            case _:
                pass
        return b"+OK\r\n"


EXPECTED: dict[Program, Any] = {
    httpx_against_uvicorn: [{"hello": "ann", "bytes": 0}, {"hello": "bob", "bytes": 100_000}, "HTTP/1.1"],
    aiohttp_against_itself: [{"hello": "ann", "bytes": 0}, {"hello": "bob", "bytes": 100_000}],
    websockets_against_itself: ["ONE", "TWO"],
    anyio_streams_with_tls: [b"secret", ("127.0.0.1", 8443)],
    redis_against_a_fake: [b"value", [1, 2, b"value"], None],
}
