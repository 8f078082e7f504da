"""The guardrail of FM_025 holds: the loop is free, and the heartbeat goes on."""

import anyio
import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_025_heartbeat_starvation.scenario import Store, lay_out_in_thread, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_025"), driver).objections == ()


def store_after_all_pages() -> Store:
    async def guarded_work() -> Store:
        return await work(lay_out_in_thread)

    left: Store = faultloop.run(guarded_work, faults=["expire worker-1 @ changed_pages>sleep #1 woken"]).value
    return left


def test_the_first_worker_prints_and_nobody_else():
    store = store_after_all_pages()
    assert (store.attempt, [catalogue.attempt for catalogue in store.printed]) == (1, [1])


@pytest.mark.parametrize(("pages_at_once", "attempts"), [(1, [1]), (8, [2, 1])])
def test_to_yield_helps_as_long_as_it_is_often_enough(pages_at_once: int, attempts: list[int]):
    async def lay_out_in_slices(loop: anyio.Lock, pages: int) -> None:
        while pages > 0:
            async with loop:
                await anyio.sleep(min(pages, pages_at_once))
            pages -= pages_at_once

    async def yielding_work() -> list[int]:
        return [catalogue.attempt for catalogue in (await work(lay_out_in_slices)).printed]

    run = faultloop.run(yielding_work, faults=["expire worker-1 @ changed_pages>sleep #1 woken"])
    assert run.value == attempts
