"""The same storm, lived through by aqueue itself in virtual time: its worker, its back-off, its retry budget.

    python -m failure_modes.FM_022_metastable_overload.storm

At a tenth of the size of `table.py`, in seconds. Another fraction can be named: 1 is the full size, and takes a minute
or two. Nothing is modelled here but the service, which answers what is asked of it in a second at the end of that
second: all of it up to its capacity; half of that, drawn by lot, when it is asked for more; nothing while it is down.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import anyio

import faultloop
from aqueue import LoopClock, Queue, Retry, RetryBudget
from failure_modes.FM_022_metastable_overload.table import BACKOFF_MAX_SECONDS, HEAD, TRIES, Row, Size

LIMITS = faultloop.Limits(steps=100_000_000, wall_seconds=3600, events=1000)


class Service:
    """What is called. calls: in each second.   done: how many were answered."""

    def __init__(self, size: Size) -> None:
        self.calls: Counter[int] = Counter()
        self.done = 0
        self._size = size
        self._chance = Random(1)
        self._served: dict[int, set[int]] = {}
        self._began = anyio.current_time()

    async def call(self) -> None:
        """Ask, and wait for the answer. Raises OSError when there is none."""
        now = anyio.current_time() - self._began
        second = int(now)
        number = self.calls[second]
        self.calls[second] += 1
        await anyio.sleep(second + 1 - now)
        if second not in self._served:
            asked = self.calls[second]
            self._served[second] = set(self._chance.sample(range(asked), min(asked, self._bears(second))))
        if number not in self._served[second]:
            raise OSError("503")
        self.done += 1

    def _bears(self, second: int) -> int:
        if second < self._size.outage:
            return 0
        is_crowded = self.calls[second] > self._size.capacity
        return self._size.capacity // 2 if is_crowded else self._size.capacity


def budget_for(size: Size) -> RetryBudget:
    """The queue's default budget, in proportion to what the service bears, for which it stands at a hundred."""
    usual, share = RetryBudget(), size.capacity / 100
    return RetryBudget(
        usual.percent,
        per_second=max(1, round(usual.per_second * share)),
        reserve=max(1, round(usual.reserve * share)),
    )


async def lived(size: Size, budget: RetryBudget | None) -> Row:
    """Live through it, with or without a budget."""
    queue = Queue("memory:", clock=LoopClock(), random=Random(1), retry_budget=budget)
    service = Service(size)

    @queue.task(retry=Retry(TRIES, base=2, cap=BACKOFF_MAX_SECONDS))
    async def call() -> None:
        await service.call()

    # A slot for everything that can be due at once: what throttles here is the budget and nothing else.
    slots = size.burst + size.fresh * (size.outage + BACKOFF_MAX_SECONDS)
    async with queue:
        async with queue.worker(concurrency=slots):
            await queue.enqueue_many(call.job() for _ in range(size.burst))
            for _ in range(size.until):
                await queue.enqueue_many(call.job() for _ in range(size.fresh))
                await anyio.sleep(1)
        dead = (await queue.counts())["dead"]
    overloaded = [at for at in range(size.outage, size.until) if service.calls[at] > size.capacity]
    return Row(
        "aqueue, full jitter",
        None if budget is None else budget.percent / 100,
        1,
        peak=max(service.calls.values()),
        calls=service.calls.total(),
        done=service.done,
        dead=dead,
        came=size.burst + size.until * size.fresh,
        overloaded_until=max(overloaded, default=None),
    )


def storm(size: Size, budget: RetryBudget | None) -> Row:
    """The same as a run of faultloop, so that fifteen minutes take seconds and are the same each time."""

    async def scenario() -> Row:
        return await lived(size, budget)

    run = faultloop.run(scenario, limits=LIMITS)
    run.raise_if_failed()
    row: Row = run.value
    return row


def rows(size: Size) -> Iterator[Row]:
    """Without a budget, and with the queue's own."""
    yield storm(size, None)
    yield storm(size, budget_for(size))


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="storm", description="A storm of retries, lived through by aqueue itself.")
    parser.add_argument("scale", nargs="?", type=_scale, default=0.1, help="of the size of table.py, 0.05 to 1 (0.1)")
    scale = parser.parse_args(arguments).scale
    whole = Size()
    size = replace(
        whole,
        burst=round(whole.burst * scale),
        fresh=round(whole.fresh * scale),
        capacity=round(whole.capacity * scale),
    )
    logging.disable(logging.CRITICAL)  # a line for each of some ten thousand failures
    sys.stdout.write(f"{HEAD}\n")
    for row in rows(size):
        sys.stdout.write(f"{row.text(size)}\n")
        sys.stdout.flush()


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0
    if not 0.05 <= scale <= 1:
        raise argparse.ArgumentTypeError(f"«{text}» is no number from 0.05 to 1")
    return scale


if __name__ == "__main__":
    main()
