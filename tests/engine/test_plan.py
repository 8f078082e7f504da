"""A plan against a run: what is due where, and what to say about a fault that never landed."""

import pytest

from faultloop.engine.paths import TaskNode
from faultloop.engine.plan import NOTHING_DUE, Due, Plan
from faultloop.model.address import parse_fault


def plan_of(*texts: str) -> Plan:
    return Plan([parse_fault(text) for text in texts])


def task(name: str, index: int = 1) -> TaskNode:
    node = TaskNode(index, "worker", TaskNode(0, "scenario", None))
    node.rename(name)
    node.settle()
    return node


def waits(plan: Plan, node: TaskNode, where: str = "Pool.acquire>Future", times: int = 1) -> Due:
    """The last of so many waits there."""
    due = NOTHING_DUE
    function, _, awaited = where.partition(">")
    for _ in range(times):
        due = plan.waits(node, node.path.rpartition("/")[2], function, awaited)
    return due


def test_a_fault_is_due_at_its_address():
    plan = plan_of("cancel w-1 @ Pool.acquire")
    assert waits(plan, task("w-1")) == Due((0,), ())


@pytest.mark.parametrize("where", ["Pool.acquire", "Future", "Pool.acquire>Future", "Pool.*", "*>Future"])
def test_a_site_is_told_by_function_by_awaited_or_by_both(where: str):
    assert waits(plan_of(f"cancel w-1 @ {where}"), task("w-1")).victims == (0,)


def test_a_fault_is_not_due_at_another_task_or_another_site():
    plan = plan_of("cancel w-1 @ Pool.acquire")
    assert not waits(plan, task("w-2"))
    assert not waits(plan, task("w-1"), "Pool.release>sleep")


def test_the_nth_wait_counts_for_each_task_by_itself():
    plan = plan_of("cancel w-* @ Pool.acquire #2")
    one, two = task("w-1", 1), task("w-2", 2)
    assert not waits(plan, one)
    assert not waits(plan, two)
    assert waits(plan, one).victims == (0,)


def test_a_fault_that_landed_is_due_no_more():
    plan = plan_of("cancel w-* @ Pool.acquire")
    assert waits(plan, task("w-1", 1)).victims == (0,)
    plan.landed(0)
    assert plan.is_done
    assert not waits(plan, task("w-2", 2))


def test_two_faults_may_be_due_at_one_wait():
    plan = plan_of("delay:1s w-1 @ Pool.acquire woken", "cancel w-1 @ Future")
    assert waits(plan, task("w-1")).victims == (0, 1)


def test_the_rival_of_a_racing_fault_is_told_at_the_wait_it_goes_on_from():
    plan = plan_of("cancel w-1 @ Pool.acquire racing w-2 @ sleep #2")
    assert waits(plan, task("w-1", 1)) == Due((0,), ())
    rival = task("w-2", 2)
    assert not waits(plan, rival, "work>sleep")
    assert waits(plan, rival, "work>sleep") == Due((), (0,))


def test_a_rivals_first_step_is_told_when_it_starts():
    plan = plan_of("cancel w-1 @ Pool.acquire racing w-2 @ start")
    assert plan.started(task("w-1", 1), "w-1") == NOTHING_DUE
    assert plan.started(task("w-2", 2), "w-2") == Due((), (0,))


def test_what_landed_needs_no_explanation():
    plan = plan_of("cancel w-1 @ Pool.acquire")
    plan.landed(0)
    assert plan.not_reached() == ()


def test_an_unknown_task_is_answered_with_those_that_waited():
    plan = plan_of("cancel wroker-1 @ Pool.acquire")
    waits(plan, task("worker-1", 1))
    waits(plan, task("worker-2", 2))
    (missed,) = plan.not_reached()
    assert missed.reason == (
        'no task matched "wroker-1" and waited. Tasks that waited: scenario/worker-1, scenario/worker-2'
    )
    assert missed.seen == ("scenario/worker-1", "scenario/worker-2")
    assert missed.nearest == "scenario/worker-1"


def test_an_unknown_place_is_answered_with_the_nearest_one():
    plan = plan_of("cancel w-1 @ Pool.aquire")
    waits(plan, task("w-1"), "Pool.acquire>Future", times=2)
    waits(plan, task("w-1"), "work>sleep")
    (missed,) = plan.not_reached()
    assert missed.reason == 'w-1 never waited at "Pool.aquire"'
    assert missed.nearest == "scenario/w-1 @ Pool.acquire>Future #2 parked"
    assert len(missed.seen) == 2


def test_a_wait_that_came_less_often_is_counted():
    plan = plan_of("cancel w-1 @ Pool.acquire #5")
    waits(plan, task("w-1"), times=3)
    (missed,) = plan.not_reached()
    assert missed.reason == 'w-1 waited at "Pool.acquire" 3 times; #5 does not exist'


def test_a_phase_that_did_not_come_is_told_apart_from_a_wait_that_did_not():
    plan = plan_of("cancel w-1 @ Pool.acquire woken", "cancel w-1 @ Pool.acquire racing w-2 @ start")
    waits(plan, task("w-1"))
    woken, racing = plan.not_reached()
    assert woken.reason == 'the wait was reached, but its phase "woken" did not come'
    assert racing.reason == "the wait was reached, but w-2 @ start #1 did not come while it lasted"


def test_an_obstacle_is_the_reason_when_there_was_one():
    plan = plan_of("expire w-1 @ Pool.acquire woken")
    waits(plan, task("w-1"))
    plan.obstructed(0, "no deadline covers the task")
    (missed,) = plan.not_reached()
    assert missed.reason == "no deadline covers the task"


def test_a_run_with_many_tasks_names_a_dozen():
    plan = plan_of("cancel nobody @ Pool.acquire")
    for number in range(20):
        waits(plan, task(f"w-{number:02}", number))
    (missed,) = plan.not_reached()
    assert missed.reason.count("scenario/w-") == 12
    assert missed.reason.endswith(", …")
    assert len(missed.seen) == 20


def test_an_empty_plan_is_done_and_wants_nothing():
    plan = plan_of()
    assert plan.is_done
    assert waits(plan, task("w-1")) is NOTHING_DUE
