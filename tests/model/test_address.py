"""Fault addresses: what is written reads back the same, and what cannot be read is pointed at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultloop.errors import AddressError
from faultloop.model.address import format_duration, format_fault, parse_fault, parse_kind, task_matches, where_matches
from faultloop.model.faults import Address, Cancel, Crash, Delay, Expire, Fail, Pause, PlannedFault, Step
from faultloop.model.points import Phase
from tests.model.strategies import PROPERTY, planned_faults


def is_read_or_pointed_into(text: str) -> bool:
    """Whether a text is an address, or else is complained of at a place within it."""
    try:
        parse_fault(text)
    except AddressError as error:
        return error.text == text and 0 <= error.position <= len(text)
    return True


@PROPERTY
@given(planned_faults())
def test_what_is_written_reads_back_the_same(planned: PlannedFault):
    assert parse_fault(format_fault(planned)) == planned


@PROPERTY
@given(planned_faults())
def test_writing_is_stable(planned: PlannedFault):
    text = format_fault(planned)
    assert format_fault(parse_fault(text)) == text


@PROPERTY
@given(st.text(max_size=60) | st.text('cancel:fail@#"\\ 1s.woken', max_size=60))
def test_any_text_is_read_or_pointed_into(text: str):
    assert is_read_or_pointed_into(text)


@PROPERTY
@given(planned_faults(), st.data())
def test_a_damaged_address_is_read_or_pointed_into(planned: PlannedFault, data: st.DataObject):
    text = format_fault(planned)
    at = data.draw(st.integers(0, len(text)))
    text = text[:at] + data.draw(st.text(max_size=2)) + text[at + data.draw(st.integers(0, 3)) :]
    assert is_read_or_pointed_into(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cancel w @ f", PlannedFault(Cancel(), Address("w", "f"))),
        ("cancel:scope w @ f #2 woken", PlannedFault(Cancel(via="scope"), Address("w", "f", 2, Phase.WOKEN))),
        ("  expire   w@f  ", PlannedFault(Expire(), Address("w", "f"))),
        ("fail:OSError w @ A.b>recv", PlannedFault(Fail("OSError"), Address("w", "A.b>recv"))),
        ("crash w @ f", PlannedFault(Crash(), Address("w", "f"))),
        ("crash:5s w @ f woken", PlannedFault(Crash(5_000_000_000), Address("w", "f", 1, Phase.WOKEN))),
        ("pause:30s w @ f #2", PlannedFault(Pause(30_000_000_000), Address("w", "f", 2))),
        ("delay:1.5s w @ f woken", PlannedFault(Delay(1_500_000_000), Address("w", "f", 1, Phase.WOKEN))),
        ('cancel "my task" @ f', PlannedFault(Cancel(), Address("my task", "f"))),
        (
            "cancel w @ f #1 racing v @ start",
            PlannedFault(Cancel(), Address("w", "f", 1, Phase.RACING, Step("v", "start"))),
        ),
    ],
)
def test_addresses_mean_what_they_say(text: str, value: PlannedFault):
    assert parse_fault(text) == value


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("", 0, "expected a fault"),
        ("cancle w @ f", 0, "did you mean cancel"),
        ("cancel", 6, "expected a task"),
        ("cancel w", 8, "expected @"),
        ("cancel w f", 9, "expected @"),
        ("cancel w @", 10, "expected a place"),
        ("cancel w @ f #", 14, "number from 1"),
        ("cancel w @ f #0", 14, "number from 1"),
        ("cancel w @ f sleeping", 13, "expected a phase"),
        ("cancel w @ f woken x", 19, "expected nothing more"),
        ("cancel:hard w @ f", 7, "via task or via scope"),
        ("fail w @ f", 4, "exception's name"),
        ("delay:soon w @ f", 6, "duration"),
        ("delay:0s w @ f", 6, "duration"),
        ("cancel w @ f racing", 19, "the other task"),
        ("expire w @ f racing v @ g", 25, "cannot be racing"),
    ],
)
def test_a_complaint_stands_at_its_character(text: str, position: int, said: str):
    with pytest.raises(AddressError, match=r"cannot read this fault") as caught:
        parse_fault(text)
    assert (caught.value.position, caught.value.text) == (position, text)
    assert said in str(caught.value)


def test_a_kind_is_read_without_an_address():
    assert [parse_kind(kind) for kind in ("cancel", "fail:OSError", "delay:2s")] == [
        Cancel(),
        Fail("OSError"),
        Delay(2_000_000_000),
    ]


@PROPERTY
@given(st.integers(1, 2**53))
def test_a_duration_reads_back_to_the_nanosecond(nanoseconds: int):
    assert parse_kind(f"delay:{format_duration(nanoseconds)}") == Delay(nanoseconds)


@pytest.mark.parametrize("text", ["cancel w @ f #" + "9" * 5000, "delay:" + "9" * 400 + "s w @ f"])
def test_numbers_of_many_digits_are_complained_of(text: str):
    with pytest.raises(AddressError):
        parse_fault(text)


@pytest.mark.parametrize("path", ["main/worker-1", "main/pool/worker-1", "main/app.worker-1"])
def test_a_task_is_meant_by_the_last_part_of_its_path(path: str):
    assert task_matches("worker-1", path)
    assert task_matches("worker-*", path)
    assert not task_matches("worker", path)


def test_brackets_in_names_are_no_patterns():
    assert task_matches("w[1]", "main/w[1]")
    assert not task_matches("w[1]", "main/w1")


def test_a_place_is_meant_by_function_by_awaited_or_by_both():
    assert where_matches("Pool.acquire", "Pool.acquire", "Future")
    assert where_matches("Future", "Pool.acquire", "Future")
    assert where_matches("Pool.*>Fut*", "Pool.acquire", "Future")
    assert not where_matches("Pool.acquire>Event.wait", "Pool.acquire", "Future")
