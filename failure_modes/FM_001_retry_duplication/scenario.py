"""FM_001: the acknowledgement is lost after the effect, the job is tried again, and the effect happens twice.

One small shop: orders are paid by jobs of a durable queue, and a bank outside books the charges. Two variants of the
same system, which differ in the handler alone:

    broken     charges the bank, and takes a retry for proof that nothing happened yet
    guarded    writes down its intent first, and gives the bank a key under which it may ask again

No fault is written here. Whoever runs a variant under faultloop brings the fault; run plainly, both pass, on asyncio
and on trio.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import anyio

from aqueue import Context, LoopClock, Queue, Retry, StillBusy, WorkerStopped

ORDERS = (41, 42)
DEPLOYS = 4
"""How many workers run one after the other at most: when one is stopped, the next takes over."""


@dataclass(slots=True)
class Charge:
    """One line of the bank's book."""

    order: int
    receipt: str
    is_refunded: bool = False


@dataclass(slots=True)
class Bank:
    """A service outside the queue's database: it books a request when it arrives, and then the reply travels back.

    receipts: by the idempotency key they were given for.
    """

    book: list[Charge] = field(default_factory=list)
    receipts: dict[str, str] = field(default_factory=dict)

    async def charge(self, order: int, *, key: str | None = None) -> str:
        """Book a charge and return its receipt. Under a key seen before, return that receipt and book nothing."""
        await anyio.sleep(0.02)  # the request travels
        receipt = self.receipts.get(key) if key is not None else None
        if receipt is None:
            receipt = f"receipt-{len(self.book) + 1}"
            self.book.append(Charge(order, receipt))
            if key is not None:
                self.receipts[key] = receipt
        await anyio.sleep(0.03)  # the reply travels: cancelled here, the charge is booked and the caller does not know
        return receipt

    async def refund(self, receipt: str) -> None:
        """Give a charge back. A second time it does nothing."""
        await anyio.sleep(0.02)
        for charge in self.book:
            if charge.receipt == receipt:
                charge.is_refunded = True
        await anyio.sleep(0.03)


Handler = Callable[[Bank, int, Context], Awaitable[str]]


async def pay_and_hope(bank: Bank, order: int, _: Context) -> str:
    """The broken handler."""
    return await bank.charge(order)


async def pay_once(bank: Bank, order: int, ctx: Context) -> str:
    """The guarded handler: a ledger that knows whether the charge may have happened, and a key to ask the bank with."""
    async with ctx.once(f"charge:{order}") as effect:
        if effect.fresh or effect.ambiguous:
            effect.result = await bank.charge(order, key=effect.key)
    return str(effect.result)


async def broken() -> None:
    """Orders are paid by the handler that hopes."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Orders are paid by the handler that keeps a ledger."""
    bank = Bank()
    await work(bank, pay_once)
    assert_holds(bank)


async def damaged() -> Bank:
    """What `broken` leaves behind: the bank's book."""
    bank = Bank()
    await work(bank, pay_and_hope)
    return bank


async def work(bank: Bank, handler: Handler) -> None:
    """Enqueue the orders and work until no job is left, whoever is stopped on the way; then check the queue itself."""
    with _database() as url:
        queue = Queue(url, durability="process", clock=LoopClock(), random=Random(1))

        @queue.task(retry=Retry(5, base=0.1), timeout=5)
        async def pay(ctx: Context, order: int) -> str:
            return await handler(bank, order, ctx)

        async with queue:
            await queue.enqueue_many(pay.job(order) for order in ORDERS)
            for _ in range(DEPLOYS):
                try:
                    await queue.run_until_idle(concurrency=2, limit=600)
                    break
                except (WorkerStopped, StillBusy):
                    continue  # a deploy, or a machine that went away
            problems = await queue.check()
            assert not problems, f"the queue's own invariants are violated: {problems}"


def duplicates(bank: Bank) -> dict[int, int]:
    """The detection: orders that are charged another number of times than once, refunds taken off."""
    charged = Counter(charge.order for charge in bank.book if not charge.is_refunded)
    return {order: charged[order] for order in ORDERS if charged[order] != 1}


def assert_holds(bank: Bank) -> None:
    """The invariant."""
    wrong = duplicates(bank)
    assert not wrong, "every order is charged exactly once: " + ", ".join(
        f"order {order} is charged {times} times" for order, times in sorted(wrong.items())
    )


async def repair(bank: Bank) -> None:
    """The recovery: refund every charge of an order but its first. Stopped half-way or run again, it does no harm."""
    kept: set[int] = set()
    for charge in list(bank.book):
        if charge.is_refunded:
            continue
        if charge.order in kept:
            await bank.refund(charge.receipt)
        kept.add(charge.order)


@contextmanager
def _database() -> Iterator[str]:
    """A fresh SQLite database for one run; in memory where it can be, for none of the faults is a power failure."""
    shared = "/dev/shm"
    place = shared if os.access(shared, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="fm001-", dir=place, ignore_cleanup_errors=True) as folder:
        yield f"sqlite:///{Path(folder) / 'jobs.db'}"
