"""What a driver promises of faults, tried on every one there is: they land where they were addressed."""

import anyio
import anyio.to_thread
import pytest

import faultloop
from faultloop import Status
from tests.drivers.conformance.kit import DRIVERS, passed, pause

pytestmark = pytest.mark.parametrize("driver", DRIVERS)


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
def test_a_cancel_at_await_n_is_delivered_at_await_n(driver: str, nth: int):
    reached: list[int] = []

    async def worker() -> None:
        for number in range(1, 6):
            reached.append(number)
            await anyio.sleep(1)

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(worker)

    run = passed(scenario, driver, faults=[f"cancel worker @ worker>sleep #{nth}"])
    assert run.not_reached == ()
    assert reached == list(range(1, nth + 1))
    assert run.virtual_time == nth - 1


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_an_error_at_await_n_is_raised_at_await_n(driver: str, nth: int):
    async def scenario() -> int:
        for number in range(1, 4):
            try:
                await anyio.sleep(1)
            except OSError:
                return number
        return 0

    run = passed(scenario, driver, faults=[f"fail:OSError scenario @ sleep #{nth}"])
    assert run.value == nth
    assert run.virtual_time == nth - 1


def test_a_delayed_wake_up_comes_late_by_just_that_much(driver: str):
    async def scenario() -> float:
        await anyio.sleep(1)
        return anyio.current_time()

    calm = passed(scenario, driver)
    late = passed(scenario, driver, faults=["delay:250ms scenario @ sleep #1"])
    assert late.value - calm.value == pytest.approx(0.25)
    assert late.virtual_time == 1.25


def test_a_deadline_that_expires_is_met_before_its_block_ends(driver: str):
    # At the await itself on trio; on asyncio anyio lets a wake-up that has come win, and cancels at the next one.
    async def scenario() -> bool:
        with anyio.move_on_after(10) as scope:
            await anyio.sleep(1)
            await pause()
        return scope.cancelled_caught

    assert passed(scenario, driver).value is False
    assert passed(scenario, driver, faults=["expire scenario @ sleep #1"]).value is True


def test_a_deadline_that_expires_shows_as_a_timeout(driver: str):
    async def scenario() -> str:
        try:
            with anyio.fail_after(10):
                await anyio.sleep(1)
                await pause()
        except TimeoutError:
            return "timed out"
        return "in time"

    assert passed(scenario, driver).value == "in time"
    assert passed(scenario, driver, faults=["expire scenario @ sleep #1"]).value == "timed out"


def test_no_deadline_expires_where_none_covers_the_await(driver: str):
    async def scenario() -> None:
        await anyio.sleep(1)

    (missed,) = passed(scenario, driver, faults=["expire scenario @ sleep #1"]).not_reached
    assert "no deadline covers" in missed.reason


def test_a_cancel_races_the_very_step_that_it_names(driver: str):
    log: list[str] = []

    async def victim(event: anyio.Event) -> None:
        try:
            await event.wait()
            log.append("woken")
        except BaseException:
            log.append("cancelled")
            raise

    async def setter(event: anyio.Event) -> None:
        for number in range(3):
            await anyio.sleep(1)
            log.append(f"second {number}")
        event.set()

    async def scenario() -> None:
        event = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(victim, event)
            group.start_soon(setter, event)

    run = passed(scenario, driver, faults=["cancel victim @ Event.wait #1 racing setter @ sleep #3"])
    assert run.not_reached == ()
    assert log[:2] == ["second 0", "second 1"]
    assert log[-1] == "cancelled"  # before it could be woken; where only a whole group can be cancelled, the setter too
    assert run.trace.delivered[0].t == 3_000_000_000


def test_the_root_can_be_cancelled_and_that_is_no_failure(driver: str):
    async def scenario() -> None:
        await anyio.sleep(1)

    assert faultloop.run(scenario, driver=driver, faults=["cancel scenario @ sleep"]).status is Status.PROPAGATED
