"""The damage of FM_016 can be repaired: one invoice stands."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_016_clock_jump.scenario import Invoice, Store, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_016"), driver).objections == ()


def test_the_invoice_of_the_last_owner_stands():
    async def repaired() -> list[int]:
        store = Store("done", attempt=2, invoices=[Invoice(2), Invoice(1)])
        await repair(store)
        return [invoice.attempt for invoice in store.invoices if not invoice.is_cancelled]

    assert faultloop.run(repaired).value == [2]
