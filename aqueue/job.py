"""A job as its enqueuer holds it: where it stands, its result, and what may still be done to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import anyio
import msgspec

from aqueue.codec import decode_value
from aqueue.errors import JobCancelled, JobDead, ResultInsideHandler, ResultTimeout, UnknownJob
from aqueue.hub import Hub, handler_hub
from aqueue.lifecycle import State
from aqueue.policy import at_least
from aqueue.store.operations import Cancel, Redrive
from aqueue.store.questions import Inspect, Inspected
from aqueue.store.rows import Event, JobRow

__all__ = ["Job", "JobInfo", "describe"]

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class JobInfo:
    """Where a job stands. Times are wall-clock milliseconds.

    attempt: claims so far.   failures: tries that failed since the last redrive.   history: oldest event first;
    empty in listings, where progress is None: what the handler said last by heartbeat(progress=...).
    """

    id: int
    task: str
    state: State
    attempt: int
    failures: int
    redrives: int
    priority: int
    run_at: int
    created_at: int
    finished_at: int | None
    cancel_requested: bool
    dead_reason: str | None
    error: str | None
    history: tuple[Event, ...] = ()
    progress: Any = None


def describe(row: JobRow, history: tuple[Event, ...] = (), progress: bytes | None = None) -> JobInfo:
    """Present a stored row."""
    life = row.life
    return JobInfo(
        id=row.id,
        task=row.task,
        state=life.state,
        attempt=life.attempt,
        failures=life.failures,
        redrives=life.redrives,
        priority=row.priority,
        run_at=life.run_at,
        created_at=row.created_at,
        finished_at=life.finished_at,
        cancel_requested=life.cancel_at is not None,
        dead_reason=life.dead_reason,
        error=row.error,
        history=history,
        progress=None if progress is None else msgspec.json.decode(progress),
    )


class Job(Generic[R]):
    """A handle on one stored job.

    created: False if the job was there already, as the live holder of the unique key.
    """

    def __init__(self, hub: Hub, job_id: int, *, returns: Any = Any, created: bool = False) -> None:
        """Point at a job of this number; `returns` is the type hint its result is decoded into."""
        self._hub = hub
        self._returns = returns
        self.id = job_id
        self.created = created

    def __repr__(self) -> str:
        """Show the number only: all else may change at any moment."""
        return f"<Job {self.id}>"

    async def info(self) -> JobInfo:
        """Where the job stands now, with its history. Raises UnknownJob."""
        inspected = await self._inspect()
        return describe(inspected.job, inspected.events, inspected.progress)

    async def cancel(self) -> State:
        """Cancel the job if it is pending, ask it to stop if it is running; nothing if it has ended.

        Returns the state after the call: "running" means the handler is being cancelled, which its worker learns at
        its next renewal at the latest. Raises UnknownJob.
        """
        # Cancelled here: the request may be stored; asking again changes nothing.
        state = await self._hub.perform(Cancel(self.id))
        if state is None:
            raise self._unknown()
        if state == "running":
            self._hub.tell("cancel_requested", job_id=self.id, state=state)
            self._hub.renew_soon()
        else:
            self._hub.settled(self.id)
        return state

    async def redrive(self) -> bool:
        """Send a dead job round again; False if it may not be (not dead, redriven too often, its unique key taken)."""
        inspected = await self._inspect()
        refusal = await self._hub.perform(Redrive(self.id, inspected.job.life.attempt))
        self._hub.wake_workers()
        if refusal is None:
            self._hub.tell("redriven", job_id=self.id, state="pending")
        return refusal is None

    async def result(self, *, timeout: float | None = None) -> R:  # noqa: ASYNC109 - a caller's limit, not a scope's
        """Wait until the job ends and return what its handler returned.

        timeout: seconds, None for no limit.
        Raises JobDead, JobCancelled, ResultTimeout, UnknownJob; ResultInsideHandler if called by a handler of the
        same queue.
        """
        if handler_hub.get() is self._hub:
            raise ResultInsideHandler(
                f"a handler waits for job {self.id} of its own queue",
                expected="handlers that wait for nothing only another slot can do",
                advice="have the handler enqueue a job that continues, or keep the two tasks in two queues",
            )
        if timeout is not None:
            at_least("timeout", timeout, 0)
        with anyio.move_on_after(timeout):
            return await self._wait_for_result()
        raise ResultTimeout(
            f"job {self.id} did not end within {timeout} s",
            expected="a worker to run it",
            advice="wait longer, or look at job.info()",
        )

    async def _wait_for_result(self) -> R:
        while True:
            with self._hub.watch(self.id) as settled:  # subscribed before the look, so no settlement falls between
                inspected = await self._inspect()
                if inspected.job.life.state in ("succeeded", "dead", "cancelled"):
                    return self._outcome(inspected.job)
                with anyio.move_on_after(self._hub.poll_seconds):
                    await settled.wait()

    def _outcome(self, row: JobRow) -> R:
        if row.life.state == "dead":
            raise JobDead(
                f"job {self.id} is dead ({row.life.dead_reason}): {row.error}",
                expected="a job that succeeds",
                advice="mend the cause and call job.redrive()",
            )
        if row.life.state == "cancelled":
            raise JobCancelled(f"job {self.id} was cancelled", expected="a job that succeeds", advice="enqueue it anew")
        return cast("R", decode_value(msgspec.json.decode(row.result or b"null"), self._returns))

    async def _inspect(self) -> Inspected:
        inspected = await self._hub.perform(Inspect(self.id))
        if inspected is None:
            raise self._unknown()
        return inspected

    def _unknown(self) -> UnknownJob:
        return UnknownJob(
            f"there is no job {self.id}",
            expected="the number of a job of this store",
            advice="check the store's URL, and for how long its workers keep jobs that have ended (retention)",
        )
