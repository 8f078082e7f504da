"""A terminal is told how far a search has come; nobody else is."""

import io
import re
import sys
import threading
from collections.abc import Callable

import pytest

from faultloop.cli.progress import progress, words
from faultloop.search.findings import Progress

TERMINAL = {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "24"}
SOME = Progress(500, 2_000, 2.0, tried=37, failures=1, stage="single faults")


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Stands still unless it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def plain(text: str) -> str:
    """What a terminal was sent, without its commands."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


# What it says


def test_it_says_stage_runs_speed_points_failures_and_time_left():
    assert words(SOME) == [
        "single faults",
        "500 of 2,000 runs",
        "250/s",
        "37 points tried",
        "1 failure",
        "6 s left",
    ]


@pytest.mark.parametrize(
    ("now", "left"),
    [
        (Progress(10, 100, 1.0), 9.0),
        (Progress(10, 100, 1.0, 5.0), 4.0),
        (Progress(10, 100, 1.0, 60.0), 9.0),
        (Progress(10, 100, 7.0, 5.0), 0.0),
        (Progress(0, 100, 1.0, 5.0), 4.0),
        (Progress(0, 100, 1.0), None),
        (Progress(0, 100, 0.0), None),
        (Progress(3, 100, 0.0), None),
        (Progress(120, 100, 1.0), 0.0),
    ],
)
def test_time_left_is_until_the_first_budget_ends(now: Progress, left: float | None):
    assert now.seconds_left == (left if left is None else pytest.approx(left))


@pytest.mark.parametrize(
    ("now", "share"),
    [
        (Progress(0, 100, 0.0), 0.0),
        (Progress(10, 100, 1.0), 0.1),
        (Progress(10, 100, 4.0, 5.0), 0.8),
        (Progress(200, 100, 1.0), 1.0),
        (Progress(0, 0, 0.0), 1.0),
    ],
)
def test_the_bar_follows_the_budget_that_ends_first(now: Progress, share: float):
    assert now.share == pytest.approx(share)


@pytest.mark.parametrize(
    ("seconds", "told"), [(59.4, "59 s"), (60, "1 min 0 s"), (3_599, "59 min 59 s"), (3_700, "1 h 1 min")]
)
def test_long_times_are_told_in_minutes_and_hours(seconds: float, told: str):
    assert words(Progress(0, 1, 0.0, seconds))[-1] == f"{told} left"


# Who is told


def test_a_terminal_is_told_and_is_clean_at_the_end(terminal: Terminal):
    with progress(terminal, environment=TERMINAL, clock=Clock()) as show:
        show(SOME)
        shown = plain(terminal.getvalue())
    assert "single faults · 500 of 2,000 runs · 250/s · 37 points tried · 1 failure · 6 s left" in shown
    assert "\n" not in shown.rstrip("\n")
    before, _, erased = terminal.getvalue().rpartition("6 s left")
    assert "\x1b[2K" in erased, "the line is erased"
    assert plain(erased).strip() == ""
    assert before.count("\x1b[?25l") == erased.count("\x1b[?25h") == 1, "the cursor is hidden and shown again"


def test_a_terminal_is_told_at_most_ten_times_a_second(terminal: Terminal):
    clock = Clock()
    with progress(terminal, environment=TERMINAL, clock=clock) as show:
        for run in range(1_000):
            clock.now = run / 1_000
            show(Progress(run, 2_000, clock.now))
    told = re.findall(r"([\d,]+) of 2,000 runs", plain(terminal.getvalue()))
    assert told[0] == "0"
    assert 9 <= len(dict.fromkeys(told)) <= 10


def test_a_narrow_terminal_gets_one_line(terminal: Terminal):
    with progress(terminal, environment={**TERMINAL, "COLUMNS": "50"}, clock=Clock()) as show:
        show(SOME)
        assert max(map(len, plain(terminal.getvalue()).splitlines())) <= 50
        assert len(plain(terminal.getvalue()).strip().splitlines()) == 1


def test_no_thread_is_started(terminal: Terminal):
    before = threading.active_count()
    with progress(terminal, environment=TERMINAL, clock=Clock()) as show:
        show(SOME)
        assert threading.active_count() == before


def test_what_the_program_prints_stays_where_it_was(terminal: Terminal):
    out, err = sys.stdout, sys.stderr
    with progress(terminal, environment=TERMINAL, clock=Clock()) as show:
        show(SOME)
        assert (sys.stdout, sys.stderr) == (out, err)


@pytest.mark.parametrize(
    ("make", "environment", "quiet"),
    [
        (io.StringIO, TERMINAL, False),
        (Terminal, {**TERMINAL, "CI": "true"}, False),
        (Terminal, {**TERMINAL, "CI": "1"}, False),
        (Terminal, {**TERMINAL, "TERM": "dumb"}, False),
        (Terminal, TERMINAL, True),
    ],
)
def test_nobody_else_is_told(make: Callable[[], io.StringIO], environment: dict[str, str], quiet: bool):
    stream = make()
    with progress(stream, quiet=quiet, environment=environment, clock=Clock()) as show:
        show(SOME)
    assert stream.getvalue() == ""


def test_nobody_is_told_without_rich(terminal: Terminal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with progress(terminal, environment=TERMINAL, clock=Clock()) as show:
        show(SOME)
    assert terminal.getvalue() == ""


def test_a_closed_stream_is_no_terminal():
    stream = io.StringIO()
    stream.close()
    with progress(stream, environment=TERMINAL) as show:
        show(SOME)


def test_an_error_in_the_search_leaves_the_terminal_clean_too(terminal: Terminal):
    def search() -> None:
        with progress(terminal, environment=TERMINAL, clock=Clock()) as show:
            show(SOME)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search()
    assert terminal.getvalue().count("\x1b[?25h") == 1
