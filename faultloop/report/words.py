"""How reports call things: tasks, times, phases and faults in words, and text that any terminal can show.

Rule 1: pure. Rule 2: names come from programs and files, so control characters never reach a terminal as such.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable

from faultloop.model.address import format_duration
from faultloop.model.faults import NANOSECONDS, Cancel, Crash, Delay, Expire, Fail, Fault, Pause, PlannedFault, Step
from faultloop.model.outcome import Outcome, Status
from faultloop.model.points import Phase
from faultloop.model.text import counted
from faultloop.model.trace import Choices, Trace

WIDTH = 100
_ASCII = {
    "…": "...",
    "→": "->",
    "←": "<-",
    "─": "-",
    "▶": ">",
    "✗": "x",
    "·": "|",
    "–": "-",
    "×": "x",
    "«": '"',
    "»": '"',
    "≠": "!=",
}


def seconds(nanoseconds: int) -> str:
    """A virtual time: `0.100`."""
    return f"{nanoseconds / NANOSECONDS:.3f}"


def clean(text: str, limit: int = 500) -> str:
    """Text of a program on one line: control characters escaped, blanks joined, cut at `limit` characters."""
    cut = text[: limit + 1]
    joined = " ".join(cut.split())
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in joined)
    return fit(safe, limit)


def fit(text: str, width: int) -> str:
    """Text that is at most `width` characters long, with … where it was cut."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def wrap(text: str, width: int, *, indent: int, lines_max: int = 3) -> list[str]:
    """A line broken between words into lines of at most `width` characters, all but the first one indented."""
    broken = textwrap.wrap(
        text, width, subsequent_indent=" " * indent, break_long_words=True, break_on_hyphens=False, drop_whitespace=True
    ) or [""]
    if len(broken) > lines_max:
        broken[lines_max - 1 :] = [fit(broken[lines_max - 1] + " …", width)]
    return broken


def for_encoding(text: str, encoding: str | None) -> str:
    """Text that a stream with this encoding can write: our own signs in ASCII, foreign ones escaped."""
    if encoding and encoding.lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig"):
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
    plain = "".join(_ASCII.get(c, c) for c in text)
    return plain.encode("ascii", "backslashreplace").decode("ascii")


def task_names(paths: Iterable[str]) -> dict[str, str]:
    """What to call each task: the last part of its path, or the whole path where two share that part."""
    all_paths = list(dict.fromkeys(paths))
    uses = Counter(path.rpartition("/")[2] for path in all_paths)
    return {path: clean(last if uses[last := path.rpartition("/")[2]] == 1 else path, 80) for path in all_paths}


def phase_words(phase: Phase, racing: Step | None, names: dict[str, str]) -> str:
    """When, at an await, a fault landed."""
    match phase:
        case Phase.PARKED:
            return "as soon as it waited (parked)"
        case Phase.WOKEN:
            return "just after its result was set, before it ran again (woken)"
        case Phase.RACING if racing is not None:
            other = names.get(racing.task, clean(racing.task, 80))
            place = "before its first step" if racing.where == "start" else f"goes on from {clean(racing.where, 80)}"
            return f"while it waited, right before {other} {place} #{racing.nth} (racing)"
        case Phase.RACING:
            return "while it waited (racing)"


def fault_words(fault: Fault, task: str) -> str:
    """The fault as the subject of a sentence."""
    match fault:
        case Cancel():
            return f"Cancelling {task} at one await"
        case Expire():
            return f"A deadline of {task} that expires at one await"
        case Fail(error):
            return f"{clean(error, 80)} raised in {task} at one await"
        case Delay(nanoseconds):
            return f"Delaying {task} by {format_duration(nanoseconds)} at one await"
        case Crash():
            return f"A crash of the node of {task} at one await"
        case Pause(nanoseconds):
            return f"A pause of {format_duration(nanoseconds)} of the node of {task} at one await"


def verb_words(fault: Fault, task: str) -> str:
    """The fault as something to do: `cancel worker-2`."""
    match fault:
        case Cancel(via):
            return f"cancel {task}" + ("" if via == "auto" else f" (through its {via})")
        case Expire():
            return f"expire the deadline of {task}"
        case Fail(error):
            return f"raise {clean(error, 80)} in {task}"
        case Delay(nanoseconds):
            return f"delay {task} by {format_duration(nanoseconds)}"
        case Crash(restart):
            return f"crash the node of {task}" + (f", up again {format_duration(restart)} later" if restart else "")
        case Pause(nanoseconds):
            return f"pause the node of {task} for {format_duration(nanoseconds)}"


def subject(faults: tuple[PlannedFault, ...], choices: Choices, names: dict[str, str]) -> str:
    """What was done to the run, as the subject of a sentence; empty when nothing was."""
    picks = len(choices.picks)
    if len(faults) == 1:
        task = faults[0].at.task
        words = fault_words(faults[0].fault, names.get(task, clean(task, 80)))
        return words + (", with ready tasks in another order," if picks else "")
    if faults:
        return f"A combination of {counted(len(faults), 'fault')}" + (
            ", with ready tasks in another order," if picks else ""
        )
    if choices.departures:
        held = list(dict.fromkeys(names.get(d.then[0], clean(d.then[0], 80)) for d in choices.departures))
        if len(held) == 1:
            times = len(choices.departures)
            return f"Holding {held[0]} back at {'one await' if times == 1 else counted(times, 'await')}"
        return f"Holding {counted(len(held), 'task')} back"
    return f"Another order of ready tasks ({counted(picks, 'choice')})" if picks else ""


def extent_words(trace: Trace) -> str:
    """How long a run was: `20 steps, 30.000 s virtual, 4 tasks`."""
    stats = trace.stats
    return f"{counted(stats.steps, 'step')}, {seconds(stats.virtual_ns)} s virtual, {counted(len(trace.tasks), 'task')}"


def picks_words(choices: Choices) -> str:
    """How many choices about the order were not asyncio's own, where no better story of them is told."""
    are = "is" if len(choices.picks) == 1 else "are"
    return f"{len(choices.picks)} of {counted(choices.count, 'choice')} {are} not the calm one"


_SENTENCES: dict[Status, tuple[str, str]] = {
    Status.PASSED: ("{what} does not break {it}.", "{it} passed."),
    Status.PROPAGATED: ("{what} comes out of {it} as itself, which is no failure.", "{it} passed."),
    Status.VIOLATED: ("{what} breaks {it}.", "{it} fails without any fault."),
    Status.CRASHED: ("{what} breaks {it}.", "{it} fails without any fault."),
    Status.DEADLOCKED: ("{what} deadlocks {it}.", "{it} deadlocks without any fault."),
    Status.LIVELOCKED: ("{what} makes {it} spin for ever.", "{it} spins for ever without any fault."),
    Status.OVER_LIMIT: ("{what} makes {it} run over a limit: cannot tell.", "{it} ran over a limit: cannot tell."),
    Status.DIVERGED: ("{what} could not be replayed in {it}.", "{it} could not be replayed."),
}


def headline(outcome: Outcome, what: str, scenario: str, *, missed: int = 0) -> str:
    """The whole run in a sentence. what: the `subject`, empty for a run without deviations.

    missed: how many planned faults never landed; then a run that is no failure proves nothing.
    """
    if missed and not outcome.status.is_failure:
        return f"{scenario} {outcome.status}, but {counted(missed, 'planned fault')} never landed: cannot tell."
    deviating, calm = _SENTENCES[outcome.status]
    return deviating.format(what=what, it=scenario) if what else calm.format(it=scenario)
