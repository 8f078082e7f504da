"""Clients and servers of other projects, unmodified, which know of no simulated network; and what they come to."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.world.libraries.programs_http import aiohttp_against_itself, httpx_against_uvicorn, uvicorn_and_starlette
from tests.world.libraries.programs_messages import (
    anyio_streams_with_tls,
    asyncio_streams_upgraded_to_tls,
    grpclib_against_itself,
    websockets_against_itself,
)
from tests.world.libraries.programs_stores import aiosqlite_on_a_file, redis_against_a_fake

Program = Callable[[], Awaitable[Any]]
EXPECTED: dict[Program, Any] = {
    httpx_against_uvicorn: [{"hello": "ann", "bytes": 0}, {"hello": "bob", "bytes": 100_000}, "HTTP/1.1"],
    uvicorn_and_starlette: [b"HTTP/1.1 200 OK\r\n", b"2\r\n0\n\r\n2\r\n1\n\r\n2\r\n2\n\r\n0\r\n\r\n", 3.0],
    aiohttp_against_itself: [{"hello": "ann", "bytes": 0}, {"hello": "bob", "bytes": 100_000}],
    redis_against_a_fake: [b"value", [1, 2, b"value"], None],
    websockets_against_itself: ["ONE", "TWO"],
    aiosqlite_on_a_file: [["one", "two"], 4],
    anyio_streams_with_tls: [b"secret", ("127.0.0.1", 8443)],
    asyncio_streams_upgraded_to_tls: [b"HELLO\n", b"go ahead\n", b"BYE\n", 25],
    grpclib_against_itself: ["ONE", "TWO", "THREE", None],
}
