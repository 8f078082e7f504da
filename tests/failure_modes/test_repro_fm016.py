"""FM_016 is real: a clock that is an hour ahead ends leases that have just begun."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_016_clock_jump.scenario import broken, damaged
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
