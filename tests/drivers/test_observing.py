"""What is observed, what it is called, and that nothing else changes."""

import asyncio
import functools
import gc
import importlib
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from faultloop.drivers import touches
from faultloop.drivers.observed import observing
from faultloop.drivers.observed.code import is_observed
from faultloop.drivers.observed.observing import observed
from faultloop.drivers.touches import record_touches
from faultloop.errors import UsageError
from tests.drivers import observed_program as program

HERE = program.__name__


def touches_of(action: Callable[[], object]) -> set[tuple[str, bool]]:
    """What an action touches, by name (`Account.1.balance`), and whether it writes."""
    seen: list[tuple[int, bool]] = []
    record_touches(seen.append)
    try:
        action()
    finally:
        record_touches(None)
    names: dict[int, Any] = {number: key for key, number in touches._numbers.items()}
    return {
        (".".join(str(part) for part in names[number] if part not in (HERE, "builtins", "")), is_write)
        for number, is_write in seen
    }


def writes(action: Callable[[], object]) -> set[str]:
    return {name for name, is_write in touches_of(action) if is_write}


def reads(action: Callable[[], object]) -> set[str]:
    return {name for name, is_write in touches_of(action) if not is_write}


@pytest.fixture(autouse=True)
def _observed():
    with observed([HERE]):
        yield


# What is touched


def test_an_attribute_is_named_by_class_order_of_first_touch_and_name():
    account, other = program.Account("x"), program.Account("y")
    assert {"Account.1.balance", "Account.1.log.[]", "Account.2.balance"} <= writes(
        lambda: (account.pay(1), other.pay(1))
    )
    assert "Account.1.balance" in writes(lambda: other.pay(1))


def test_augmented_assignment_reads_and_then_writes():
    account = program.Account("x")
    touched = touches_of(lambda: account.pay(1))
    assert {("Account.1.balance", False), ("Account.1.balance", True)} <= touched


def test_a_variable_of_the_class_is_one_object_for_all():
    assert "Account.opened" in writes(lambda: program.Account("x"))


def test_a_global_counts_if_some_function_rebinds_it():
    assert touches_of(program.bump) == {("total", False), ("total", True)}


def test_a_closure_variable_counts_if_it_is_rebound_and_what_it_holds_always():
    add, look = program.counter()
    assert writes(add) == {f"{HERE}:count.1", f"{HERE}:kept.1.[]"}
    assert {f"{HERE}:count.1", f"{HERE}:kept.1.[]"} == reads(look)


def test_nothing_is_read_that_nobody_rebinds():
    assert not any("Account" in name for name in reads(lambda: program.Account("x")) if name != "Account.opened")


def test_state_without_hash_weak_references_or_a_true_class_is_observed_as_well():
    def run() -> None:
        with asyncio.Runner() as runner:
            runner.run(program.transfer())

    assert {"Slotted.1.value", "Unhashable.1.value", "Proxy.1.value"} <= writes(run)


def test_nothing_that_was_touched_is_kept_after_the_run():
    account, inside = program.Account("x"), program.Account("y")
    account.log.append(inside)  # type: ignore[arg-type]
    known = weakref.ref(inside)
    touches_of(functools.partial(account.pay, 1))
    del account, inside
    assert known() is None


def test_what_can_be_referred_to_weakly_lives_no_longer_than_it_would():
    account = program.Account("x")
    known = weakref.ref(account)
    record_touches(lambda touch: None)
    try:
        account.pay(1)
        del account
        assert known() is None
    finally:
        record_touches(None)


def made(folder: Path, name: str, text: str) -> ModuleType:
    (folder / f"{name}.py").write_text(text)
    return importlib.import_module(name)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    known = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


ITEMS = """
stock = {"a": 1, "b": 2}
row = [1, 2, 3]
async def nothing(): pass
async def extend():
    row.append(await nothing())
async def loop():
    for each in row:
        await nothing()
def update(): stock["a"] += 1
def insert(): stock["c"] = 3
def look(): return "b" in stock
def get(): return stock.get("b")
def count(): return len(stock), sum(stock.values())
def last(): row[-1] = 4
def drop(): del stock["c"]
"""


def test_items_count_by_key_and_adding_or_removing_one_changes_the_container(folder: Path):
    items = made(folder, "stocked", ITEMS)
    with observed(["stocked"]):
        assert writes(items.update) == {"stocked.stock.[].[].a"}
        assert writes(items.insert) == {"stocked.stock.[]", "stocked.stock.[].[].c"}
        assert reads(items.look) == reads(items.get) == {"stocked.stock.[]", "stocked.stock.[].[].b"}
        assert "stocked.stock.[]" in reads(items.count)
        assert writes(items.last) == {"stocked.row.[].[].2"}
        assert writes(items.drop) == {"stocked.stock.[]", "stocked.stock.[].[].c"}


def steps(function: Callable[[], Any], suspend: ModuleType) -> list[set[tuple[str, bool]]]:
    """What each step of a coroutine touches."""

    class Once:
        def __await__(self) -> Any:
            yield

    async def nothing() -> None:
        await Once()

    vars(suspend)["nothing"] = nothing
    coroutine, told = function(), []
    ended = False

    def step() -> None:
        nonlocal ended
        try:
            coroutine.send(None)
        except StopIteration:
            ended = True

    while not ended:
        told.append(touches_of(step))
    return told


def test_a_method_with_an_await_among_its_arguments_changes_the_container_in_the_step_that_calls_it(folder: Path):
    items = made(folder, "stocked", ITEMS)
    with observed(["stocked"]):
        first, second = steps(items.extend, items)
    assert ("stocked.row.[]", True) not in first
    assert {is_write for _, is_write in second} == {True}


def test_a_loop_that_awaits_reads_its_container_in_every_step(folder: Path):
    items = made(folder, "stocked", ITEMS)
    with observed(["stocked"]):
        told = steps(items.loop, items)
    assert len(told) == 4
    assert all(told)


# What is observed, and for how long


def test_a_module_imported_later_is_observed_and_hears_nothing_of_it(folder: Path):
    (folder / "later").mkdir()
    (folder / "later" / "__init__.py").write_text("")
    (folder / "later" / "sub.py").write_text("def f(): pass\nloader = __loader__")
    with observed(["later"]) as observation:
        sub = importlib.import_module("later.sub")
        assert is_observed(sub.f.__code__)
        assert observation.modules == ["later", "later.sub"]
        assert sub.__spec__ is not None
        assert type(sub.__spec__.loader).__module__ == sub.loader.__class__.__module__ == "_frozen_importlib_external"
    assert not is_observed(sub.f.__code__)


def test_functions_made_meanwhile_get_their_own_code_back_too():
    add, _ = program.counter()
    assert is_observed(add.__code__)
    account = program.Account("x")
    assert is_observed(type(account).pay.__code__)


def test_functions_are_found_whoever_holds_them_even_frozen(folder: Path):
    held = made(folder, "held", "def make():\n    x = 0\n    def f(): return x\n    return f\nall = [make()]\ndel make")
    gc.freeze()
    try:
        with observed(["held"]):
            assert is_observed(held.all[0].__code__)
        assert not is_observed(held.all[0].__code__)
    finally:
        gc.unfreeze()


def test_contexts_in_one_another_leave_everything_as_it_was():
    code = program.bump.__code__
    with observed([HERE]):
        assert program.bump.__code__ is code
    assert is_observed(program.bump.__code__)


@pytest.mark.parametrize("pattern", ["tests.drivers.observed_*", "tests.*.observed_program", "tests.drivers"])
def test_patterns_and_packages_cover_what_is_below(pattern: str):
    with observed([pattern]) as observation:
        assert HERE in observation.modules


@pytest.mark.parametrize(
    ("pattern", "code", "words"),
    [
        ("no_such_module", "FL520", 'there is no module "no_such_module"'),
        ("tests.no_such_module", "FL520", 'there is no module "tests.no_such_module"'),
        ("no_such_*", "FL520", "no imported module matches. Import it first, or give its full name"),
        (f"{HERE}.*", "FL520", f'There is "{HERE}", with nothing below it: name that'),
        ("msgspec._core", "FL521", "compiled to machine code"),
        ("asyncio", "FL521", "standard library"),
        ("faultloop.engine", "FL521", "the observer"),
    ],
)
def test_what_cannot_be_observed_is_refused_by_name(pattern: str, code: str, words: str):
    with pytest.raises(UsageError, match=words) as refused, observed([pattern]):
        pass
    assert refused.value.code == code


@pytest.mark.parametrize("pattern", [f"{HERE}.*", f"{HERE}.not_yet*"])
def test_a_pattern_below_a_module_that_is_named_too_may_match_nothing_yet(pattern: str):
    for patterns in ([HERE, pattern], [pattern, HERE]):
        with observed(patterns) as observation:
            assert observation.modules == [HERE]
    with pytest.raises(UsageError, match="no_such_"), observed([HERE, "no_such_*"]):
        pass


def test_another_python_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(observing, "_VERSIONS", ((3, 10),))
    with pytest.raises(UsageError, match="FL522"), observed([HERE]):
        pass


def test_compiled_modules_below_a_package_are_named():
    with observed(["msgspec"]) as observation:
        assert observation.unseen == ["msgspec._core"]
        assert "msgspec" in observation.modules
