"""The guardrail of FM_022 holds: within a budget the overload ends with the outage."""

import pytest

import faultloop
from aqueue import RetryBudget
from failure_modes.catalogue import FOLDER, find
from failure_modes.FM_022_metastable_overload.scenario import CAPACITY, RETRIES_PER_SECOND, Load, work
from failure_modes.FM_022_metastable_overload.storm import budget_for, storm
from failure_modes.FM_022_metastable_overload.table import POLICIES, Row, Size, rows, simulated
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_022"), driver).objections == ()


def test_as_soon_as_the_service_is_back_it_does_all_that_comes():
    async def guarded_work() -> Load:
        return await work(RETRIES_PER_SECOND)

    load = faultloop.run(guarded_work, faults=["expire watcher @ watch>sleep #1 woken"]).value
    assert max(load.calls) <= CAPACITY
    assert load.done[-20:] == load.calls[-20:]
    assert load.dead == 0


SPEC = (FOLDER / "FM_022_metastable_overload" / "spec.md").read_text(encoding="utf-8")
SMALL = Size(burst=100, fresh=6, capacity=10, outage=15, until=200)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("layers", [1, 3])
def test_within_a_budget_every_policy_recovers_with_the_outage(policy: str, layers: int):
    row = simulated(Row(policy, 0.2, layers), SMALL)
    assert row.recovers
    assert row.dead == 0
    assert row.done == row.came


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_in_the_spec_says_of_each_line_what_a_small_one_says():
    told = {cells(line)[0]: cells(line)[-1] for line in SPEC.splitlines() if line.startswith("| ")}
    for row in rows():
        name, *_, verdict = cells(simulated(row, SMALL).text(SMALL))
        assert told[name] == verdict


@pytest.fixture(scope="module")
def storms() -> tuple[Row, Row]:
    """What a storm makes of aqueue itself, its worker and its back-off: without its budget, and with it."""
    return storm(SMALL, None), storm(SMALL, budget_for(SMALL))


def test_the_real_queue_comes_to_what_the_model_says_without_its_budget_and_with_it(storms: tuple[Row, Row]):
    without, within = storms
    model = simulated(Row("full jitter", None, 1), SMALL)
    assert without.overloaded_until == model.overloaded_until == SMALL.until - 1
    assert without.done == pytest.approx(model.done, rel=0.1)
    assert without.calls == pytest.approx(model.calls, rel=0.1)
    assert without.dead > 0
    assert within.recovers
    assert (within.dead, within.done) == (0, within.came)


def test_the_budget_of_the_full_size_is_the_one_that_a_queue_has_by_default():
    assert budget_for(Size()) == RetryBudget()


def test_the_spec_says_of_the_real_queue_what_a_small_storm_says(storms: tuple[Row, Row]):
    told = {cells(line)[0]: cells(line)[-1] for line in SPEC.splitlines() if line.startswith("| aqueue")}
    shown = [cells(row.text(SMALL)) for row in storms]
    assert told == {name: verdict for name, *_, verdict in shown}
