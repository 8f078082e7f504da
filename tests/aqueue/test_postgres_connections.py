"""Connections to a PostgreSQL server: lost ones, those that cannot be had, and what is heard on them."""

from random import Random
from typing import Any

import anyio
import psycopg
import pytest

from aqueue import (
    BadUrl,
    Queue,
    Retry,
    StoreUnavailable,
)
from aqueue.store.base import Hint
from aqueue.store.operations import Enqueue
from aqueue.store.postgres import hints
from aqueue.store.postgres.hints import decoded
from aqueue.store.postgres.store import PostgresStore
from aqueue.store.questions import Census
from tests.aqueue.on_postgres import open_store, sql
from tests.aqueue.support import ManualClock
from tests.aqueue.walk import new_job

pytestmark = pytest.mark.anyio


async def test_a_lost_connection_is_heard_and_the_next_operation_has_a_new_one(schema_url: str):
    async with open_store(schema_url) as session:
        await session.perform(Enqueue((new_job("a"),)))
        killed = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name='aqueue' AND query<>''"
        assert sql(schema_url, killed)
        with pytest.raises(StoreUnavailable, match="AQ011"):
            await session.perform(Census())
        (enqueued,) = await session.perform(Enqueue((new_job("a"),)))
        assert (enqueued.job_id, (await session.perform(Census()))["pending"]) == (1, 1)


async def test_a_worker_goes_on_when_every_connection_is_cut(schema_url: str):
    q = Queue(schema_url, random=Random(0), poll=0.05)

    @q.task(retry=Retry(5, base=0))
    async def work(number: int) -> int:
        if number % 10 == 0:
            await anyio.to_thread.run_sync(
                sql,
                schema_url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name='aqueue'",
            )
        return number

    async with q, q.worker(concurrency=4):
        jobs = await q.enqueue_many(work.job(number) for number in range(30))
        assert [await job.result(timeout=60) for job in jobs] == list(range(30))
        assert await q.check() == ()


async def test_a_server_that_is_not_there_is_said_so():
    with pytest.raises(StoreUnavailable, match="AQ011"):
        async with PostgresStore("postgresql://127.0.0.1:1/none").open(clock=ManualClock(), random=Random(0)):
            pass


def test_a_url_that_libpq_does_not_understand_is_refused():
    with pytest.raises(BadUrl, match="AQ001"):
        Queue("postgresql://host:port/database?no_such_option=1")


@pytest.mark.parametrize(("durability", "expected"), [("power", "on"), ("process", "off")])
def test_durability_is_what_the_server_is_told(schema_url: str, durability: Any, expected: str):
    with PostgresStore(schema_url, durability=durability).connect() as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == (expected,)


async def test_work_and_results_are_heard_of_in_another_process_without_waiting_for_a_poll(schema_url: str):
    here, there = (Queue(schema_url, random=Random(seed), poll=1000) for seed in (1, 2))

    @there.task()
    async def work() -> int:
        return 7

    @here.task(name="work")
    async def elsewhere() -> int:
        raise AssertionError

    async with here, there, there.worker():
        for _ in range(3):
            assert await (await elsewhere.enqueue()).result(timeout=30) == 7


@pytest.mark.parametrize("payload", ["", "nonsense", "w- x y", "ww"])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_notification_that_is_not_ours_is_a_hint_at_most(payload: str):
    hint = decoded(payload)
    assert hint.settled is None or hint.settled == ()


async def test_a_server_that_cannot_be_heard_is_told_once_and_so_is_its_end(
    schema_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(hints, "_RECONNECT_SECONDS", 0)
    store, tries = PostgresStore(schema_url), list[int]()
    heard = anyio.Event()

    def connect() -> psycopg.Connection[Any]:
        tries.append(1)
        if len(tries) < 5:
            raise psycopg.OperationalError("nobody\nanswers")
        return store.connect()

    def hear(hint: Hint) -> None:
        assert hint == Hint(work=True, cancel=True, settled=None)
        heard.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hints.keep_listening, connect, hear, lambda: 0, Random(0))
        await heard.wait()
        tasks.cancel_scope.cancel()
    assert [record.getMessage() for record in caplog.records] == [
        "event='store.not_listening' error='nobody answers'",
        "event='store.listens_again' after='nobody answers'",
    ]
