"""Whether a scenario is deterministic, and which step says that it is not."""

import asyncio
from itertools import count

from faultloop import Limits, Status, diagnose

RUNS = count()


async def steady() -> None:
    await asyncio.gather(*(asyncio.sleep(n) for n in range(3)))


async def unsteady() -> None:
    """Sleeps longer each time it is run: state outside the scenario."""
    await asyncio.sleep(1)
    await asyncio.sleep(next(RUNS) + 1)


async def broken() -> None:
    await asyncio.sleep(1)
    raise OSError("no")


def test_a_steady_scenario_has_no_difference():
    diagnosis = diagnose(steady)
    assert diagnosis.deterministic
    assert diagnosis.difference is None
    assert diagnosis.run.status is Status.PASSED


def test_an_unsteady_scenario_is_answered_with_the_first_step_that_differs():
    diagnosis = diagnose(unsteady)
    assert not diagnosis.deterministic
    assert diagnosis.difference is not None
    assert diagnosis.difference.expected.startswith("step 3, 2.000 s: time moves")
    assert diagnosis.difference.got.startswith("step 3, 3.000 s: time moves")


def test_a_failing_scenario_may_well_be_deterministic():
    diagnosis = diagnose(broken)
    assert diagnosis.deterministic
    assert diagnosis.run.status is Status.CRASHED


def test_sets_of_objects_hashed_by_address_are_named():
    class Job:
        def __init__(self, number: int) -> None:
            self.number = number

    kept: list[object] = []

    async def by_address() -> None:
        jobs = {Job(n) for n in range(50)}
        kept.append(jobs)  # so that the second run's objects lie elsewhere
        for job in jobs:
            await asyncio.sleep(job.number)

    diagnosis = diagnose(by_address)
    assert not diagnosis.deterministic
    assert "time moves" in str(diagnosis.difference)


def test_limits_hold_for_a_diagnosis():
    async def endless() -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(1)

    assert diagnose(endless, limits=Limits(steps=500)).run.status is Status.OVER_LIMIT
