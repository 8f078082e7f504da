"""The story of a run: few lines, in words a person would use, whatever the program called its things."""

import re

import msgspec
import pytest
from hypothesis import given

from faultloop.model.faults import Address, Cancel, Delay, Expire, Fail, Fault, PlannedFault
from faultloop.model.outcome import Finding, Outcome, Raised, Status, Waiting
from faultloop.model.trace import Choices, Departure, Trace
from faultloop.report.story import LINES_MAX, story
from faultloop.report.words import WIDTH, clean, for_encoding, task_names
from tests.model.strategies import PROPERTY, traces
from tests.report.support import RACING, TRACE, but

STORY = """\
Cancelling worker-2 at one await breaks all_jobs_done.

  fault      cancel worker-2 at lib/pool.py:20 in Pool.acquire, wait #1 in Future
             just after its result was set, before it ran again (woken)
             0.100 s virtual, step 6 of 20
  broke      pool.in_use: it is 1, expected 0
             TimeoutError  (test_queue.py:26)
             pool.in_use == 0: it is 1

   step   virtual  scenario                 worker-1                   worker-2
      3     0.000                                                      waits Pool.acquire, line 20
      4     0.100                           woken
      5     0.100                                                      woken by worker-1
      5     0.100                           waits Pool.acquire, line 20
      6     0.100                                                      ✗ cancel (faultloop)
      6     0.100                                                      ended: cancelled
      7    30.000  woken
      8    30.000  ended: TimeoutError

  stuck      scenario ← Queue.join()    test_queue.py:27  needs task_done() from worker-1
             worker-1 ← Pool.acquire()  lib/pool.py:20    needs release(); nobody will do it

  also       leaked_tasks: 1 task left alive when the scenario ended [worker-1]

  replay     python -m faultloop replay t.json
  replayed once, with the same digest 6ba97af38375"""


def test_the_story_of_a_lost_slot():
    told = story(
        TRACE,
        next_steps=[("replay", "python -m faultloop replay t.json")],
        last="replayed once, with the same digest 6ba97af38375",
    )
    assert re.sub(r" {2,}", "  ", told) == re.sub(r" {2,}", "  ", STORY)


@PROPERTY
@given(traces())
def test_a_story_is_short_and_shows_no_control_character(trace: Trace):
    lines = story(trace, next_steps=[("replay", "x")] * 3, last="y").split("\n")
    assert len(lines) <= LINES_MAX
    assert all(line.isprintable() for line in lines)
    assert all(len(line) <= WIDTH for line in lines)


def test_a_long_story_keeps_its_commands():
    findings = tuple(Finding(f"check-{n}", "x", counts=n % 2 == 0) for n in range(40))
    waiting = tuple(Waiting(f"scenario/w{n}", "get()") for n in range(40))
    told = story(
        but(outcome=Outcome(Status.DEADLOCKED, findings=findings, waiting=waiting)), next_steps=[("replay", "go")]
    )
    assert told.endswith("  replay     go")
    assert "… and 17 more" in told
    assert "… and 34 more tasks" in told
    assert len(told.split("\n")) <= LINES_MAX


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (Status.PASSED, "Cancelling worker-2 at one await does not break all_jobs_done."),
        (
            Status.PROPAGATED,
            "Cancelling worker-2 at one await comes out of all_jobs_done as itself, which is no failure.",
        ),
        (Status.CRASHED, "Cancelling worker-2 at one await breaks all_jobs_done."),
        (Status.DEADLOCKED, "Cancelling worker-2 at one await deadlocks all_jobs_done."),
        (Status.LIVELOCKED, "Cancelling worker-2 at one await makes all_jobs_done spin for ever."),
        (Status.OVER_LIMIT, "Cancelling worker-2 at one await makes all_jobs_done run over a limit: cannot tell."),
        (Status.DIVERGED, "Cancelling worker-2 at one await could not be replayed in all_jobs_done."),
    ],
)
def test_the_headline_says_what_became_of_it(status: Status, sentence: str):
    assert story(but(outcome=Outcome(status))).split("\n")[0] == sentence


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (Status.PASSED, "all_jobs_done passed."),
        (Status.CRASHED, "all_jobs_done fails without any fault."),
        (Status.DEADLOCKED, "all_jobs_done deadlocks without any fault."),
        (Status.OVER_LIMIT, "all_jobs_done ran over a limit: cannot tell."),
    ],
)
def test_a_run_without_faults_is_told_as_itself(status: Status, sentence: str):
    assert story(but(faults=(), delivered=(), outcome=Outcome(status))).split("\n")[0] == sentence


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Cancel(), "Cancelling worker-2 at one await"),
        (Expire(), "A deadline of worker-2 that expires at one await"),
        (Fail("OSError"), "OSError raised in worker-2 at one await"),
        (Delay(250_000_000), "Delaying worker-2 by 250ms at one await"),
    ],
)
def test_each_fault_has_its_words(fault: Fault, sentence: str):
    told = story(but(faults=(PlannedFault(fault, TRACE.faults[0].at),)))
    assert told.startswith(f"{sentence} breaks all_jobs_done.")


def test_an_order_of_tasks_is_told_as_an_order():
    told = story(but(faults=(), delivered=(), choices=Choices(40, ((3, 1, 2), (9, 1, 2))), order="batch"))
    assert told.startswith("Another order of ready tasks (2 choices) breaks all_jobs_done.")
    assert "order      2 of 40 choices are not the calm one" in told
    assert "batch: tasks that became ready in one turn ran in another order, as trio lets them" in told


def test_an_order_that_was_shrunk_is_told_by_who_was_held_back_where_and_until_when():
    departure = Departure(("scenario/worker-1", 2), ("scenario/worker-2", 2), matters=True)
    choices = Choices(40, ((3, 1, 2),), base="oldest", departures=(departure,))
    told = story(but(faults=(), delivered=(), choices=choices, order="any"), passes="in the usual order")
    assert told.startswith("Holding worker-2 back at one await breaks all_jobs_done.")
    assert "order      worker-2 stays at lib/pool.py:20 in Pool.acquire #1 until worker-1 waits at" in told
    assert "any: ready tasks were held back for up to 2 turns" in told
    assert "passes     in the usual order" in told
    assert "waits Pool.acquire, line 20" in told


def test_a_departure_that_does_not_matter_is_not_told_and_one_of_which_nobody_knows_says_so():
    def told(matters: bool | None) -> str:
        departure = Departure(("scenario/worker-1", 1), ("scenario/worker-2", 1), matters=matters)
        choices = Choices(40, ((3, 1, 2),), base="oldest", departures=(departure,))
        return " ".join(story(but(faults=(), delivered=(), choices=choices, order="batch")).split())

    assert "worker-2 does not start until worker-1 waits at lib/pool.py:41 in Conn.execute #1" in told(True)
    assert "(may not matter)" not in told(True)
    assert "(may not matter)" in told(None)
    assert "does not start" not in told(False)


def test_an_order_in_which_every_task_runs_on_needs_no_departure():
    choices = Choices(40, ((3, 1, 2),), base="run-on")
    told = story(but(faults=(), delivered=(), choices=choices, order="any", hold=None))
    assert "each task goes on for as long as it can" in told


def test_several_faults_are_counted_and_each_is_told():
    told = story(but(faults=(*TRACE.faults, RACING)))
    assert told.startswith("A combination of 2 faults breaks all_jobs_done.")
    assert "cancel worker-2 @ Pool.acquire #1 racing worker-1 @ sleep #2\n             its address was never" in told


def test_racing_names_the_step_it_races():
    told = story(but(faults=(RACING,)))
    assert "while it waited, right before worker-1 goes on from sleep #2 (racing)" in told


def test_a_fault_that_never_landed_proves_nothing():
    missed = story(but(delivered=(), outcome=Outcome(Status.PASSED)))
    assert missed.startswith("all_jobs_done passed, but 1 planned fault never landed: cannot tell.")
    assert "cancel worker-2 @ Pool.acquire #1 woken\n             its address was never reached" in missed


def test_a_propagated_fault_is_not_called_broken():
    outcome = Outcome(Status.PROPAGATED, raised=Raised("CancelledError", ""))
    assert "broke" not in story(but(outcome=outcome))


def test_a_trace_without_events_still_finds_the_line_of_the_fault():
    told = story(but(events=()))
    assert "cancel worker-2 at lib/pool.py:20 in Pool.acquire" in told
    assert "   step   virtual" not in told


def test_a_scenario_without_a_name_is_it():
    nameless = msgspec.structs.replace(TRACE, target=msgspec.structs.replace(TRACE.target, ref=""))
    assert story(nameless).startswith("Cancelling worker-2 at one await breaks it.")


def test_a_glob_is_told_by_the_task_it_hit():
    planned = PlannedFault(Cancel(), Address("*", "Pool.acquire", 1, TRACE.faults[0].at.phase))
    assert "cancel worker-2 at lib/pool.py:20" in story(but(faults=(planned,)))


# Words


def test_tasks_go_by_the_last_part_of_their_path_unless_two_share_it():
    assert task_names(["main", "main/a/w", "main/b/w", "main/a"]) == {
        "main": "main",
        "main/a/w": "main/a/w",
        "main/b/w": "main/b/w",
        "main/a": "a",
    }


def test_a_terminal_that_knows_only_ascii_gets_ascii():
    plain = for_encoding("✗ a ← b … «é» ── ▶", "ascii")
    assert plain == 'x a <- b ... "\\xe9" -- >'
    assert for_encoding("✗ é", "UTF-8") == "✗ é"
    assert for_encoding("✗ é", None) == "x \\xe9"


def test_a_name_cannot_write_to_the_terminal():
    assert clean("\x1b[2Jevil\r\nname\x07") == "\\x1b[2Jevil name\\x07"
    assert clean("a" * 900, 10) == "a" * 9 + "…"


def test_a_long_finding_is_broken_between_words_and_not_cut():
    message = " ".join(f"word{n}" for n in range(25))
    told = story(but(outcome=Outcome(Status.VIOLATED, findings=(Finding("rule", message, counts=True),))))
    assert " ".join(told.split()).find(message) > 0
    assert all(len(line) <= WIDTH for line in told.split("\n"))


def test_a_command_is_never_broken():
    command = "python -m faultloop replay " + "folder/" * 30 + "t.json"
    assert command in story(TRACE, next_steps=[("replay", command)])
