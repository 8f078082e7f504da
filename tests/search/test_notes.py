"""What a program says about its run: notes, lines of logs, and where it is."""

import asyncio
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
import structlog

from faultloop import Run, explore, note, replay, run, world
from faultloop.logs import RunFilter, run_processor
from faultloop.search.logged import lines_kept
from faultloop.search.tracefile import load_trace, save_trace
from faultloop.world.notes import here

DRIVERS = pytest.mark.parametrize("driver", ["asyncio", "trio"])
LOG = logging.getLogger("shop")


def notes(ran: Run) -> list[tuple[str, float, str]]:
    """Each note with its task and its virtual time."""
    trace = ran.trace
    return [
        (trace.tasks[event.task].path if event.task >= 0 else "", event.t / 1e9, event.text)
        for event in trace.events
        if event.ev == "note"
    ]


@pytest.fixture(autouse=True)
def _levels() -> Iterator[None]:
    """Whatever other tests did to the levels of loggers."""
    before = LOG.level, LOG.disabled
    LOG.setLevel(logging.INFO)
    LOG.disabled = False
    yield
    LOG.setLevel(before[0])
    LOG.disabled = before[1]


async def sells() -> None:
    async def sell() -> None:
        await anyio.sleep(1.5)
        note("backlog = 3")
        LOG.warning("sold %d", 7)
        LOG.debug("not at this level")

    async with anyio.create_task_group() as group:
        group.start_soon(sell, name="seller")


@DRIVERS
def test_notes_and_lines_stand_beside_their_task(driver: str):
    assert notes(run(sells, driver=driver)) == [
        ("sells/seller", 1.5, "backlog = 3"),
        ("sells/seller", 1.5, "warning: shop: sold 7"),
    ]


@DRIVERS
def test_a_run_with_notes_replays(driver: str):
    assert replay(run(sells, driver=driver).trace, sells).same_digest


@DRIVERS
def test_what_is_no_unicode_is_stored_as_python_shows_it_and_replays(driver: str, tmp_path: Path):
    """Half a surrogate pair, as in a name of a file: notes, lines, names of loggers and of tasks, reasons."""
    log = logging.Logger("shop.\udcff")  # which hands its lines to nobody else: pytest could not pass them on
    log.addHandler(logging.NullHandler())

    async def scenario() -> None:
        async def child() -> None:
            note("note \ud800")
            log.warning("line %s", "\ud801")
            await anyio.sleep(1)

        async with anyio.create_task_group() as group:
            for name in ("task \ud800", "task \ud801"):
                group.start_soon(child, name=name)
            await anyio.sleep(0.5)
            group.cancel_scope.cancel("reason \ud800")

    recorded = run(scenario, driver=driver)
    save_trace(recorded.trace, tmp_path / "trace.json")
    stored = load_trace(tmp_path / "trace.json")
    assert notes(recorded) == [
        (f"scenario/task {mark}", 0.0, text)
        for mark in (r"\ud800", r"\ud801")
        for text in (r"note \ud800", r"warning: shop.\udcff: line \ud801")
    ]
    assert stored.events == recorded.trace.events
    replayed = replay(stored, scenario)
    assert replayed.same_digest
    assert notes(replayed.run) == notes(recorded)
    ends = [event.text for event in stored.events if event.ev == "end" and event.task > 0]
    assert all(text.partition(": ")[2] in ("", r"reason \ud800") for text in ends), ends


def test_outside_of_a_run_a_note_goes_nowhere():
    note("nobody hears this")
    assert here() is None
    anyio.run(sells)


@DRIVERS
def test_runs_that_are_not_recorded_bear_notes_and_go_on_behind_them(driver: str):
    reached: list[str] = []

    async def sells_twice() -> None:
        await sells()
        await anyio.sleep(1)
        reached.append("the end")

    assert explore(sells_twice, runs=60, tasks="seller", driver=driver).status == "passed"
    assert len(reached) > 4  # the calm runs, and every one in which a timer or an order was another
    found = explore(sells_without_its_slot, runs=60, tasks="seller", driver=driver)
    assert [failure.message.partition("\n")[0] for failure in found.failures] == ["AssertionError: a slot is lost"]


async def sells_without_its_slot() -> None:
    slots = 1

    async def sell() -> None:
        nonlocal slots
        slots -= 1
        note(f"slots = {slots}")
        await anyio.sleep(1)
        note("sold")
        slots += 1

    async with anyio.create_task_group() as group:
        group.start_soon(sell, name="seller")
    assert slots == 1, "a slot is lost"


def test_what_asyncio_says_is_not_the_programs():
    async def forgets() -> None:
        async def fails() -> None:
            raise ValueError("forgotten")

        asyncio.create_task(fails())  # noqa: RUF006 - it is to be forgotten
        await asyncio.sleep(1)

    assert notes(run(forgets)) == []


def test_loggers_are_left_as_they_were(capsys: pytest.CaptureFixture[str]):
    hand_over = logging.Logger.callHandlers
    run(sells)
    assert logging.Logger.callHandlers is hand_over


def test_runs_that_end_in_another_order_than_they_began_leave_nothing_behind():
    """As runs in several threads do: each one's end must not put back what another one put there."""
    hand_over = logging.Logger.callHandlers
    first, second = lines_kept(), lines_kept()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert logging.Logger.callHandlers is hand_over


@DRIVERS
def test_a_record_says_where_it_was_made(driver: str):
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = Keep()
    handler.addFilter(RunFilter())
    LOG.addHandler(handler)
    try:
        run(sells, driver=driver)
        LOG.warning("outside")
    finally:
        LOG.removeHandler(handler)
    inside, outside = records
    told = (inside.virtual_time, inside.task, inside.step > 0)  # type: ignore[attr-defined]
    assert told == ("1.500", "seller", True)
    assert (outside.virtual_time, outside.step, outside.task) == ("", 0, "")  # type: ignore[attr-defined]


def test_a_line_names_a_task_as_the_trace_does():
    """asyncio counts `Task-7` over a whole process: a line that said so would be another one in each run."""
    told: list[str] = []

    async def child() -> None:
        await asyncio.sleep(1)
        place = here()
        assert place is not None
        told.append(place.task)

    async def parent() -> None:
        await asyncio.gather(child(), child())
        await child()

    ran = run(parent)
    recorded = sorted(told)
    assert recorded == ["child", "child#2", "parent"]
    assert {task.path.rpartition("/")[2] for task in ran.trace.tasks} == set(recorded)
    told.clear()
    assert explore(parent, runs=3, faults=()).status == "passed"  # some of them are not recorded
    assert {name.partition("#")[0] for name in told} == {"child", "parent"}


@DRIVERS
@pytest.mark.parametrize("name", ["child", None])
def test_lines_of_tasks_of_one_name_are_told_apart_as_in_the_trace(driver: str, name: str | None):
    told: list[str] = []

    async def tell() -> None:
        await anyio.sleep(1)
        place = here()
        assert place is not None
        told.append(place.task)

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(tell, name=name)
        await tell()

    ran = run(scenario, driver=driver)
    assert sorted(told) == sorted(task.path.rpartition("/")[2] for task in ran.trace.tasks)
    (first, *others) = told[:3]
    assert others == [f"{first}#2", f"{first}#3"]


@DRIVERS
def test_a_structured_line_says_where_it_was_written_and_is_kept(driver: str):
    lines: list[structlog.typing.EventDict] = []

    def keep(_: object, __: str, event: structlog.typing.EventDict) -> str:
        lines.append(dict(event))
        return ""

    log = structlog.wrap_logger(structlog.PrintLogger(io.StringIO()), processors=[run_processor, keep])

    async def work() -> None:
        await anyio.sleep(2)
        log.info("claimed", job=5)

    async def scenario() -> None:
        machine = world.node("worker-1")
        machine.start(work)
        await machine.finished()

    ran = run(scenario, driver=driver)
    (line,) = lines
    assert (line["virtual_time"], line["task"], line["node"]) == (2.0, "worker-1", "worker-1")
    assert [text for _, _, text in notes(ran)] == ["info: claimed job=5"]
    log.info("outside")
    assert "step" not in lines[-1]
