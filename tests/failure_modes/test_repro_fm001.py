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


def test_a_lost_reply_charges_the_order_twice():
    run = faultloop.run(broken, faults=[LOST_REPLY])
    assert run.status == "violated"
    assert str(run.exception) == "every order is charged exactly once: order 41 is charged 2 times"


def test_it_fails_the_same_way_every_time():
    digests = {faultloop.run(broken, faults=[LOST_REPLY]).trace.digest for _ in range(5)}
    assert len(digests) == 1


def test_exploring_the_handlers_finds_nothing_but_the_double_charge():
    found = faultloop.explore(broken, tasks="*.job*", strategy="sweep")
    assert found.status == "violated"
    assert {failure.kind for failure in found.failures} == {"violated"}
    assert all("is charged 2 times" in failure.message for failure in found.failures)


def test_a_fault_before_the_effect_is_harmless():
    run = faultloop.run(broken, faults=["cancel worker-1.job @ Bank.charge>sleep #1 parked"])
    assert run.not_reached == ()
    assert run.status == "passed"


def test_the_recorded_failure_replays():
    replayed = faultloop.replay(TRACE, broken)
    assert replayed.divergence is None
    assert replayed.same_digest
    assert replayed.run.status == "violated"
    assert replayed.run.trace.outcome.message == replayed.trace.outcome.message
