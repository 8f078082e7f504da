"""FM_007: a writer is stopped between the two pages of a record, and half a record can be read, wrongly.

broken     reads what can be parsed
guarded    reads what has the check sum that it was written with, and sets the rest aside

The order for 1500 is cut off after «15». A record that cannot be read makes noise; this one does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from zlib import crc32

import anyio

ORDERS = {41: 1500, 42: 990, 43: 2200}
CUT = 2
"""The page ends this many characters before the record does."""


@dataclass(slots=True)
class Book:
    """log: the file of orders.   charged: what was read from it, by order.   torn: what was set aside."""

    log: str = ""
    charged: dict[int, int] = field(default_factory=dict)
    torn: list[str] = field(default_factory=list)


def record(order: int, amount: int) -> str:
    """A line of the log: the check sum of its text, and the text."""
    text = f"{order}:{amount}"
    return f"{crc32(text.encode()):08x} {text}"


def parsed(line: str) -> tuple[int, int]:
    """The order and the amount of a line."""
    order, _, amount = line.partition(" ")[2].partition(":")
    return int(order), int(amount)


async def append(book: Book, order: int, amount: int) -> None:
    """Write a record, which begins with its own line break: one that was torn before it ends there."""
    written = "\n" + record(order, amount)
    for page in (written[:-CUT], written[-CUT:]):
        await anyio.sleep(0.1)
        book.log += page


Accept = Callable[[Book, str], bool]
"""Whether a line of the log is to be charged."""


def whatever_parses(_book: Book, _line: str) -> bool:
    """What can be read is right."""
    return True


def what_checks(book: Book, line: str) -> bool:
    """What has its check sum is; the rest is kept for somebody to look at, and is no error of the reader."""
    if record(*parsed(line)) != line:
        book.torn.append(line)
        return False
    return True


def read(book: Book, accept: Accept) -> None:
    """Charge each order in the log, by its first record: it is written again when nobody knows that it was written."""
    for line in book.log.split("\n")[1:]:
        if accept(book, line):
            order, amount = parsed(line)
            book.charged.setdefault(order, amount)


async def broken() -> None:
    """Charge what can be read."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Charge what has its check sum."""
    assert_holds(await work(what_checks))


async def damaged() -> Book:
    """What is charged where all that can be read is."""
    return await work(whatever_parses)


async def work(accept: Accept) -> Book:
    """A shop writes orders; when it is stopped, the next one writes what was not confirmed."""
    book = Book()
    confirmed: set[int] = set()

    async def sell() -> None:
        for order, amount in ORDERS.items():
            if order not in confirmed:
                await append(book, order, amount)
                confirmed.add(order)

    for shop in ("shop-1", "shop-2"):
        async with anyio.create_task_group() as group:
            group.start_soon(sell, name=shop)
    read(book, accept)
    return book


def assert_holds(book: Book) -> None:
    """The invariant."""
    wrong = [
        f"order {order} was written as {ORDERS[order]} and charged as {amount}"
        for order, amount in book.charged.items()
        if amount != ORDERS[order]
    ]
    assert not wrong, f"what is read is what was written: {', '.join(wrong)}"


async def repair(book: Book) -> None:
    """Read the log again, this time by its check sums, and correct what was charged otherwise."""
    whole = Book(log=book.log)
    read(whole, what_checks)
    for order in list(book.charged):
        await anyio.sleep(0.1)  # the customer is told
        if order in whole.charged:
            book.charged[order] = whole.charged[order]
        else:
            book.charged.pop(order, None)
