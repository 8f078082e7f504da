"""Fault addresses as text, both ways.

    cancel worker-2 @ Pool.acquire #1 woken
    fail:OSError sender @ Conn.send>sock_sendall #2 parked
    delay:250ms worker-* @ sleep
    crash:5s worker-1 @ Store.finish #1 woken
    pause:30s worker-1 @ Store.finish
    cancel getter @ Queue.get #1 racing putter @ start

A name with spaces or signs of its own is written in double quotes. Reading what was written gives the same value.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from faultloop.errors import AddressError
from faultloop.model.faults import (
    NANOSECONDS,
    Address,
    Cancel,
    Crash,
    Delay,
    Expire,
    Fail,
    Fault,
    Pause,
    PlannedFault,
    Step,
)
from faultloop.model.points import Phase

KINDS = ("cancel", "expire", "fail", "delay", "crash", "pause")
_PLAIN = re.compile(r"[^\s@#\"]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_NUMBER = re.compile(r"[0-9]+")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|m|h)")
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": NANOSECONDS, "m": 60 * NANOSECONDS, "h": 3600 * NANOSECONDS}
DELAY_NS_MAX = 1 << 62
_ERROR = re.compile(r"[A-Za-z_][\w.]*")


def parse_fault(text: str) -> PlannedFault:
    """Read one planned fault, such as `cancel worker-2 @ Pool.acquire #1 woken`.

    Raises AddressError, pointing at the character, when it cannot be read.
    """
    return _Reader(text).planned()


def parse_kind(text: str) -> Fault:
    """Read a fault without its address: `cancel`, `cancel:scope`, `fail:OSError`, `delay:2s`, `crash`, `crash:5s`."""
    reader = _Reader(text)
    fault = reader.fault()
    reader.end()
    return fault


def quote(name: str) -> str:
    """A name as it stands in an address: bare when it can be, else in double quotes."""
    if _PLAIN.fullmatch(name) and name not in Phase.__members__.values():
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def format_kind(fault: Fault) -> str:
    """The text `parse_kind` reads."""
    match fault:
        case Cancel(via):
            return "cancel" if via == "auto" else f"cancel:{via}"
        case Expire():
            return "expire"
        case Fail(error):
            return f"fail:{error}"
        case Delay(nanoseconds):
            return f"delay:{format_duration(nanoseconds)}"
        case Crash(restart):
            return f"crash:{format_duration(restart)}" if restart else "crash"
        case Pause(nanoseconds):
            return f"pause:{format_duration(nanoseconds)}"


def format_duration(nanoseconds: int) -> str:
    """The shortest exact text of a duration: `250ms`, `2s`."""
    for unit in ("h", "m", "s", "ms", "us"):
        if nanoseconds % _UNITS[unit] == 0 and nanoseconds:
            return f"{nanoseconds // _UNITS[unit]}{unit}"
    return f"{nanoseconds}ns"


def format_address(at: Address) -> str:
    """The text of an address, without its fault."""
    text = f"{quote(at.task)} @ {quote(at.where)} #{at.nth} {at.phase.value}"
    return f"{text} {at.racing}" if at.racing is not None else text


def format_fault(planned: PlannedFault) -> str:
    """The text `parse_fault` reads."""
    return f"{format_kind(planned.fault)} {format_address(planned.at)}"


def task_matches(pattern: str, path: str, name: str = "", home: str = "") -> bool:
    """Whether a task pattern means the task with this path (and, if it has them, this name and this node as its home).

    A pattern without `/` means the last part of the path, or what stands behind its last dot (anyio names a task by
    its dotted function). One with `/` means the whole path or its end.
    """
    last = path.rpartition("/")[2]
    candidates = {path, last, last.rpartition(".")[2]}
    if name:
        candidates |= {name, name.rpartition(".")[2]}
    if home:
        candidates.add(home)
    if any(pattern == c or glob_matches(pattern, c) for c in candidates):
        return True
    return "/" in pattern and glob_matches("*/" + pattern, path)


def glob_matches(pattern: str, text: str) -> bool:
    """File-name matching with `*` and `?` only: brackets are ordinary characters, for they occur in names."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def where_matches(pattern: str, function: str, awaited: str) -> bool:
    """Whether the `where` of an address means this site: by function, by awaited, or by `function>awaited`."""
    if ">" in pattern:
        of_function, _, of_awaited = pattern.partition(">")
        return glob_matches(of_function, function) and glob_matches(of_awaited, awaited)
    return glob_matches(pattern, function) or glob_matches(pattern, awaited)


class _Reader:
    """A cursor over the text; every complaint knows where it stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def planned(self) -> PlannedFault:
        fault = self.fault()
        task = self.name("a task", after="the fault")
        self.sign("@", "before the place it waits at")
        where = self.name("a place", after="@", stop=tuple(Phase))
        nth = self.nth()
        phase, racing = self.phase()
        self.end()
        if isinstance(fault, Expire | Delay) and phase is Phase.RACING:
            self.fail(f"{format_kind(fault)} acts on the wake-up itself, so it cannot be racing", len(self.text))
        return PlannedFault(fault, Address(task, where, nth, phase, racing))

    def fault(self) -> Fault:
        self.blanks()
        start = self.at
        word = self.match(re.compile(r"[^\s:@#]+"))
        kind = word.lower()
        if kind not in KINDS:
            hint = next((k for k in KINDS if k[:2] == kind[:2]), None)
            self.fail(f"expected a fault ({', '.join(KINDS)})" + (f"; did you mean {hint}?" if hint else ""), start)
        argument = ""
        start = self.at
        if self.text[self.at : self.at + 1] == ":":
            self.at += 1
            start = self.at
            argument = self.match(re.compile(r"[^\s@#]*"))
        return self.build(kind, argument, start)

    def build(self, kind: str, argument: str, start: int) -> Fault:
        if kind == "cancel":
            match argument:
                case "" | "auto":
                    return Cancel()
                case "task":
                    return Cancel(via="task")
                case "scope":
                    return Cancel(via="scope")
                case _:
                    self.fail("cancel goes via task or via scope: cancel:task, cancel:scope", start)
        if kind == "expire":
            if argument:
                self.fail("expire takes no argument", start)
            return Expire()
        if kind == "fail":
            if not _ERROR.fullmatch(argument):
                self.fail("fail needs an exception's name, such as fail:OSError or fail:mypkg.errors.Refused", start)
            return Fail(argument)
        if kind == "crash":
            return Crash(self.duration(kind, argument, start) if argument else 0)
        nanoseconds = self.duration(kind, argument, start)
        return Delay(nanoseconds) if kind == "delay" else Pause(nanoseconds)

    def duration(self, kind: str, argument: str, start: int) -> int:
        found = _DURATION.fullmatch(argument) if len(argument) <= 20 else None
        nanoseconds = round(float(found[1]) * _UNITS[found[2]]) if found else 0
        if not 0 < nanoseconds <= DELAY_NS_MAX:
            self.fail(f"{kind} needs a duration of more than nothing, such as {kind}:250ms or {kind}:2s", start)
        return nanoseconds

    def name(self, what: str, *, after: str, stop: tuple[str, ...] = ()) -> str:
        self.blanks()
        start = self.at
        if quoted := _QUOTED.match(self.text, self.at):
            self.at = quoted.end()
            return re.sub(r"\\(.)", r"\1", quoted[1])
        word = self.match(_PLAIN)
        if not word or word in stop:
            self.fail(f"expected {what} after {after}", start)
        return word

    def sign(self, sign: str, why: str) -> None:
        self.blanks()
        if not self.text.startswith(sign, self.at):
            self.fail(f"expected {sign} {why}", self.at)
        self.at += len(sign)

    def nth(self) -> int:
        self.blanks()
        if not self.text.startswith("#", self.at):
            return 1
        self.at += 1
        digits = self.match(_NUMBER)
        if not digits or len(digits) > 9 or int(digits) < 1:
            self.fail("expected a number from 1 after #", self.at - len(digits))
        return int(digits)

    def phase(self) -> tuple[Phase, Step | None]:
        self.blanks()
        start = self.at
        word = self.match(_PLAIN)
        if not word:
            return Phase.PARKED, None
        if word not in tuple(Phase):
            self.fail(f"expected a phase ({', '.join(Phase)})", start)
        if (phase := Phase(word)) is not Phase.RACING:
            return phase, None
        task = self.name("the other task", after="racing")
        self.sign("@", "before the place the other task goes on from (or «start»)")
        where = self.name("a place", after="@")
        return phase, Step(task, where, self.nth())

    def end(self) -> None:
        self.blanks()
        if self.at < len(self.text):
            self.fail("expected nothing more", self.at)

    def blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if not found:
            return ""
        self.at = found.end()
        return found[0]

    def fail(self, what: str, position: int) -> None:
        raise AddressError(f"cannot read this fault: {what}", text=self.text, position=position)
