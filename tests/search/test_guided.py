"""Exploring at level `any` without a bound: the portfolio draws, and what it finds is an ordinary trace."""

import asyncio

import pytest

import faultloop


async def torn_pair() -> None:
    a = b = 0

    async def setter() -> None:
        nonlocal a, b
        await asyncio.sleep(0)
        a = 1
        await asyncio.sleep(0)
        b = -1

    async def checker() -> None:
        await asyncio.sleep(0)
        seen = a
        await asyncio.sleep(0)
        assert (seen, b) in ((0, 0), (0, -1), (1, -1)), f"saw {seen} and then {b}"

    await asyncio.gather(*(setter() for _ in range(4)), checker())


def test_an_order_that_needs_no_fault_is_found_and_replays_exactly():
    found = faultloop.explore(torn_pair, order="any", hold=None, faults=(), runs=400)
    assert found.status == "violated"
    failure = next(failure for failure in found.failures if failure.order == "any" or failure.trace.hold is None)
    assert failure.fault == ""
    again = faultloop.replay(failure.trace, torn_pair)
    assert again.same_digest
    assert again.run.status == "violated"


def test_the_same_seed_finds_the_same():
    first, second = (
        faultloop.explore(torn_pair, order="any", hold=None, faults=(), runs=150, seed=3).first_failure_run
        for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("hold", [0, -1])
def test_a_bound_of_nothing_is_refused(hold: int):
    with pytest.raises(faultloop.FaultloopError, match="FL513"):
        faultloop.explore(torn_pair, hold=hold)
