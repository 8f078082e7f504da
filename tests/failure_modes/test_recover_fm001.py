"""The damage of FM_001 can be repaired: once, twice, or interrupted half-way."""

from contextlib import suppress

import anyio
import pytest

import faultloop
from failure_modes.FM_001_retry_duplication.scenario import (
    Bank,
    assert_holds,
    duplicates,
    pay_and_hope,
    repair,
    work,
)

LOST_REPLY = "cancel worker-1.job @ Bank.charge>sleep #2 parked"


async def damaged() -> Bank:
    bank = Bank()
    await work(bank, pay_and_hope)
    return bank


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_leaves_damage_that_the_detection_sees(driver: str):
    bank = faultloop.run(damaged, faults=[LOST_REPLY], driver=driver).value
    assert duplicates(bank) == {41: 2}


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_often_it_runs(times: int, driver: str):
    async def repaired() -> Bank:
        bank = await damaged()
        for _ in range(times):
            await repair(bank)
        return bank

    run = faultloop.run(repaired, faults=[LOST_REPLY], driver=driver)
    run.raise_if_failed()
    assert_holds(run.value)
    assert [charge.order for charge in run.value.book if charge.is_refunded] == [41]


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_a_repair_stopped_at_any_await_is_finished_by_the_next(driver: str):
    async def stopped_and_repaired() -> None:
        bank = Bank()
        for order in (41, 41, 42, 42, 42):
            await bank.charge(order)
        with suppress(ExceptionGroup):
            async with anyio.create_task_group() as group:
                group.start_soon(repair, bank, name="first repair")
        await repair(bank)
        assert_holds(bank)

    kinds = ["cancel", "fail:ConnectionError"]
    found = faultloop.explore(stopped_and_repaired, tasks="first repair", faults=kinds, strategy="sweep", driver=driver)
    assert [failure.fault for failure in found.failures] == []
    assert found.tried >= 12


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_two_repairs_at_once_do_not_refund_too_much(driver: str):
    async def repaired_twice_at_once() -> None:
        bank = Bank()
        for order in (41, 41, 42, 42):
            await bank.charge(order)
        async with anyio.create_task_group() as group:
            group.start_soon(repair, bank)
            group.start_soon(repair, bank)
        assert_holds(bank)

    for seed in range(30):
        faultloop.run(repaired_twice_at_once, seed=seed, order="any", driver=driver).raise_if_failed()
