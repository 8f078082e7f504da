"""How far a search has come, on a terminal, while it goes on.

Only a terminal is told, and only where rich is installed: not a file, not a pipe, not CI, not with --quiet. It is one
line on standard error that is gone at the end. Nothing here starts a thread: workers may be forked at any time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from faultloop.cli.painting import is_terminal
from faultloop.model.text import counted
from faultloop.search.findings import Progress

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SHOWN_EVERY_SECONDS = 0.1
_BAR_WIDTH = 24
_MINUTE, _HOUR = 60, 3_600


Show = Callable[[Progress], None]


@contextmanager
def progress(
    stream: TextIO,
    *,
    quiet: bool = False,
    environment: Mapping[str, str] = os.environ,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Show]:
    """What to call with each new `Progress`, as often as one likes: a terminal is told at most ten times a second.

    environment: asked for `CI` and, by rich, for the terminal's abilities.   clock: in seconds.
    """
    if quiet or environment.get("CI", "").lower() not in ("", "0", "false") or not is_terminal(stream):
        yield _silent
        return
    try:
        from rich.console import Console
    except ImportError:
        yield _silent
        return
    console = Console(file=stream, _environ=environment)
    if not console.is_terminal or console.is_dumb_terminal:
        yield _silent
        return
    with _on(console, clock) as show:
        yield show


@contextmanager
def _on(console: Console, clock: Callable[[], float]) -> Generator[Show]:
    from rich.live import Live

    # The program's own prints are left alone: redirected, they would come out on another stream than without a bar.
    live = Live(
        console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False, screen=False
    )
    last = float("-inf")

    def show(now: Progress) -> None:
        nonlocal last
        instant = clock()
        if instant - last >= SHOWN_EVERY_SECONDS:
            last = instant
            live.update(line(now), refresh=True)

    with live:
        yield show


def line(now: Progress) -> RenderableType:
    """A progress as one line, cut where the terminal ends."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=_BAR_WIDTH)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    text = Text(" · ".join(words(now)), no_wrap=True, overflow="ellipsis")
    if now.failures:
        text.highlight_words([counted(now.failures, "failure")], style="bold red")
    grid.add_row(ProgressBar(total=1.0, completed=now.share, width=_BAR_WIDTH), text)
    return grid


def words(now: Progress) -> list[str]:
    """What a progress says, most important first."""
    rate, left = now.runs_per_second, now.seconds_left
    return [
        *([now.stage] if now.stage else []),
        f"{now.runs:,} of {counted(now.runs_max, 'run')}",
        *([f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"] if rate is not None else []),
        f"{counted(now.tried, 'point')} tried",
        counted(now.failures, "failure"),
        *([f"{_duration(left)} left"] if left is not None else []),
    ]


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def _silent(now: Progress) -> None:
    """Tell nobody."""
    del now
