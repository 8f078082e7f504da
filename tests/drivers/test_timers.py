"""Virtual time's agenda: what is due first, and what cancelling leaves behind."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from faultloop.drivers.timers import NEVER, Agenda
from tests.support.length import times

PROPERTY = settings(max_examples=times(150), deadline=None)


@dataclass(eq=False)
class Handle:
    """As much of a timer as the agenda looks at."""

    number: int
    _cancelled: bool = False
    _scheduled: bool = True


def agenda_of(instants: list[int]) -> tuple[Agenda[Handle], list[Handle]]:
    agenda: Agenda[Handle] = Agenda()
    handles = [Handle(number) for number in range(len(instants))]
    for instant, handle in zip(instants, handles, strict=True):
        agenda.add(instant, handle)
    return agenda, handles


def cancel(agenda: Agenda[Handle], handle: Handle) -> None:
    """As the loop's timers do it: only one that is on the agenda is counted."""
    handle._cancelled = True
    if handle._scheduled:
        agenda.note_cancelled()


def emptied(agenda: Agenda[Handle]) -> list[tuple[int, int]]:
    """(instant, number) of everything, in the order it comes."""
    out: list[tuple[int, int]] = []
    while True:
        instant, taken = agenda.take_next(NEVER - 1)
        if not taken:
            assert instant == NEVER
            return out
        assert not any(handle._scheduled for handle in taken)
        out += [(instant, handle.number) for handle in taken]


instants = st.lists(st.integers(0, 20), max_size=40)


@PROPERTY
@given(instants)
def test_handles_come_by_instant_and_those_of_one_instant_in_the_order_added(instants: list[int]):
    agenda, _ = agenda_of(instants)
    assert emptied(agenda) == sorted((instant, number) for number, instant in enumerate(instants))


@PROPERTY
@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=400))
def test_a_cancelled_handle_never_comes_and_the_others_all_do(rows: list[tuple[int, bool]]):
    agenda, handles = agenda_of([instant for instant, _ in rows])
    for handle, (_, is_cancelled) in zip(handles, rows, strict=True):
        if is_cancelled:
            cancel(agenda, handle)
    expected = sorted((instant, number) for number, (instant, off) in enumerate(rows) if not off)
    assert [(instant, handle.number) for instant, handle in agenda.live()] == expected
    assert sorted(handle.number for handle in agenda.handles()) == sorted(number for _, number in expected)
    assert emptied(agenda) == expected


def test_an_agenda_of_cancelled_handles_only_is_empty():
    agenda, handles = agenda_of([5, 5, 7])
    for handle in handles:
        cancel(agenda, handle)
    assert agenda.take_next(NEVER - 1) == (NEVER, [])
    assert list(agenda.live()) == []


def test_an_infinite_timer_is_not_pending_work():
    agenda, _ = agenda_of([NEVER])
    assert agenda.take_next(NEVER - 1) == (NEVER, [])


def test_cancelled_handles_do_not_pile_up():
    """A program that arms and disarms a far deadline a million times keeps a small agenda."""
    agenda: Agenda[Handle] = Agenda()
    for number in range(10_000):
        handle = Handle(number)
        agenda.add(1_000_000, handle)
        cancel(agenda, handle)
    assert len(agenda._heap) <= 202


def test_taking_an_instant_leaves_the_others():
    agenda, _ = agenda_of([3, 1, 3])
    instant, due = agenda.take_next(10)
    assert (instant, [handle.number for handle in due]) == (1, [1])
    assert agenda.take_next(2) == (3, []), "an instant after the end is told, and nothing of it taken"
    instant, due = agenda.take_next(3)
    assert (instant, [handle.number for handle in due]) == (3, [0, 2])
    agenda.clear()
    assert agenda.take_next(10) == (NEVER, [])
