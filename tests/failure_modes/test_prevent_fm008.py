"""The guardrail of FM_008 holds: one layer retries."""

from collections import Counter

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_008_retry_amplification.scenario import JOBS, TRIES, unless_above, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_008"), driver).objections == ()


def calls_of_silence(tries: int | None) -> Counter[int]:
    """The calls of each job to a service that never answers. tries: of each layer; None: guarded."""

    async def calls() -> Counter[int]:
        service = await work(unless_above if tries is None else lambda: tries)
        return Counter(request.job for request in service.requests)

    silent = "cancel service @ serve>MemoryObjectReceiveStream.receive #1 parked"
    counted: Counter[int] = faultloop.run(calls, faults=[silent]).value
    return counted


def test_a_job_uses_its_tries_up_and_no_more():
    assert calls_of_silence(None) == dict.fromkeys(range(JOBS), TRIES)


def test_fewer_tries_in_each_layer_still_multiply():
    assert calls_of_silence(2) == dict.fromkeys(range(JOBS), 8)
