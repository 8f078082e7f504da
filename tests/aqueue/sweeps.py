"""Every await of a worker's life, in six scenes, with every kind of fault at it, also in pairs, on both drivers.

    python -m tests.aqueue.sweeps [--scenes try,cron] [--drivers asyncio,trio] [--depth 2]

A scene is one process, on a node, that takes part in one thing: a try, renewals, a shutdown, a redrive, a schedule, a
request to cancel. Faults fall on its awaits alone: a cancel, an error, a delay, a timeout that fires, the process's
crash, a pause longer than a lease. An error at an operation of the store is a reply that was lost. Then another process
ends what is left, and everything must have come to its end: no invariant broken, no job lost, no effect twice.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from random import Random
from typing import Any, Final, Literal, TypeVar, cast

import anyio

import faultloop
from aqueue import Clock, Context, Job, LoopClock, MemoryStore, Queue, Reject, Retry, Session, Store
from aqueue.store.base import Answer
from aqueue.store.operations import Operation
from aqueue.store.tables import Tables
from faultloop import world
from tests.aqueue.support import lost

R = TypeVar("R")
LEASE: Final = 3.0
POLL: Final = 2.0
TRAVEL: Final = 0.01
MIDNIGHT: Final = 1_777_593_600_000  # 2026-05-01, UTC
VICTIMS: Final = "node*"
FAULTS: Final = ("cancel", "expire", "delay:5s", "crash:1s", "pause:5s")
ERRORS: Final = ("fail:ConnectionError",)
LIVES: Final = 3
"""How often the process begins anew after an error, before it is given up."""


class Remote:
    """A store a network away: questions and answers travel, and are lost where an error falls on them."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    @asynccontextmanager
    async def open(self, *, clock: Clock, random: Random) -> AsyncIterator[Session]:
        async with self.inner.open(clock=clock, random=random) as session:
            yield RemoteSession(session)


class RemoteSession:
    """The session of a Remote."""

    def __init__(self, inner: Session) -> None:
        self.inner = inner

    async def perform(self, operation: Operation[R]) -> R:
        ((reply, error),) = await self.perform_all((operation,))
        if error is not None:
            raise error
        return cast("R", reply)

    async def perform_all(self, operations: Sequence[Operation[Any]]) -> list[Answer]:
        answers: list[Answer] = [(None, lost())] * len(operations)
        try:
            await ask(operations, self.inner)
            given = await self.inner.perform_all(operations)
            await travel(TRAVEL)
        except ConnectionError:
            return answers
        return given

    def post(self, operation: Operation[object]) -> None:
        self.inner.post(operation)


async def ask(operations: Sequence[Operation[Any]], session: Session) -> None:
    """The question travels. Cancelled here: it arrives (the contract of Session)."""
    try:
        await travel(TRAVEL)
    except ConnectionError:
        raise
    except BaseException:
        for operation in operations:
            session.post(operation)
        raise


async def travel(seconds: float) -> None:
    """Whatever can fail waits here: what goes inside of an event loop cannot."""
    await anyio.sleep(seconds)


@dataclass(eq=False)
class Outside:
    """What is outside of the processes, and outlives them: above all who receives the effects.

    is_careless: handlers perform their effects without a ledger.   firsts: performed by an attempt that took them for
    new.   repeated: performed again by one that knew of the doubt.   seeds: no two processes may have the same.
    clock: the wall clock of all processes.
    """

    is_careless: bool = False
    firsts: list[str] = field(default_factory=list[str])
    repeated: list[str] = field(default_factory=list[str])
    seeds: int = 0
    clock: LoopClock = field(default_factory=lambda: LoopClock(epoch_ms=MIDNIGHT + 58_000))


def make(store: Store, outside: Outside) -> tuple[Queue, dict[str, Any]]:
    """One process's view of the queue."""
    outside.seeds += 1
    q = Queue(store, clock=outside.clock, random=Random(outside.seeds), poll=POLL, retry_budget=None)

    async def perform(ctx: Context, key: str) -> None:
        if outside.is_careless:
            outside.firsts.append(key)
            await travel(0.1)
            return
        async with ctx.once(key) as effect:
            if effect.is_undecided:
                if effect.fresh:
                    outside.firsts.append(key)
                else:
                    outside.repeated.append(key)
                await travel(0.1)
                effect.result = key

    @q.task(retry=Retry(9, base=0.1, redrives=9))
    async def pay(ctx: Context, key: str) -> None:
        await perform(ctx, key)
        ctx.follow_up(note.job())

    @q.task(retry=Retry(9, base=0.1))
    async def fire(ctx: Context) -> None:
        await perform(ctx, f"fired{ctx.job_id}")
        ctx.follow_up(note.job())

    @q.task(retry=Retry(9, base=0.1))
    async def note() -> None: ...

    @q.task(retry=Retry(9, base=0.1))
    async def last(ctx: Context, key: str) -> None:
        await travel(2.5 * LEASE)
        await perform(ctx, key)

    @q.task(retry=Retry(9, base=0.1, redrives=9))
    async def doomed(ctx: Context, key: str) -> None:
        if ctx.attempt == 1:
            raise Reject("not yet")
        await perform(ctx, key)

    return q, {"pay": pay, "fire": fire, "last": last, "doomed": doomed}


@dataclass(frozen=True, slots=True)
class Scene:
    """jobs: what is enqueued before.   act: what the process does, once; it may be begun anew.

    states: how each of those jobs may end.   followed: jobs that they leave behind, when each of them has succeeded.
    """

    jobs: tuple[str, ...]
    act: Callable[[Queue, list[Job[Any]]], Awaitable[None]]
    states: tuple[str, ...] = ("succeeded",)
    has_schedule: bool = False


async def work_on(q: Queue, _: list[Job[Any]], *, seconds: float = 1.0, drain: float = 30.0) -> None:
    """Be a worker, for a while, and shut down."""
    async with q.worker(concurrency=2, lease=LEASE, sweep=LEASE, drain=drain, settle_timeout=2, name="node.worker"):
        await anyio.sleep(seconds)


async def redrive(q: Queue, jobs: list[Job[Any]]) -> None:
    """Send the dead round again, and work on them."""
    await work_on(q, jobs, seconds=0.5)
    await q.job(jobs[0].id).redrive()
    await work_on(q, jobs, seconds=0.5)


async def ask_to_cancel(q: Queue, jobs: list[Job[Any]]) -> None:
    """Cancel a running job."""
    async with q.worker(concurrency=2, lease=LEASE, sweep=LEASE, settle_timeout=2, name="node.worker"):
        await anyio.sleep(0.5)
        await q.job(jobs[0].id).cancel()
        await anyio.sleep(1)


SCENES: Final[dict[str, Scene]] = {
    "try": Scene(("pay", "pay"), work_on),
    "renew": Scene(("last",), partial(work_on, seconds=2.8 * LEASE)),
    "shutdown": Scene(("last", "pay"), partial(work_on, seconds=0.05, drain=1.0)),
    "redrive": Scene(("doomed",), redrive),
    "cron": Scene((), partial(work_on, seconds=4.0), has_schedule=True),
    "cancel": Scene(("last",), ask_to_cancel, ("succeeded", "cancelled")),
}


async def live(scene: Scene, store: Store, outside: Outside, jobs: list[Job[Any]]) -> None:
    """The process: it begins anew when something ends it."""
    for _ in range(LIVES):
        q, tasks = make(Remote(store), outside)
        if scene.has_schedule:
            q.cron("* * * * *", catchup="all", name="minutely")(tasks["fire"])
        try:
            async with q:
                await scene.act(q, jobs)
                return
        except Exception:
            await anyio.sleep(0.5)


async def play(scene: Scene, outside: Outside) -> None:
    """The scene, and what becomes of what it leaves behind."""
    store = MemoryStore()
    host, tasks = make(store, outside)
    async with host:
        jobs = [await tasks[name].enqueue(f"{name}{place}") for place, name in enumerate(scene.jobs)]
        node = world.node("node")
        node.start(live, scene, store, outside, jobs)
        with anyio.move_on_after(60):  # it may be down, or stand still
            await node.finished()
    await end(store, outside, scene, jobs)


async def end(store: Store, outside: Outside, scene: Scene, jobs: list[Job[Any]]) -> None:
    """Another process ends what is left, and looks."""
    q, tasks = make(store, outside)
    if scene.has_schedule:
        q.cron("* * * * *", catchup="all", name="minutely")(tasks["fire"])
    async with q:
        async with q.worker(lease=LEASE, sweep=LEASE, name="other"):
            await anyio.sleep(70 if scene.has_schedule else 0)  # whoever declared it, a minute passes, and a sweep
            await until_ended(q)
            for job in jobs:
                await q.job(job.id).redrive()
            await until_ended(q)
        counts = await q.counts()
        assert not counts["pending"], counts
        assert not counts["running"], counts
        assert not counts["dead"], [info.error for info in await q.dead()]
        broken = await q.check(grace=30)
        assert broken == (), broken
        states = [(await q.job(job.id).info()).state for job in jobs]
        assert all(state in scene.states for state in states), states
        if scene.has_schedule:
            await assert_fired(q, counts["succeeded"])
    assert len(outside.firsts) == len(set(outside.firsts)), f"taken for new twice: {outside.firsts}"
    if "cancelled" not in scene.states:
        expected = {f"{name}{place}" for place, name in enumerate(scene.jobs)}
        happened = {*outside.firsts, *outside.repeated}
        assert happened >= expected, f"{expected} succeeded, {happened} happened"


async def until_ended(q: Queue) -> None:
    """Wait until no job is live, a minute at the most."""
    for _ in range(30):
        counts = await q.counts()
        if not counts["pending"] and not counts["running"]:
            return
        await anyio.sleep(2)


@dataclass(frozen=True, slots=True)
class Fires:
    """Ask which minutes before a time have fired."""

    before: int

    def apply(self, tables: Tables, now: int) -> list[int]:
        return [at for at in range(MIDNIGHT, self.before, 60_000) if tables.has_fired("minutely", at)]


async def assert_fired(q: Queue, succeeded: int) -> None:
    """Each minute since the schedule was declared has one job, and that its note."""
    (schedule,) = await q.schedules()
    fired = await q._hub.perform(Fires(schedule.next_at))
    assert fired
    assert fired == list(range(fired[0], schedule.next_at, 60_000)), f"times are missing: {fired}"
    assert succeeded == 2 * len(fired), f"{len(fired)} times have passed, {succeeded} jobs and notes succeeded"


def sweep(
    name: str,
    kinds: str,
    *,
    driver: str = "asyncio",
    depth: Literal[1, 2] = 1,
    is_careless: bool = False,
    first: bool = False,
    runs: int = 1_000_000,
) -> faultloop.Exploration:
    """Every fault of these kinds at every await of the scene's process; depth 2: and every second one they lead to.

    kinds: "errors", at waits that can fail; "others", or some of them by name, at all waits.
    """

    async def scenario() -> None:
        await play(SCENES[name], Outside(is_careless))

    faults, where = (ERRORS, "travel>*") if kinds == "errors" else (FAULTS if kinds == "others" else (kinds,), "*")
    return faultloop.explore(
        scenario, driver=driver, faults=list(faults), tasks=VICTIMS, where=where, strategy="auto", order="fifo",
        depth=depth, runs=runs, first=first, limits=faultloop.Limits(wall_seconds=20),
    )  # fmt: skip


def main() -> None:
    """Sweep what is asked for, and print a line of figures for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", default=",".join(SCENES))
    parser.add_argument("--drivers", default="asyncio,trio")
    parser.add_argument("--kinds", default="errors,others")
    parser.add_argument("--depth", type=int, choices=(1, 2), default=2)
    parser.add_argument("--runs", type=int, default=1_000_000)
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    sys.stdout.write(
        "| scene | driver | faults | awaits | faults tried | runs | failures | CPU s |\n"
        "|---|---|---|---:|---:|---:|---:|---:|\n"
    )
    is_clean = True
    for name, driver, kinds in product(chosen.scenes.split(","), chosen.drivers.split(","), chosen.kinds.split(",")):
        begun = time.process_time()
        found = sweep(name, kinds, driver=driver, depth=chosen.depth, runs=chosen.runs)
        is_clean &= found.status == "passed"
        sys.stdout.write(
            f"| {name} | {driver} | {kinds} | {found.points} | {found.tried} | {found.runs} | {len(found.failures)} "
            f"| {time.process_time() - begun:.0f} |\n"
        )
        told = [f"{failure.fault}: {failure.message[:300]}" for failure in found.failures]
        told += [f"exhausted: {sentence}" for sentence in found.exhausted] or [f"not exhausted {found.reason}"]
        sys.stdout.write("".join(f"    {line}\n" for line in told))
        sys.stdout.flush()
    sys.exit(not is_clean)


if __name__ == "__main__":
    main()
