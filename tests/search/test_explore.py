"""Exploring: what is found, what is said to have been tried, and when nothing can be said."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import count
from typing import Any

import anyio
import pytest

from faultloop import Checks, Exploration, Limits, Status, explore, replay, run
from faultloop.errors import TargetError, UsageError
from faultloop.model.faults import Cancel
from faultloop.model.trace import Order
from faultloop.search.findings import Progress

Scenario = Callable[[], Coroutine[Any, Any, object]]
EVERY_SINGLE = "every single fault (cancel) at every await of the calm run"


def faults_of(found: Exploration) -> list[str]:
    return [failure.fault for failure in found.failures]


async def two_workers() -> None:
    """Correct: two workers and a queue, and whatever is cancelled cleans up after itself."""
    queue = asyncio.Queue[int]()

    async def worker() -> None:
        while True:
            await queue.get()
            try:
                await asyncio.sleep(0.1)
            finally:
                queue.task_done()

    workers = [asyncio.create_task(worker(), name=f"worker-{n}") for n in (1, 2)]
    for number in range(4):
        queue.put_nowait(number)
    done, _ = await asyncio.wait([asyncio.ensure_future(queue.join()), *workers], return_when=asyncio.FIRST_COMPLETED)
    for task in (*workers, *done):
        task.cancel()
    await asyncio.gather(*workers, *done, return_exceptions=True)


def leaky(*, says_goodbye: bool = True) -> Scenario:
    """A resource that is given back in a cleanup with an await of its own, before the giving back."""

    async def scenario() -> None:
        held = 0

        async def user() -> None:
            nonlocal held
            held += 1
            try:
                await asyncio.sleep(1)
            finally:
                if says_goodbye:
                    await asyncio.sleep(0.5)  # whoever is cancelled here keeps the resource
                held -= 1

        await asyncio.gather(asyncio.create_task(user(), name="user"), return_exceptions=True)
        assert held == 0, "the resource is still held"

    return scenario


def rolls_back() -> Scenario:
    """Commits without an await; only rolling back has one. One fault alone is always borne."""

    async def scenario() -> None:
        is_open = False

        async def transaction() -> None:
            nonlocal is_open
            is_open = True
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                await asyncio.sleep(0.5)  # the rollback travels: a second cancellation here leaves it open
                is_open = False
                raise
            is_open = False

        await asyncio.gather(asyncio.create_task(transaction(), name="transaction"), return_exceptions=True)
        assert not is_open, "the transaction is still open"

    return scenario


async def needs_an_order() -> None:
    """Wrong unless the two start in the order in which they were made."""
    said: list[str] = []

    async def say(word: str) -> None:
        said.append(word)

    await asyncio.gather(say("first"), say("second"))
    assert said == ["first", "second"], said


async def alone() -> None:
    await asyncio.sleep(1)


# When nothing can be said


async def fails_anyway() -> None:
    await asyncio.sleep(1)
    raise AssertionError("fails anyway")


def test_a_calm_run_that_fails_is_the_only_thing_told():
    found = explore(fails_anyway)
    assert found.status == "violated"
    assert found.reason == "the scenario fails without any fault, so nothing was explored"
    assert (found.runs, found.tried, found.first_failure_run) == (2, 0, 1)
    (failure,) = found.failures
    assert (failure.fault, failure.message, failure.deviations) == ("", "AssertionError: fails anyway", 0)


def test_a_scenario_that_is_not_deterministic_is_inconclusive_and_the_step_is_named():
    runs = count(1)

    async def unsteady() -> None:
        await asyncio.sleep(next(runs))

    found = explore(unsteady)
    assert (found.status, found.failures, found.runs) == ("inconclusive", (), 2)
    assert found.reason.startswith("not deterministic: the runs differ at step 1: expected step 1, 1.000 s: time moves")
    assert "2.000 s" in found.reason


def test_a_calm_run_over_its_limit_is_inconclusive():
    found = explore(alone, limits=Limits(virtual_seconds=0.5))
    assert found.status == "inconclusive"
    assert found.reason.startswith("the calm run ended as «over limit»")


# Single faults


def test_a_fault_that_leads_over_a_limit_is_not_passed_over():
    async def scenario() -> None:
        answered = asyncio.Event()

        async def answer() -> None:
            await asyncio.sleep(1)
            answered.set()

        async def tick() -> None:
            while True:  # noqa: ASYNC110  # on purpose
                await asyncio.sleep(0.1)

        answering, ticking = asyncio.create_task(answer()), asyncio.create_task(tick())
        await answered.wait()  # for ever, when the answer was cancelled
        ticking.cancel()
        del answering

    found = explore(scenario, strategy="sweep", faults=["cancel"], tasks="*/answer", limits=Limits(steps=5_000))
    assert found.tried > 1
    assert [str(left_out) for left_out in found.not_tried] == [f"{found.tried} x it ran over a limit: cannot tell"]


def test_every_connection_of_a_server_can_be_hit_and_the_fault_found_again():
    """Their tasks are nobody's children, and alike but for a number."""

    async def scenario() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()

        async with await asyncio.start_server(serve, "db", 80):
            for question in (b"one\n", b"two\n"):
                reader, writer = await asyncio.open_connection("db", 80)
                writer.write(question)
                assert await reader.readline() == question
                writer.close()

    found = explore(scenario, strategy="sweep", faults=["cancel"], tasks="serve*")
    assert faults_of(found) == ["cancel serve @ serve>StreamReader.readline #1 parked"]
    assert found.failures[0].count == found.tried  # in either connection, whenever it is hit
    assert not found.not_tried
    second = run(scenario, faults=['cancel "serve#2" @ StreamReader.readline #1'])
    assert not second.not_reached
    assert second.status.is_failure


@pytest.mark.parametrize(
    ("named", "bound"),
    [
        ({"tasks": "user"}, "of user in the calm run"),
        ({"where": "user"}, "at user in the calm run"),
        ({"tasks": "us*", "where": "sleep"}, "of us* at sleep in the calm run"),
    ],
)
def test_the_sentence_names_the_awaits_that_the_faults_were_meant_for(named: dict[str, Any], bound: str):
    found = explore(leaky(), strategy="sweep", faults=["cancel"], **named)
    assert found.exhausted == (f"every single fault (cancel) at every await {bound}",)


def test_every_single_fault_is_tried_and_the_sentence_says_so():
    found = explore(two_workers, strategy="sweep", faults=["cancel"])
    assert (found.status, found.failures) == ("passed", ())
    assert found.exhausted == (EVERY_SINGLE,)
    assert found.tried == found.runs - 2 > found.points > 0
    assert found.schedules == 1


def test_a_single_fault_is_found_by_its_address_and_replays():
    found = explore(leaky(), strategy="sweep", faults=["cancel"], tasks="user")
    assert found.status == "violated"
    assert "cancel scenario/user @ user>sleep #2 parked" in faults_of(found)
    failure = found.failures[0]
    assert (failure.kind, failure.order, failure.deviations) == ("violated", "fifo", 1)
    assert failure.message.startswith("AssertionError: the resource is still held")
    assert replay(failure.trace, leaky()).same_digest
    assert replay(failure.trace, leaky(says_goodbye=False), follow="faults").run.status is Status.PASSED


def test_a_fault_may_be_given_as_a_value():
    assert faults_of(explore(leaky(), faults=[Cancel()], depth=1, order="fifo")) == faults_of(
        explore(leaky(), faults=["cancel"], depth=1, order="fifo")
    )


def test_only_the_tasks_and_places_asked_for_are_hit():
    assert explore(leaky(), strategy="sweep", tasks="nobody").tried == 0
    assert explore(leaky(), strategy="sweep", where="Queue.*").tried == 0
    assert explore(leaky(), strategy="sweep", tasks="user", where="sleep").tried > 0


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"tasks": "nobody"}, 'no task that waits in the calm run is called "nobody"; there are scenario, user'),
        ({"tasks": "user", "where": "Queue.*"}, 'no await of the calm run is called "Queue.*"; there are user>sleep'),
    ],
    ids=["tasks", "awaits"],
)
def test_a_name_that_nothing_has_is_said_and_claims_nothing(named: dict[str, Any], said: str):
    """A slip of the pen must not look like a scenario that bears every fault."""
    found = explore(leaky(), **named)
    assert (found.status, found.reason) == ("inconclusive", f"no fault was tried: {said}")
    assert not any("single fault" in sentence for sentence in found.exhausted)
    assert any("every order" in sentence for sentence in found.exhausted), "orders are tried all the same"


def test_orders_alone_need_no_task_of_that_name():
    assert explore(two_workers, faults=(), tasks="nobody").status == "passed"
    assert explore(two_workers, strategy="schedules", tasks="nobody", runs=50).status == "passed"


def test_a_task_that_names_itself_is_found_by_that_name():
    """Its path was settled before: a handler that a server starts is often named so."""

    async def scenario() -> None:
        async def child() -> None:
            me = asyncio.current_task()
            assert me is not None
            me.set_name("handler")
            await asyncio.sleep(1)

        await asyncio.wait([asyncio.create_task(child())])

    found = explore(scenario, strategy="sweep", faults=["cancel"], tasks="handler")
    assert found.tried > 0


def test_what_cannot_be_tried_is_told_with_its_reason():
    found = explore(two_workers, strategy="sweep", faults=["expire"])
    assert found.tried == 0
    assert [str(reason) for reason in found.not_tried] == [f"{found.points} x expire: no deadline covers the await"]


def test_the_same_cause_is_one_failure_however_often_it_shows():
    found = explore(leaky(), strategy="sweep", faults=["cancel"], tasks="user")
    assert all(failure.count >= 1 for failure in found.failures)
    causes = {(f.trace.delivered[0].point, f.trace.faults[0].at.phase) for f in found.failures}
    assert len(causes) == len(found.failures)


# Pairs


def test_a_bug_in_cleaning_up_takes_a_pair_of_faults():
    asked: dict[str, Any] = {"faults": ["cancel"], "tasks": "transaction", "order": "fifo"}
    assert explore(rolls_back(), depth=1, **asked).status == "passed"
    found = explore(rolls_back(), depth=2, **asked)
    assert found.status == "violated"
    first = "cancel scenario/transaction @ transaction>sleep #1 parked"
    assert f"{first}; cancel scenario/transaction @ transaction>sleep #2 parked" in faults_of(found)
    assert found.failures[0].deviations == 2


# Orders


def test_an_order_bug_is_found_without_any_fault():
    found = explore(needs_an_order, faults=())
    assert found.status == "violated"
    (failure,) = found.failures
    assert (failure.fault, failure.order, failure.deviations) == ("", "batch", 1)
    assert failure.message.startswith("AssertionError: ['second', 'first']")


def test_strategy_schedules_draws_orders_and_tries_no_fault():
    found = explore(needs_an_order, strategy="schedules", runs=50)
    assert (found.status, found.tried) == ("violated", 0)


def test_order_fifo_draws_no_orders():
    found = explore(needs_an_order, faults=["cancel"], order="fifo")
    assert (found.status, found.schedules, found.exhausted) == ("passed", 1, (EVERY_SINGLE,))


def test_few_orders_are_enumerated_and_the_sentence_says_how_many():
    found = explore(needs_an_order, strategy="schedules", order="batch")
    assert found.exhausted == ("every order at level batch: all 2",)
    assert found.schedules == 2  # the calm one, and the other
    assert (found.runs, found.classes) == (6, 1)  # calm twice, each order twice; what `said` holds is not observed


async def three_of_whom_two_share() -> None:
    """Six orders. Only who puts first can be told."""
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def put(item: int) -> None:
        queue.put_nowait(item)

    async def look_away() -> None: ...

    await asyncio.gather(put(1), look_away(), put(2))


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_orders_that_are_enumerated_are_told_with_their_classes(driver: str):
    async def on_anyio() -> None:
        send, receive = anyio.create_memory_object_stream[int](2)

        async def put(item: int) -> None:
            send.send_nowait(item)

        async def look_away() -> None: ...

        with send, receive:
            async with anyio.create_task_group() as group:
                group.start_soon(put, 1)
                group.start_soon(look_away)
                group.start_soon(put, 2)

    scenario = on_anyio if driver == "trio" else three_of_whom_two_share
    found = explore(scenario, strategy="schedules", order="batch", driver=driver)
    assert found.exhausted == ("every order at level batch: all 6",)
    assert (found.schedules, found.classes) == (6, 2)


async def six_who_share_nothing() -> None:
    """Too many orders to enumerate, all of one class."""

    async def one() -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    await asyncio.gather(*(one() for _ in range(6)))


@pytest.mark.parametrize("strategy", ["schedules", "unseen"])
@pytest.mark.parametrize(("order", "hold"), [("batch", 2), ("any", 2), ("any", None)], ids=["batch", "held", "any"])
def test_there_are_never_fewer_classes_than_are_told(strategy: str, order: Order, hold: int | None):
    """Where tasks are held back up to a bound, whoever picks must tell any two orders apart: that makes no classes."""
    found = explore(six_who_share_nothing, strategy=strategy, order=order, hold=hold, runs=120)
    assert found.classes == 1


def test_of_orders_that_nobody_watched_no_classes_are_told():
    found = explore(six_who_share_nothing, strategy="pct3", order="batch", runs=20)
    assert (found.schedules > 10, found.classes) == (True, 0)


def test_the_calm_run_alone_is_one_order_of_one_class():
    found = explore(two_workers, strategy="sweep")
    assert (found.schedules, found.classes) == (1, 1)


def test_drawing_ends_when_nothing_new_is_drawn_and_says_so():
    async def five_at_once() -> None:
        async def step() -> None: ...

        await asyncio.gather(*(step() for _ in range(5)))

    found = explore(five_at_once, strategy="schedules", order="batch", runs=10_000)
    assert found.exhausted == ("orders at level batch, as far as drawing goes: the last 200 had all been seen before",)


def test_a_scenario_without_choices_is_exhausted_at_once():
    found = explore(alone, faults=())
    assert (found.status, found.runs, found.points) == ("passed", 4, 1)
    assert found.exhausted == (
        "every order at level batch: no two steps were ever ready in one turn",
        "every order at level any: no two steps were ever ready in one turn",
    )


def test_a_scenario_without_an_await_has_nothing_to_hit():
    async def at_once() -> int:
        return 1

    found = explore(at_once)
    assert (found.status, found.points, found.tried) == ("passed", 0, 0)


def test_the_level_any_has_its_part_of_the_budget_however_many_orders_batch_has():
    async def one_turn_early() -> None:
        turns = list[str]()

        async def twice() -> None:
            turns.append("first")
            await asyncio.sleep(0)
            turns.append("second")

        await asyncio.gather(*(twice() for _ in range(9)))
        assert turns == ["first"] * 9 + ["second"] * 9, "somebody was held back a turn"

    assert explore(one_turn_early, faults=(), runs=100, order="batch").status == "passed"
    found = explore(one_turn_early, faults=(), runs=100, order="any")
    assert (found.runs, {failure.order for failure in found.failures}) == (100, {"any"})


# The budget


@pytest.mark.parametrize("runs", [1, 3, 10, 57])
def test_the_budget_in_runs_is_kept(runs: int):
    found = explore(two_workers, runs=runs)
    assert found.runs <= max(runs, 2)


def test_a_budget_that_ends_early_claims_nothing_complete():
    assert explore(two_workers, runs=5, faults=["cancel"]).exhausted == ()


def test_the_time_limit_is_kept():
    began = time.perf_counter()
    found = explore(two_workers, runs=10**9, time_limit=0.2)
    assert time.perf_counter() - began < 5
    assert found.runs < 10**9


def test_progress_names_the_stage_and_counts_what_was_done():
    told: list[Progress] = []
    found = explore(leaky(), on_progress=told.append, runs=200)
    assert [progress.runs for progress in told] == sorted(progress.runs for progress in told)
    assert (told[-1].runs, told[-1].runs_max, told[-1].tried) == (found.runs, 200, found.tried)
    stages = list(dict.fromkeys(progress.stage for progress in told))
    assert stages[:2] == ["single faults", "pairs of faults"]
    assert stages[-1] == "shrinking"


def test_the_first_failure_is_enough_if_asked_for():
    found, all_of_it = explore(leaky(), first=True), explore(leaky())
    assert found.status == "violated"
    assert found.runs == found.first_failure_run == all_of_it.first_failure_run
    assert [failure.fault for failure in found.failures] == [all_of_it.failures[0].fault]


async def fragile() -> None:
    """Cancelled at its second await it fails, and at none of the three others."""
    await asyncio.sleep(1)
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError as error:
        raise OSError("half written") from error
    await asyncio.sleep(1)
    await asyncio.sleep(1)


@pytest.mark.parametrize(("short", "tried"), [({"first": True}, 2), ({"runs": 5}, 3)], ids=["first", "budget"])
def test_an_await_that_no_fault_hit_does_not_count_as_tried(short: dict[str, Any], tried: int):
    whole, part = explore(fragile), explore(fragile, **short)
    assert (whole.points, whole.points_tried, whole.kinds_tried) == (4, 4, ("cancel",))  # no deadline: nothing expires
    assert (part.points, part.points_tried) == (4, tried)
    assert (whole.awaits_in_words, part.awaits_in_words) == ("4", f"{tried} of 4")


def test_awaits_of_tasks_that_were_not_to_be_hit_are_not_tried():
    found = explore(leaky(), tasks="nobody", order="fifo")
    assert (found.points_tried, found.kinds_tried) == (0, ())


def test_the_same_seed_finds_the_same():
    one, two = explore(two_workers, runs=150, seed=4), explore(two_workers, runs=150, seed=4)
    assert (one.runs, one.tried, one.schedules, one.exhausted) == (two.runs, two.tried, two.schedules, two.exhausted)


def test_a_check_that_is_off_finds_nothing():
    async def forgets() -> None:
        async def breaks() -> None:
            await asyncio.sleep(1)
            raise OSError

        asyncio.create_task(breaks())  # noqa: RUF006
        await asyncio.sleep(2)

    assert explore(forgets).reason != ""
    assert explore(forgets, checks=Checks(unretrieved="off"), faults=["cancel"], runs=100).reason == ""


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"strategy": "luck"}, "FL510"),
        ({"runs": 0}, "FL511"),
        ({"order": "chaos"}, "FL507"),
        ({"depth": 3}, "FL512"),
        ({"faults": ["explode"]}, "FL500"),
        ({"runs": 2.5}, "FL511"),
        ({"time_limit": 0}, "FL511"),
        ({"time_limit": float("nan")}, "FL511"),
        ({"faults": "cancel"}, "FL508"),
        ({"faults": [5]}, "FL508"),
        ({"observe": "json"}, "FL508"),
        ({"tasks": None}, "FL508"),
        ({"where": ["sleep"]}, "FL508"),
        ({"threads": "some"}, "FL523"),
        ({"limits": 3}, "FL523"),
        ({"checks": 3}, "FL523"),
        ({"seed": -1}, "FL523"),
        ({"faults": 3}, "FL508"),
        ({"faults": ["fail:NoSuchError"]}, "FL504"),
        ({"faults": ["fail:NoSuchError"], "jobs": 2}, "FL504"),
    ],
)
def test_what_is_asked_wrongly_is_refused_with_a_code(asked: dict[str, Any], code: str):
    with pytest.raises(UsageError) as caught:
        explore(alone, **asked)
    assert caught.value.code == code


def test_a_scenario_with_arguments_is_refused_with_their_names():
    async def takes(pool: object, jobs: int) -> None: ...

    for call in (explore, run):
        with pytest.raises(TargetError, match=r"takes needs pool, jobs; a scenario takes no arguments") as caught:
            call(takes)  # type: ignore[arg-type]
        assert caught.value.code == "FL104"
    assert run(partial(takes, None, 1)).status is Status.PASSED


async def accepts_a_connection() -> None:
    """asyncio makes a task of its own for every connection that a server accepts."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        await reader.read()
        writer.close()


def test_tasks_of_asyncios_own_are_spared_unless_they_are_asked_for():
    spared = explore(accepts_a_connection, strategy="sweep", faults=["cancel"])
    assert not any("_accept_connection2" in failure.fault for failure in spared.failures)
    assert any("a task of asyncio's own" in str(reason) for reason in spared.not_tried)
    asked = explore(accepts_a_connection, strategy="sweep", faults=["cancel"], tasks="*_accept_connection2")
    assert asked.tried > 0


def test_a_run_that_failed_and_then_did_not_leaves_nothing_to_be_said():
    made = count()

    async def scenario() -> None:
        number = next(made)
        await asyncio.sleep(1)
        await asyncio.sleep(1)
        assert number != 3, "the run of this number fails, whatever is done to it"

    found = explore(scenario, faults=["delay:1s"])
    assert (found.status, found.failures) == ("inconclusive", ())
    assert found.reason == "a run failed, and not when it was made again: not deterministic?"
