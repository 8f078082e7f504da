"""Colour is for terminals, and changes no letter."""

import io
import re

import pytest

from faultloop.cli.painting import painted

COLOURS = {"TERM": "xterm-256color", "COLUMNS": "40"}
REPORT = """Cancelling worker-1 at one await breaks pool.

  fault      cancel worker-1 @ Pool.acquire #2 parked
  broke      TimeoutError (src/pool.py:20), and a line that is much longer than forty columns are

   step     virtual  task      what
      3       0.000  worker-1  waits Pool.acquire #1  src/pool.py:20
      4       1.000            ── 1.000 s ──
      5       1.000  worker-1  ✗ cancelled (faultloop)
"""


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def looks_of(word: str, text: str) -> str:
    """The codes before a word."""
    found = re.search(r"((?:\x1b\[[\d;]+m)+)" + re.escape(word), text)
    return found.group(1) if found else ""


def test_a_terminal_sees_the_same_letters_in_colour():
    shown = painted(REPORT, Terminal(), COLOURS)
    assert re.sub(r"\x1b\[[\d;]*m", "", shown) == REPORT, "nothing is wrapped, cut or added"
    assert looks_of("✗ cancelled", shown) == "\x1b[1;31m"
    assert looks_of("TimeoutError", shown) == "\x1b[1;31m"
    assert looks_of("src/pool.py:20", shown)
    assert looks_of("fault", shown)
    assert not looks_of("worker-1  waits", shown)


@pytest.mark.parametrize(
    ("stream", "environment"),
    [
        pytest.param(io.StringIO(), COLOURS, id="file"),
        pytest.param(Terminal(), {**COLOURS, "NO_COLOR": "1"}, id="no_color"),
        pytest.param(Terminal(), {"TERM": "dumb"}, id="dumb"),
    ],
)
def test_all_others_get_the_text_as_it_is(stream: io.StringIO, environment: dict[str, str]):
    assert painted(REPORT, stream, environment) == REPORT


def test_brackets_of_a_program_are_no_markup():
    assert "[bold]x[/bold]" in painted("  broke      [bold]x[/bold] :smile:", Terminal(), COLOURS)
    assert ":smile:" in painted("  broke      [bold]x[/bold] :smile:", Terminal(), COLOURS)
