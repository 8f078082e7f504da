"""Other queues for asyncio, each as its own documentation sets it up. Imported only when measured.

They are no dependencies of ours and most have no types, so their modules are asked for by name.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from benchmarks.queues.contender import ACCOUNT, CONCURRENCY, Contender, Item, Servers

__all__ = ["PEERS"]


async def _noop(number: int, sent_at: float) -> None:
    ACCOUNT.sign(number, sent_at)


async def noop_of_chancy(*, number: int, sent_at: float) -> None:
    """The handler that chancy finds by its name."""
    ACCOUNT.sign(number, sent_at)


class _Peer:
    """What most of them have in common."""

    title = ""
    durability = "synchronous_commit=on"
    needs: tuple[str, ...] = ()
    server = "postgres"
    _task: asyncio.Future[Any]

    async def enqueue_many(self, items: Sequence[Item]) -> bool:  # noqa: ARG002 - the seam's signature
        """It has no call for that."""
        return False


class SaqPostgres(_Peer):
    """saq over PostgreSQL."""

    title = "saq (PostgreSQL)"
    needs: tuple[str, ...] = ("saq", "psycopg_pool")

    def _url(self, servers: Servers) -> str:
        return str(servers.postgres)

    async def open(self, servers: Servers) -> None:
        """Connect."""
        pool = {} if self.server == "redis" else {"min_size": 4, "max_size": 20}
        self._queue = import_module("saq").Queue.from_url(self._url(servers), **pool)
        await self._queue.connect()

    async def enqueue(self, number: int, sent_at: float) -> None:
        """Send one job."""
        await self._queue.enqueue("noop", number=number, sent_at=sent_at, ttl=1)

    async def start(self) -> None:
        """Run a worker."""

        async def noop(_: Any, *, number: int, sent_at: float) -> None:
            ACCOUNT.sign(number, sent_at)

        worker = import_module("saq").Worker(self._queue, functions=[("noop", noop)], concurrency=CONCURRENCY)
        worker.SIGNALS = []
        self._task = asyncio.ensure_future(worker.start())


class SaqRedis(SaqPostgres):
    """saq over Redis."""

    title = "saq (Redis)"
    durability = "none: Redis in memory"
    needs: tuple[str, ...] = ("saq", "redis")
    server = "redis"

    def _url(self, servers: Servers) -> str:
        return str(servers.redis)


class Procrastinate(_Peer):
    """procrastinate over psycopg."""

    title = "procrastinate"
    needs: tuple[str, ...] = ("procrastinate",)

    async def open(self, servers: Servers) -> None:
        """Connect, and make the tables."""
        library = import_module("procrastinate")
        connector = library.PsycopgConnector(conninfo=servers.postgres, min_size=4, max_size=20)
        self._app = library.App(connector=connector)

        self._noop = self._app.task(name="noop")(_noop)
        await self._app.open_async()
        await self._app.schema_manager.apply_schema_async()

    async def enqueue(self, number: int, sent_at: float) -> None:
        """Send one job."""
        await self._noop.defer_async(number=number, sent_at=sent_at)

    async def enqueue_many(self, items: Sequence[Item]) -> bool:
        """Send several."""
        await self._noop.batch_defer_async(*({"number": number, "sent_at": sent_at} for number, sent_at in items))
        return True

    async def start(self) -> None:
        """Run a worker."""
        running = self._app.run_worker_async(concurrency=CONCURRENCY, install_signal_handlers=False)
        self._task = asyncio.ensure_future(running)


class PgQueuer(_Peer):
    """pgqueuer over asyncpg. It wants twice as many tasks as it takes at once."""

    needs: tuple[str, ...] = ("pgqueuer", "asyncpg")

    def __init__(self, batch_size: int) -> None:
        """Say how many jobs it takes at once."""
        self.title = f"pgqueuer (batch_size={batch_size}, {2 * batch_size} jobs at once)"
        self._batch_size = batch_size

    async def open(self, servers: Servers) -> None:
        """Connect, and make the tables."""
        asyncpg, drivers = import_module("asyncpg"), import_module("pgqueuer.db")
        pool = await asyncpg.create_pool(servers.postgres, min_size=10, max_size=10)
        self._queries = import_module("pgqueuer.queries").Queries(drivers.AsyncpgPoolDriver(pool))
        await self._queries.install()
        self._queuer = import_module("pgqueuer").PgQueuer(
            drivers.AsyncpgDriver(await asyncpg.connect(servers.postgres))
        )

        async def noop(job: Any) -> None:
            ACCOUNT.sign(*json.loads(job.payload))

        self._queuer.entrypoint("noop")(noop)

    async def enqueue(self, number: int, sent_at: float) -> None:
        """Send one job."""
        await self._queries.enqueue("noop", json.dumps([number, sent_at]).encode())

    async def enqueue_many(self, items: Sequence[Item]) -> bool:
        """Send several."""
        payloads = [json.dumps(item).encode() for item in items]
        await self._queries.enqueue(["noop"] * len(items), payloads, [0] * len(items))
        return True

    async def start(self) -> None:
        """Run a worker."""
        running = self._queuer.qm.run(batch_size=self._batch_size, max_concurrent_tasks=2 * self._batch_size)
        self._task = asyncio.ensure_future(running)


class Chancy(_Peer):
    """chancy over psycopg, looking for more at once: by default it takes one batch per poll."""

    title = "chancy (eager_polling)"
    needs: tuple[str, ...] = ("chancy",)

    async def open(self, servers: Servers) -> None:
        """Connect, and make the tables."""
        library = import_module("chancy")

        self._noop = library.job(queue="default")(noop_of_chancy)
        globals()["noop_of_chancy"] = self._noop  # a worker finds the handler by its module and name
        self._chancy = library.Chancy(servers.postgres)
        await self._chancy.__aenter__()
        await self._chancy.migrate()
        executor = "chancy.executors.asyncex.AsyncExecutor"
        queue = library.Queue(
            "default", concurrency=CONCURRENCY, executor=executor, polling_interval=1, eager_polling=True
        )
        await self._chancy.declare(queue)

    def _job(self, item: Item) -> Any:
        return self._noop.job.with_kwargs(number=item[0], sent_at=item[1])

    async def enqueue(self, number: int, sent_at: float) -> None:
        """Send one job."""
        await self._chancy.push(self._job((number, sent_at)))

    async def enqueue_many(self, items: Sequence[Item]) -> bool:
        """Send several."""
        async for _ in self._chancy.push_many([self._job(item) for item in items]):
            pass
        return True

    async def start(self) -> None:
        """Run a worker."""
        await import_module("chancy").Worker(self._chancy, register_signal_handlers=False).__aenter__()


class Arq(_Peer):
    """arq, polling a hundred times a second: by default it polls twice."""

    title = "arq (poll_delay=0.01)"
    durability = "none: Redis in memory"
    needs: tuple[str, ...] = ("arq",)
    server = "redis"

    async def open(self, servers: Servers) -> None:
        """Connect."""
        url = urlsplit(str(servers.redis))
        self._settings = import_module("arq.connections").RedisSettings(port=url.port, database=1)
        self._pool = await import_module("arq").create_pool(self._settings)

    async def enqueue(self, number: int, sent_at: float) -> None:
        """Send one job."""
        await self._pool.enqueue_job("noop", number, sent_at)

    async def start(self) -> None:
        """Run a worker."""

        async def noop(_: Any, number: int, sent_at: float) -> None:
            ACCOUNT.sign(number, sent_at)

        arq = import_module("arq")
        worker = arq.Worker(
            [arq.func(noop, name="noop")],
            redis_settings=self._settings,
            max_jobs=CONCURRENCY,
            poll_delay=0.01,
            keep_result=0,
            handle_signals=False,
        )
        self._task = asyncio.ensure_future(worker.async_run())


class Streaq(_Peer):
    """streaq over a Redis stream."""

    title = "streaq"
    durability = "none: Redis in memory"
    needs: tuple[str, ...] = ("streaq",)
    server = "redis"

    def _made(self, servers: Servers) -> Any:
        worker = import_module("streaq").Worker(
            redis_url=servers.redis, concurrency=CONCURRENCY, handle_signals=False, queue_name="bench"
        )

        return worker, worker.task(ttl=0, silent=True, name="noop")(_noop)

    async def open(self, servers: Servers) -> None:
        """Connect."""
        self._client, self._noop = self._made(servers)
        self._worker, _ = self._made(servers)
        await self._client.__aenter__()

    async def enqueue(self, number: int, sent_at: float) -> None:
        """Send one job."""
        await self._noop.enqueue(number, sent_at)

    async def enqueue_many(self, items: Sequence[Item]) -> bool:
        """Send several."""
        await self._client.enqueue_many([self._noop.enqueue(*item) for item in items])
        return True

    async def start(self) -> None:
        """Run a worker."""
        self._task = asyncio.ensure_future(self._worker.run_async())


PEERS: Mapping[str, Callable[[], Contender]] = {
    "saq-pg": SaqPostgres,
    "procrastinate": Procrastinate,
    "pgqueuer": lambda: PgQueuer(CONCURRENCY),
    "pgqueuer-ten": lambda: PgQueuer(CONCURRENCY // 2),
    "chancy": Chancy,
    "saq-redis": SaqRedis,
    "arq": Arq,
    "streaq": Streaq,
}
