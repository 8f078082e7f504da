"""FM_010 is real: one restart, and eight clients call at the same instant for ever."""

from itertools import pairwise

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_010_synchronized_backoff.scenario import CLIENTS, PERIOD_SECONDS, damaged, per_second
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_010"), driver).objections == ()


def test_they_stay_in_step_long_after_the_restart():
    calls = faultloop.run(damaged, faults=["expire watcher @ watch>sleep #1 woken"]).value.calls
    peaks = [second for second, times in per_second(calls).items() if times == CLIENTS]
    assert [later - earlier for earlier, later in pairwise(peaks)] == [PERIOD_SECONDS] * 2


def test_without_a_restart_no_second_has_more_than_one_call():
    assert max(per_second(faultloop.run(damaged).value.calls).values()) == 1
