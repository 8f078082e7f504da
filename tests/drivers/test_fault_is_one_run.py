"""A fault found fast is the fault that is recorded: over generated programs, both speeds end alike for every trial.

The fast run strikes at step numbers, the traced one at an address; both give the same answers to questions of order.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import faultloop
from faultloop import Checks, Limits, Status
from faultloop.checks.standard import judge
from faultloop.deciders.calm import Calm
from faultloop.deciders.uniform import Uniform
from faultloop.drivers.asyncio.run import execute
from faultloop.drivers.settings import Settings
from faultloop.model.faults import Cancel, Delay, Expire, Fail, Fault, PlannedFault
from faultloop.model.trace import Order
from faultloop.search.conditions import Conditions
from faultloop.search.run import Observed, run_with
from faultloop.search.sweep import Scope, Trial, trials
from tests.support.length import times

# A task of anyio's that is cancelled before its first step leaves its inner coroutine unawaited.
pytestmark = pytest.mark.filterwarnings(
    "ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning"
)
PROPERTY = settings(max_examples=times(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
TRIALS_MAX = 60
KINDS: tuple[Fault, ...] = (
    Cancel(), Cancel("task"), Fail("OSError"), Expire(), Delay(1_500_000_000), Delay(1),
)  # fmt: skip
LIMITS = Limits(steps=20_000, virtual_seconds=1_000)
THINGS = (
    "yield", "nap", "lock", "put", "get", "set", "wait", "timeout", "wait_for", "shield", "group", "anyio_group",
    "move_on", "gather", "swallow", "finally", "cancel", "limiter", "stream", "thread",
)  # fmt: skip
programs = st.lists(
    st.lists(st.tuples(st.sampled_from(THINGS), st.integers(0, 1)), min_size=1, max_size=4), min_size=1, max_size=3
)
Program = list[list[tuple[str, int]]]
Scenario = Callable[[], Awaitable[None]]


@dataclass
class World:
    """What the tasks of a program share."""

    locks: list[asyncio.Lock] = field(default_factory=lambda: [asyncio.Lock(), asyncio.Lock()])
    queue: asyncio.Queue[int] = field(default_factory=lambda: asyncio.Queue(1))
    events: list[anyio.Event] = field(default_factory=lambda: [anyio.Event(), anyio.Event()])
    limiter: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))
    tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    async def run(self, script: list[tuple[str, int]]) -> None:
        for what, n in script:
            await getattr(self, f"do_{what}")(n)

    async def do_yield(self, n: int) -> None:
        await asyncio.sleep(0)

    async def do_nap(self, n: int) -> None:
        await asyncio.sleep(1 + n)

    async def do_lock(self, n: int) -> None:
        async with self.locks[n]:
            await asyncio.sleep(1)

    async def do_put(self, n: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                await self.queue.put(n)

    async def do_get(self, n: int) -> None:
        with anyio.move_on_after(2):
            await self.queue.get()

    async def do_set(self, n: int) -> None:
        self.events[n].set()

    async def do_wait(self, n: int) -> None:
        with anyio.move_on_after(4):
            await self.events[n].wait()

    async def do_timeout(self, n: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(1 + n):
                await asyncio.sleep(1.5)

    async def do_wait_for(self, n: int) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(1.5), 1 + n)

    async def do_shield(self, n: int) -> None:
        await asyncio.shield(asyncio.sleep(1))

    async def do_group(self, n: int) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.do_nap(n))
            group.create_task(self.do_lock(n))

    async def do_anyio_group(self, n: int) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self.do_nap, n)
            group.start_soon(self.do_lock, n)
            await anyio.sleep(0.5)

    async def do_move_on(self, n: int) -> None:
        with anyio.move_on_after(1 + n, shield=bool(n)):
            await anyio.sleep(1.5)

    async def do_gather(self, n: int) -> None:
        await asyncio.gather(asyncio.sleep(1), asyncio.sleep(0), return_exceptions=bool(n))

    async def do_swallow(self, n: int) -> None:
        try:
            await asyncio.sleep(1)
        except (asyncio.CancelledError, OSError):
            await asyncio.sleep(0)

    async def do_finally(self, n: int) -> None:
        try:
            await asyncio.sleep(1)
        finally:
            await asyncio.sleep(n)

    async def do_cancel(self, n: int) -> None:
        self.tasks[n % len(self.tasks)].cancel()
        await asyncio.sleep(0)

    async def do_limiter(self, n: int) -> None:
        async with self.limiter:
            await anyio.sleep(1)

    async def do_stream(self, n: int) -> None:
        send, receive = anyio.create_memory_object_stream[int](n)
        with send, receive:
            async with anyio.create_task_group() as group:
                group.start_soon(send.send, 1)
                await receive.receive()

    async def do_thread(self, n: int) -> None:
        await asyncio.to_thread(int, n)


def scenario_of(program: Program) -> Scenario:
    async def scenario() -> None:
        world = World()
        for script in program:
            world.tasks.append(asyncio.create_task(world.run(script)))
        await asyncio.wait(world.tasks)
        for task in world.tasks:
            task.cancelled() or task.exception()

    return scenario


def traced(scenario: Scenario, order: Order, seed: int | None, faults: tuple[PlannedFault, ...] = ()) -> Observed:
    decider = Calm() if seed is None else Uniform(seed)
    return run_with(scenario, decider, Conditions.of(limits=LIMITS), faults=faults, order=order, collect=not faults)


def fast(scenario: Scenario, order: Order, seed: int | None, *struck: Trial) -> tuple[Any, ...]:
    choose = None if seed is None else Uniform(seed).choose
    facts = execute(scenario, Settings(order, choose, limits=LIMITS), strikes=tuple(trial.strike for trial in struck))
    outcome = judge(facts, Checks(), tuple(trial.planned for trial in struck))
    return outcome.status, facts.now, facts.steps, facts.has_landed


def of_traced(observed: Observed) -> tuple[Any, ...]:
    facts = observed.facts
    return observed.run.status, facts.now, facts.steps, facts.has_landed


orders = st.sampled_from([("fifo", None), ("batch", 5), ("any", 5)])


@PROPERTY
@given(programs, orders)
def test_without_faults_both_speeds_are_one_run(program: Program, order: tuple[Order, int | None]):
    scenario = scenario_of(program)
    assert fast(scenario, *order) == of_traced(traced(scenario, *order))


@PROPERTY
@given(programs, orders, st.integers(0, 1_000))
def test_every_trial_of_a_sweep_ends_alike_at_both_speeds(
    program: Program, order: tuple[Order, int | None], first: int
):
    scenario = scenario_of(program)
    parent = traced(scenario, *order)
    known = list(trials(parent, Scope(KINDS), lambda why: None))
    every = max(len(known) // TRIALS_MAX, 1)
    for trial in islice(known, first % every, None, every):
        slow = traced(scenario, *order, (trial.planned,))
        assert fast(scenario, *order, trial) == of_traced(slow), str(trial.planned)


@PROPERTY
@given(programs, orders, st.integers(0, 1_000))
def test_a_traced_fault_replays_to_one_digest(program: Program, order: tuple[Order, int | None], first: int):
    scenario = scenario_of(program)
    known = list(trials(traced(scenario, *order), Scope(KINDS), lambda why: None))
    for trial in islice(known, first % max(len(known) // 8, 1), None, max(len(known) // 8, 1)):
        run = traced(scenario, *order, (trial.planned,)).run
        again = faultloop.replay(run.trace, scenario)
        assert again.same_digest, (str(trial.planned), str(again.divergence))


@pytest.mark.parametrize("thing", THINGS)
def test_each_thing_passes_alone_and_can_be_hit(thing: str):
    scenario = scenario_of([[(thing, 0)]])
    parent = traced(scenario, "fifo", None)
    assert parent.run.status is Status.PASSED, parent.run.trace.outcome
    assert list(trials(parent, Scope((Cancel(),), tasks="World.run*"), lambda why: None)) or thing in ("set", "put")
