"""aqueue over its stores, and the straw-man: its SQL without a queue around it."""

from __future__ import annotations

import asyncio
import json
import queue
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Literal

from aqueue import Queue
from aqueue.store.sqlite.schema import create_schema
from benchmarks.queues.contender import ACCOUNT, CONCURRENCY, Item, Servers

__all__ = ["Aqueue", "SqlOnly", "StrawMan"]

Durability = Literal["power", "process"]


class Aqueue:
    """The real thing, with the defaults of Queue."""

    def __init__(
        self,
        store: Literal["memory", "sqlite", "postgres"],
        durability: Durability,
        title: str,
        *,
        slots: int = CONCURRENCY,
    ) -> None:
        """Choose the store."""
        self.title = title
        self._slots = slots
        self.durability: str = {"memory": "none", "postgres": "synchronous_commit=on"}.get(store, durability)
        self.needs: tuple[str, ...] = ("psycopg",) if store == "postgres" else ()
        self.server = "postgres" if store == "postgres" else ""
        self._store = store
        self._durability: Durability = durability
        self._stack = AsyncExitStack()

    async def open(self, servers: Servers) -> None:
        """Open the queue."""
        urls = {"memory": "memory:", "sqlite": f"sqlite:///{servers.folder}/jobs.db", "postgres": str(servers.postgres)}
        url = urls[self._store]
        self._queue = Queue(url, durability=self._durability)

        @self._queue.task()
        async def noop(number: int, sent_at: float) -> None:
            ACCOUNT.sign(number, sent_at)

        self._noop = noop
        await self._stack.enter_async_context(self._queue)

    async def enqueue(self, number: int, sent_at: float) -> None:
        """Send one job."""
        await self._noop.enqueue(number, sent_at)

    async def enqueue_many(self, items: Sequence[Item]) -> bool:
        """Send several in one transaction."""
        await self._queue.enqueue_many(self._noop.job(*item) for item in items)
        return True

    async def start(self) -> None:
        """Run a worker."""
        await self._stack.enter_async_context(self._queue.worker(concurrency=self._slots))


class SqlOnly:
    """What SQLite is asked by the straw-man, in transactions that somebody else begins and ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use the connection, which has the schema."""
        self._connection = connection

    def insert(self, uid: str, payload: bytes, now: int) -> None:
        """Enqueue one job."""
        job_id = self._connection.execute(
            "INSERT INTO aq_job(uid,task,payload,payload_crc,run_at,created_at,max_attempts,max_claims,max_redrives) "
            "VALUES(?,'noop',?,?,?,?,5,20,3)",
            (uid, payload, zlib.crc32(payload), now, now),
        ).lastrowid
        self._log([(job_id, now, "enqueued", 0)])

    def _log(self, events: list[tuple[Any, ...]]) -> None:
        self._connection.executemany("INSERT INTO aq_event(job_id,at,kind,attempt) VALUES(?,?,?,?)", events)

    def settle_and_claim(self, acks: list[tuple[int, int]], room: int, now: int) -> list[tuple[int, int, bytes]]:
        """Settle those jobs, each at its attempt, and claim as many as there is room for."""
        settled = [
            (job_id, now, "succeeded", attempt)
            for job_id, attempt in acks
            if self._connection.execute(
                "UPDATE aq_job SET state='succeeded',worker=NULL,claim_nonce=NULL,lease_until=NULL,finished_at=?,"
                "result=x'6e756c6c' WHERE id=? AND attempt=? AND state='running'",
                (now, job_id, attempt),
            ).rowcount
        ]
        rows = self._connection.execute(
            "UPDATE aq_job SET state='running',attempt=attempt+1,worker='w',claim_nonce='n',lease_until=? WHERE id IN("
            "SELECT id FROM aq_job j WHERE state='pending' AND run_at<=? AND attempt<max_claims AND (order_key IS NULL "
            "OR NOT EXISTS(SELECT 1 FROM aq_job o WHERE o.order_key=j.order_key AND o.state IN('pending','running') "
            "AND (o.state='running' OR o.id<j.id))) ORDER BY priority DESC,run_at,id LIMIT ?) "
            "RETURNING id,attempt,payload",
            (now + 30_000, now, room),
        ).fetchall()
        self._log([*settled, *((job_id, now, "claimed", attempt) for job_id, attempt, _ in rows)])
        return rows


class StrawMan:
    """What SQLite allows: aqueue's schema, one thread with group commit, fenced claims and settlements, an event each.

    No retries, no limits, no leases to renew, no scopes, no cancellation, nothing that survives a surprise.
    """

    needs: tuple[str, ...] = ()
    server = ""

    def __init__(self, durability: Durability) -> None:
        """Choose what a commit means."""
        self.title = f"raw SQLite straw-man ({durability})"
        self.durability: str = durability
        self._synchronous = {"power": "FULL", "process": "NORMAL"}[durability]
        self._calls: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...], asyncio.Future[Any]]]
        self._calls = queue.SimpleQueue()
        self._acks: list[tuple[int, int]] = []

    async def open(self, servers: Servers) -> None:
        """Make the tables and start the thread."""
        self._connection = sqlite3.connect(
            f"{servers.folder}/jobs.db", isolation_level=None, check_same_thread=False, cached_statements=256
        )
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(f"PRAGMA synchronous={self._synchronous}")
        create_schema(self._connection)
        self._sql = SqlOnly(self._connection)
        self._loop = asyncio.get_running_loop()
        self._work = asyncio.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            batch = [self._calls.get()]
            while len(batch) < 256 and not self._calls.empty():
                batch.append(self._calls.get())
            self._connection.execute("BEGIN IMMEDIATE")
            replies = [(future, call(*args)) for call, args, future in batch]
            self._connection.execute("COMMIT")
            self._loop.call_soon_threadsafe(self._deliver, replies)

    def _deliver(self, replies: list[tuple[asyncio.Future[Any], Any]]) -> None:
        for future, reply in replies:
            future.set_result(reply)

    async def _call(self, call: Callable[..., Any], *args: Any) -> Any:
        future = self._loop.create_future()
        self._calls.put((call, args, future))
        return await future

    async def enqueue(self, number: int, sent_at: float) -> None:
        """Send one job."""
        await self.enqueue_many([(number, sent_at)])

    async def enqueue_many(self, items: Sequence[Item]) -> bool:
        """Send several; they share a transaction if nothing comes between."""
        now = time.time_ns() // 1_000_000
        calls = [self._call(self._sql.insert, f"uid-{item[0]:028}", json.dumps(item).encode(), now) for item in items]
        await asyncio.gather(*calls)
        self._work.set()
        return True

    async def start(self) -> None:
        """Claim as many as there are free slots, run each in a task, settle with the next claim."""
        self._worker = asyncio.create_task(self._keep_working())

    async def _keep_working(self) -> None:
        free = CONCURRENCY
        tasks: set[asyncio.Task[None]] = set()

        async def run(job_id: int, attempt: int, payload: bytes) -> None:
            nonlocal free
            ACCOUNT.sign(*json.loads(payload))
            self._acks.append((job_id, attempt))
            free += 1
            self._work.set()

        while True:
            self._work.clear()
            acks, self._acks = self._acks, []
            rows = await self._call(self._sql.settle_and_claim, acks, free, time.time_ns() // 1_000_000)
            free -= len(rows)
            for row in rows:
                task = asyncio.create_task(run(*row))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            if not rows and not self._acks:
                await self._work.wait()
            else:
                await asyncio.sleep(0)
