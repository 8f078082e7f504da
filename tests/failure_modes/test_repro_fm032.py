"""FM_032 is real: the job is dead, and its key is taken for good."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_032_unique_key_leak.scenario import damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_032"), driver).objections == ()


@pytest.mark.parametrize("fault", ["cancel worker-1 @ run>sleep #1 parked", "expire worker-1 @ run>sleep #1 woken"])
def test_each_later_request_is_refused(fault: str):
    store = faultloop.run(damaged, faults=[fault]).value
    assert [request.answer for request in store.requests] == ["enqueued", "refused", "refused"]
    assert ([row.state for row in store.rows], store.locks) == (["dead"], {"anna"})


def test_without_a_fault_each_request_is_done():
    store = faultloop.run(damaged).value
    assert [row.state for row in store.rows] == ["done"] * 3
