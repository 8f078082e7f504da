"""Schedules: nominal times on both sides of summer time, one job for each, and nothing missed in silence."""

from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqueue import BadArguments, BadOption, Crashed, LoopClock, MemoryStore, Queue, Store
from aqueue.cron import due, next_after, oldest_due
from aqueue.store.operations import Enqueue
from aqueue.store.schedules import DeclareSchedule, Fire
from tests.aqueue.support import ManualClock
from tests.aqueue.walk import SAFETY_ONLY, new_job

pytestmark = pytest.mark.anyio

BERLIN = "Europe/Berlin"


def at(text: str, tz: str = BERLIN, fold: int = 0) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz), fold=fold)
    return round(moment.timestamp() * 1000)


def local(ms: int, tz: str = BERLIN) -> str:
    return datetime.fromtimestamp(ms / 1000, tz=ZoneInfo(tz)).strftime("%d. %H:%M %z")


def between(cron: str, start: str, end: str) -> list[str]:
    return [local(ms) for ms in oldest_due(cron, BERLIN, at(start), at(end), 100)]


# Nominal times. In Berlin in 2026 the clocks go from 02:00 to 03:00 on March 29 and from 03:00 to 02:00 on October 25.


def test_a_fixed_hour_keeps_its_place_on_the_wall_when_the_offset_changes():
    assert between("0 12 * * *", "2026-03-28T13:00", "2026-03-30T13:00") == ["29. 12:00 +0200", "30. 12:00 +0200"]
    assert next_after("0 12 * * *", BERLIN, at("2026-03-28T12:00")) - at("2026-03-28T12:00") == 23 * 3_600_000


def test_a_fixed_hour_that_is_left_out_comes_right_after_the_gap_and_once():
    assert between("30 2 * * *", "2026-03-28T12:00", "2026-03-30T12:00") == ["29. 03:00 +0200", "30. 02:30 +0200"]


def test_a_fixed_hour_that_comes_twice_runs_once():
    assert between("30 2 * * *", "2026-10-24T12:00", "2026-10-26T12:00") == ["25. 02:30 +0200", "26. 02:30 +0100"]


def test_an_hourly_schedule_runs_in_each_real_hour():
    spring = between("0 * * * *", "2026-03-29T00:30", "2026-03-29T04:30")
    assert spring == ["29. 01:00 +0100", "29. 03:00 +0200", "29. 04:00 +0200"]
    autumn = between("0 * * * *", "2026-10-25T01:30", "2026-10-25T03:30")
    assert autumn == ["25. 02:00 +0200", "25. 02:00 +0100", "25. 03:00 +0100"]


@settings(deadline=None, max_examples=200)
@given(
    cron=st.sampled_from(["0 3 * * *", "30 2 * * *", "*/15 * * * *", "0 * * * *", "15 1,2,3 * * *", "0 0 * * 1"]),
    tz=st.sampled_from([BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]),
    start=st.integers(1_700_000_000_000, 1_830_000_000_000),
    hours=st.integers(0, 24 * 40),
    limit=st.integers(1, 30),
)
def test_the_last_due_times_are_the_end_of_all_due_times(cron: str, tz: str, start: int, hours: int, limit: int):
    """Looking from ever earlier starts finds the same times as walking there from the beginning."""
    now = start + hours * 3_600_000
    everything = oldest_due(cron, tz, start, now, 100_000)
    assert everything == sorted(set(everything))
    assert due(cron, tz, start, now, limit) == everything[-limit:]
    if everything:
        assert next_after(cron, tz, everything[-1] - 1) == everything[-1]


def test_a_year_that_nobody_looked_costs_a_moment():
    found = due("* * * * *", BERLIN, at("2025-01-01T00:00"), at("2026-01-01T00:00"), 100)
    assert (len(found), local(found[-1])) == (100, "01. 00:00 +0100")


@pytest.mark.parametrize(
    ("cron", "tz", "told"),
    [
        ("61 * * * *", "UTC", "Bad minute"),
        ("* *", "UTC", "Wrong number of fields"),
        ("0 0 30 2 *", "UTC", "Bad day-of-month"),
        ("0 0 * * *", "Europe/Nowhere", "is no time zone"),
        ("0 0 * * *", "../etc/passwd", "is no time zone"),
        ("0 0 * * *", "Europe", "is no time zone"),
    ],
    ids=["minute", "fields", "never", "unknown-zone", "path", "folder"],
)
def test_a_schedule_that_means_nothing_is_refused_where_it_is_made(cron: str, tz: str, told: str):
    with pytest.raises(BadOption, match=told):
        Queue("memory:").cron(cron, tz=tz)


# In the store.


@pytest.fixture
async def session(make_store: Callable[[], Store]) -> Any:
    clock = ManualClock(at("2026-05-01T00:00", "UTC"))
    async with make_store().open(clock=clock, random=Random(0)) as session:
        session.test_clock = clock  # type: ignore[attr-defined]
        yield session


MINUTE = 60_000


async def declare(session: Any, catchup: Any = "last", cron: str = "* * * * *", unique: str | None = None) -> None:
    template = new_job("", unique=unique)
    await session.perform(DeclareSchedule("s", cron, "UTC", catchup, template))


async def fire(session: Any, late: int) -> Any:
    session.test_clock.now += late
    fired = await session.perform(Fire(("s",)))
    assert await session.perform(SAFETY_ONLY) == ()
    return fired


async def test_each_nominal_time_makes_one_job_however_often_and_by_whom_it_is_asked(session: Any):
    await declare(session)
    assert (await fire(session, 0)).job_ids == ()
    assert (await fire(session, MINUTE)).job_ids == (1,)
    assert (await fire(session, 0)).job_ids == ()
    session.test_clock.now -= 30_000  # a clock that goes back fires nothing again
    assert (await fire(session, 0)).job_ids == ()
    assert (await fire(session, 45_000)).job_ids == ()
    fired = await fire(session, 45_000)
    assert (fired.job_ids, fired.wait_ms) == ((2,), MINUTE)


async def test_what_was_missed_is_made_up_for_as_the_schedule_says_and_written_down(session: Any):
    for name, jobs, missed in (("last", 1, 4), ("all", 5, 0), ("none", 1, 4)):
        await declare(session, name)
        fired = await fire(session, 5 * MINUTE)
        assert (len(fired.job_ids), fired.missed) == (jobs, missed), name


async def test_none_runs_nothing_that_is_late_and_last_does(session: Any):
    await declare(session, "none", cron="0 * * * *")
    assert (await fire(session, 62 * MINUTE)).job_ids == ()
    await declare(session, "last", cron="0 * * * *")
    assert len((await fire(session, 60 * MINUTE)).job_ids) == 1


async def test_a_long_past_is_made_up_for_in_portions(session: Any):
    await declare(session, "all")
    first = await fire(session, 250 * MINUTE)
    assert (len(first.job_ids), first.wait_ms) == (100, 0)
    assert len((await fire(session, 0)).job_ids) == 100
    last = await fire(session, 0)
    assert (len(last.job_ids), last.wait_ms) == (50, MINUTE)


async def test_a_time_whose_job_is_a_live_twin_is_missed(session: Any):
    await declare(session, unique="u")
    await session.perform(Enqueue((new_job("x", unique="u"),)))
    assert (await fire(session, MINUTE)).job_ids == ()


async def test_a_schedule_whose_times_change_begins_anew_and_one_declared_again_goes_on(session: Any):
    await declare(session, cron="0 12 * * *")
    session.test_clock.now += 3600_000
    template = new_job("")
    same = await session.perform(DeclareSchedule("s", "0 12 * * *", "UTC", "all", template))
    assert same == at("2026-05-01T12:00", "UTC")
    other = await session.perform(DeclareSchedule("s", "0 6 * * *", "UTC", "all", template))
    assert other == at("2026-05-01T06:00", "UTC")


# With workers.


async def test_two_workers_fire_each_time_once_and_a_stopped_night_is_reported(make_store: Callable[[], Store]):
    def make(seed: int) -> tuple[Queue, list[int]]:
        q, ran = Queue(make_store(), random=Random(seed)), list[int]()

        @q.cron("0 3 * * *", tz=BERLIN, catchup="last", name="nightly")
        @q.task()
        async def nightly() -> None:
            ran.append(1)

        return q, ran

    (a, ran_a), (b, ran_b) = make(1), make(2)
    async with a.testing() as first, b.testing() as second:
        for _ in range(3):
            await first.advance(86_400)
            await second.advance(86_400)
        assert len(ran_a) + len(ran_b) == 3
        assert await a.missed() == ()
        (schedule,) = await a.schedules()
        assert schedule.next_at > 0
        assert await b.unschedule("nightly")
        assert not await b.unschedule("nightly")


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_worker_fires_by_itself_and_a_schedule_can_bring_arguments():
    import trio.testing

    async def main() -> None:
        q = Queue(MemoryStore(), clock=LoopClock(epoch_ms=at("2026-05-01T00:00", "UTC")), random=Random(0))
        ran: list[str] = []

        @q.task()
        async def report(name: str) -> None:
            ran.append(name)

        q.cron("*/5 * * * *", name="five")(report.job("five"))
        q.cron("0 * * * *", name="hour")(report.job("hour"))
        async with q, q.worker():
            await anyio.sleep(3601)
            assert await q.check(grace=60) == ()
        assert (ran.count("five"), ran.count("hour")) == (12, 1)

    # A loop of its own in virtual time, in this thread's place.
    await anyio.to_thread.run_sync(lambda: trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)))


async def test_a_crash_at_the_clock_fires_nothing_twice(make_store: Callable[[], Store]):
    q, ran = Queue(make_store(), random=Random(0)), list[int]()

    @q.cron("* * * * *", catchup="all")
    @q.task()
    async def minutely() -> None:
        ran.append(1)

    async with q.testing() as t:
        await t.advance(180)
        t.crash_at("cron.txn")
        with pytest.raises(Crashed, match=r"cron\.txn"):
            await t.advance(60)  # at its very beginning, so the clock has not moved
        await t.advance(60)
        assert len(ran) == 4
        assert await q.check() == ()


def test_a_schedule_needs_a_name_of_its_own_and_a_task_without_arguments():
    q = Queue("memory:")

    @q.task()
    async def work() -> None: ...

    @q.task()
    async def greedy(number: int) -> None: ...

    q.cron("* * * * *")(work)
    with pytest.raises(BadOption, match="'work' is taken"):
        q.cron("* * * * *")(work)
    with pytest.raises(BadArguments):
        q.cron("* * * * *")(greedy)  # type: ignore[arg-type]
    with pytest.raises(BadOption, match="catchup"):
        q.cron("* * * * *", catchup="some")  # type: ignore[arg-type]


async def test_a_schedule_that_comes_while_a_worker_runs_is_refused(make_store: Callable[[], Store]):
    q = Queue(make_store())

    @q.task()
    async def work() -> None: ...

    async with q, q.worker():
        while not q._hub.workers:
            await anyio.lowlevel.checkpoint()
        with pytest.raises(BadOption, match="while a worker runs"):
            q.cron("* * * * *")(work)
