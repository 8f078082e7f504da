"""Edits of a schedule in blocks. Pure: each gives another list, and whether that can be run is not asked here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from faultloop.search.shrink.script import Block, blocks_of, steps_of

Tasks = tuple[int, ...]


def without(schedule: Tasks, tasks: Collection[int]) -> Tasks:
    """No step of these tasks: they go when the base says so."""
    return tuple(task for task in schedule if task not in tasks)


def pushed_back(schedule: Tasks, task: int) -> Tasks:
    """All of this task after all the others."""
    return without(schedule, {task}) + (task,) * schedule.count(task)


def pulled_up(schedule: Tasks, task: int) -> Tasks:
    """All of this task right after the first step, which is the one that starts everything."""
    if not schedule or schedule[0] == task:
        return schedule
    return schedule[:1] + (task,) * schedule.count(task) + without(schedule[1:], {task})


def gathered(blocks: Sequence[Block], *, at_last: bool) -> tuple[Block, ...]:
    """Each task's blocks as one, at the place of its first block, or of its last."""
    counts: dict[int, int] = {}
    for task, count in reversed(blocks) if at_last else blocks:
        counts[task] = counts.get(task, 0) + count
    rows = tuple(counts.items())
    return rows[::-1] if at_last else rows


def merged(blocks: Sequence[Block], index: int, *, places: int = 2) -> Iterator[Tasks]:
    """The block at index and the next one of its task as one: at the earlier place, at the later, and in between.

    places: how many of these, at most.
    """
    task, count = blocks[index]
    later = _next_of(blocks, index)
    if later is None:
        return
    both = (task, count + blocks[later][1])
    between = tuple(blocks[index + 1 : later])
    before, after = tuple(blocks[:index]), tuple(blocks[later + 1 :])
    for cut in (0, len(between), *range(len(between) - 1, 0, -1))[:places]:
        yield steps_of((*before, *between[:cut], both, *between[cut:], *after))


def deferred(blocks: Sequence[Block], index: int, *, places: int) -> Iterator[Tasks]:
    """The block at index moved to later places, but before the next one of its task: the latest first."""
    later = _next_of(blocks, index)
    last = len(blocks) if later is None else later - 1
    block, rest = blocks[index], (*blocks[:index], *blocks[index + 1 :])
    for place in range(last - 1, index, -1)[:places]:
        yield steps_of((*rest[:place], block, *rest[place:]))


def _next_of(blocks: Sequence[Block], index: int) -> int | None:
    return next((i for i in range(index + 1, len(blocks)) if blocks[i][0] == blocks[index][0]), None)


def swapped(schedule: Tasks, a: int, b: int) -> Tasks:
    """Each of two tasks in the place of the other."""
    return tuple(b if task == a else a if task == b else task for task in schedule)


def advanced(schedule: Tasks, at: int, task: int, steps: int) -> Tasks:
    """The next steps of a task before what runs at this place."""
    rest = list(schedule[at:])
    for _ in range(min(steps, rest.count(task))):
        rest.remove(task)
    return (*schedule[:at], *(task,) * steps, *rest)


def next_run(schedule: Tasks, at: int, task: int) -> int:
    """How many steps in a row the task runs when it runs next, from this place on; 0 if it does not."""
    if task not in schedule[at:]:
        return 0
    start = schedule.index(task, at)
    return blocks_of(schedule[start:])[0][1]


def chunks(length: Callable[[], int], *, smallest: int = 1) -> Iterator[tuple[int, int]]:
    """Slices `(start, stop)` of a sequence that may change on the way: all of it, then halves, down to `smallest`.

    length: how long it is now; after a slice was given and it changed, the next begins at the same place.
    """
    size = length()
    while size >= smallest:
        start = 0
        while start < (before := length()):
            yield start, min(start + size, before)
            if length() == before:
                start += size
        if size == smallest:
            return
        size = max(size // 2, smallest)
