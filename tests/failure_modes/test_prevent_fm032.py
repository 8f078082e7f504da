"""The guardrail of FM_032 holds: what is dead is in nobody's way."""

from random import Random

import pytest

import faultloop
from aqueue import Queue, Retry
from failure_modes.catalogue import find
from failure_modes.FM_032_unique_key_leak.scenario import Row, Store, by_job, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_032"), driver).objections == ()


@pytest.mark.parametrize("fault", ["cancel worker-1 @ run>sleep #1 parked", "expire worker-1 @ run>sleep #1 woken"])
def test_the_next_request_is_accepted_and_done(fault: str):
    async def guarded_work() -> list[str]:
        return [row.state for row in (await work(by_job)).rows]

    assert faultloop.run(guarded_work, faults=[fault]).value == ["dead", "done", "done"]


@pytest.mark.parametrize(
    ("state", "is_taken"), [("waiting", True), ("running", True), ("done", False), ("dead", False)]
)
def test_a_key_is_taken_as_long_as_its_job_lives(state: str, is_taken: bool):
    assert by_job(Store([Row("anna", state)]), "anna") is is_taken


def test_in_aqueue_a_dead_job_is_in_nobodys_way():
    async def made() -> list[bool]:
        q = Queue("memory:", random=Random(1))

        @q.task(retry=Retry(1))
        async def synchronise() -> None:
            raise OSError("no answer")

        async with q.testing() as t:
            first = await synchronise.options(unique="anna").enqueue()
            second = await synchronise.options(unique="anna").enqueue()
            await t.drain()
            third = await synchronise.options(unique="anna").enqueue()
        return [first.created, second.created, third.created]

    assert faultloop.run(made).value == [True, False, True]
