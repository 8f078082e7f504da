"""The standard checks, and the outcome of a run.

Nothing here is written by the user: a deadlock, a livelock or an error nobody looked at is wrong in any program.
Whether a finding makes the run a violation, is only noted, or is not looked for is the user's to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Literal, cast

from faultloop.drivers.facts import Facts
from faultloop.errors import Deadlock, Livelock, UsageError
from faultloop.model.faults import Cancel, Expire, PlannedFault
from faultloop.model.outcome import Finding, Outcome, Raised, Status
from faultloop.model.text import counted, storable

Weight = Literal["violation", "note", "off"]
MESSAGE_MAX = 500
_UNSTEADY = (
    ("0x", re.compile(r"0x[0-9a-fA-F]+"), "0x…"),
    ("cancel scope ", re.compile(r"(cancel scope )[0-9a-f]+"), r"\1…"),
    ("Task-", re.compile(r"\bTask-[0-9]+\b"), "a task"),
)
"""What differs from run to run in messages: a mark that is cheap to look for, its pattern, and what stands for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What each standard check counts for: `violation`, `note` or `off`."""

    deadlock: Weight = "violation"
    """No task can run, and no timer is pending."""
    livelock: Weight = "violation"
    """Steps go on for ever at one instant."""
    unretrieved: Weight = "violation"
    """A task or future ended with an error that nobody looked at, or a callback raised."""
    leaked_tasks: Weight = "note"
    """Tasks were left alive when the scenario ended."""
    swallowed_cancel: Weight = "note"
    """A task was cancelled and ended as if it had not been. Seen in traced runs only."""
    open_generators: Weight = "note"
    """An async generator was left open."""

    def __post_init__(self) -> None:
        for field in fields(self):
            weight = getattr(self, field.name)
            if weight not in ("violation", "note", "off"):
                raise UsageError(f'check {field.name} is "violation", "note" or "off", not {weight!r}', code="FL505")

    def changed(self) -> dict[str, Weight]:
        """The weights that are not at their default, by the name of their check."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }


CHAIN_MAX = 20
"""How many errors may stand between one that comes out and what it was to begin with."""


def read_checks(weights: Mapping[str, str]) -> Checks:
    """Checks from names and weights. Raises UsageError (FL505) for a name or a weight that does not exist."""
    known = [field.name for field in fields(Checks)]
    for name in weights:
        if name not in known:
            raise UsageError(f'there is no check "{name}"; there are {", ".join(known)}', code="FL505")
    return Checks(**cast("dict[str, Weight]", dict(weights)))


def judge(facts: Facts, checks: Checks, faults: tuple[PlannedFault, ...] = ()) -> Outcome:
    """The outcome of a run. faults: those that landed, for an error that is a fault itself is no failure."""
    findings = tuple(_findings(facts, checks, faults))
    status, message = _status(facts, checks, faults)
    raised = _raised(facts.error, facts.error_place) if facts.error is not None else None
    counting = [finding for finding in findings if finding.counts]
    if counting and status in (Status.PASSED, Status.PROPAGATED):
        status, message = Status.VIOLATED, counting[0].message
    return Outcome(status, clean(message), raised, findings, facts.waiting)


def _status(facts: Facts, checks: Checks, faults: tuple[PlannedFault, ...]) -> tuple[Status, str]:
    match facts.halted:
        case None:
            pass
        case Deadlock() as halted:
            return (Status.DEADLOCKED if checks.deadlock == "violation" else Status.PASSED), halted.args[0]
        case Livelock() as halted:
            return (Status.LIVELOCKED if checks.livelock == "violation" else Status.PASSED), halted.args[0]
        case halted:
            return Status.OVER_LIMIT, halted.args[0]
    error = facts.error
    if error is None:
        return Status.PASSED, ""
    described = describe(error)
    if is_fault_itself(error, facts, faults):
        return Status.PROPAGATED, described
    if any(isinstance(leaf, AssertionError) for leaf in leaves(error)):
        return Status.VIOLATED, described
    return Status.CRASHED, described


def is_fault_itself(error: BaseException, facts: Facts, faults: tuple[PlannedFault, ...]) -> bool:
    """Whether an error that came out is nothing but the injected fault that was let through."""
    if not facts.has_landed:
        return False
    kinds = {type(planned.fault) for planned in faults}
    return all(_is_fault_leaf(leaf, facts, kinds) for leaf in leaves(error))


def _is_fault_leaf(leaf: BaseException, facts: Facts, kinds: set[type]) -> bool:
    name = type(leaf).__name__
    if (Cancel in kinds or facts.expires_by_cancel) and name in ("CancelledError", "Cancelled"):
        return True
    if any(cause is injected for cause in _chain(leaf) for injected in facts.injected):
        return True
    return Expire in kinds and _is_a_deadline(leaf)


def _is_a_deadline(error: BaseException) -> bool:
    """Whether an error says that a deadline has passed: itself, or as a library's own name for such an error.

    That it is one is said on purpose, by `raise … from …` or `from None`, or by its name: whatever else is raised while
    a time-out is handled is an error of its own.
    """
    if isinstance(error, AssertionError):
        return False
    is_named_so = "timeout" in type(error).__name__.lower()
    return any(
        isinstance(said, TimeoutError) or type(said).__name__ == "TooSlowError"  # the latter is trio's
        for said in _chain(error, suppressed=True, implied=is_named_so)
    )


def _chain(error: BaseException, *, suppressed: bool = False, implied: bool = False) -> Iterator[BaseException]:
    """An error, and those that it was raised from. suppressed: also `from None`.   implied: also without a word."""
    said: BaseException | None = error
    for _ in range(CHAIN_MAX):
        if said is None:
            return
        yield said
        is_followed = implied or (suppressed and said.__suppress_context__)
        said = said.__cause__ or (said.__context__ if is_followed else None)


def _findings(facts: Facts, checks: Checks, faults: tuple[PlannedFault, ...]) -> Iterator[Finding]:
    if checks.unretrieved != "off":
        for complaint in facts.complaints:
            if complaint.error is not None and is_fault_itself(complaint.error, facts, faults):
                continue  # let through by a task nobody waits for, or by a callback that asked a task how it ended
            what = describe(complaint.error) if complaint.error is not None else ""
            message = f"{complaint.message}: {what}" if what else complaint.message
            yield Finding("unretrieved", clean(message), checks.unretrieved == "violation")
    if facts.alive and checks.leaked_tasks != "off":
        named = ", ".join(facts.alive[:5]) + (", …" if len(facts.alive) > 5 else "")
        first, count = next(iter(facts.alive)), len(facts.alive)
        message = f"{counted(count, 'task')} left alive when the scenario ended: {named}"
        yield Finding("leaked_tasks", message, checks.leaked_tasks == "violation", first)
    if checks.swallowed_cancel != "off":
        for path in facts.swallowed:
            message = f"{path} was cancelled and ended as if it had not been"
            yield Finding("swallowed_cancel", message, checks.swallowed_cancel == "violation", path)
    if checks.open_generators != "off":
        for name in facts.open_generators:
            yield Finding(
                "open_generators", f"the async generator {name} was left open", checks.open_generators == "violation"
            )


def leaves(error: BaseException) -> list[BaseException]:
    """The errors inside a group, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return [leaf for part in group.exceptions for leaf in leaves(part)]
    return [error]


def describe(error: BaseException) -> str:
    """`Type: message` of an error, or of the only one in a group."""
    inside = leaves(error)
    if len(inside) == 1:
        error = inside[0]
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be made)"
    return f"{type(error).__name__}: {storable(text)}" if text else type(error).__name__


def clean(text: str) -> str:
    """A message without what differs from run to run: memory addresses, scope ids, asyncio's made-up task names."""
    for mark, pattern, instead in _UNSTEADY:
        if mark in text:
            text = pattern.sub(instead, text)
    return text if len(text) <= MESSAGE_MAX else text[: MESSAGE_MAX - 1] + "…"


def _raised(error: BaseException, place: str) -> Raised:
    inside = leaves(error)
    single = inside[0] if len(inside) == 1 else error
    name, _, message = describe(single).partition(": ")
    return Raised(name, clean(message), place)
