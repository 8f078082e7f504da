"""What a user gets wrong is said in a sentence, where it was typed; and no handler ends the worker that it runs in."""

import math
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from aqueue import (
    BadArguments,
    BadOption,
    Breaker,
    Context,
    JobInfo,
    LeaseLost,
    MemoryStore,
    Queue,
    Rate,
    Reject,
    Retention,
    Retry,
    RetryBudget,
    Snooze,
    SqliteStore,
    StillBusy,
    Store,
    WriteRefused,
)
from aqueue.codec import encode_call
from aqueue.signature import inspect_handler

pytestmark = pytest.mark.anyio
ONCE = Retry(1)


async def ended(q: Queue, task: Any) -> JobInfo:
    """How a job of the task ends, in a worker that goes on afterwards."""

    @q.task
    async def next_one() -> str:
        return "served"

    async with q:
        job = await task.enqueue()
        await q.run_until_idle(limit=20)
        async with q.worker():
            assert await (await next_one.enqueue()).result(timeout=20) == "served"
        assert await q.check(grace=60) == ()
        info: JobInfo = await job.info()
        return info


@pytest.mark.parametrize("seconds", [math.inf, 1e16, math.nan, "60", None])
async def test_a_snooze_for_no_stretch_of_time_fails_its_job_and_the_worker_goes_on(
    make_store: Callable[[], Store], seconds: Any
):
    q = Queue(make_store(), random=Random(0))

    @q.task(retry=ONCE)
    async def later() -> None:
        raise Snooze(seconds)

    info = await ended(q, later)
    assert (info.state, info.dead_reason) == ("dead", "exhausted")
    assert info.error is not None
    assert info.error.startswith(f"BadOption: AQ003 seconds={seconds!r}")


async def test_a_handler_that_calls_exit_fails_and_does_not_end_the_worker():
    q = Queue(MemoryStore(), random=Random(0))

    @q.task(retry=Retry(2, base=0))
    async def leave() -> None:
        sys.exit("no such file")

    info = await ended(q, leave)
    assert (info.state, info.failures, info.error) == ("dead", 2, "SystemExit: no such file")


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Unspeakable(), "Unspeakable: (its text cannot be had: RuntimeError)"),
        (ValueError("a\0b\ud800"), "ValueError: a\\x00b\\ud800"),
        (Reject("a\0b\ud800"), "a\\x00b\\ud800"),
        (ValueError("x" * 2_000_000), "ValueError: " + "x" * 10_000 + "… (2000000 characters)"),
    ],
    ids=["no text", "no text that can be stored", "rejected", "megabytes"],
)
async def test_whatever_an_error_says_of_itself_its_job_ends_and_the_worker_goes_on(
    make_store: Callable[[], Store], error: Exception, told: str
):
    q = Queue(make_store(), random=Random(0))

    @q.task(retry=ONCE)
    async def work() -> None:
        raise error

    info = await ended(q, work)
    assert (info.state, info.attempt, info.error) == ("dead", 1, told)


async def test_a_context_says_that_its_handler_has_ended_whatever_it_is_asked_for(make_store: Callable[[], Store]):
    q = Queue(make_store(), random=Random(0))
    kept: list[Context] = []

    @q.task(retry=ONCE)
    async def work(ctx: Context) -> None:
        kept.append(ctx)

    async def write(ctx: Context) -> None:
        async with ctx.tx():
            raise AssertionError

    async def affect(ctx: Context) -> None:
        async with ctx.once("e"):
            raise AssertionError

    async def follow(ctx: Context) -> None:
        ctx.follow_up(work.job())

    async def beat(ctx: Context) -> None:
        await ctx.heartbeat()

    async with q, q.worker():
        await (await work.enqueue()).result(timeout=20)
        for ask in (write, affect, follow, beat):
            with pytest.raises(LeaseLost, match=r"AQ010 the handler of attempt 1 of job 1 has ended"):
                await ask(kept[0])


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_headers_that_are_no_text_are_refused_from_whomever_they_come():
    q = Queue("memory:")

    @q.task
    async def work() -> None: ...

    with pytest.raises(BadOption, match=r"AQ003 headers: .*surrogates"):
        work.options(headers={"tenant": "\ud800"})
    q.add_headers(lambda: {"tenant": 7})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    async with q:
        with pytest.raises(BadOption, match=r"AQ003 headers: Expected `str`"):
            await work.enqueue()


@pytest.mark.parametrize("key", [5, None, "a\0b", "\ud800"])
async def test_a_key_that_no_store_can_keep_is_refused_before_anything_is_asked(
    make_store: Callable[[], Store], key: Any
):
    q = Queue(make_store(), random=Random(0))

    @q.task(retry=ONCE)
    async def pay(ctx: Context) -> None:
        async with ctx.once(key):
            raise AssertionError

    info = await ended(q, pay)
    assert info.error is not None
    assert info.error.startswith("BadOption: AQ003 key=")
    assert "no text that can be stored" in info.error
    if key is not None:
        with pytest.raises(BadOption, match=r"key=.*no text that can be stored"):
            pay.options(key=key)
        with pytest.raises(BadOption, match=r"unique=.*no text that can be stored"):
            pay.options(unique=key)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (("INSERT INTO receipt VALUES(:id, :amount)", {"id": 1, "amount": 5}), "parameters that are a dict"),
        (("INSERT INTO receipt VALUES(?, ?)", "15"), "parameters that are a str"),
        (("INSERT INTO receipt VALUES(?, ?)", 5), "parameters that are a int"),
        ((None,), "it is a NoneType"),
    ],
    ids=["names", "text", "number", "nothing"],
)
async def test_what_cannot_be_bound_by_position_is_refused_and_not_taken_for_its_parts(
    tmp_path: Path, statement: tuple[Any, ...], told: str
):
    connection = sqlite3.connect(tmp_path / "app.db", isolation_level=None)
    connection.execute("CREATE TABLE receipt(id, amount)")
    q = Queue(SqliteStore(str(tmp_path / "app.db"), durability="process"), random=Random(0))

    @q.task(retry=ONCE)
    async def pay(ctx: Context) -> None:
        async with ctx.tx() as tx:
            tx.execute(*statement)

    info = await ended(q, pay)
    assert info.error is not None
    assert info.error.startswith("WriteRefused: AQ032")
    assert told in info.error
    assert connection.execute("SELECT * FROM receipt").fetchall() == []
    connection.close()


async def test_a_statement_that_comes_after_the_block_is_refused_and_not_forgotten():
    q = Queue(MemoryStore(), random=Random(0))
    heard: list[str] = []

    @q.task(retry=ONCE)
    async def pay(ctx: Context) -> None:
        async with ctx.tx() as tx:
            pass
        with pytest.raises(WriteRefused, match="its tx\\(\\) block has been left") as refused:
            tx.execute("INSERT INTO receipt VALUES(1)")
        heard.append(str(refused.value))

    assert (await ended(q, pay)).state == "succeeded"
    assert len(heard) == 1


async def test_jobs_that_are_not_described_are_refused_where_they_are_handed_over():
    q = Queue(MemoryStore(), random=Random(0))

    @q.task(retry=ONCE)
    async def first(ctx: Context) -> None:
        ctx.follow_up(first)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    info = await ended(q, first)
    assert info.error is not None
    assert info.error.startswith("BadArguments: AQ004 follow_up() was given <Task first>")
    async with q:
        with pytest.raises(BadArguments, match=r"enqueue_many\(\) was given <Task first>.*task\.job\(i\)"):
            await q.enqueue_many([first])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_an_option_typed_into_enqueue_is_answered_with_what_to_type_instead():
    q = Queue(MemoryStore())

    @q.task
    async def charge(order: int) -> None: ...

    @q.task
    async def keyed(order: int, *, key: str) -> str:
        return key

    async with q:
        with pytest.raises(BadArguments, match=r"AQ004.*'tx'.*charge\.options\(tx=\.\.\.\)\.enqueue"):
            await charge.enqueue(42, tx=object())  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        with pytest.raises(BadArguments, match=r"AQ004.*'amount'.*call enqueue as you would call the handler"):
            await charge.enqueue(42, amount=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        job = await keyed.enqueue(42, key="a parameter of the handler's own")
        await q.run_until_idle()
        assert await job.result() == "a parameter of the handler's own"


async def test_arguments_of_another_type_are_refused_where_they_are_enqueued():
    q = Queue(MemoryStore())

    @q.task
    async def charge(order: int, share: float = 1.0, *labels: str) -> None: ...

    async with q:
        mistakes: tuple[tuple[Any, ...], ...] = (("42",), (42, "half"), (42, 1.0, 7), ([],))
        for wrong in mistakes:
            with pytest.raises(
                BadArguments, match=r"AQ004 the arguments of task 'charge' do not fit: Expected `.*got `"
            ):
                await charge.enqueue(*wrong)
        with pytest.raises(BadArguments, match="Expected `float`"):
            charge.job(42, share="half")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        await charge.enqueue(42, 1)  # a whole number is a number
        assert (await q.counts())["pending"] == 1


VALUES: tuple[Any, ...] = (True, 1, 2**60, 1.5, "1", None, [1], {"a": 1})
HINTS: tuple[Any, ...] = (bool, int, float, str, None, int | None, float | str, list[int], dict[str, int], Any)


@pytest.mark.parametrize("hint", HINTS, ids=str)
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_is_certain_to_fit_does_and_the_rest_is_tried(hint: Any, value: Any):
    """What is not read back for its type is what would have been read back without an error."""

    async def handler(argument: Any) -> None: ...

    handler.__annotations__["argument"] = hint
    signature = inspect_handler(handler)
    is_plain = type(value) in (bool, int, float, str, type(None))
    is_certain = signature.check("handler", (value,), {})
    try:
        signature.check_types("handler", encode_call((value,), {}, task="handler"))
        fits = True
    except BadArguments:
        fits = False
    assert fits or not is_certain
    assert is_certain or not fits or not is_plain or hint not in HINTS[:7], "a plain argument that fits is not tried"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: Retry("5"), "attempts='5' is no number"),  # type: ignore[arg-type]
        (lambda: Retry(2.5), "attempts=2.5 is no whole number"),  # type: ignore[arg-type]
        (lambda: Retry(on="OSError"), "on='OSError'.*a type of Exception"),  # type: ignore[arg-type]
        (lambda: Retry(never=(KeyboardInterrupt,)), "never=.*a type of Exception"),  # type: ignore[arg-type]
        (lambda: Retry(backoff="fixed"), "backoff='fixed'.*'full-jitter'"),  # type: ignore[arg-type]
        (lambda: Rate(1, per=math.inf), "per=inf.*three thousand years"),
        (lambda: RetryBudget(percent=1.5), "percent=1.5 is no whole number"),  # type: ignore[arg-type]
        (lambda: Breaker("b", open_for=math.inf), "open_for=inf"),
        (lambda: Retention(dead=math.inf), "dead=inf"),
        (lambda: Queue("memory:", max_pending=1.5), "max_pending=1.5 is no whole number"),  # type: ignore[arg-type]
        (lambda: Queue("memory:").task(lease=math.inf), "lease=inf"),
    ],
    ids=[
        "text", "fraction", "name-of-a-type", "no-exception", "backoff", "rate", "budget", "breaker", "retention",
        "max-pending", "lease",
    ],
)  # fmt: skip
def test_numbers_and_types_that_mean_nothing_are_refused_where_they_are_written(wrong: Callable[[], Any], told: str):
    with pytest.raises(BadOption, match=f"AQ003 {told}"):
        wrong()


def test_the_backoff_there_is_can_be_named_and_one_type_of_error_needs_no_tuple():
    retry = Retry(3, backoff="full-jitter", base=1, cap=math.inf, on=OSError, never=FileNotFoundError)
    assert (retry.is_retryable(OSError()), retry.is_retryable(FileNotFoundError())) == (True, False)
    assert retry.delay_ms(60, Random(0)) < 10**15, "a cap of for ever is one that can be stored"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("seconds", [math.inf, 1e12])
async def test_a_delay_that_no_calendar_has_is_refused(seconds: float):
    q = Queue("memory:")

    @q.task
    async def work() -> None: ...

    with pytest.raises(BadOption, match=r"delay=.*three thousand years"):
        work.options(delay=seconds)
    with pytest.raises(BadOption, match=r"deadline=.*three thousand years"):
        work.options(deadline=seconds)


@pytest.mark.parametrize("scheduled", ["a function", "a text"])
def test_a_schedule_of_something_that_is_no_task_is_refused(scheduled: str):
    async def nightly() -> None: ...

    q = Queue("memory:")
    with pytest.raises(BadOption, match=r"AQ003 q\.cron\(\.\.\.\) was given .*make the function a task first"):
        q.cron("0 3 * * *")(nightly if scheduled == "a function" else scheduled)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


@pytest.mark.parametrize("wrong", [{"cron": None}, {"cron": 5}, {"tz": None}, {"name": 5}], ids=str)
def test_a_schedule_whose_words_are_no_texts_is_refused(wrong: dict[str, Any]):
    with pytest.raises(BadOption, match=r"AQ003 .*is no text"):
        Queue("memory:").cron(**({"cron": "* * * * *"} | wrong))


def test_a_queue_whose_last_loop_ended_while_somebody_waited_works_on_the_next(make_store: Callable[[], Store]):
    q = Queue(make_store(), random=Random(0))

    @q.task
    async def work(seconds: float) -> None:
        await anyio.sleep(seconds)

    async def gives_up() -> None:
        async with q:
            job = await work.enqueue(30)
            with pytest.raises(StillBusy):
                await q.run_until_idle(limit=0.05)
            await job.cancel()

    async def works() -> None:
        async with q:
            job = await work.enqueue(0)
            await q.run_until_idle(limit=20)
            await job.result()

    for backend in ("asyncio", "trio", "asyncio"):
        if backend == "asyncio":
            anyio.run(gives_up, backend=backend)
        anyio.run(works, backend=backend)
