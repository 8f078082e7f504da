"""FM_016 is real: a clock that is an hour ahead ends leases that have just begun."""

import anyio
import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_016_clock_jump.scenario import broken, by_host, damaged, work
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_016"), driver).objections == ()


def test_the_order_is_invoiced_from_both_machines():
    run = faultloop.run(damaged, faults=["expire ntp-2 @ set_clock>sleep #2 woken"])
    assert [invoice.attempt for invoice in run.value.invoices] == [1, 2]


def test_the_clock_of_the_machine_that_has_the_order_may_jump():
    run = faultloop.run(broken, faults=["expire ntp-1 @ set_clock>sleep #2 woken"])
    assert (run.status, run.not_reached) == ("passed", ())


def test_behind_a_clock_that_was_set_back_an_hour_a_lease_lasts_an_hour_longer():
    async def taken_over_after() -> float:
        began = anyio.current_time()
        await work(lambda host: by_host(host) - (3600 if host.name == "2" else 0))
        return anyio.current_time() - began

    died = ["cancel worker-1 @ serve>sleep #1 parked"]
    assert faultloop.run(taken_over_after, faults=died).value > 3600
