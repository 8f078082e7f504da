"""The guardrail of FM_027 holds: what is used up is parked."""

from random import Random

import pytest

import faultloop
from aqueue import Queue, Retry
from failure_modes.catalogue import find
from failure_modes.FM_027_redrive_loop.scenario import CLAIMS_MAX, REDRIVES_MAX, Row, redrive_bounded, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_027"), driver).objections == ()


def test_it_ends_after_as_many_claims_as_all_lives_have_tries():
    async def guarded_work() -> Row:
        return (await work(redrive_bounded)).rows[0]

    row = faultloop.run(guarded_work, faults=["expire shop @ publish>sleep #1 woken"]).value
    assert (row.state, row.claims, row.redrives) == ("parked", CLAIMS_MAX, REDRIVES_MAX)


def test_aqueue_refuses_the_redrive_above_the_bound_and_never_forgets_an_attempt():
    async def redriven_twice() -> tuple[list[bool], str, int]:
        q = Queue("memory:", random=Random(0))

        @q.task(retry=Retry(2, base=0, redrives=1))
        async def deliver() -> None:
            raise OSError("404")

        async with q.testing() as t:
            job = await deliver.enqueue()
            await t.drain()
            redriven = []
            for _ in range(2):
                redriven.append(await job.redrive())
                await t.drain()
            info = await job.info()
            return redriven, str(info.state), info.attempt

    assert faultloop.run(redriven_twice).value == ([True, False], "dead", 4)
