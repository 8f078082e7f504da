"""The guardrail of FM_001 holds: wherever the fault lands, every order is charged once."""

from pathlib import Path
from typing import Literal

import anyio
import pytest

import faultloop
from failure_modes.FM_001_retry_duplication import scenario
from failure_modes.FM_001_retry_duplication.scenario import Bank, assert_holds, guarded, pay_once, work

CHANCES = {
    "asyncio": {("cancel", "parked"), ("cancel", "woken"), ("cancel", "racing"), ("expire", "woken")},
    "trio": {("cancel", "parked"), ("expire", "parked")},
}
"""What can be done to the bank, by the driver: trio runs what is ready all at once, and no step comes between."""
TRACE = Path(scenario.__file__).with_name("trace.json")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_without_a_fault_the_guarded_variant_passes(backend: str):
    anyio.run(guarded, backend=backend)


def test_the_recorded_fault_does_no_harm_to_the_guarded_variant():
    fixed = faultloop.replay(TRACE, guarded, follow="faults")
    assert fixed.run.not_reached == ()
    assert fixed.run.status == "passed"


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def swept(request: pytest.FixtureRequest) -> faultloop.Exploration:
    """Every single fault at every await of the guarded variant."""
    return faultloop.explore(guarded, strategy="sweep", driver=request.param)


def test_no_single_fault_at_any_await_of_any_task_charges_twice(swept: faultloop.Exploration):
    found = swept
    assert [failure.fault for failure in found.failures] == []
    assert found.status == "passed"
    assert found.exhausted == ("every single fault (cancel, expire) at every await of the calm run",)
    assert found.tried > 200


def test_every_await_was_tried_with_every_fault_in_every_phase_that_it_can_have(swept: faultloop.Exploration):
    """Await coverage is 100 %: of the bank and the handler, and of all that the queue waits for meanwhile."""
    points = swept.coverage.points
    left_out = [(covered.point, covered.tried) for covered in points if covered.taken < covered.chances]
    assert left_out == []
    mine = [covered for covered in points if covered.point.file.endswith("FM_001_retry_duplication/scenario.py")]
    assert [covered.point.function for covered in mine] == ["Bank.charge", "Bank.charge"]
    assert {(kind, phase) for covered in mine for kind, phase, _ in covered.tried} == CHANCES[
        swept.calm.trace.env.driver
    ]


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_no_error_at_any_await_of_the_handler_charges_twice(driver: str):
    kinds = ["fail:ConnectionError", "delay:30s"]
    found = faultloop.explore(guarded, faults=kinds, tasks="*.job*", strategy="sweep", driver=driver)
    assert [failure.fault for failure in found.failures] == []
    assert found.tried > 20


def test_no_pair_of_faults_and_no_order_of_ready_tasks_charges_twice():
    found = faultloop.explore(guarded, tasks="*.job*", runs=500, seed=7)
    assert [failure.fault for failure in found.failures] == []
    assert found.runs == 500


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
@pytest.mark.parametrize("order", ["batch", "any"])
def test_no_order_of_ready_tasks_together_with_the_fault_charges_twice(order: Literal["batch", "any"], driver: str):
    faults = ["cancel worker-1.job @ Bank.charge>sleep #2 parked"]
    runs = [faultloop.run(guarded, faults=faults, seed=seed, order=order, driver=driver) for seed in range(40)]
    assert {run.status.value for run in runs} == {"passed"}
    assert len({run.trace.digest for run in runs}) > 1


def test_the_key_is_what_prevents_it():
    """The ledger alone is not enough: without the bank honouring the key, an ambiguous effect is performed again."""

    class ForgetfulBank(Bank):
        async def charge(self, order: int, *, key: str | None = None) -> str:
            return await super().charge(order)

    async def without_key() -> None:
        bank = ForgetfulBank()
        await work(bank, pay_once)
        assert_holds(bank)

    run = faultloop.run(without_key, faults=["cancel worker-1.job @ Bank.charge>sleep #2 parked"])
    assert run.status == "violated"
