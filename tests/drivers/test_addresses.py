"""Which waits an address means in a run, and what is said when none does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest

import faultloop
from faultloop import Run, Status
from faultloop.model.trace import Delivered


def landed(scenario: Callable[[], Awaitable[Any]], *faults: str) -> list[Delivered]:
    """Where these faults hit."""
    run = faultloop.run(scenario, faults=faults)
    assert run.not_reached == (), run.not_reached
    return list(run.trace.delivered)


def points(run: Run) -> list[str]:
    """Every wait of a run as `task @ function>awaited #nth`."""
    trace = run.trace
    return [
        f"{trace.tasks[e.task].path} @ {trace.sites[e.site].function}>{trace.sites[e.site].awaited} #{e.nth}"
        for e in trace.events
        if e.ev == "await"
    ]


async def one_second() -> None:
    await asyncio.sleep(1)


async def three_workers() -> list[str]:
    """Three workers with names, each of which sleeps twice in one function and once in another."""

    async def work() -> None:
        await asyncio.sleep(1)
        await asyncio.sleep(1)
        await one_second()

    tasks = [asyncio.create_task(work(), name=f"worker-{n}") for n in (1, 2, 3)]
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    return [type(end).__name__ for end in ends]


OK, GONE = "NoneType", "CancelledError"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("cancel worker-2 @ sleep", [OK, GONE, OK]),
        ("cancel three_workers/worker-2 @ sleep", [OK, GONE, OK]),
        ("cancel *-2 @ sleep", [OK, GONE, OK]),
        ("cancel worker-? @ sleep", [GONE, OK, OK]),
        ("cancel three_workers/* @ sleep", [GONE, OK, OK]),
        ("cancel */worker-3 @ sleep", [OK, OK, GONE]),
        ('cancel "worker-2" @ "work>sleep" #2', [OK, GONE, OK]),
        ("cancel worker-2 @ one_second", [OK, GONE, OK]),
        ("cancel worker-2 @ *_second>sl?ep woken", [OK, GONE, OK]),
    ],
)
def test_an_address_means_the_first_wait_that_matches(fault: str, expected: list[str]):
    run = faultloop.run(three_workers, faults=[fault])
    assert (run.value, run.not_reached, len(run.trace.delivered)) == (expected, (), 1)


def test_nth_counts_the_waits_of_one_task_that_match_the_address():
    """`sleep` matches three waits of a worker, `work` two and `one_second` one: #3, #2 and #1 are different waits."""
    for where, nth, point in (("sleep", 3, "one_second"), ("work", 2, "work"), ("work>sleep", 1, "work")):
        (hit,) = landed(three_workers, f"cancel worker-1 @ {where} #{nth}")
        assert hit.point.function.endswith(point)
        assert hit.t == (nth - 1) * 1_000_000_000


def test_a_point_is_the_innermost_function_of_the_users_own_and_what_it_awaits():
    async def inner() -> None:
        await asyncio.sleep(1)
        async with asyncio.timeout(5):
            await asyncio.sleep(1)
        await asyncio.wait_for(one_second(), 5)
        lock = asyncio.Lock()
        await lock.acquire()
        with suppress(TimeoutError):
            async with asyncio.timeout(1), lock:
                raise AssertionError
        await asyncio.gather(one_second(), one_second())
        await asyncio.sleep(0)

    async def scenario() -> None:
        await inner()

    mine = [point.partition(" @ ")[2] for point in points(faultloop.run(scenario)) if point.startswith("scenario @")]
    assert mine[0] == "inner>sleep #1"
    assert mine[1] == "inner>sleep #2"
    assert mine[2] in ("one_second>sleep #1", "inner>wait_for #1")  # 3.11 makes a task of what wait_for waits for
    assert "inner>Lock.acquire #1" in mine
    assert mine[-2:] == ["inner>gather #1", "inner>sleep #3"]


def test_methods_generators_and_context_managers_are_told_by_their_names():
    class Pool:
        async def __aenter__(self) -> None:
            await asyncio.sleep(1)

        async def __aexit__(self, *_: object) -> None:
            await asyncio.sleep(1)

        async def items(self) -> AsyncIterator[int]:
            await asyncio.sleep(1)
            yield 1
            await asyncio.sleep(1)

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        await asyncio.sleep(1)
        yield

    async def scenario() -> None:
        async with around(), Pool():
            async for _ in Pool().items():
                pass

    assert points(faultloop.run(scenario)) == [
        "scenario @ around>sleep #1",
        "scenario @ Pool.__aenter__>sleep #1",
        "scenario @ Pool.items>sleep #1",
        "scenario @ Pool.items>sleep #2",
        "scenario @ Pool.__aexit__>sleep #1",
    ]


def test_generators_are_followed_through_asend_athrow_and_aclose():
    async def echo() -> Any:
        try:
            while True:
                try:
                    await asyncio.sleep(1)
                    yield
                except ValueError:
                    await asyncio.sleep(1)
        finally:
            await asyncio.sleep(1)

    async def scenario() -> None:
        generator = echo()
        await generator.asend(None)
        await anext(generator, None)
        await generator.athrow(ValueError)
        await generator.aclose()

    run = faultloop.run(scenario)
    run.raise_if_failed()
    assert {point.rpartition(" #")[0] for point in points(run)} == {"scenario @ echo>sleep"}


def test_a_task_is_found_by_its_path_its_name_and_what_stands_behind_the_last_dot():
    async def child() -> None:
        await asyncio.sleep(1)

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(child, name="package.module.child")
            group.start_soon(child)

    paths = {task.path for task in faultloop.run(scenario).trace.tasks}
    assert "scenario/package.module.child" in paths
    for pattern in ("package.module.child", "child", "scenario/package.module.child"):
        assert landed(scenario, f"cancel {pattern} @ sleep")


def test_a_name_set_right_after_the_task_was_made_counts():
    """asyncio 3.11 and 3.12 name every task so; a factory may do it on any version."""

    async def scenario() -> None:
        task = asyncio.create_task(one_second())
        task.set_name("late")
        with suppress(asyncio.CancelledError):
            await task

    (hit,) = landed(scenario, "cancel late @ sleep")
    assert hit.point.task == "scenario/late"


def test_a_task_that_renames_itself_in_its_first_step_is_found_by_both_names():
    async def child() -> None:
        me = asyncio.current_task()
        assert me is not None
        me.set_name("renamed")
        await asyncio.sleep(1)

    async def scenario() -> None:
        await asyncio.wait([asyncio.create_task(child(), name="first")])

    for name in ("first", "renamed"):
        (hit,) = landed(scenario, f"cancel {name} @ sleep")
        assert hit.point.task == "scenario/first"
        (missed,) = faultloop.run(scenario, faults=[f"cancel {name} @ nowhere"]).not_reached
        assert missed.seen == ("scenario/first @ child>sleep #1 parked",)


def test_names_that_asyncio_makes_up_are_no_part_of_any_path():
    async def scenario() -> None:
        await asyncio.gather(one_second(), one_second(), asyncio.create_task(one_second()))

    paths = [task.path for task in faultloop.run(scenario).trace.tasks]
    assert paths == ["scenario", *(f"scenario/one_second{suffix}" for suffix in ("", "#2", "#3"))]


def test_racing_start_hits_right_before_the_other_tasks_first_step():
    log: list[str] = []

    async def late() -> None:
        log.append("late starts")

    async def victim() -> None:
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            log.append("victim hears")
            raise

    async def scenario() -> None:
        task = asyncio.create_task(victim(), name="victim")
        await asyncio.sleep(1)
        other = asyncio.create_task(late(), name="late")
        log.append("late made")
        await asyncio.wait([task, other])

    (hit,) = landed(scenario, "cancel victim @ sleep racing late @ start")
    assert log == ["late made", "late starts", "victim hears"]
    assert hit.t == 1_000_000_000


def test_racing_hits_right_before_the_step_that_goes_on_from_the_rivals_wait():
    """The victim is woken and cancelled in one turn: it hears of the cancellation, and the value is lost."""

    async def scenario() -> str:
        waiter = asyncio.get_running_loop().create_future()

        async def setter() -> None:
            await asyncio.sleep(1)
            await asyncio.sleep(1)
            if not waiter.done():
                waiter.set_result("value")

        async def victim() -> str:
            try:
                return str(await waiter)
            except asyncio.CancelledError:
                return f"cancelled, waiter {'cancelled' if waiter.cancelled() else 'set'}"

        task = asyncio.create_task(victim(), name="victim")
        async with asyncio.TaskGroup() as group:
            group.create_task(setter(), name="setter")
        return await task

    run = faultloop.run(scenario, faults=["cancel victim @ victim racing setter @ sleep #2"])
    assert (run.value, run.trace.delivered[0].t) == ("cancelled, waiter cancelled", 2_000_000_000)


def test_a_wait_that_ended_before_the_rivals_step_is_said_to_have():
    run = faultloop.run(three_workers, faults=["cancel worker-1 @ sleep #1 racing worker-3 @ one_second"])
    (missed,) = run.not_reached
    assert "did not come while it lasted" in missed.reason
    assert run.value == [OK, OK, OK]


@pytest.mark.parametrize(
    ("fault", "reason", "nearest"),
    [
        ("cancel worker-9 @ sleep", 'no task matched "worker-9"', "three_workers/worker-3"),
        ("cancel worker-1 @ Pool.acquire", 'worker-1 never waited at "Pool.acquire"', None),
        ("cancel worker-1 @ one_secnd", "never waited", "three_workers/worker-1 @ one_second>sleep #1 parked"),
        ("cancel worker-1 @ work #7", 'waited at "work" 2 times; #7 does not exist', None),
    ],
)
def test_an_address_that_was_not_reached_is_told_with_what_was_there(fault: str, reason: str, nearest: str | None):
    run = faultloop.run(three_workers, faults=[fault])
    (missed,) = run.not_reached
    assert reason in missed.reason
    assert missed.seen
    assert run.status is Status.PASSED
    if nearest is not None:
        assert missed.nearest == nearest


def test_every_address_that_is_told_as_seen_can_be_hit():
    run = faultloop.run(three_workers, faults=["cancel worker-* @ nowhere"])
    (missed,) = run.not_reached
    assert len(missed.seen) == 6
    for address in missed.seen:
        assert landed(three_workers, f"cancel {address}")


def test_every_wait_of_a_run_can_be_hit_by_the_address_it_is_recorded_with():
    for point in points(faultloop.run(three_workers)):
        task, _, rest = point.partition(" @ ")
        where, _, nth = rest.rpartition(" ")
        (hit,) = landed(three_workers, f"delay:1ms {task} @ {where} {nth}")
        assert f"{hit.point.task} @ {hit.point.where}" == point


def test_names_with_blanks_and_signs_can_be_addressed_as_they_are_printed():
    async def scenario() -> None:
        await asyncio.wait([asyncio.create_task(one_second(), name='fetch "a/b" @ #1')])

    (task,) = {hit.point.task for hit in landed(scenario, 'cancel "fetch \\"a|b\\" @ #1" @ sleep')}
    run = faultloop.run(scenario, faults=[f"cancel worker @ {'nowhere'}"])
    assert task in run.not_reached[0].seen


def test_an_awaitable_of_a_library_is_told_by_the_function_below_the_users_own():
    async def scenario() -> None:
        sender, receiver = anyio.create_memory_object_stream[int]()
        async with anyio.create_task_group() as group, receiver:
            group.start_soon(receiver.receive)
            await anyio.sleep(1)
            sender.send_nowait(1)
            with sender:
                await anyio.lowlevel.checkpoint()

    told = points(faultloop.run(scenario))
    assert "scenario @ scenario>sleep #1" in told


def test_a_custom_awaitable_is_told_by_its_type():
    class Signal:
        def __await__(self) -> Any:
            yield from asyncio.sleep(1).__await__()

    class Raw:
        def __init__(self) -> None:
            self.future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(1, self.future.set_result, None)

        def __await__(self) -> Any:
            return self.future.__await__()

    async def scenario() -> None:
        await Signal()
        await Raw()

    run = faultloop.run(scenario)
    assert [point.partition(">")[2] for point in points(run)] == ["sleep #1", "Future #1"]
    for fault in ("fail:OSError scenario @ sleep", "fail:OSError scenario @ Future"):
        assert isinstance(faultloop.run(scenario, faults=[fault]).exception, OSError)


def test_a_coroutine_without_frames_of_the_users_own_stands_for_itself():
    async def scenario() -> None:
        task: asyncio.Task[None] = asyncio.create_task(asyncio.sleep(1))
        await asyncio.wait([task])

    (hit,) = landed(scenario, "cancel scenario/sleep @ sleep")
    assert hit.point.function == "sleep"


def deep(n: int) -> Coroutine[Any, Any, None]:
    async def level() -> None:
        await (deep(n - 1) if n else asyncio.sleep(1))

    return level()


def test_a_deep_stack_is_followed_to_its_end():
    async def scenario() -> None:
        await deep(60)

    (hit,) = landed(scenario, "cancel scenario @ level>sleep")
    assert hit.point.awaited == "sleep"
