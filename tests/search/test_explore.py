"""Exploring faults: what is found, what is said to have been tried, and when nothing can be said."""

import asyncio
from itertools import count
from typing import Any

import pytest

from faultloop import Limits, Status, explore, replay, run
from faultloop.model.faults import Cancel
from tests.search.explored import EVERY_SINGLE, alone, faults_of, leaky, rolls_back, two_workers

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
