"""Every error a user of aqueue can meet, one class per decision the caller can make.

Rule 1: a message says what happened, what was expected and what to do, and starts with a stable code.
Rule 2: codes are never reused; a class may change its words but not its code.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AQueueError",
    "AmbiguousEffect",
    "BadArguments",
    "BadCommand",
    "BadHandler",
    "BadOption",
    "BadTarget",
    "BadUrl",
    "EffectBusy",
    "JobCancelled",
    "JobDead",
    "LeaseLost",
    "MissingExtra",
    "NoStore",
    "QueueClosed",
    "QueueFull",
    "ResultInsideHandler",
    "ResultTimeout",
    "SchemaMismatch",
    "StillBusy",
    "StoreUnavailable",
    "UndecodablePayload",
    "UnknownJob",
    "UnknownTask",
    "WorkerStopped",
    "WriteRefused",
]


class AQueueError(Exception):
    """Something aqueue can name went wrong."""

    code: ClassVar[str] = "AQ000"

    def __init__(self, happened: str, *, expected: str, advice: str) -> None:
        """Build the message from its three parts, each a sentence without its full stop."""
        super().__init__(f"{self.code} {happened}. Expected: {expected}. What to do: {advice}.")
        self.happened = happened


class BadUrl(AQueueError):
    """The store's URL names no store."""

    code = "AQ001"


class BadHandler(AQueueError):
    """The decorated function cannot be a task."""

    code = "AQ002"


class BadOption(AQueueError):
    """A number or name given as an option is out of its range."""

    code = "AQ003"


class BadArguments(AQueueError):
    """The arguments of a job do not fit its handler, or cannot be written as JSON."""

    code = "AQ004"


class QueueClosed(AQueueError):
    """The queue is not open, or not any more."""

    code = "AQ005"


class UnknownTask(AQueueError):
    """No handler of this name is registered with the queue."""

    code = "AQ006"


class UnknownJob(AQueueError):
    """No job of this number is in the store."""

    code = "AQ007"


class SchemaMismatch(AQueueError):
    """The database was written by another version of aqueue."""

    code = "AQ008"


class QueueFull(AQueueError):
    """As many jobs are pending as may be: the new ones were not stored, none of them."""

    code = "AQ009"


class LeaseLost(AQueueError):
    """Somebody else owns the job now: nothing was written. The only answer a stale owner ever gets."""

    code = "AQ010"


class StoreUnavailable(AQueueError):
    """The store did not answer: the operation may have happened. Repeating it is safe, always."""

    code = "AQ011"


class MissingExtra(AQueueError, ModuleNotFoundError):
    """A part of aqueue was asked for that needs a library which is not installed."""

    code = "AQ012"

    def __init__(self, part: str, library: str, extra: str, error: ImportError) -> None:
        """Build the message. part: what was asked for; it begins a sentence.   extra: what brings the library."""
        super().__init__(
            f"{part} needs {library}, which cannot be imported: {error}",
            expected=f"the extra «{extra}» to be installed",
            advice=f"pip install 'faultloop[{extra}]'",
        )


class JobDead(AQueueError):
    """The job is in the dead letter, so it has no result."""

    code = "AQ020"


class JobCancelled(AQueueError):
    """The job was cancelled, so it has no result."""

    code = "AQ021"


class ResultTimeout(AQueueError, TimeoutError):
    """The job did not end within the time given. The job itself goes on."""

    code = "AQ022"


class ResultInsideHandler(AQueueError):
    """A handler waited for another job of its own queue: every slot could end up waiting for a slot."""

    code = "AQ023"


class AmbiguousEffect(AQueueError):
    """An earlier attempt began this effect and never said how it ended, and the handler did not decide."""

    code = "AQ030"


class EffectBusy(AQueueError):
    """Another job that runs right now is performing the effect of this key."""

    code = "AQ031"


class WriteRefused(AQueueError):
    """A statement of the handler's transaction failed, or is none it may run: nothing was written."""

    code = "AQ032"


class UndecodablePayload(AQueueError):
    """The stored bytes are not what was written, or do not fit the handler any more."""

    code = "AQ040"


class StillBusy(AQueueError):
    """The queue did not become idle within the limit."""

    code = "AQ050"


class WorkerStopped(AQueueError):
    """The worker ended before the queue was idle."""

    code = "AQ051"


class BadCommand(AQueueError):
    """The command line is none that aqueue knows."""

    code = "AQ060"


class BadTarget(AQueueError):
    """What the command line names as a queue cannot be loaded, or is none."""

    code = "AQ061"


class NoStore(AQueueError):
    """There is no store of a queue where the command line says; none is made by looking for it."""

    code = "AQ062"
