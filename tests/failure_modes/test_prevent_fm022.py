"""The guardrail of FM_022 holds: within a budget the overload ends with the outage."""

from collections import Counter
from random import Random

import anyio
import pytest

import faultloop
from aqueue import LoopClock, Queue, Retry, RetryBudget
from failure_modes.catalogue import FOLDER, find
from failure_modes.FM_022_metastable_overload.scenario import CAPACITY, RETRIES_PER_SECOND, Load, work
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
    spec = (FOLDER / "FM_022_metastable_overload" / "spec.md").read_text(encoding="utf-8")
    told = {cells(line)[0]: cells(line)[-1] for line in spec.splitlines() if line.startswith("| ")}
    for row in rows():
        name, *_, verdict = cells(simulated(row, SMALL).text(SMALL))
        assert told[name] == verdict


async def calls_a_second(budget: RetryBudget | None) -> list[int]:
    """The real queue for forty seconds: 3 jobs a second, a service that bears 5 calls and is down for the first ten."""
    q = Queue("memory:", clock=LoopClock(), random=Random(1), retry_budget=budget)
    calls: Counter[int] = Counter()
    began = anyio.current_time()

    @q.task(retry=Retry(10, base=1, cap=8))
    async def call() -> None:
        second = int(anyio.current_time() - began)
        calls[second] += 1
        bears = 0 if second < 10 else 5 if calls[second - 1] <= 5 else 2
        if calls[second] > bears:
            raise OSError("503")

    async with q, q.worker(concurrency=50):
        for _ in range(40):
            await q.enqueue_many(call.job() for _ in range(3))
            await anyio.sleep(1)
    return [calls[second] for second in range(40)]


def test_the_real_queue_stays_overloaded_without_its_budget_and_does_not_with_it():
    async def both() -> tuple[list[int], list[int]]:
        return await calls_a_second(None), await calls_a_second(RetryBudget(percent=20, per_second=1, reserve=1))

    without, within = faultloop.run(both).value
    assert min(without[20:]) > 5
    assert max(within[12:]) <= 5
