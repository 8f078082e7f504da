"""Which ready steps are choices, and which are plumbing.

Rule 1: pure. It sees entries and a question to ask, never a task or a clock.
Rule 2: no overtaking. A task's step never runs before a plain callback that was queued earlier, and callbacks keep
their order: asyncio's own transports and futures rely on both.
Rule 3: the order never depends on memory addresses, and answer 0 is always the oldest entry.
Rule 4: a pick costs O(1): at most WINDOW candidates are offered at once, however many are ready.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextvars import Context
from itertools import chain, repeat
from typing import Any, Protocol

from faultloop.model.trace import Order

WINDOW = 1_000
"""How many of the oldest ready tasks a question offers; the others wait until they are among them."""


class Runner(Protocol):
    """What runs an entry: a task's context, or the handle of a plain callback."""

    @property
    def run(self) -> Callable[..., object]:
        """Runs the callback."""
        ...


Entry = tuple[Runner, Callable[..., object], Any]
"""Who runs it, what is run, and its one argument (or ABSENT). A task's step has a Context as its runner."""

Choose = Callable[[int], int]


class _Absent:
    """The type of ABSENT."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()
"""Stands for «no argument», as None may be one."""


def is_callback(entry: Entry) -> bool:
    """Whether this is a plain callback, not a task's step."""
    return type(entry[0]) is not Context


class ReadyQueue:
    """What is ready, oldest first. Steps go in by `push`, plain callbacks by `push_callback`."""

    __slots__ = ("barrier", "callbacks", "entries", "push")

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self.push = self.entries.append
        self.barrier = -1
        """Place of the first plain callback since the turn began, -1 for none: turns of steps alone are common."""
        self.callbacks = 0
        """How many plain callbacks came since then: turns of these alone are common too, and ask nothing."""

    def push_callback(self, entry: Entry) -> None:
        """Queue a plain callback."""
        if self.barrier < 0:
            self.barrier = len(self.entries)
        self.callbacks += 1
        self.entries.append(entry)

    def push_callbacks(self, entries: list[Entry]) -> None:
        """Queue plain callbacks."""
        if self.barrier < 0:
            self.barrier = len(self.entries)
        self.callbacks += len(entries)
        self.entries += entries

    def take(self) -> list[Entry]:
        """Remove and return everything, oldest first."""
        taken = list(self.entries)
        self.entries.clear()
        self.barrier = -1
        self.callbacks = 0
        return taken

    def put_back(self, entries: list[Entry]) -> None:
        """Put entries that were taken to the front again."""
        self.entries.extendleft(reversed(entries))
        self.barrier = next((i for i, entry in enumerate(self.entries) if is_callback(entry)), -1)
        self.callbacks = sum(map(is_callback, self.entries))


class FifoOrder:
    """asyncio's own order: nothing to choose."""

    def __init__(self, queue: ReadyQueue) -> None:
        self._queue = queue

    def pending(self) -> int:
        """How many entries a turn that begins now would run."""
        return len(self._queue.entries)

    def turn(self) -> Iterator[Entry]:
        """Take the entries of one turn."""
        return iter(self._queue.take())

    def put_back(self, turn: Iterator[Entry]) -> None:
        """Return what a turn that was broken off has not given out to the front of the queue."""
        self._queue.put_back(list(turn))

    def queued(self) -> Iterator[Entry]:
        """Everything that is ready and has not been given out."""
        return iter(self._queue.entries)

    def clear(self) -> None:
        """Forget everything that is ready."""
        self._queue.entries.clear()


class BatchOrder(FifoOrder):
    """Tasks that became ready in the same turn run in any order: what trio does, and what anyio code must bear.

    All of a turn is ready when it begins, so its order is drawn at once.
    """

    def __init__(self, queue: ReadyQueue, choose: Choose) -> None:
        super().__init__(queue)
        self._choose = choose

    def turn(self) -> Iterator[Entry]:
        """Take the entries of one turn, in the order drawn."""
        queue, choose = self._queue, self._choose
        barrier, callbacks = queue.barrier, queue.callbacks
        front = queue.take()
        if callbacks == len(front):
            return iter(front)
        if len(front) == 2 and not callbacks:  # most of the turns that ask anything
            if choose(2):
                front.reverse()
            return iter(front)
        drawn: list[Entry] = []
        if callbacks:
            front = self._draw_around_callbacks(front, barrier, drawn)
        else:
            front.reverse()  # the oldest last: taking it costs nothing
        pop, draw = front.pop, drawn.append
        for count in range(len(front), 1, -1):
            draw(pop(~choose(count if count < WINDOW else WINDOW)))
        drawn += front
        return iter(drawn)

    def _draw_around_callbacks(self, front: list[Entry], barrier: int, drawn: list[Entry]) -> list[Entry]:
        """Draw until the last callback has its place. Returns the steps left, the oldest last."""
        choose = self._choose
        rest = front[barrier:]
        del front[barrier:]
        rest.reverse()
        front.reverse()
        while rest:
            if front:
                options = len(front) if len(front) < WINDOW else WINDOW
                answer = choose(options + 1)
                if answer < options:
                    drawn.append(front.pop(~answer))
                    continue
            drawn.append(rest.pop())
            if not rest:
                break
            joining: list[Entry] = []
            while rest and not is_callback(rest[-1]):
                joining.append(rest.pop())
            joining.reverse()
            front[:0] = joining
        return front


class AnyOrder:
    """A ready task may be held back while others go on, for at most `hold` turns (None: without end).

    No production loop promises less than this, and few programs bear it: what only this order shows is labelled.
    """

    def __init__(self, queue: ReadyQueue, choose: Choose, *, hold: int | None = 2) -> None:
        self._queue = queue
        self._choose = choose
        self._hold = hold
        self._turn = 0
        self._front: deque[tuple[Entry, int]] = deque()
        self._rest: deque[Entry] = deque()
        self._is_alone = False
        """Whether this turn has a single entry: most turns of most programs, and nothing to ask or to keep."""

    def pending(self) -> int:
        """How many entries a turn that begins now would run."""
        return len(self._queue.entries) + len(self._front) + len(self._rest)

    def turn(self) -> Iterator[Entry]:
        """As many entries as were ready when the turn began, whichever they are; each is drawn when it is its turn."""
        self._turn += 1
        count = self.pending()
        self._is_alone = count == 1
        if count == 1:
            if entries := self._queue.entries:
                self._queue.barrier = -1
                return iter((entries.popleft(),))
            return iter((self._front.popleft()[0] if self._front else self._rest.popleft(),))
        return self._picked(count)

    def _picked(self, count: int) -> Iterator[Entry]:
        entries = self._queue.entries
        for _ in repeat(None, count):
            if entries:
                self._absorb()
            yield self._pick()

    def put_back(self, turn: Iterator[Entry]) -> None:
        """Return what was taken and not given out: nothing but an entry that was alone."""
        if self._is_alone:
            self._queue.put_back(list(turn))

    def queued(self) -> Iterator[Entry]:
        """Everything that is ready and has not been given out."""
        return chain((entry for entry, _ in self._front), self._rest, self._queue.entries)

    def clear(self) -> None:
        """Forget everything that is ready."""
        for kept in (self._queue.entries, self._front, self._rest):
            kept.clear()

    def _absorb(self) -> None:
        entries, front, rest, turn = self._queue.entries, self._front, self._rest, self._turn
        self._queue.barrier = -1
        while entries:
            entry = entries.popleft()
            if rest or type(entry[0]) is not Context:
                rest.append(entry)
            else:
                front.append((entry, turn))

    def _pick(self) -> Entry:
        front, rest = self._front, self._rest
        if front:
            options = len(front) if len(front) < WINDOW else WINDOW
            total = options + 1 if rest else options
            is_overdue = self._hold is not None and self._turn - front[0][1] > self._hold
            answer = 0 if total == 1 or is_overdue else self._answer(options, total)
            if answer < options:
                entry, _ = front[answer]
                del front[answer]
                return entry
        entry = rest.popleft()
        while rest and type(rest[0][0]) is Context:
            front.append((rest.popleft(), self._turn))
        return entry

    def _answer(self, options: int, total: int) -> int:
        return self._choose(total)


Ordering = FifoOrder | AnyOrder


def ordering_for(order: Order, queue: ReadyQueue, choose: Choose | None, hold: int | None) -> Ordering:
    """The ordering of a level. choose: None asks nothing, which is order `fifo` whatever the level."""
    if order == "fifo" or choose is None:
        return FifoOrder(queue)
    return BatchOrder(queue, choose) if order == "batch" else AnyOrder(queue, choose, hold=hold)
