"""The stages of an exploration: which units are asked for, in which order, what they may spend, and what is claimed."""

import asyncio
from collections.abc import Callable, Iterable, Iterator

import pytest

from faultloop.deciders.learned import Learned, Saved
from faultloop.model.faults import Cancel
from faultloop.model.trace import Choices, Order
from faultloop.search.conditions import Conditions
from faultloop.search.ledger import Ledger
from faultloop.search.program import make_program
from faultloop.search.runner import Runner
from faultloop.search.stages import PART_MAX, PART_MIN, SATURATED_RUNS, Stages
from faultloop.search.sweep import Scope
from faultloop.search.units import (
    Commission,
    Drawing,
    Enumerating,
    Found,
    Guiding,
    Reaching,
    Report,
    Seconds,
    Singles,
    Unit,
    key_of,
    runs_at_most,
)

Answer = Callable[[Unit], Report]
FOUND = Found(1, (), "batch", Choices(), (("violated", ""),))


class Elsewhere:
    """Carries out units by a rule, and remembers them."""

    def __init__(self, answer: Answer, *, runs: int = 10_000) -> None:
        self.ledger = Ledger(runs, 0.0)
        self.units: list[Unit] = []
        self._answer = answer

    def carry_out(self, units: Iterable[Unit]) -> Iterator[tuple[Unit, Report]]:
        for unit in units:
            self.ledger.allow(unit)
            self.units.append(unit)
            yield unit, self._answer(unit)

    def stages(self, *, lanes: int = 1) -> Stages:
        return Stages(self.ledger, self.carry_out, seed=0, lanes=lanes)

    def kinds(self) -> list[str]:
        """The kinds of units asked for, in order, without repetition, with their level."""
        named = [f"{type(unit).__name__} {getattr(unit, 'order', '')}".strip() for unit in self.units]
        return list(dict.fromkeys(named))


def size(unit: Unit) -> int:
    return unit.stop - unit.start if isinstance(unit, Singles | Reaching) else getattr(unit, "count", 1)


def dull(unit: Unit) -> Report:
    """Nothing is found, every order drawn is like the last, and there are far too many to enumerate."""
    if isinstance(unit, Reaching):
        return Report(size(unit), reached=((),) * size(unit))
    ways = 10**6 if isinstance(unit, Enumerating) else 0
    return Report(size(unit), schedules=(1,), pairs=(1,), ways=ways)


def test_every_single_fault_is_asked_for_once_and_in_order():
    elsewhere = Elsewhere(dull)
    elsewhere.stages().singles(150, "cancel", "of the calm run")
    asked = [number for unit in elsewhere.units if isinstance(unit, Singles) for number in range(unit.start, unit.stop)]
    assert asked == list(range(150))
    assert elsewhere.ledger.exhausted == ["every single fault (cancel) at every await of the calm run"]


@pytest.mark.parametrize("cut", [True, False])
def test_a_unit_that_was_cut_short_claims_nothing_complete(cut: bool):
    elsewhere = Elsewhere(lambda unit: Report(size(unit), is_cut=cut and isinstance(unit, Singles) and unit.start > 0))
    elsewhere.stages().singles(150, "cancel", "of the calm run")
    assert bool(elsewhere.ledger.exhausted) is not cut


def test_a_wait_that_many_first_faults_lead_to_is_hit_after_the_first_of_them_only():
    cleanup, other = ("s/w", "w>close", 1), ("s/w", "w>close", 2)

    def answer(unit: Unit) -> Report:
        if isinstance(unit, Reaching):
            return Report(size(unit), reached=((), ((cleanup, 3),), ((cleanup, 3), (other, 2))))
        return Report(3)

    elsewhere = Elsewhere(answer)
    elsewhere.stages().pairs(3)
    assert [unit for unit in elsewhere.units if isinstance(unit, Seconds)] == [
        Seconds(1, (cleanup,), 3),
        Seconds(2, (other,), 2),
    ]
    assert elsewhere.ledger.exhausted == ["every second fault at an await that only a first fault led to"]


UNITS = (
    Singles(0, 40),
    Reaching(0, 8),
    Seconds(1, (("s/w", "w>close", 1),), 150),
    Enumerating("batch", (), 30),
    Drawing("batch", 7, 16, 2),
    Guiding("batch", "auto", 0, 0, 30),
)


@pytest.mark.parametrize("budget", range(1, 600, 13))
def test_units_that_are_under_way_together_never_spend_more_than_the_budget(budget: int):
    """Each takes all that it may, and none comes back before the others were given out."""
    ledger, given = Ledger(budget, 0.0), 0
    for unit in UNITS * 3:
        if not ledger.may_run():
            break
        runs, _ = ledger.allow(unit)
        given += min(runs, runs_at_most(unit))
    assert 0 < given <= budget


async def three_tasks_that_wait() -> None:
    begun = asyncio.Event()

    async def waits() -> None:
        try:
            await begun.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(1)
            await asyncio.sleep(1)
            raise

    tasks = [asyncio.create_task(waits()) for _ in range(3)]
    await asyncio.sleep(1)
    begun.set()
    await asyncio.gather(*tasks, return_exceptions=True)


def carried_out(unit: Unit) -> Report:
    program = make_program(three_tasks_that_wait, Conditions.of(), scope=Scope((Cancel(),)))
    return Runner(program).carry_out(Commission(unit, 10_000, None))


def test_an_order_drawn_with_faults_comes_to_no_more_runs_than_are_set_aside_for_it():
    unit = Drawing("batch", 7, 16, 2)
    assert unit.count < carried_out(unit).runs <= runs_at_most(unit)


def test_second_faults_come_to_as_many_runs_as_were_counted_when_their_waits_were_found():
    all_reached = carried_out(Reaching(0, 40)).reached
    first, reached = next((first, reached) for first, reached in enumerate(all_reached) if len(reached) > 1)
    unit = Seconds(first, tuple(wait for wait, _ in reached), sum(count for _, count in reached))
    assert carried_out(unit).runs == runs_at_most(unit) > len(reached)


def test_few_orders_are_enumerated_their_classes_counted_and_nothing_is_drawn():
    left = iter([(1,), (2,), None])

    def answer(unit: Unit) -> Report:
        if unit == Guiding("batch", "unseen", 0, 0, 3):
            return Report(2, classes=(5, 6))
        assert isinstance(unit, Enumerating)
        following = next(left)
        return Report(1, schedules=(id(following),), ways=3, following=following or (), is_exhausted=following is None)

    elsewhere = Elsewhere(answer)
    elsewhere.stages().orders(("batch",), None, "auto", draws_evenly=True)
    assert elsewhere.kinds() == ["Enumerating batch", "Guiding batch"]
    assert elsewhere.ledger.exhausted == ["every order at level batch: all 3"]
    assert (len(elsewhere.units), len(elsewhere.ledger.classes)) == (4, 2)


def test_many_orders_are_drawn_until_they_had_all_been_seen():
    elsewhere = Elsewhere(dull)
    elsewhere.stages().orders(("batch",), None, "auto", draws_evenly=True)
    assert elsewhere.kinds() == ["Enumerating batch", "Guiding batch", "Drawing batch"]
    assert elsewhere.ledger.exhausted == [
        f"orders at level batch, as far as drawing goes: the last {SATURATED_RUNS} had all been seen before"
    ]


@pytest.mark.parametrize("extra", ["any", None])
def test_level_any_comes_after_batch_has_nothing_new_and_only_if_nothing_was_found(extra: Order | None):
    elsewhere = Elsewhere(dull)
    elsewhere.stages().orders(("batch",), extra, "auto", with_faults=True, draws_evenly=True)
    levels = [getattr(unit, "order", "") for unit in elsewhere.units]
    assert ("any" in levels) is (extra is not None)
    assert levels[:4] == ["batch"] * 4

    def finds(unit: Unit) -> Report:
        return Report(size(unit), found=(FOUND,), schedules=(1,), pairs=(1,), ways=10**6)

    elsewhere = Elsewhere(finds)
    elsewhere.stages().orders(("batch",), extra, "auto", with_faults=True, draws_evenly=True)
    assert "any" not in [getattr(unit, "order", "") for unit in elsewhere.units]


def test_a_level_that_keeps_showing_something_new_is_not_left():
    fresh = iter(range(1, 10**6))
    elsewhere = Elsewhere(
        lambda unit: Report(size(unit), schedules=(next(fresh),), pairs=(next(fresh),), ways=10**6), runs=2_000
    )
    elsewhere.stages().orders(("batch",), "any", "auto", with_faults=True, draws_evenly=True)
    assert {getattr(unit, "order", "") for unit in elsewhere.units} == {"batch"}
    assert elsewhere.ledger.runs >= 2_000


def test_one_strategy_alone_draws_alone_and_says_when_it_is_over():
    over = iter([False, False, True])
    elsewhere = Elsewhere(lambda unit: Report(size(unit), schedules=(1,), is_exhausted=next(over)))
    elsewhere.stages().orders(("batch",), None, "dfs")
    assert [unit for unit in elsewhere.units if not isinstance(unit, Guiding)] == []
    assert elsewhere.ledger.exhausted == ["every order of steps that strategy dfs draws, at level batch"]


NOTHING_LEARNED = Learned().save(str)


def taught(steps: int) -> Saved:
    """Tables that say only how long runs are."""
    return {**NOTHING_LEARNED, "lengths": {**NOTHING_LEARNED["lengths"], "steps": [steps]}}


def test_what_the_lanes_learned_is_put_together_for_the_next_part_of_each():
    """Two lanes come back with runs of 3 and of 5 steps: from then on both know of runs of 5."""
    asked: list[Guiding] = []

    def answer(unit: Unit) -> Report:
        if isinstance(unit, Guiding):
            asked.append(unit)
            return Report(size(unit), pairs=(len(asked),), learned=taught(3 + 2 * unit.seed))
        return dull(unit)

    elsewhere = Elsewhere(answer, runs=300)
    elsewhere.stages(lanes=2).orders(("batch",), None, "auto", draws_evenly=True)
    assert [(unit.seed, unit.part, unit.learned) for unit in asked[:2]] == [(0, 0, None), (1, 0, None)]
    for unit in asked[2:4]:
        assert unit.learned is not None
        assert unit.learned["lengths"]["steps"] == [5]
        assert unit.saves


def test_parts_grow_as_a_level_goes_on():
    fresh = iter(range(1, 10**6))
    elsewhere = Elsewhere(
        lambda unit: Report(size(unit), schedules=(next(fresh),), pairs=(next(fresh),), ways=10**6), runs=3_000
    )
    elsewhere.stages().orders(("batch",), None, "auto", with_faults=True, draws_evenly=True)
    counts = [unit.count for unit in elsewhere.units if isinstance(unit, Guiding)]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (PART_MIN, PART_MAX)


def test_nothing_is_asked_for_when_the_budget_is_spent():
    elsewhere = Elsewhere(dull, runs=5)
    stages = elsewhere.stages()
    stages.singles(5, "cancel", "of the calm run")
    stages.pairs(5)
    stages.orders(("batch",), "any", "auto", with_faults=True, draws_evenly=True)
    assert elsewhere.kinds() == ["Singles"]


def test_the_key_of_a_unit_leaves_out_what_was_learned_before_it():
    one = Guiding("batch", "auto", 0, 3, PART_MIN, NOTHING_LEARNED)
    other = Guiding("batch", "auto", 0, 3, PART_MIN, None)
    assert key_of(one) == key_of(other)
    assert key_of(one) != key_of(Guiding("batch", "auto", 0, 4, PART_MIN))
    assert key_of(Drawing("any", 7, PART_MIN)) != key_of(Drawing("any", 8, PART_MIN))
