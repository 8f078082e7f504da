"""What a queue tells whoever watches it: one protocol, one kind of notice.

Rule 1: an observer is told after the fact, and cannot change it: what it raises is logged (FM_029). It is called on the
        event loop, so it must not block.
Rule 2: a notice says what this process saw. The store's own log (job.info().history) is the truth over all processes.

A handler runs with job_id, task and attempt bound to structlog's context variables, so its own log lines carry them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from aqueue.lifecycle import State
from aqueue.log import is_quiet, logger

__all__ = ["LogObserver", "Notice", "NoticeName", "Observer", "is_heard", "tell_all"]

NoticeName: TypeAlias = Literal[
    "enqueued", "claimed", "started", "settled", "lease_lost", "left_to_its_lease", "rescued", "cancel_requested",
    "redriven", "fired", "missed", "unknown_task", "worker_started", "worker_ended",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Notice:
    """Something happened. Fields that do not apply are None.

    at: wall-clock milliseconds.   state: the job's after it.   seconds: claimed: how long the job had been due;
    settled: how long the attempt took.   detail: an error, a reason, a schedule's name.
    """

    name: NoticeName
    at: int
    job_id: int | None = None
    task: str | None = None
    attempt: int | None = None
    worker: str | None = None
    state: State | None = None
    seconds: float | None = None
    detail: str | None = None


class Observer(Protocol):
    """Whoever wants to know."""

    def notice(self, notice: Notice) -> None:
        """Hear of it."""
        ...


WARNINGS: Final = frozenset({"lease_lost", "left_to_its_lease", "rescued", "missed", "unknown_task"})


class LogObserver:
    """Writes every notice to the log: troubles as warnings, all else as debug. Every queue has one."""

    def notice(self, notice: Notice) -> None:
        """Log it as job.NAME."""
        said = {
            name: value
            for name in ("job_id", "task", "attempt", "worker", "state", "seconds", "detail")
            if (value := getattr(notice, name)) is not None
        }
        log = logger().warning if notice.name in WARNINGS else logger().debug
        log(f"{'' if notice.name.startswith('worker') else 'job.'}{notice.name}", **said)


def is_heard(observers: list[Observer], name: NoticeName) -> bool:
    """Whether anybody would do anything with such a notice; most queues are watched by their quiet log alone."""
    return len(observers) > 1 or name in WARNINGS or not is_quiet()


def tell_all(observers: list[Observer], notice: Notice) -> None:
    """Tell each; one that raises keeps nobody from hearing, and nothing from happening."""
    for observer in observers:
        try:
            observer.notice(notice)
        except Exception as error:
            logger().warning("observer.failed", observer=repr(observer), notice=notice.name, error=repr(error))
