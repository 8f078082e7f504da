"""The ways in which a schedule is made simpler, each a pass over the best run so far.

All edits are made on what the best run really did, not on what it was asked to do. Each pass starts coarse and halves,
so that what does not matter goes in few attempts, however long the schedule is.

Sources: the blocks of SimTrace (N. Jalbert, K. Sen, «A Trace Simplification Technique for Effective Debugging of
Concurrent Programs», FSE 2010); delta debugging (A. Zeller, R. Hildebrandt, TSE 2002).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from faultloop.search.shrink.attempts import Attempts
from faultloop.search.shrink.edits import (
    advanced,
    chunks,
    deferred,
    gathered,
    merged,
    next_run,
    pulled_up,
    pushed_back,
    swapped,
    without,
)
from faultloop.search.shrink.faults import drop_faults, simplify_faults
from faultloop.search.shrink.script import Before, Block, Listing, Moment, Orders, blocks_of, orders_of, steps_of

Pass = Callable[[Attempts], None]
PLACES_MAX = 6
"""How many places are tried for one block."""
FEW_BLOCKS = 16
"""Up to how many blocks all places of a merged block are tried, not only both ends."""
FEW_DEPARTURES = 8
"""Up to how many departures all ways of undoing one are tried, not only the likeliest."""
SINGLES_MAX = 150
"""How many single departures there may be for all to be tried."""
RENAMES_MAX = 2
"""How many other tasks are tried in the place of one."""


def cut_tail(attempts: Attempts) -> None:
    """Depart only up to some place, and let the base do the rest: bisect for the earliest."""
    if attempts.improves(Listing()):
        return
    too_few, enough = 0, len(attempts.best.attempt.departures)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        best = attempts.best.attempt
        if attempts.improves(Listing(best.schedule[: best.departures[middle - 1].at + 1])):
            enough = min(len(attempts.best.attempt.departures), middle)
        else:
            too_few = middle


def drop_tasks(attempts: Attempts) -> None:
    """Do not list whole tasks: many at once, then one by one."""
    for start, stop in chunks(lambda: len(_tasks(attempts))):
        attempts.improves(Listing(without(_schedule(attempts), set(_tasks(attempts)[start:stop]))))


def keep_departing_tasks(attempts: Attempts) -> None:
    """List only the tasks of one departure, or of all: leaving out one task at a time may cost a departure each."""
    orders = _orders(attempts)
    if not orders or len(orders) > FEW_DEPARTURES:
        return
    groups = [{order.first.task, order.then.task} for order in orders]
    groups.append({task for group in groups for task in group})
    for group in groups:
        schedule = _schedule(attempts)
        attempts.improves(Listing(without(schedule, set(schedule[1:]) - {schedule[0], *group})))


def move_tasks(attempts: Attempts) -> None:
    """Run a task's steps in one go, after all the others or before them."""
    for task in _tasks(attempts):
        schedule = _schedule(attempts)
        if not attempts.improves(Listing(pushed_back(schedule, task))):
            attempts.improves(Listing(pulled_up(schedule, task)))


def gather_blocks(attempts: Attempts) -> None:
    """Run the blocks of a stretch task by task: the whole schedule, halves, down to four blocks."""
    for start, stop in chunks(lambda: len(_blocks(attempts)), smallest=4):
        blocks = _blocks(attempts)
        for at_last in (False, True):
            row = gathered(blocks[start:stop], at_last=at_last)
            if row != blocks[start:stop] and attempts.improves(
                Listing(steps_of((*blocks[:start], *row, *blocks[stop:])))
            ):
                break


def merge_blocks(attempts: Attempts) -> None:
    """Join a block with the next one of its task, at the place of the one or of the other."""
    index = 0
    while index < len(blocks := _blocks(attempts)):
        places = PLACES_MAX if len(blocks) <= FEW_BLOCKS else 2
        if not any(attempts.improves(Listing(edit)) for edit in merged(blocks, index, places=places)):
            index += 1


def drop_blocks(attempts: Attempts) -> None:
    """Do not list some blocks: half of them at once, down to one."""
    for start, stop in chunks(lambda: len(_blocks(attempts))):
        blocks = _blocks(attempts)
        attempts.improves(Listing(steps_of((*blocks[:start], *blocks[stop:]))))


def undo_departures(attempts: Attempts) -> None:
    """Let the task that had to wait go first after all, for all that it ran when it ran next, or a little less.

    Less, because a task that comes first gets further in as many steps: it finds free what it found taken. Then the
    rest as it was, or as the base has it.
    """
    index = 0
    while index < (count := len(attempts.best.attempt.departures)):
        departure = attempts.best.attempt.departures[index]
        schedule, (first, then) = _schedule(attempts), departure.order
        steps = next_run(schedule, departure.at, then.task)
        lengths = [length for length in dict.fromkeys((steps, steps - 1, steps - 2, 1)) if length > 0]
        edits = [advanced(schedule, departure.at, then.task, length) for length in lengths]
        edits += [(*schedule[: departure.at], *(then.task,) * length, first.task) for length in lengths]
        if count > FEW_DEPARTURES:
            edits = edits[:1]
        if not any(attempts.improves(Listing(edit)) for edit in edits):
            index += 1


def defer_departures(attempts: Attempts) -> None:
    """Let the block that a departure begins come later, when its task might come by itself."""
    index = 0
    while index < len(attempts.best.attempt.departures):
        at = attempts.best.attempt.departures[index].at
        edits = deferred(_blocks(attempts), len(blocks_of(_schedule(attempts)[:at])), places=PLACES_MAX)
        if not any(attempts.improves(Listing(edit)) for edit in edits):
            index += 1


def relabel_tasks(attempts: Attempts) -> None:
    """Let tasks change roles: all in the order of their numbers, or the two of one order, for many are alike."""
    order = tuple(dict.fromkeys(_listed(attempts)))
    labels = dict(zip(order, sorted(order), strict=True))
    attempts.improves(Listing(tuple(labels[task] for task in _listed(attempts))))
    index = 0
    while index < len(_orders(attempts)):
        first, then = _orders(attempts)[index]
        if not attempts.improves(Listing(swapped(_listed(attempts), first.task, then.task))):
            index += 1


def rename_tasks(attempts: Attempts) -> None:
    """Let an older task that is not involved do what a younger one does: the base would have taken the older one."""
    for task in dict.fromkeys(_listed(attempts)):
        listed = _listed(attempts)
        root = min(listed, default=task)
        uninvolved = [older for older in range(root + 1, task) if older not in listed]
        for older in uninvolved[:RENAMES_MAX]:
            if attempts.improves(Listing(swapped(listed, task, older))):
                break


def try_single_departures(attempts: Attempts) -> None:
    """Depart once from what the base does by itself: at each step, for each other task that has not ended.

    The passes above may end where no one of them helps. This one is a search, and finds a single departure if there is
    one in a small program.
    """
    plain = attempts.probe(Listing(), attempts.best.faults)
    if plain is None or len(attempts.best.attempt.departures) < 2:
        return
    schedule = plain.schedule
    singles = [
        Listing((*schedule[:at], other))
        for at in range(1, len(schedule))
        for other in sorted(set(schedule[at:]) - {schedule[at]})
    ]
    if len(singles) <= SINGLES_MAX:
        any(attempts.improves(single) for single in singles)


def cut_orders(attempts: Attempts) -> None:
    """Keep only the first orders: bisect for how many."""
    if attempts.improves(Orders()):
        return
    too_few, enough = 0, len(_telling(attempts))
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if attempts.improves(Orders(_telling(attempts)[:middle])):
            enough = min(len(_telling(attempts)), middle)
        else:
            too_few = middle


def drop_orders(attempts: Attempts) -> None:
    """Leave orders out: half of them at once, down to one."""
    for start, stop in chunks(lambda: len(_telling(attempts))):
        orders = _telling(attempts)
        attempts.improves(Orders(orders[:start] + orders[stop:]))


def stretch_orders(attempts: Attempts) -> None:
    """Hold one step back until the other task has ended, and nothing else: one long hold may do what several did."""
    if len(_telling(attempts)) < 2:
        return
    for first, then in _telling(attempts):
        steps = _schedule(attempts).count(first.task)
        if attempts.improves(Orders((Before(Moment(first.task, steps), then),))):
            return


BLOCK_PASSES: Sequence[Pass] = (
    drop_faults,
    simplify_faults,
    cut_tail,
    drop_tasks,
    gather_blocks,
    keep_departing_tasks,
    undo_departures,
    defer_departures,
    merge_blocks,
    relabel_tasks,
    rename_tasks,
    move_tasks,
    drop_blocks,
    try_single_departures,
)
ORDER_PASSES: Sequence[Pass] = (drop_faults, simplify_faults, cut_orders, drop_orders, stretch_orders)


def _schedule(attempts: Attempts) -> tuple[int, ...]:
    return attempts.best.attempt.schedule


def _listed(attempts: Attempts) -> tuple[int, ...]:
    """The schedule up to the last departure: from there on the base goes on by itself."""
    best = attempts.best.attempt
    return best.schedule[: best.departures[-1].at + 1] if best.departures else ()


def _blocks(attempts: Attempts) -> tuple[Block, ...]:
    return blocks_of(_schedule(attempts))


def _tasks(attempts: Attempts) -> tuple[int, ...]:
    """The tasks of the schedule, in the order of their first steps."""
    return tuple(dict.fromkeys(_schedule(attempts)))


def _telling(attempts: Attempts) -> tuple[Before, ...]:
    return orders_of(attempts.best.attempt.departures).orders


def _orders(attempts: Attempts) -> tuple[Before, ...]:
    return tuple(departure.order for departure in attempts.best.attempt.departures)
