"""Orders for deciders that look at what is ready instead of counting it.

Rule 1: what is answered is recorded as the order of that level would have asked it, so that the run can be had again
without looking.
Rule 2: a decider is shown steps only. Which callbacks have to go first for a step to be next is plumbing, and follows
from its answer; so answering with the oldest step everywhere is asyncio's own order, to the callback.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Protocol

from faultloop.drivers.ready import WINDOW, AnyOrder, Entry, FifoOrder, Ordering, ReadyQueue, is_callback
from faultloop.model.trace import Order


class Guide(Protocol):
    """A decider that looks, as the loop needs it (see faultloop.deciders.looking)."""

    def made(self, task: int, /) -> None:
        """A task was made."""
        ...

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        """Which of the ready tasks goes next."""
        ...

    def ran(self, task: int, site: int, touched: Sequence[tuple[int, bool]], /) -> None:
        """A task's step is over."""
        ...


def ordinal_of(entry: Entry) -> int:
    """The ordinal of the task whose step this is; 0 for a task of another factory's."""
    return getattr(entry[1].__self__, "ordinal", 0)  # type: ignore[attr-defined]


Look = Callable[[list[Entry]], int]
"""Answers which of these steps, oldest first, goes next."""
Keep = Callable[[int, int], None]
"""Records an answer and how many there were."""


class LookingBatch(FifoOrder):
    """Order `batch`, a step at a time."""

    def __init__(self, queue: ReadyQueue, look: Look, keep: Keep) -> None:
        super().__init__(queue)
        self._look = look
        self._keep = keep

    def turn(self) -> Iterator[Entry]:
        """Take the entries of one turn; each is drawn when it is its turn."""
        return self._drawn(self._queue.take())

    def _drawn(self, entries: list[Entry]) -> Iterator[Entry]:
        front: list[Entry] = []
        rest = deque(entries)
        _join(rest, front)
        while front or rest:
            steps = list(islice(chain(front, (entry for entry in rest if not is_callback(entry))), WINDOW))
            target = steps[self._look(steps) if len(steps) > 1 else 0] if steps else None
            place = _place_of(target, front)
            while rest and place < 0:
                if options := min(len(front), WINDOW):
                    self._keep(options, options + 1)
                yield rest.popleft()
                _join(rest, front)
                place = _place_of(target, front) if target is not None else len(front)
            if target is not None:
                total = min(len(front), WINDOW) + bool(rest)
                if total > 1:
                    self._keep(place, total)
                yield front.pop(place)


def _place_of(target: Entry | None, entries: Iterable[Entry]) -> int:
    """By identity, for what entries hold may compare as it likes; -1 for nowhere."""
    return next((place for place, entry in enumerate(entries) if entry is target), -1)


def _join(rest: deque[Entry], front: list[Entry]) -> None:
    """Let the steps that no callback stands before any more be candidates."""
    while rest and not is_callback(rest[0]):
        front.append(rest.popleft())


class LookingAny(AnyOrder):
    """Order `any` with its bound, a step at a time."""

    def __init__(self, queue: ReadyQueue, look: Look, keep: Keep, *, hold: int | None) -> None:
        super().__init__(queue, lambda _: 0, hold=hold)
        self._look = look
        self._keep = keep
        self._target: Entry | None = None

    def clear(self) -> None:
        """Forget everything that is ready, and who was to go next."""
        super().clear()
        self._target = None

    def _answer(self, options: int, total: int) -> int:
        front = [entry for entry, _ in islice(self._front, options)]
        if _place_of(self._target, chain(front, self._rest)) < 0:
            steps = list(islice(chain(front, (entry for entry in self._rest if not is_callback(entry))), WINDOW))
            self._target = steps[self._look(steps) if len(steps) > 1 else 0]
        answer = _place_of(self._target, front)
        if answer < 0:
            answer = options
        self._keep(answer, total)
        return answer


class LookingOrder(AnyOrder):
    """Order `any` without a bound. Here a plain callback that waits goes first, for no step is owed its place."""

    def __init__(self, queue: ReadyQueue, look: Look, keep: Keep) -> None:
        super().__init__(queue, lambda _: 0, hold=None)
        self._look = look
        self._keep = keep

    def _answer(self, options: int, total: int) -> int:
        is_plumbing = total > options
        answer = options if is_plumbing else self._look([entry for entry, _ in islice(self._front, options)])
        self._keep(answer, total)
        return answer


def looking_order(order: Order, queue: ReadyQueue, look: Look, keep: Keep, *, hold: int | None) -> Ordering:
    """The ordering of a level, for a decider that looks."""
    match order:
        case "fifo":
            return FifoOrder(queue)
        case "batch":
            return LookingBatch(queue, look, keep)
        case "any":
            return LookingOrder(queue, look, keep) if hold is None else LookingAny(queue, look, keep, hold=hold)
