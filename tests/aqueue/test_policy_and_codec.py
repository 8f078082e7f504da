"""Backoff, and the bytes of a payload."""

import dataclasses
import datetime
import math
import uuid
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueue import BadArguments, BadOption, Retry, Snooze, UndecodablePayload
from aqueue.codec import checksum, decode_call, decode_value, encode_call
from aqueue.policy import backoff_seconds


@given(failures=st.integers(1, 5000), base=st.floats(0, 1e6), cap=st.floats(0, 1e6), seed=st.integers(0, 9))
def test_backoff_stays_between_zero_and_its_bounds(failures: int, base: float, cap: float, seed: int):
    seconds = backoff_seconds(failures, base=base, cap=cap, random=Random(seed))
    assert 0 <= seconds <= cap
    assert failures > 60 or seconds <= base * 2.0 ** (failures - 1)


def test_backoff_is_spread_over_its_whole_range():
    random = Random(1)
    seconds = [backoff_seconds(4, base=1, cap=300, random=random) for _ in range(400)]
    assert min(seconds) < 1
    assert max(seconds) > 7


def test_an_exception_is_retried_only_if_the_policy_says_so():
    retry = Retry(on=(OSError,), never=(FileNotFoundError,))
    assert retry.is_retryable(ConnectionError())
    assert not retry.is_retryable(FileNotFoundError())
    assert not retry.is_retryable(ValueError())


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"base": -1}, {"cap": -0.1}, {"redrives": -1}, {"base": math.nan}])
def test_numbers_out_of_range_are_refused_by_name(wrong: dict[str, Any]):
    with pytest.raises(BadOption, match=f"AQ003 {next(iter(wrong))}="):
        Retry(**wrong)


def test_a_snooze_into_the_past_is_refused():
    with pytest.raises(BadOption):
        Snooze(-1)


texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner),
    max_leaves=8,
)


@given(args=st.lists(json_values, max_size=4), kwargs=st.dictionaries(st.text("abc", min_size=1), json_values))
def test_a_payload_comes_back_as_it_was_written(args: list[object], kwargs: dict[str, object]):
    payload = encode_call(tuple(args), kwargs, task="t")
    assert decode_call(payload, checksum(payload)) == (tuple(args), kwargs)


@given(position=st.integers(0, 1000), flip=st.integers(1, 255))
def test_a_flipped_byte_is_found_and_nothing_but_undecodable_is_raised(position: int, flip: int):
    payload = encode_call((1, "two"), {"three": [4]}, task="t")
    position %= len(payload)
    torn = payload[:position] + bytes([payload[position] ^ flip]) + payload[position + 1 :]
    with pytest.raises(UndecodablePayload):
        decode_call(torn, checksum(payload))


@given(junk=st.binary(max_size=40))
def test_junk_with_a_good_checksum_is_undecodable(junk: bytes):
    with pytest.raises(UndecodablePayload):
        decode_call(junk, checksum(junk))


def test_a_payload_of_a_later_version_is_undecodable():
    later = b'{"v":2,"args":[],"kwargs":{}}'
    with pytest.raises(UndecodablePayload, match="version 2"):
        decode_call(later, checksum(later))


def test_what_json_cannot_say_is_refused_when_it_is_enqueued():
    with pytest.raises(BadArguments, match="AQ004"):
        encode_call((object(),), {}, task="t")
    with pytest.raises(BadArguments, match="nan"):
        encode_call((), {"rate": [1.0, math.nan]}, task="t")


@dataclasses.dataclass
class Order:
    id: int
    placed: datetime.date


def test_values_are_decoded_into_the_types_of_the_handler():
    assert decode_value({"id": 1, "placed": "2020-01-02"}, Order) == Order(1, datetime.date(2020, 1, 2))
    assert decode_value(str(uuid.UUID(int=7)), uuid.UUID) == uuid.UUID(int=7)
    assert decode_value({"1": 2}, dict[int, int]) == {1: 2}
