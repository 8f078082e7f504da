"""A script by the names of tasks instead of their numbers, as a trace can keep it (docs/internals/adr/005).

Numbers count tasks in the order in which they were made, so they mean something in one run only. Paths hold across
runs.

Rule 1: pure, and plain lists: how they are written down is the trace's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from faultloop.search.shrink.script import Before, Block, Listing, Moment, Orders, blocks_of, steps_of

StoredBlock = tuple[str, int]
"""A task's path, and how many steps it runs one after the other."""
StoredOrder = tuple[str, int, str, int]
"""A step by its task's path and number from 1, and the step that it comes before."""


def store_listing(listing: Listing, path_of: Callable[[int], str]) -> tuple[StoredBlock, ...]:
    """The blocks of a listing, by path. path_of: of the run that the listing was made of."""
    return tuple((path_of(task), steps) for task, steps in blocks_of(listing.tasks))


def store_orders(orders: Orders, path_of: Callable[[int], str]) -> tuple[StoredOrder, ...]:
    """Orders, by path."""
    return tuple((path_of(first.task), first.nth, path_of(then.task), then.nth) for first, then in orders.orders)


class TaskNumbers:
    """A number for each path, the same for as long as this object lives: what scripts call tasks across runs."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._paths: list[str] = []

    def number(self, path: str) -> int:
        """The path's number, from 0, in the order in which they are asked for."""
        number = self._numbers.setdefault(path, len(self._paths))
        if number == len(self._paths):
            self._paths.append(path)
        return number

    def path(self, number: int) -> str:
        """The path that has this number."""
        return self._paths[number]


def read_listing(stored: Iterable[StoredBlock], number_of: Callable[[str], int]) -> Listing:
    """The listing that was stored. Raises ValueError when a block has no steps."""
    blocks: list[Block] = []
    for path, steps in stored:
        if steps < 1:
            raise ValueError(f"a block has at least 1 step, and that of {path} has {steps}")
        blocks.append((number_of(path), steps))
    return Listing(steps_of(blocks))


def read_orders(stored: Iterable[StoredOrder], number_of: Callable[[str], int]) -> Orders:
    """The orders that were stored. Raises ValueError when a step's number is less than 1."""
    orders: list[Before] = []
    for path, nth, other, other_nth in stored:
        if nth < 1 or other_nth < 1:
            raise ValueError(f"steps count from 1: {path} {nth} before {other} {other_nth}")
        orders.append(Before(Moment(number_of(path), nth), Moment(number_of(other), other_nth)))
    return Orders(tuple(orders))
