"""The trace: a run's deviations, what is needed to run it again, and its outcome. Version 1.

Everything a replay needs is in `target`, `order`, `choices`, `faults`, `limits` and `env`; the rest is for people and
to name the first difference. Reading and writing files is `faultloop.search.tracefile`; this module knows the types.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec

from faultloop.model.faults import PlannedFault
from faultloop.model.limits import Limits
from faultloop.model.outcome import Outcome
from faultloop.model.points import AwaitPoint, Site
from faultloop.model.world import World

VERSION = 1
FORMAT: Literal["faultloop-trace"] = "faultloop-trace"
Order = Literal["fifo", "batch", "any"]
"""How freely ready tasks may overtake each other; `fifo` is asyncio's own promise."""


Threads = Literal["inline", "real", "paced"]
"""Where work for threads is done: on the loop's thread, in threads, in threads that virtual time does not outrun."""


class Environment(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the run was recorded. packages: versions of what the program had imported and the run depends on."""

    python: str
    implementation: str = "cpython"
    platform: str = ""
    driver: str = "asyncio"
    hashseed: str = "random"
    packages: dict[str, str] = {}


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """The scenario a trace belongs to.

    ref: `path/to/file.py:function` relative to the project root, or `package.module:function`; empty for a callable
    that has no importable name.   fingerprint: SHA-256 of the source file it was recorded from.
    inputs: what a property test drew, as `LIBRARY VERSION TEXT`, the text being that library's; empty for none.
    """

    ref: str = ""
    fingerprint: str = ""
    inputs: str = ""


class TaskEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A task of the run. path: parent's path, `/`, and its name or coroutine name, `#k` for the k-th of that name."""

    path: str
    coroutine: str = ""


StepCount = Annotated[int, msgspec.Meta(ge=1)]
Moment = tuple[str, StepCount]
"""A step: its task's path, and how many steps that task has had with it, from 1."""
Block = tuple[str, StepCount]
"""A task's path, and how many steps it runs one after the other."""
Base = Literal["picks", "oldest", "run-on"]


class Departure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One place where a run did not do what its base would have done.

    first: the step that ran.   then: the one that the base would have run.   preempts: whether the task of `then` had
    run just before and was ready to go on.   matters: whether the failure goes away when this is undone; None when
    nobody found out.
    """

    first: Moment
    then: Moment
    preempts: bool = False
    matters: bool | None = None


class Choices(msgspec.Struct, frozen=True, omit_defaults=True):
    """The order answers: how many were asked, and those that were not 0.

    picks: `(index, answer, options)`, ascending by index; a question not listed was answered 0.
    A schedule that was shrunk is told a second way, which also holds where the questions have changed since
    (docs/internals/adr/005). base: what goes on by itself: `oldest` the task that has been ready the longest,
    `run-on` the one that ran; `picks` where there is no second way.   departures: where the run left its base.
    blocks: for `run-on`: the first listed task that is ready goes next, and is crossed off.
    """

    count: Annotated[int, msgspec.Meta(ge=0)] = 0
    picks: tuple[tuple[int, int, int], ...] = ()
    base: Base = "picks"
    departures: tuple[Departure, ...] = ()
    blocks: tuple[Block, ...] = ()

    def __post_init__(self) -> None:
        before = -1
        for index, answer, options in self.picks:
            if not (before < index < self.count and 0 < answer < options):
                raise ValueError(f"pick {(index, answer, options)} is out of order or out of range")
            before = index


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that happened.

    step: the number of the step it belongs to, from 1; t: virtual nanoseconds from 0.
    ev: `spawn` a task was made (by) · `await` a step ended in a wait at `site`, the task's nth there · `wake` the wait
    of the task is over (by) · `end` the task ended (text: result, the exception's type, or cancelled, on trio with who
    did it and why) · `time` the clock moved · `fault` a planned fault landed (text: its kind) · `hold` a wake-up was
    held back · `note` what the program said.
    task, by: index into `Trace.tasks`, -1 for none.   site: index into `Trace.sites`, -1 for none.
    """

    step: int
    t: int
    ev: Literal["spawn", "await", "wake", "end", "time", "fault", "hold", "note"]
    task: int = -1
    by: int = -1
    site: int = -1
    nth: int = 0
    text: str = ""

    @property
    def essence(self) -> str:
        """Of the text, what makes two runs differ: neither what a program notes nor the reason of a cancellation."""
        match self.ev:
            case "note":
                return ""
            case "end":
                return self.text.partition(":")[0]
            case _:
                return self.text


class Delivered(msgspec.Struct, frozen=True, omit_defaults=True):
    """A planned fault as it landed: the await point it hit, and when. For people: a replay looks only at `plan`."""

    plan: int
    point: AwaitPoint
    step: int
    t: int
    note: str = ""


class Stats(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sizes of the run. wall_ns is informative and outside the digest; events_dropped counts what the limit cut."""

    steps: int = 0
    virtual_ns: int = 0
    wall_ns: int = 0
    events_dropped: int = 0


class Trace(msgspec.Struct, frozen=True):
    """A recorded run. Unknown keys are ignored when one is read; a higher `version` is refused.

    hold: for order `any`, for how many turns a ready task could be held back; None is without end.
    checks: what standard checks counted for, those that were not at their default.
    """

    env: Environment
    outcome: Outcome
    format: Literal["faultloop-trace"] = FORMAT
    version: Annotated[int, msgspec.Meta(ge=1)] = VERSION
    faultloop: str = ""
    target: Target = Target()
    seed: int | None = None
    order: Order = "fifo"
    hold: Annotated[int, msgspec.Meta(ge=1)] | None = 2
    threads: Threads = "inline"
    world: World = World()
    checks: dict[str, Literal["violation", "note", "off"]] = {}
    faults: tuple[PlannedFault, ...] = ()
    choices: Choices = Choices()
    limits: Limits = Limits()
    delivered: tuple[Delivered, ...] = ()
    tasks: tuple[TaskEntry, ...] = ()
    sites: tuple[Site, ...] = ()
    events: tuple[Event, ...] = ()
    stats: Stats = Stats()
    digest: str = ""

    @property
    def deviations(self) -> int:
        """How many answers were not the calm one; of a schedule that was shrunk, how often it left its base."""
        choices = self.choices
        if choices.base == "picks":
            return len(self.faults) + len(choices.picks)
        # That every task runs on is no departure from that base, but it is one from asyncio's own order.
        return len(self.faults) + (len(choices.departures) or bool(choices.picks))


def digest_of(
    choices: Choices,
    faults: tuple[PlannedFault, ...],
    tasks: tuple[TaskEntry, ...],
    sites: tuple[Site, ...],
    events: tuple[Event, ...],
    status: str,
) -> str:
    """SHA-256 over what a run did, without lines, messages and real time: equal digests mean equal runs.

    Sites count by function and awaited callable, tasks by path.
    """
    said = (
        Choices(choices.count, choices.picks),
        faults,
        [task.path for task in tasks],
        [(site.function, site.awaited) for site in sites],
        [(e.step, e.t, e.ev, e.task, e.by, e.site, e.nth, e.essence) for e in events],
        status,
    )
    return "sha256:" + hashlib.sha256(msgspec.json.encode(said)).hexdigest()
