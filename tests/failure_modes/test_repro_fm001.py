"""FM_001 is real: one lost reply, and an order is charged twice."""

from pathlib import Path

import anyio
import pytest

import faultloop
from failure_modes.FM_001_retry_duplication import scenario
from failure_modes.FM_001_retry_duplication.scenario import broken

TRACE = Path(scenario.__file__).with_name("trace.json")
LOST_REPLY = "cancel worker-1.job @ Bank.charge>sleep #2 parked"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_without_a_fault_the_broken_variant_passes(backend: str):
    anyio.run(broken, backend=backend)


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_a_lost_reply_charges_the_order_twice(driver: str):
    run = faultloop.run(broken, faults=[LOST_REPLY], driver=driver)
    assert run.status == "violated"
    assert str(run.exception) == "every order is charged exactly once: order 41 is charged 2 times"


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_it_fails_the_same_way_every_time(driver: str):
    digests = {faultloop.run(broken, faults=[LOST_REPLY], driver=driver).trace.digest for _ in range(5)}
    assert len(digests) == 1


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_exploring_the_handlers_finds_nothing_but_the_double_charge(driver: str):
    found = faultloop.explore(broken, tasks="*.job*", strategy="sweep", driver=driver)
    assert found.status == "violated"
    assert {failure.kind for failure in found.failures} == {"violated"}
    assert all("is charged 2 times" in failure.message for failure in found.failures)


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_a_fault_before_the_effect_is_harmless(driver: str):
    run = faultloop.run(broken, faults=["cancel worker-1.job @ Bank.charge>sleep #1 parked"], driver=driver)
    assert run.not_reached == ()
    assert run.status == "passed"


def test_the_recorded_failure_replays():
    replayed = faultloop.replay(TRACE, broken)
    assert replayed.divergence is None
    assert replayed.same_digest
    assert replayed.run.status == "violated"
    assert replayed.run.trace.outcome.message == replayed.trace.outcome.message
