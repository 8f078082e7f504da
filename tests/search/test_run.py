"""One run: what comes back, what is raised, and what is refused."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from faultloop import Limits, Run, Status, at, new_event_loop, run, step
from faultloop.errors import AddressError, Deadlock, FaultloopError, RunFailed, TargetError, UsageError


async def answers() -> int:
    await asyncio.sleep(3_600)
    return 42


async def breaks() -> None:
    raise LookupError("nothing there")


async def waits_for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def takes_turns() -> str:
    said: list[str] = []

    async def speaker(name: str) -> None:
        for _ in range(2):
            await asyncio.sleep(0)
            said.append(name)

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(speaker(name), name=name)
    return "".join(said)


async def hands_over() -> str:
    """A getter waits in a queue; what it got, or what happened to it, comes back."""
    queue = asyncio.Queue[str]()

    async def getter() -> str:
        try:
            return await queue.get()
        except OSError as error:
            return f"{type(error).__name__}: {error}"
        except asyncio.CancelledError:
            return "cancelled"

    task = asyncio.create_task(getter(), name="getter")
    await asyncio.sleep(1)
    queue.put_nowait("word")
    return await task


def test_a_run_returns_what_the_scenario_returned_in_virtual_time():
    result = run(answers)
    assert (result.status, result.value, result.virtual_time) == (Status.PASSED, 42, 3_600.0)
    assert result.exception is None
    result.raise_if_failed()


def test_the_programs_own_error_is_kept_and_not_raised():
    result = run(breaks)
    assert result.status is Status.CRASHED
    assert isinstance(result.exception, LookupError)
    assert result.trace.outcome.raised is not None
    assert result.trace.outcome.raised.place.endswith(f"test_run.py:{breaks.__code__.co_firstlineno + 1}")


@pytest.mark.parametrize("error", [SystemExit(3), asyncio.CancelledError(), GeneratorExit(), RecursionError()])
def test_no_error_of_the_program_gets_out(error: BaseException):
    async def raises() -> None:
        raise error

    assert run(raises).exception is error


def test_raise_if_failed_raises_the_programs_own_error():
    with pytest.raises(LookupError, match="nothing there"):
        run(breaks).raise_if_failed()


def test_raise_if_failed_tells_a_deadlock_with_who_waits_where():
    result = run(waits_for_ever)
    assert result.status is Status.DEADLOCKED
    with pytest.raises(
        RunFailed, match=r"(?s)deadlocked: deadlock at .*waits_for_ever waits at .*test_run.py:"
    ) as caught:
        result.raise_if_failed()
    assert caught.value.code == "FL600"
    assert isinstance(caught.value, AssertionError)


def test_a_run_over_its_limit_is_no_failure_of_the_program():
    result = run(answers, limits=Limits(virtual_seconds=60))
    assert result.status is Status.OVER_LIMIT
    result.raise_if_failed()


def test_without_a_seed_the_order_is_asyncios_own():
    assert run(takes_turns).value == asyncio.run(takes_turns()) == "abcabc"
    assert run(takes_turns, order="batch").trace.choices.count == 0


def test_a_seed_is_one_order_and_other_seeds_are_others():
    said = [run(takes_turns, seed=seed, order="batch").value for seed in range(20)]
    assert said == [run(takes_turns, seed=seed, order="batch").value for seed in range(20)]
    assert len(set(said)) > 5


def test_order_fifo_draws_nothing_whatever_the_seed():
    assert {run(takes_turns, seed=seed, order="fifo").value for seed in range(5)} == {"abcabc"}


def test_batch_keeps_turns_apart_and_any_does_not():
    # In a turn of its own each speaker speaks once, so the first three words of a batch run are three speakers.
    batch = {str(run(takes_turns, seed=seed, order="batch").value) for seed in range(50)}
    loose = {str(run(takes_turns, seed=seed, order="any").value) for seed in range(50)}
    assert {"".join(sorted(said[:3])) for said in batch} == {"abc"}
    assert any("".join(sorted(said[:3])) != "abc" for said in loose)


# Faults


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        ("cancel getter @ Queue.get", "cancelled"),
        ("fail:OSError getter @ Queue.get", "OSError: injected by faultloop"),
        ("fail:ConnectionResetError getter @ Queue.get woken", "ConnectionResetError: injected by faultloop"),
        ("cancel getter @ Queue.get woken", "cancelled"),
        ("cancel getter @ Queue.get racing hands_over @ sleep", "cancelled"),
        ("delay:2s getter @ Queue.get woken", "word"),
    ],
)
def test_a_fault_in_text_lands_where_it_says(fault: str, value: str):
    result = run(hands_over, faults=[fault])
    assert result.value == value
    assert result.not_reached == ()
    (delivered,) = result.trace.delivered
    assert str(delivered.point) == "hands_over/getter @ hands_over.<locals>.getter>Queue.get #1".replace(
        "hands_over.<locals>.", ""
    )


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (at(task="getter", awaiting="Queue.get").cancel(), "cancel getter @ Queue.get #1 parked"),
        (at(task="getter", awaiting="Queue.get", phase="woken").fail(OSError), "fail:OSError getter @ Queue.get woken"),
        (at(task="getter", awaiting="Queue.get", phase="woken").delay(2), "delay:2s getter @ Queue.get woken"),
        (
            at(task="getter", awaiting="Queue.get", phase="racing", before=step("hands_over", "sleep")).cancel(),
            "cancel getter @ Queue.get racing hands_over @ sleep",
        ),
    ],
)
def test_a_fault_written_in_python_is_the_fault_written_in_text(written: Any, text: str):
    in_python, in_text = run(hands_over, faults=[written]), run(hands_over, faults=[text])
    assert in_python.trace.digest == in_text.trace.digest
    assert in_python.trace.faults == in_text.trace.faults


def test_a_delay_moves_virtual_time():
    assert run(hands_over).virtual_time == 1.0
    assert run(hands_over, faults=["delay:2s getter @ Queue.get woken"]).virtual_time == 3.0


def test_a_fault_that_was_not_reached_is_told_with_what_was_there():
    result = run(hands_over, faults=["cancel getter @ Queue.put"])
    assert result.status is Status.PASSED
    (missed,) = result.not_reached
    assert missed.reason == 'getter never waited at "Queue.put"'
    assert missed.nearest == "hands_over/getter @ getter>Queue.get #1 parked"


def test_a_run_tells_its_history_a_line_an_event():
    history = run(hands_over, faults=["cancel getter @ Queue.get"]).history
    assert "step 2, 0.000 s: hands_over/getter waits at getter>Queue.get #1" in history
    assert "step 2, 0.000 s: hands_over/getter is hit: cancel" in history


# What is asked wrongly


async def never() -> None:
    raise AssertionError("a run that was asked for wrongly does not begin")


WRONG: list[tuple[Callable[[], object], type[FaultloopError], str]] = [
    (lambda: run(never, driver="curio"), UsageError, "FL506"),
    (lambda: run(never, order="chaos"), UsageError, "FL507"),  # type: ignore[arg-type]
    (lambda: run(never, faults="cancel a @ b"), UsageError, "FL508"),
    (lambda: run(never, faults=["cancel a"]), AddressError, "FL500"),
    (lambda: run(never, faults=["explode a @ b"]), AddressError, "FL500"),
    (lambda: run(never, faults=["fail:NoSuchError a @ b"]), UsageError, "FL504"),
    (lambda: run(42), UsageError, "FL100"),  # type: ignore[arg-type]
    (lambda: run(never()), UsageError, "FL100"),  # type: ignore[arg-type]
    (lambda: run(lambda: 42), TargetError, "FL104"),  # type: ignore[arg-type,return-value]
    (lambda: at(task="a", awaiting="b", nth=0), AddressError, "FL500"),
    (lambda: at(task="a", awaiting="b", phase="asleep"), AddressError, "FL500"),  # type: ignore[arg-type]
    (lambda: at(task="a", awaiting="b", phase="racing"), AddressError, "FL500"),
    (lambda: at(task="a", awaiting="b", before=step("c")), AddressError, "FL500"),
    (lambda: at(task="a", awaiting="b").delay(0), AddressError, "FL500"),
    (lambda: at(task="a", awaiting="b", phase="racing", before=step("c")).expire(), AddressError, "FL500"),
]


@pytest.mark.parametrize(("ask", "kind", "code"), WRONG)
def test_what_is_asked_wrongly_is_refused_with_a_code(ask: Callable[[], object], kind: type[FaultloopError], code: str):
    with pytest.raises(kind) as caught:
        ask()
    assert caught.value.code == code
    assert str(caught.value).endswith(f"[{code}]")


def test_an_address_error_points_at_the_character():
    with pytest.raises(AddressError) as caught:
        run(never, faults=["cancel worker Pool.acquire"])
    assert (caught.value.text, caught.value.position) == ("cancel worker Pool.acquire", 14)


@pytest.mark.parametrize("field", ["steps", "virtual_seconds", "wall_seconds", "events"])
def test_a_limit_of_nothing_is_refused(field: str):
    with pytest.raises(ValueError, match=f"limit {field} must be more than 0"):
        Limits(**{field: 0})


# The loop alone


def test_the_loop_runs_under_any_runner():
    with asyncio.Runner(loop_factory=lambda: new_event_loop(seed=3)) as runner:
        assert sorted(runner.run(takes_turns())) == list("aabbcc")


def test_the_loop_alone_raises_where_asyncios_own_would_hang():
    with asyncio.Runner(loop_factory=new_event_loop) as runner, pytest.raises(Deadlock):
        runner.run(waits_for_ever())


# The trace


def test_a_trace_names_a_function_at_the_top_of_a_file():
    assert run(answers).trace.target.ref == "tests/search/test_run.py:answers"


def test_a_function_inside_another_has_no_name_to_be_found_by():
    async def inside() -> None: ...

    assert run(inside).trace.target.ref == ""


def test_an_invocation_is_the_same_run_each_time():
    def digest(**asked: Any) -> str:
        result: Run = run(hands_over, **asked)
        return result.trace.digest

    assert len({digest() for _ in range(10)}) == 1
    assert len({digest(faults=["cancel getter @ Queue.get"]) for _ in range(10)}) == 1
    assert digest() != digest(faults=["cancel getter @ Queue.get"])
