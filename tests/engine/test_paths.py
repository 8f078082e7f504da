"""Task paths: names that hold across runs."""

import pytest

from faultloop.engine.paths import Siblings, TaskNode, bare_function, is_default_name


def family() -> tuple[TaskNode, TaskNode]:
    root = TaskNode(0, "scenario", None)
    return root, TaskNode(1, "worker", root)


def test_a_path_is_the_parents_path_and_a_label():
    root, worker = family()
    assert (root.path, worker.path) == ("scenario", "scenario/worker")


def test_siblings_of_one_label_are_numbered_from_the_second_on():
    root, first = family()
    others = [TaskNode(i, "worker", root) for i in (2, 3)]
    assert [node.path for node in (first, *others)] == ["scenario/worker", "scenario/worker#2", "scenario/worker#3"]


def test_tasks_that_no_task_made_are_numbered_as_well():
    orphans = Siblings()
    first, second = (TaskNode(index, "handler", None, orphans) for index in (0, 1))
    assert (second.path, first.path) == ("handler#2", "handler")


def test_the_number_follows_creation_and_not_who_asks_first():
    root, first = family()
    second = TaskNode(2, "worker", root)
    assert second.path == "scenario/worker#2"
    assert first.path == "scenario/worker"


def test_cousins_do_not_share_numbers():
    root, left = family()
    right = TaskNode(2, "worker", root)
    assert TaskNode(3, "child", left).path == "scenario/worker/child"
    assert TaskNode(4, "child", right).path == "scenario/worker#2/child"


def test_a_name_counts_until_the_path_is_settled():
    _, worker = family()
    worker.rename("charge")
    assert worker.path == "scenario/charge"
    worker.rename("refund")
    assert worker.path == "scenario/charge"


def test_the_next_child_settles_the_one_before():
    root, first = family()
    TaskNode(2, "worker", root)
    first.rename("too-late")
    assert first.path == "scenario/worker"


def test_a_name_that_asyncio_made_up_is_none():
    _, worker = family()
    worker.rename("Task-7")
    assert worker.path == "scenario/worker"


@pytest.mark.parametrize(
    ("name", "made_up"), [("Task-1", True), ("Task-12", True), ("Task-", False), ("my Task-1", False)]
)
def test_made_up_names_are_exactly_asyncios(name: str, made_up: bool):
    assert is_default_name(name) is made_up


def test_names_that_are_no_unicode_stay_apart_and_can_be_written():
    root, worker = family()
    worker.rename("half \ud800")
    other = TaskNode(2, "worker", root)
    other.rename("half \ud801")
    assert (worker.path, other.path) == (r"scenario/half \ud800", r"scenario/half \ud801")


def test_a_slash_in_a_name_does_not_make_a_level():
    _, worker = family()
    worker.rename("GET /jobs")
    assert worker.path == "scenario/GET |jobs"


@pytest.mark.parametrize(
    ("qualname", "bare"),
    [("Pool.acquire", "Pool.acquire"), ("f.<locals>.Pool.acquire", "Pool.acquire"), ("f.<locals>.g.<locals>.h", "h")],
)
def test_a_bare_function_leaves_out_what_it_is_defined_in(qualname: str, bare: str):
    assert bare_function(qualname) == bare
