"""Runs under a decider that looks: it sees which tasks are ready and where each goes on from, and what a step touched.

Slower than a fast run, faster than a traced one: no names, no events.
"""

from __future__ import annotations

import functools
from typing import Any, cast

from faultloop.deciders.calm import Calm
from faultloop.drivers import anyio_footprints
from faultloop.drivers.asyncio import footprints as asyncio_footprints
from faultloop.drivers.asyncio.loop import Loop
from faultloop.drivers.asyncio.run import drive
from faultloop.drivers.facts import Guided
from faultloop.drivers.frames import ChainTable
from faultloop.drivers.looking import Guide, looking_order, ordinal_of
from faultloop.drivers.ready import Entry
from faultloop.drivers.settings import Scenario, Settings
from faultloop.drivers.touches import SEEN, record_touches
from faultloop.engine.choices import Answering, RecordedChoices


class GuidedLoop(Loop):
    """A loop that tells its guide of every task made, and whose futures touch."""

    guide: Guide

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        cast(Any, self).create_future = functools.partial(
            asyncio_footprints.WatchedFuture, loop=self
        )  # reports its touches

    def create_task(self, coro: Any, *, name: object = None, context: Any = None, **extra: Any) -> Any:
        """A task of ours, made known to the guide."""
        task = super().create_task(coro, name=name, context=context, **extra)
        self.guide.made(getattr(task, "ordinal", 0))
        return task


class _Watcher:
    """Tells the guide what each step did."""

    def __init__(self, loop: Loop, guide: Guide, sites: ChainTable, touched: list[tuple[int, bool]]) -> None:
        self.next_stop = 0
        self.steps: list[tuple[int, int]] = []
        self._ran = guide.ran
        self._site_of = sites.number
        self._at: dict[int, int] = {}
        self._touched = touched
        loop.watcher = self

    def look(self, guide: Guide, entries: list[Entry]) -> int:
        tasks = [ordinal_of(entry) for entry in entries]
        at = self._at
        return guide.pick(tasks, [at.get(task, 0) for task in tasks])

    def before_step(self, task: Any, argument: Any, entry: Entry) -> Any:
        """Nothing is delivered here."""
        self._touched.clear()
        SEEN.clear()
        return argument

    def after_step(self, task: Any) -> None:
        """Tell the guide, and note where the task waits now."""
        ordinal = getattr(task, "ordinal", 0)
        at = self._at
        site = at.get(ordinal, 0)
        self.steps.append((ordinal, site))
        self._ran(ordinal, site, self._touched)
        if not task.done():
            at[ordinal] = self._site_of(task)

    def after_callback(self, runner: Any) -> None:
        """Callbacks are plumbing."""

    def time_moved(self) -> None:
        """Time is not the guide's business."""

    def checkpoint(self) -> None:
        """Nothing to keep within limits."""


def execute_guided(
    scenario: Scenario, settings: Settings, guide: Guide, *, sites: ChainTable, footprints: bool = False
) -> Guided:
    """Run a scenario with every question about the order of steps answered by a guide; any other by `settings.choose`.

    sites: shared by the runs of one exploration, so that numbers mean the same in all of them.
    footprints: whether the guide is told what steps touch.
    """
    touched: list[tuple[int, bool]] = []
    kept = RecordedChoices(Calm() if settings.choose is None else Answering(settings.choose))
    loop = GuidedLoop(choose=kept.choose, threads=settings.threads, limits=settings.limits, network=settings.network)
    loop.guide = guide
    watcher = _Watcher(loop, guide, sites, touched)
    loop.ordering = looking_order(
        settings.order, loop.queue, lambda entries: watcher.look(guide, entries), kept.keep, hold=settings.hold
    )
    if footprints:
        asyncio_footprints.install()
        anyio_footprints.install()
        record_touches(touched.append)
    try:
        facts = drive(loop, scenario, settings.around)
    finally:
        record_touches(None)
    return Guided(facts, kept.recorded(), tuple(watcher.steps))
