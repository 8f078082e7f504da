"""Every exception a user can meet, each with a stable code.

A message says what happened, where, what was expected, and what to do. Codes never change their meaning:
FL1xx a file or a target · FL2xx replay · FL3xx the boundary of a run · FL4xx work in other processes · FL5xx addresses
and plans · FL6xx limits · FL7xx trio · FL8xx tests under pytest.
"""

from __future__ import annotations


class FaultloopError(Exception):
    """The base of all errors of this project. `str(error)` is the sentence, `error.code` the stable code."""

    code = "FL000"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.args[0]} [{self.code}]"


class UsageError(FaultloopError):
    """What was asked for cannot be done as it was asked."""

    code = "FL100"


class TraceError(FaultloopError):
    """A file is not a trace that this version can read."""

    code = "FL101"


class TargetError(FaultloopError):
    """The scenario named by a target cannot be found, imported or called."""

    code = "FL104"


class ImportRefused(TargetError):
    """A trace names a scenario outside the project root, and nobody allowed that."""

    code = "FL106"


class JournalError(FaultloopError):
    """A file of results cannot be gone on with: it is of another exploration, damaged, or not such a file."""

    code = "FL111"


class CoverageError(FaultloopError):
    """A file of await coverage is not there, damaged, or no such file."""

    code = "FL120"


class ReplayDiverged(FaultloopError):
    """The program no longer asks what this trace answers."""

    code = "FL201"


class NotDeterministic(FaultloopError):
    """The same answers led to two different runs."""

    code = "FL202"


class EscapeRefused(FaultloopError, RuntimeError):
    """The program reached for something outside the run that would make it nondeterministic."""

    code = "FL301"


class CrewError(FaultloopError):
    """Work cannot be done in other processes as it was asked."""

    code = "FL401"


class AddressError(UsageError):
    """A fault address cannot be read; `position` is the character it went wrong at."""

    code = "FL500"

    def __init__(self, message: str, *, text: str = "", position: int = 0) -> None:
        pointer = f"\n  {text}\n  {' ' * position}^" if text else ""
        super().__init__(message + pointer)
        self.text = text
        self.position = position


class FaultNotReached(FaultloopError):
    """A planned fault's address was never reached, so the run says nothing about it."""

    code = "FL501"


class RunFailed(FaultloopError, AssertionError):
    """A run ended in a violation: raised by `raise_if_failed()` when the program raised nothing itself."""

    code = "FL600"


class Deadlock(FaultloopError, RuntimeError):
    """No task can run and no timer is pending."""

    code = "FL601"


class Livelock(FaultloopError, RuntimeError):
    """Steps go on for ever at one instant of virtual time."""

    code = "FL602"


class OverLimit(FaultloopError, RuntimeError):
    """A run used up one of its limits."""

    code = "FL603"
