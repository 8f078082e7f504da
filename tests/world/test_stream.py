"""The two ends of a connection as plain data: whatever programs do with them, TCP's promises hold."""

import errno
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultloop.world.hosts import Host
from faultloop.world.links import DATA_RETRIES, Link
from faultloop.world.stream import Flag, Segment, Stream, connect_ends
from faultloop.world.wires import PIECE_BYTES, Line

A, B = Host("a", ("10.0.0.1",)), Host("b", ("10.0.0.2",))


class Queue:
    """A wire that carries a segment when it is told to."""

    def __init__(self, target: Stream) -> None:
        self.target = target
        self.way: deque[Segment] = deque()

    def carry(self, segment: Segment) -> None:
        self.way.append(segment)

    def bring(self) -> None:
        if self.way:
            self.target.deliver(self.way.popleft())


def ends(capacity: int = 100) -> tuple[Stream, Stream, Queue, Queue]:
    one, other = Stream(capacity), Stream(capacity)
    connect_ends(one, other)
    there, back = Queue(other), Queue(one)
    one.wire, other.wire = there, back
    return one, other, there, back


class Clock:
    """Virtual time by hand."""

    def __init__(self) -> None:
        self.now = 0
        self.due: list[tuple[int, int, object]] = []

    def at(self, instant: int, callback: object) -> None:
        self.due.append((instant, len(self.due), callback))

    def run(self, until: int) -> None:
        while self.due and min(self.due)[0] <= until:
            entry = min(self.due, key=lambda row: row[:2])
            self.due.remove(entry)
            self.now = entry[0]
            entry[2]()  # type: ignore[operator]
        self.now = until


def attempt(action: object, *arguments: object) -> object:
    try:
        return action(*arguments)  # type: ignore[operator]
    except OSError as error:
        return error


@settings(deadline=None)
@given(st.data())
def test_bytes_come_in_order_none_twice_and_all_before_the_end(data: st.DataObject):
    """Any interleaving of sends, deliveries and reads; the end is read only after every byte."""
    one, other, there, _ = ends(capacity=30)
    sent, received = bytearray(), bytearray()
    is_over = False
    for number in range(data.draw(st.integers(0, 60))):
        match data.draw(st.sampled_from(["send", "bring", "read", "shut"])):
            case "send":
                chunk = bytes([number]) * data.draw(st.integers(1, 20))
                accepted = attempt(one.send, chunk)
                sent += chunk[:accepted] if isinstance(accepted, int) else b""
            case "bring":
                there.bring()
            case "shut":
                one.shut()
            case _:
                got = attempt(other.receive, data.draw(st.integers(1, 10)))
                is_over = is_over or got == b""
                assert not (is_over and got), "bytes after the end"
                received += got if isinstance(got, bytes) else b""
        assert bytes(sent).startswith(bytes(received))
        assert 0 <= one.unread <= one.capacity
        assert not is_over or received == sent


@settings(deadline=None)
@given(st.data())
def test_what_readiness_promises_holds(data: st.DataObject):
    """Whoever is told to read or write does not find that it would block."""
    one, other, there, back = ends(capacity=12)
    for _ in range(data.draw(st.integers(0, 40))):
        end = data.draw(st.sampled_from([one, other]))
        match data.draw(st.sampled_from(["send", "there", "back", "read", "shut", "close"])):
            case "send":
                attempt(end.send, b"x" * data.draw(st.integers(1, 8)))
            case "there":
                there.bring()
            case "back":
                back.bring()
            case "read":
                attempt(end.receive, 5)
            case "shut":
                attempt(end.shut)
            case _:
                end.close()
        for side in (one, other):
            if side.is_closed:
                continue
            assert side.can_read() is not isinstance(attempt(side.peek, 1), BlockingIOError) or side.error
            assert not side.can_write() or side.unread < side.capacity or side.is_shut or side.is_dead


def test_a_full_connection_takes_nothing_until_a_third_is_free():
    one, other, there, _ = ends(capacity=90)
    assert one.send(b"x" * 100) == 90
    with pytest.raises(BlockingIOError):
        one.send(b"y")
    there.bring()
    other.receive(29)
    assert not one.can_write()
    other.receive(1)
    assert one.can_write()


def test_a_reset_is_told_once_and_then_the_pipe_is_broken():
    one, other, there, back = ends()
    one.send(b"unread")
    there.bring()
    other.close()
    assert list(back.way) == [Flag.RST]
    back.bring()
    assert attempt(one.receive, 10).errno == errno.ECONNRESET  # type: ignore[attr-defined]
    assert one.receive(10) == b""
    assert attempt(one.send, b"x").errno == errno.EPIPE  # type: ignore[attr-defined]


@settings(deadline=None)
@given(st.lists(st.integers(1, 3 * PIECE_BYTES), min_size=1, max_size=8), st.integers(1, 10**7), st.integers(0, 10**9))
def test_a_slow_link_delivers_everything_in_order_at_its_pace(sizes: list[int], bandwidth: int, latency: int):
    clock, link = Clock(), Link(latency=latency, bandwidth=bandwidth)
    link.update()
    one, other = Stream(10**7), Stream(10**7)
    connect_ends(one, other)
    one.wire = Line(clock, link, (one, other), (A, B))
    sent = b"".join(bytes([number]) * size for number, size in enumerate(sizes))
    for number, size in enumerate(sizes):
        one.send(bytes([number]) * size)
    needed = sum(sizes) * 10**9 // bandwidth + latency
    rounding = len(sent) // PIECE_BYTES + 2 * len(sizes)
    clock.run(needed - rounding - 1)
    assert len(b"".join(other.incoming)) < len(sent), "faster than the link is"
    clock.run(needed)
    assert other.receive(10**7) == sent


def test_what_a_cut_link_holds_back_comes_after_it_heals():
    clock, link = Clock(), Link()
    one, other = Stream(), Stream()
    connect_ends(one, other)
    one.wire = Line(clock, link, (one, other), (A, B))
    link.is_parted = True
    link.update()
    one.send(b"held")
    one.send(b" back")
    clock.run(10 * 10**9)
    assert isinstance(attempt(other.receive, 10), BlockingIOError)
    link.is_parted = False
    link.update()
    clock.run(20 * 10**9)
    assert other.receive(10) == b"held back"


def test_a_sender_gives_up_after_linux_has():
    clock, link = Clock(), Link()
    one, other = Stream(), Stream()
    connect_ends(one, other)
    line = one.wire = Line(clock, link, (one, other), (A, B))
    line.is_lost = True
    one.send(b"into the void")
    clock.run(900 * 10**9)
    assert not one.is_dead
    clock.run(925 * 10**9)
    assert attempt(one.send, b"x").errno == errno.ETIMEDOUT  # type: ignore[attr-defined]
    assert DATA_RETRIES == 15
