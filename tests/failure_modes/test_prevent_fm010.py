"""The guardrail of FM_010 holds: who adds chance to what was told comes back alone."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_010_synchronized_backoff.scenario import (
    AT_ONCE_MAX,
    Return,
    Rhythm,
    per_second,
    scattered,
    work,
)
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_010"), driver).objections == ()


def rhythm_after_a_restart(comes_back: Return) -> Rhythm:
    async def rhythm() -> Rhythm:
        return await work(comes_back)

    left: Rhythm = faultloop.run(rhythm, faults=["expire watcher @ watch>sleep #1 woken"]).value
    return left


def test_the_first_wave_is_as_flat_as_the_last():
    assert max(per_second(rhythm_after_a_restart(scattered()).calls).values()) <= AT_ONCE_MAX


def test_nobody_comes_earlier_than_was_told():
    scatter = scattered()
    assert all(scatter(told) >= told for told in (0.0, 1.0, 60.0) for _ in range(100))


def test_a_little_jitter_is_none():
    scatter = scattered()
    rhythm = rhythm_after_a_restart(lambda told: told + (scatter(told) - told) / 100)
    assert max(per_second(list(rhythm.due.values())).values()) > AT_ONCE_MAX
