"""The guardrail of FM_023 holds: whoever wakes up late changes nothing."""

import anyio
import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_023_zombie_write.scenario import Price, Store, publish, publish_fenced, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_023"), driver).objections == ()


def test_the_sleeper_writes_nothing():
    async def guarded_work() -> list[int]:
        return [price.attempt for price in (await work(publish_fenced)).prices]

    assert faultloop.run(guarded_work, faults=["expire worker-1 @ ask>sleep #1 woken"]).value == [2]


def test_asking_before_the_write_is_no_guardrail():
    async def publish_if_asked(store: Store, price: Price) -> None:
        await anyio.sleep(0.1)  # is it still mine?
        if store.attempt == price.attempt:
            await publish(store, price)

    async def asking_work() -> list[int]:
        return [price.attempt for price in (await work(publish_if_asked)).prices]

    slow_write = "delay:20s worker-1 @ publish>sleep #1 parked"
    assert faultloop.run(asking_work, faults=[slow_write]).value == [2, 1]
