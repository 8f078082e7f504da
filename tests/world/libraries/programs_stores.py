"""Stores: the client of redis against as much of a server as it needs, and aiosqlite on a file."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import aiosqlite
import redis.asyncio


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


async def aiosqlite_on_a_file() -> Any:
    """Two connections to one file, one of which writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jobs.db"
        async with aiosqlite.connect(path) as writer, aiosqlite.connect(path) as reader:
            await writer.execute("CREATE TABLE job (id INTEGER PRIMARY KEY, name TEXT)")
            await writer.executemany("INSERT INTO job (name) VALUES (?)", [("one",), ("two",)])
            await writer.commit()

            async def names() -> list[str]:
                async with reader.execute("SELECT name FROM job ORDER BY id") as rows:
                    return [row[0] async for row in rows]

            async def add() -> int:
                await writer.execute("UPDATE job SET name = upper(name)")
                await writer.rollback()
                return writer.total_changes

            return await asyncio.gather(names(), add())
