"""The guardrail of FM_006 holds: what belongs together is written together."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_006_partial_write.scenario import Connection, assert_holds, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_006"), driver).objections == ()


def test_to_acknowledge_first_loses_the_job_instead():
    async def ack_and_copy(connection: Connection, job: int) -> None:
        await connection.ack(job)
        await connection.delay(job)

    async def half_guarded() -> None:
        assert_holds(await work(ack_and_copy))

    run = faultloop.run(half_guarded, faults=["cancel worker-1 @ Connection.delay>sleep #1 parked"])
    assert str(run.exception) == "every job is in exactly one place: job 1 is in none"
