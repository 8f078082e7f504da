"""The transition table: what it lists happens, what it does not list is refused, and every life ends."""

from hypothesis import given, settings
from hypothesis import strategies as st

from aqueue.lifecycle import (
    TABLE,
    TERMINAL,
    Advanced,
    Bury,
    Claim,
    ConfirmCancel,
    Fail,
    Life,
    Park,
    Redrive,
    Refused,
    Release,
    Renew,
    RequestCancel,
    Rescue,
    Step,
    Succeed,
    Unpark,
    advance,
)

NOW = 1_000


def running(**changes: int) -> Life:
    claimed = advance(fresh(**changes), Claim("w", "n", NOW + 30), NOW)
    assert isinstance(claimed, Advanced)
    return claimed.life


def fresh(*, max_attempts: int = 3, max_claims: int = 25) -> Life:
    return Life(run_at=NOW, max_attempts=max_attempts, max_claims=max_claims, max_redrives=2)


def steps_for(life: Life, now: int) -> list[Step]:
    """Every step, once with the life's own attempt and once with a stale one."""
    steps: list[Step] = [Claim("w", "n", now + 30), Rescue(), RequestCancel()]
    for attempt in (life.attempt, life.attempt - 1):
        steps += [Renew(attempt, now + 30), Succeed(attempt), Fail(attempt, now + 5), Bury(attempt, "why")]
        steps += [Release(attempt, now), ConfirmCancel(attempt), Redrive(attempt)]
        steps += [Park(attempt), Unpark(attempt)]
    return steps


def assert_consistent(life: Life) -> None:
    is_running = life.state == "running"
    assert (life.lease_until is not None) == (life.worker is not None) == (life.claim_nonce is not None) == is_running
    assert (life.finished_at is not None) == (life.state in TERMINAL)
    assert (life.dead_reason is not None) == (life.state == "dead")
    assert life.failures <= life.max_attempts
    assert life.attempt <= life.max_claims
    assert life.redrives <= life.max_redrives
    assert not (life.state in ("pending", "running") and life.failures >= life.max_attempts)


@settings(deadline=None, max_examples=300)
@given(
    choices=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 60)), max_size=120),
    max_attempts=st.integers(1, 4),
    max_claims=st.integers(1, 8),
)
def test_any_sequence_of_steps_keeps_a_life_consistent(
    choices: list[tuple[int, int]], max_attempts: int, max_claims: int
):
    life, now, claims, settled = fresh(max_attempts=max_attempts, max_claims=max_claims), NOW, 0, set[int]()
    for choice, passed in choices:
        now += passed
        steps = steps_for(life, now)
        step = steps[choice % len(steps)]
        advanced = advance(life, step, now)
        if isinstance(advanced, Refused):
            continue
        after = advanced.life
        targets = TABLE[(life.state, type(step))]
        assert targets[after.state] == advanced.event
        assert after.attempt == life.attempt + (type(step) is Claim)
        claims += type(step) is Claim
        assert after.attempt == claims
        if life.state == "running" and after.state != "running":
            assert life.attempt not in settled, "one settlement per token"
            settled.add(life.attempt)
        assert life.state not in ("succeeded", "cancelled"), "terminal is final"
        assert_consistent(after)
        life = after


def test_a_stale_attempt_can_settle_nothing():
    life = running()
    for step in steps_for(life, NOW):
        if getattr(step, "attempt", None) == life.attempt - 1:
            assert isinstance(advance(life, step, NOW), Refused), step


def test_every_row_of_the_table_can_be_taken():
    seen: set[tuple[str, str, str]] = set()

    def explore(life: Life, now: int, depth: int) -> None:
        for step in steps_for(life, now) if depth else ():
            advanced = advance(life, step, now)
            if isinstance(advanced, Advanced):
                seen.add((life.state, type(step).__name__, advanced.life.state))
                explore(advanced.life, now + 40, depth - 1)

    explore(fresh(max_attempts=2), NOW, 4)
    explore(fresh(max_attempts=1, max_claims=1), NOW, 3)
    assert seen == {(state, step.__name__, target) for (state, step), targets in TABLE.items() for target in targets}


def test_the_last_failure_is_the_dead_letter():
    advanced = advance(running(max_attempts=1), Fail(1, NOW + 9), NOW)
    assert isinstance(advanced, Advanced)
    assert (advanced.life.state, advanced.life.dead_reason, advanced.event) == ("dead", "exhausted", "buried")


def test_a_release_counts_no_failure_but_is_bounded_by_claims():
    released = advance(running(), Release(1, NOW), NOW)
    assert isinstance(released, Advanced)
    assert (released.life.state, released.life.failures) == ("pending", 0)
    poisoned = advance(running(max_claims=1), Release(1, NOW), NOW)
    assert isinstance(poisoned, Advanced)
    assert (poisoned.life.state, poisoned.life.dead_reason) == ("dead", "poison")


def test_a_request_to_cancel_outlives_a_failure():
    requested = advance(running(), RequestCancel(), NOW)
    assert isinstance(requested, Advanced)
    failed = advance(requested.life, Fail(1, NOW + 9), NOW)
    assert isinstance(failed, Advanced)
    assert failed.life.state == "cancelled"


def test_a_lease_that_lasts_is_not_rescued():
    assert isinstance(advance(running(), Rescue(), NOW + 30), Refused)
    assert isinstance(advance(running(), Rescue(), NOW + 31), Advanced)


def test_a_parked_job_is_redriven_only_once_it_is_taken_back():
    buried = advance(running(), Bury(1, "why"), NOW)
    assert isinstance(buried, Advanced)
    parked = advance(buried.life, Park(1), NOW)
    assert isinstance(parked, Advanced)
    assert (parked.life.dead_reason, parked.event) == ("parked: why", None)
    assert advance(parked.life, Park(1), NOW) == parked, "parked twice is parked once"
    assert advance(parked.life, Redrive(1), NOW) == Refused("the job is parked")
    assert advance(parked.life, Unpark(1), NOW) == Advanced(buried.life, None)
