"""Limits, breakers, budgets and isolation as a user meets them: tasks, workers, virtual time, both backends."""

from random import Random
from typing import Any

import anyio
import pytest

from aqueue import (
    BadOption,
    Breaker,
    Context,
    LoopClock,
    MemoryStore,
    Notice,
    Queue,
    QueueFull,
    Rate,
    Retry,
    RetryBudget,
)
from aqueue.policy import backoff_seconds
from aqueue.store.operations import Claim

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend(virtual: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return virtual


def make(store: MemoryStore | None = None, seed: int = 0, **options: Any) -> Queue:
    return Queue(store or MemoryStore(), clock=LoopClock(), random=Random(seed), **options)


class Gauge:
    """How many are inside at once, and when each came."""

    def __init__(self) -> None:
        self.now, self.most, self.came = 0, 0, list[float]()

    async def stay(self, seconds: float) -> None:
        self.came.append(anyio.current_time())
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await anyio.sleep(seconds)
        finally:
            self.now -= 1


async def test_a_concurrency_holds_over_two_processes_and_all_slots_are_used():
    store, gauge = MemoryStore(), Gauge()
    queues = [make(store, seed) for seed in (1, 2)]
    for q in queues:

        @q.task(concurrency=3, name="narrow")
        async def narrow() -> None:
            await gauge.stay(1)

    async with queues[0] as a, queues[1] as b:
        await a.enqueue_many(a._hub.tasks["narrow"].job() for _ in range(12))
        started = anyio.current_time()
        async with b.worker(concurrency=10):
            await a.run_until_idle(concurrency=10)
        assert gauge.most == 3
        # 12 jobs of 1 s by three at a time; a freed place may wait for the other process's next look (1 s, jittered).
        assert 4 <= anyio.current_time() - started < 10
        assert await a.check(grace=60) == ()


async def test_a_rate_holds_over_two_processes():
    store, gauge = MemoryStore(), Gauge()
    queues = [make(store, seed) for seed in (1, 2)]
    for q in queues:

        @q.task(rate=Rate(10, burst=2), name="rated")
        async def rated() -> None:
            await gauge.stay(0)

    async with queues[0] as a, queues[1] as b:
        await a.enqueue_many(a._hub.tasks["rated"].job() for _ in range(32))
        async with b.worker():
            await a.run_until_idle(concurrency=10)
        came = sorted(gauge.came)
        assert came[-1] - came[0] == pytest.approx(3, abs=0.2), "a burst of 2, then 30 at ten a second"
        for start in came:
            assert sum(start <= at < start + 1 - 1e-9 for at in came) <= 12


async def test_a_handler_that_enqueues_into_a_full_queue_hears_it_and_never_waits():
    q = make(max_pending=2)
    heard: list[str] = []

    @q.task()
    async def child() -> None: ...

    @q.task()
    async def parent() -> None:
        for _ in range(3):
            try:
                await child.enqueue()
            except QueueFull as error:
                heard.append(error.code)

    async with q:
        await parent.enqueue()
        started = anyio.current_time()
        await q.run_until_idle()
        assert heard == ["AQ009"]
        assert anyio.current_time() - started < 0.01
        assert (await q.counts())["succeeded"] == 3


async def test_a_paused_queue_and_a_paused_task_go_on_where_they_were():
    q, ran = make(), list[str]()

    @q.task()
    async def work(name: str) -> None:
        ran.append(name)

    @q.task()
    async def other() -> None:
        ran.append("other")

    async with q, q.worker():
        await work.pause()
        await work.enqueue("a")
        await other.enqueue()
        await anyio.sleep(10)
        assert ran == ["other"]
        await q.pause()
        await work.resume()
        await anyio.sleep(10)
        assert ran == ["other"]
        await q.resume()
        await anyio.sleep(0.01)
        assert ran == ["other", "a"]


async def test_a_breaker_stops_calls_while_the_partner_is_down_and_nobody_dies_of_it():
    q = make(retry_budget=None)
    calls: list[float] = []

    @q.task(retry=Retry(3, base=0), breaker=Breaker("partner", failures=2, open_for=10))
    async def call(_: int) -> None:
        calls.append(anyio.current_time())
        if calls[-1] - started < 35:
            raise ConnectionError

    async with q:
        jobs = await q.enqueue_many(call.job(number) for number in range(5))
        started = anyio.current_time()
        await q.run_until_idle(concurrency=4)
        down = [at - started for at in calls if at - started < 35]
        assert len(down) <= 4 + 3, "one round, then one probe each ten seconds"
        assert [round(at, -1) for at in down[-3:]] == [10, 20, 30]
        assert [(await job.info()).state for job in jobs] == ["succeeded"] * 5


async def test_after_an_outage_a_budget_keeps_retries_a_share_of_the_load():
    """FM_009, FM_022: all jobs fail at once; without the budget all are tried again at once."""

    async def most_calls_per_second(budget: RetryBudget | None) -> int:
        q, calls = make(retry_budget=budget), list[int]()

        @q.task(retry=Retry(20, base=0.5, cap=2))
        async def call(_: int) -> None:
            now = round(anyio.current_time() * 1000)
            calls.append(now)
            if now < outage_ends:
                raise ConnectionError

        async with q:
            outage_ends = round(anyio.current_time() * 1000) + 1500
            await q.enqueue_many(call.job(number) for number in range(300))
            await q.run_until_idle(concurrency=50)
            assert (await q.counts())["succeeded"] == 300, "what waits for the budget is not lost"
        first = calls[0]
        after = [at for at in calls[300:] if at > first]
        return max(sum(at <= other < at + 1000 for other in after) for at in after)

    assert await most_calls_per_second(None) > 200
    assert await most_calls_per_second(RetryBudget(percent=0, per_second=10, reserve=20)) <= 30


async def test_a_job_that_lost_its_lease_runs_alone_and_the_others_go_on_after_it():
    q, inside = make(), list[str]()
    together: list[list[str]] = []

    @q.task()
    async def work(name: str) -> None:
        inside.append(name)
        together.append(sorted(inside))
        await anyio.sleep(5)
        inside.remove(name)

    async with q:
        await work.enqueue("suspect")
        await q._hub.perform(Claim("a worker that dies", "nonce", 1, lease_ms=1000))
        await q.enqueue_many(work.job(name) for name in "abc")
        await anyio.sleep(2)
        async with q.worker(sweep=1) as worker:
            await anyio.sleep(3)
            assert (together[2:], worker.free_slots) == ([["a", "b", "c"]], 7)
            await anyio.sleep(3)
            assert (together[3:], worker.free_slots) == ([["suspect"]], 0)
            await work.enqueue("later")
            await anyio.sleep(3)
            assert together[4:] == []
            await anyio.sleep(2.5)
            assert (together[4:], worker.free_slots) == ([["later"]], 9)
        assert await q.check(grace=60) == ()


async def test_a_handler_that_goes_on_after_tx_has_no_lease_to_lose():
    q, ended, told = make(), list[int](), list[str]()

    class Ears:
        def notice(self, notice: Notice) -> None:
            told.append(notice.name)

    q.observe(Ears())

    @q.task()
    async def work(ctx: Context) -> None:
        async with ctx.tx() as tx:
            tx.result = 1
        await anyio.sleep(20)
        ended.append(1)

    async with q, q.worker(lease=3, sweep=1):
        job = await work.enqueue()
        await anyio.sleep(1)
        assert (await job.info()).state == "succeeded"
        await anyio.sleep(30)
        assert ended == [1]
    assert [name for name in told if not name.startswith("worker")] == ["enqueued", "claimed", "started", "settled"]


async def test_what_holds_jobs_back_can_be_read():
    q = make()

    @q.task(concurrency=3, rate="5/s", breaker=Breaker("partner", failures=1), retry=Retry(2, base=0))
    async def work(ctx: Context) -> None:
        if ctx.attempt == 1:
            raise OSError

    async with q:
        await q.pause()
        await work.enqueue()
        async with q.worker():
            await q.resume()
            await anyio.sleep(1)
            report = await q.flow()
    limits = {limit.scope: limit for limit in report.limits}
    assert set(limits) == {"queue", "retries", "task:work"}
    assert not limits["queue"].paused
    assert (limits["task:work"].max_running, limits["task:work"].burst, limits["task:work"].level) == (3, 5, 4000)
    assert [(breaker.name, breaker.state) for breaker in report.breakers] == [("partner", "open")]


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"rate": "fast"}, {"max_pending": 0}])
async def test_limits_out_of_range_are_refused_where_the_task_is_made(wrong: dict[str, Any]):
    with pytest.raises(BadOption, match=next(iter(wrong))):
        make().task(**wrong)
    with pytest.raises(BadOption, match="max_pending"):
        make(max_pending=0)
    with pytest.raises(BadOption, match="isolate_after"):
        async with make() as q, q.worker(isolate_after=0):
            pass


async def test_headers_travel_with_the_job_and_only_strings_do():
    q = make()
    q.add_headers(lambda: {"tenant": "one", "trace": "abc"})

    @q.task()
    async def work(ctx: Context) -> dict[str, str]:
        return dict(ctx.headers) | {"task": ctx.task}

    async with q:
        job = await work.options(headers={"tenant": "two"}).enqueue()
        await q.run_until_idle()
        assert await job.result() == {"tenant": "two", "trace": "abc", "task": "work"}
    with pytest.raises(BadOption, match="headers"):
        work.options(headers={"a": 1})  # type: ignore[dict-item]


def test_the_bound_of_a_backoff_is_what_the_policy_says():
    assert backoff_seconds(9, base=1, cap=2, random=Random(0)) <= 2
