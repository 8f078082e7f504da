"""The public API on both stores and both backends: what a user does, and what a user does wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from aqueue import (
    BadArguments,
    BadHandler,
    BadOption,
    BadUrl,
    Context,
    Job,
    JobCancelled,
    JobDead,
    LeaseLost,
    MemoryStore,
    Queue,
    QueueClosed,
    Reject,
    ResultInsideHandler,
    Retry,
    Store,
    UnknownJob,
)
from aqueue.store.questions import Inspect
from tests.aqueue.support import ManualClock

pytestmark = pytest.mark.anyio

AT_ONCE = Retry(3, base=0)


@pytest.fixture
def q(make_store: Callable[[], Store]) -> Queue:
    return Queue(make_store(), random=Random(0))


@dataclass
class Order:
    id: int
    tags: list[str]


async def test_a_job_runs_and_its_result_comes_back_typed(q: Queue):
    @q.task()
    async def ship(order: Order, *, fast: bool = False) -> Order:
        return Order(order.id + 1, [*order.tags, str(fast)])

    async with q, q.worker():
        job = await ship.enqueue(Order(1, ["a"]), fast=True)
        assert await job.result(timeout=30) == Order(2, ["a", "True"])
        assert [event.kind for event in (await job.info()).history] == ["enqueued", "claimed", "succeeded"]
        assert await q.check(grace=60) == ()


async def test_a_task_without_options_needs_no_parentheses(q: Queue):
    @q.task
    async def double(ctx: Context, number: int) -> int:
        return 2 * number * ctx.attempt

    assert double.name == "double"
    async with q, q.worker():
        job: Job[int] = await double.enqueue(number=21)
        assert await job.result(timeout=5) == 42


async def test_a_context_is_given_wherever_it_is_declared(q: Queue):
    @q.task()
    async def first(ctx: Context, add: int) -> int:
        return ctx.attempt + add

    @q.task()
    async def named(add: int, *, ctx: "Context") -> int:
        return ctx.job_id + add

    async with q:
        jobs = [await first.enqueue(10), await named.enqueue(20)]  # type: ignore[call-arg]
        await q.run_until_idle()
        assert [await job.result() for job in jobs] == [11, 22]


async def test_a_failing_job_is_tried_again_and_then_dead_and_redriven(q: Queue):
    calls: list[bool] = []

    @q.task(retry=AT_ONCE)
    async def flaky(ctx: Context) -> str:
        calls.append(ctx.last_attempt)
        if len(calls) <= 3:
            raise OSError("no")
        return "yes"

    async with q:
        job = await flaky.enqueue()
        await q.run_until_idle()
        with pytest.raises(JobDead, match=r"exhausted.*OSError: no"):
            await job.result()
        assert calls == [False, False, True]
        (dead,) = await q.dead()
        assert (dead.id, dead.dead_reason, dead.failures) == (job.id, "exhausted", 3)
        assert await job.redrive()
        assert not await job.redrive() or (await job.info()).redrives == 1
        await q.run_until_idle()
        assert await job.result() == "yes"
        assert (await job.info()).attempt == 4, "the fencing token never goes back"
        assert await q.check(grace=60) == ()


async def test_a_rejected_job_and_a_forbidden_error_are_dead_at_once(q: Queue):
    @q.task(retry=Retry(5, base=0, never=(ValueError,)))
    async def judge(how: str) -> None:
        raise Reject("not this one") if how == "reject" else ValueError("nor that one")

    async with q:
        jobs = await q.enqueue_many(judge.job(how) for how in ("reject", "raise"))
        await q.run_until_idle()
        infos = [await job.info() for job in jobs]
    assert [(info.dead_reason, info.attempt) for info in infos] == [("rejected", 1), ("not retryable", 1)]


async def test_enqueue_many_stores_all_or_none(q: Queue):
    @q.task()
    async def send(number: int) -> int:
        return number

    async with q:
        with pytest.raises(BadArguments):
            await q.enqueue_many(send.job(number) for number in (1, object()))  # type: ignore[arg-type]
        assert (await q.counts())["pending"] == 0
        jobs = await q.enqueue_many(send.job(number) for number in range(50))
        await q.run_until_idle(concurrency=8)
        assert [await job.result() for job in jobs] == list(range(50))
        assert await q.enqueue_many(()) == ()


async def test_jobs_of_a_key_run_one_at_a_time_and_in_order_through_retries(q: Queue):
    ran: list[int] = []

    @q.task(retry=AT_ONCE)
    async def step(ctx: Context, number: int) -> None:
        ran.append(number)
        if number == 0 and ctx.attempt < 3:
            raise OSError

    async with q:
        for number in range(4):
            await step.options(key="k").enqueue(number)
        await q.run_until_idle(concurrency=4)
        assert ran == [0, 0, 0, 1, 2, 3]
        assert await q.check() == ()


async def test_a_unique_key_is_free_again_once_its_job_has_ended(q: Queue):
    @q.task()
    async def once() -> None: ...

    async with q:
        first = await once.options(unique="u").enqueue()
        second = await once.options(unique="u").enqueue()
        assert (first.id, first.created, second.created) == (second.id, True, False)
        await q.run_until_idle()
        assert (await once.options(unique="u").enqueue()).created


async def test_higher_priority_runs_first(q: Queue):
    ran: list[str] = []

    @q.task()
    async def low() -> None:
        ran.append("low")

    @q.task(priority=5)
    async def high() -> None:
        ran.append("high")

    async with q:
        await low.enqueue()
        await high.enqueue()
        await low.options(priority=9).enqueue()
        await q.run_until_idle()
    assert ran == ["low", "high", "low"]


async def test_a_pending_job_can_be_cancelled_and_an_ended_one_stays_as_it_is(q: Queue):
    @q.task()
    async def work() -> None: ...

    async with q:
        job = await work.enqueue()
        assert await job.cancel() == "cancelled"
        assert await job.cancel() == "cancelled"
        await q.run_until_idle()
        with pytest.raises(JobCancelled):
            await job.result()
        assert not await job.redrive()


async def test_a_job_nobody_can_decode_is_buried_and_the_worker_goes_on(make_store: Callable[[], Store]):
    before, after = Queue(make_store()), Queue(make_store())

    @before.task(name="job")
    async def old(count: str) -> None: ...

    @after.task(name="job")
    async def new(count: int) -> int:
        return count

    async with before:
        bad = await old.enqueue("many")
    async with after:
        good = await new.enqueue(1)
        await after.run_until_idle()
        assert await good.result() == 1
        assert (await after.job(bad.id).info()).dead_reason == "undecodable"


async def test_a_result_that_is_no_json_is_buried_not_repeated(q: Queue):
    calls: list[int] = []

    @q.task(retry=AT_ONCE)
    async def odd() -> Any:
        calls.append(1)
        return object()

    async with q:
        job = await odd.enqueue()
        await q.run_until_idle()
        assert ((await job.info()).dead_reason, calls) == ("unserialisable result", [1])


async def test_waiting_for_a_job_of_the_same_queue_inside_a_handler_is_refused(q: Queue):
    @q.task()
    async def child() -> None: ...

    @q.task(retry=AT_ONCE)
    async def parent() -> None:
        await (await child.enqueue()).result()

    async with q:
        job = await parent.enqueue()
        await q.run_until_idle()
        assert ResultInsideHandler.code in ((await job.info()).error or "")


async def test_a_context_outlived_by_its_attempt_can_write_nothing(q: Queue):
    kept: list[Context] = []

    @q.task()
    async def keep(ctx: Context) -> None:
        kept.append(ctx)

    async with q:
        await keep.enqueue()
        await q.run_until_idle()
        with pytest.raises(LeaseLost, match="AQ010"):
            async with kept[0].once("late"):
                raise AssertionError("the effect must not be entered")


async def test_an_error_in_the_body_comes_out_as_itself(q: Queue):
    with pytest.raises(KeyError):
        async with q, q.worker():
            raise KeyError("mine")


async def test_a_queue_can_be_opened_again_and_finds_its_jobs(q: Queue):
    @q.task()
    async def work() -> int:
        return 1

    async with q:
        job = await work.enqueue()
    with pytest.raises(QueueClosed):
        await job.info()
    async with q:
        await q.run_until_idle()
        assert await job.result() == 1
        with pytest.raises(UnknownJob):
            await q.job(99).info()
        with pytest.raises(QueueClosed, match="open already"):
            await q.__aenter__()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    "url", ["", "sqlite://x.db", "sqlite:///", "sqlite:///:memory:", "redis://localhost", "memory"]
)
async def test_a_url_that_names_no_store_is_refused(url: str):
    with pytest.raises(BadUrl, match="AQ001"):
        Queue(url)


def test_a_name_in_the_place_of_the_function_is_told_to_be_a_keyword():
    q = Queue("memory:")
    with pytest.raises(BadHandler, match=r"@q\.task\(name='mail'\)"):
        q.task("mail")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def test_mistakes_are_refused_where_they_are_made():
    q = Queue("memory:")

    @q.task()
    async def work(number: int) -> None: ...

    def not_async() -> None: ...

    async def greedy(one: Context, two: Context) -> None: ...

    with pytest.raises(BadHandler, match="not an async function"):
        q.task()(not_async)  # type: ignore[arg-type]
    with pytest.raises(BadHandler, match="2 parameters of type Context"):
        q.task()(greedy)
    with pytest.raises(BadHandler, match="'work' is taken"):
        q.task(name="work")(greedy)
    with pytest.raises(BadArguments, match="missing a required argument"):
        work.job()  # type: ignore[call-arg]
    with pytest.raises(BadOption, match="delay"):
        work.options(delay=-1)
    with pytest.raises(BadOption, match="deadline"):
        work.options(deadline=0)
    with pytest.raises(BadOption, match="timeout"):
        q.task(timeout=0)
    with pytest.raises(BadOption, match="poll"):
        Queue("memory:", poll=0)
    with pytest.raises(BadOption, match="durability"):
        Queue("memory:", durability="none")  # type: ignore[arg-type]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_options_are_added_to_those_that_a_task_has():
    clock = ManualClock()
    q = Queue(MemoryStore(), clock=clock)
    found: list[dict[str, str]] = []

    @q.task(priority=1)
    async def work(ctx: Context) -> None:
        found.append(dict(ctx.headers))

    urgent = work.options(priority=9, deadline=60, headers={"a": "1", "b": "2"})
    both = urgent.options(unique="u", headers={"b": "3"})
    async with q:
        job = await both.enqueue()
        again = await both.options(priority=5).enqueue()
        assert (again.id, again.created) == (job.id, False), "unique stayed"
        plain = await both.options(unique=None, deadline=None, priority=None, headers=None).enqueue()
        rows = [(await q._hub.perform(Inspect(each.id))) for each in (job, plain, await work.enqueue())]
        jobs = [row.job for row in rows if row is not None]
        assert [(each.priority, each.deadline, each.unique_key) for each in jobs] == [
            (9, clock.now + 60_000, "u"), (1, None, None), (1, None, None)
        ]  # fmt: skip
        await q.run_until_idle()
        assert found == [{"a": "1", "b": "3"}, {}, {}]
    with pytest.raises(BadOption, match="headers"):
        work.options(headers=["x"])  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"lease": 0}, {"sweep": 0}, {"drain": -1}])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_worker_out_of_range_is_refused(wrong: dict[str, Any]):
    async with Queue("memory:") as q:
        with pytest.raises(BadOption, match=next(iter(wrong))):
            async with q.worker(**wrong):
                pass


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_url_opens_a_file(tmp_path: Path):
    async with Queue(f"sqlite:///{tmp_path}/jobs.db") as q:
        assert (await q.counts())["pending"] == 0
    assert (tmp_path / "jobs.db").exists()
