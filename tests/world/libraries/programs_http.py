"""HTTP: httpx, aiohttp on both sides, uvicorn with starlette."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import uvicorn
from aiohttp import web
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from tests.world.programs_tls import client_context, server_context


async def greet(request: Request) -> JSONResponse:
    body = await request.body()
    return JSONResponse({"hello": request.path_params["name"], "bytes": len(body)})


async def count(request: Request) -> StreamingResponse:
    async def numbers() -> AsyncIterator[str]:
        for number in range(request.state.limit):
            await asyncio.sleep(1)
            yield f"{number}\n"

    return StreamingResponse(numbers(), media_type="text/plain")


@contextlib.asynccontextmanager
async def shelf(app: Starlette) -> AsyncIterator[dict[str, int]]:
    """What the application has while it is up."""
    yield {"limit": 3}


@contextlib.asynccontextmanager
async def uvicorn_on(host: str, port: int) -> AsyncIterator[None]:
    routes = [Route("/count", count), Route("/{name}", greet, methods=["GET", "POST"])]
    app = Starlette(routes=routes, lifespan=shelf)
    server = uvicorn.Server(
        uvicorn.Config(app, host=host, port=port, log_config=None, lifespan="on", ws="none", http="h11")
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
    async with (
        uvicorn_on("api.example.com", 80),
        httpx.AsyncClient(base_url="http://api.example.com", verify=False) as client,
    ):
        one, two = await asyncio.gather(client.get("/ann"), client.post("/bob", content=b"x" * 100_000))
        return [one.json(), two.json(), one.http_version]


async def uvicorn_and_starlette() -> Any:
    """A response in pieces, read as it comes by a client that knows nothing but sockets."""
    loop = asyncio.get_running_loop()
    async with uvicorn_on("api.example.com", 8000), asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("api.example.com", 8000)
        began = loop.time()
        try:
            writer.write(b"GET /count HTTP/1.1\r\nhost: api.example.com\r\nconnection: close\r\n\r\n")
            status = await reader.readline()
            body = (await reader.read()).partition(b"\r\n\r\n")[2]
            return [status, body, loop.time() - began]
        finally:
            writer.close()


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
