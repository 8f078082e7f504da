"""The guardrail of FM_017 holds: a nominal time has its row."""

from itertools import pairwise
from random import Random

import anyio
import pytest

import faultloop
from aqueue import LoopClock, Queue
from failure_modes.catalogue import find
from failure_modes.FM_017_cron_double_fire.scenario import MINUTES, fire_once, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_017"), driver).objections == ()


@pytest.mark.parametrize("scheduler", [1, 2])
def test_however_late_one_of_them_is_each_minute_is_fired_once(scheduler: int):
    async def guarded_work() -> list[int]:
        return [job.minute for job in (await work(fire_once)).jobs]

    late = f"delay:50s scheduler-{scheduler} @ tick>sleep #1 parked"
    assert faultloop.run(guarded_work, faults=[late]).value == list(MINUTES)


@pytest.mark.parametrize("scheduler", [1, 2])
def test_the_death_of_one_scheduler_is_not_missed(scheduler: int):
    async def guarded_work() -> list[int]:
        return [job.minute for job in (await work(fire_once)).jobs]

    dies = f"cancel scheduler-{scheduler} @ tick>sleep #1 parked"
    assert faultloop.run(guarded_work, faults=[dies]).value == list(MINUTES)


def test_two_workers_of_aqueue_fire_each_minute_once_although_its_job_ends_at_once():
    async def three_minutes() -> list[float]:
        q = Queue("memory:", clock=LoopClock(), random=Random(1))
        fired: list[float] = []

        @q.task()
        async def collect() -> None:
            fired.append(anyio.current_time())

        q.cron("* * * * *")(collect)
        async with q, q.worker(), q.worker():
            await anyio.sleep(179)
        return fired

    fired = faultloop.run(three_minutes).value
    assert len(fired) == 3
    assert all(later - earlier == pytest.approx(60, abs=2) for earlier, later in pairwise(fired))
