"""One try of one job: decode, run the handler in its scope, and turn whatever comes of it into a settlement.

It writes nothing itself, apart from what the handler writes through its Context.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import anyio
import msgspec
import structlog

from aqueue.codec import decode_call, encode_value
from aqueue.context import Context
from aqueue.errors import BadArguments, LeaseLost, UndecodablePayload
from aqueue.hub import Call, Hub, handler_hub
from aqueue.lifecycle import Bury, ConfirmCancel, Fail, Release, Succeed
from aqueue.log import logger
from aqueue.ownership import hear
from aqueue.policy import Reject, Snooze
from aqueue.running import Running, StopReason
from aqueue.store.breakers import BreakerRule
from aqueue.store.operations import Settle, Settlement
from aqueue.task import Task
from aqueue.transaction import Ending

__all__ = ["Attempt"]

ERROR_MAX: Final = 10_000
"""Characters of an error that are kept: a response of megabytes in an exception is no use in every row and log."""


class Attempt:
    """One try."""

    __slots__ = ("_ending", "_hub", "_job", "_renew", "_running", "_settle_seconds", "_worker_id")

    def __init__(
        self,
        hub: Hub,
        running: Running,
        worker_id: str,
        settle_seconds: float,
        renew: Callable[[], Awaitable[None]],
    ) -> None:
        """Prepare a try of a claimed job."""
        self._hub = hub
        self._running = running
        self._job = running.job
        self._worker_id = worker_id
        self._settle_seconds = settle_seconds
        self._renew = renew
        self._ending: Ending | None = None  # of a handler that has a Context, or a middleware: nobody else says a word

    async def perform(self) -> Settle | None:
        """Run the handler and return how to settle the job; None if it is settled, or not ours any more.

        Raises only what is no verdict on the job: a cancellation from outside, KeyboardInterrupt and the like.
        """
        # Whoever knows its task. Most jobs have no deadline: then nobody asks for the time.
        if self._job.deadline is not None and self._running.expires_at <= anyio.current_time():
            return self._bury("expired", "its deadline had passed before it could run")
        task = self._hub.tasks.get(self._job.task)
        if task is None:
            unknown = self._hub.unknown_task(self._job.task, advice="deploy its handler, then redrive the job")
            return self._bury("unknown task", str(unknown))
        self._running.limit(timeout=task.policy.timeout)
        headers: dict[str, str] = {} if self._job.headers == "{}" else json.loads(self._job.headers)
        is_context_wanted = self._hub.middleware or task.signature.context_name is not None
        context = self._context(task, headers) if is_context_wanted else None
        try:
            args, kwargs = task.signature.decode(*decode_call(self._job.payload, self._job.payload_crc), context)
        except UndecodablePayload as error:
            return self._bury("undecodable", str(error))
        if self._hub.is_heard("started"):
            self._hub.tell("started", self._job, worker=self._worker_id, state="running")
        self._enter_surroundings(task, headers)
        try:
            settlement = await self._run(task, context, partial(task.handler, *args, **kwargs))
        finally:
            if self._ending is not None:
                self._ending.is_over = True
        return None if self._running.is_settled else settlement

    async def _run(self, task: Task[..., Any], context: Context | None, handler: Call) -> Settle | None:
        call = handler
        for middleware in reversed(self._hub.middleware):
            assert context is not None
            call = partial(middleware, context, call)
        try:
            with self._running.scope:
                returned = await call()
                # Returned, perhaps late because it swallowed our cancel: if the job is still ours, it is done.
                return self._succeed(task, returned)
        except Exception as error:
            return self._answer(task, error)
        except SystemExit as error:
            # A library that calls sys.exit() would take the worker along, and with the next worker again: no failure
            # would ever be counted. Ending a worker is not a handler's to decide; a signal does that.
            return self._fail(task, _told(error))
        except anyio.get_cancelled_exc_class():
            if _is_cancelled_from_outside():
                raise
            # Something the handler awaited was cancelled, and nobody asked for that here: an error like any other,
            # which must not look like a shutdown to the worker.
            return self._fail(task, "CancelledError: the handler was cancelled by something it waited for")
        return self._stopped(task, self._running.reason_of_deadline(anyio.current_time()))

    def _enter_surroundings(self, task: Task[..., Any], headers: dict[str, str]) -> None:
        """Set what a handler finds in its context variables: its queue, its name for the log, and who retries.

        Never reset: an attempt has a task of its own, and these variables end with it.
        """
        handler_hub.set(self._hub)
        structlog.contextvars.bind_contextvars(job_id=self._job.id, task=task.name, attempt=self._job.life.attempt)
        hear(headers, or_else=task.retry_owner)

    def _context(self, task: Task[..., Any], headers: dict[str, str]) -> Context:
        life = self._job.life
        self._ending = Ending(self._success_of(task), self._running.settled)
        return Context(
            job_id=self._job.id,
            task=self._job.task,
            headers=headers,
            attempt=life.attempt,
            last_attempt=life.failures + 1 >= life.max_attempts or life.attempt >= life.max_claims,
            deadline=self._running.try_ends,
            lease_lost=self._running.lease_lost,
            _session=self._hub.session,
            _random=self._hub.random,
            _settle_seconds=self._settle_seconds,
            _renew=self._renew,
            _ending=self._ending,
        )

    def _succeed(self, task: Task[..., Any], returned: object) -> Settle | None:
        if self._ending is not None and self._ending.is_settled:
            if returned is not None and msgspec.json.encode(returned, enc_hook=repr) != self._ending.result:
                self._dropped("what the handler returned after tx()")
            return None
        try:
            result = encode_value(returned, of=f"the result of task {self._job.task!r}")
        except BadArguments as error:
            # Its work is done; trying again would do it twice and fail in the same way.
            return self._bury("unserialisable result", str(error))
        return self._success_of(task, result) if self._ending is None else self._ending.success(result)

    def _success_of(self, task: Task[..., Any], result: bytes | None = None) -> Settle:
        step = Succeed(self._job.life.attempt)
        return Settle(self._job.id, self._worker_id, step, result=result, breaker=task.rule.breaker)

    def _answer(self, task: Task[..., Any], error: Exception) -> Settle | None:
        """What an exception of the handler means for its job."""
        life = self._job.life
        logger().debug("job.raised", job_id=self._job.id, attempt=life.attempt, error=_told(error))
        if self._running.is_settled:
            self._dropped(_told(error))
            return None
        if isinstance(error, Reject):
            return self._bury("rejected", _text_of(error))
        if isinstance(error, Snooze):
            return self._settle(Release(life.attempt, run_at=0), delay_ms=round(error.seconds * 1000))
        if isinstance(error, LeaseLost) and self._running.is_lease_lost:
            return None
        if not task.policy.retry.is_retryable(error):
            return self._bury("not retryable", _told(error))
        return self._fail(task, _told(error))

    def _stopped(self, task: Task[..., Any], reason: StopReason) -> Settle | None:
        """What our own cancel of the handler means for its job."""
        life = self._job.life
        if self._running.is_settled:
            self._dropped(f"the handler was stopped: {reason}")
            return None
        match reason:
            case "lease lost":
                self._running.lose_lease()
                self._hub.tell("lease_lost", self._job, worker=self._worker_id)
                return None
            case "cancel requested":
                return self._settle(ConfirmCancel(life.attempt))
            case "expired":
                return self._bury("expired", "its deadline passed while it ran")
            case "timed out":
                return self._fail(task, f"timed out after {task.policy.timeout} s")

    def _fail(self, task: Task[..., Any], error: str) -> Settle:
        life = self._job.life
        delay_ms = task.policy.retry.delay_ms(life.failures + 1, self._hub.random)
        return self._settle(Fail(life.attempt, run_at=0), error=error, delay_ms=delay_ms, breaker=task.rule.breaker)

    def _bury(self, reason: str, error: str) -> Settle:
        return self._settle(Bury(self._job.life.attempt, reason), error=error)

    def _dropped(self, what: str) -> None:
        logger().warning("job.dropped_after_tx", job_id=self._job.id, attempt=self._job.life.attempt, what=what)

    def _settle(
        self, step: Settlement, *, error: str | None = None, delay_ms: int = 0, breaker: BreakerRule | None = None
    ) -> Settle:
        return Settle(self._job.id, self._worker_id, step, delay_ms=delay_ms, error=error, breaker=breaker)


def _is_cancelled_from_outside() -> bool:
    if anyio.current_effective_deadline() == -math.inf:
        return True
    try:
        task = asyncio.current_task()
    except RuntimeError:  # not on asyncio
        return False
    return task is not None and task.cancelling() > 0


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {_text_of(error)}"


def _text_of(error: BaseException) -> str:
    """What an error says of itself, in a text that every store can keep, and shows."""
    try:
        text = str(error)
    except Exception as failure:  # of a class of the user's: it is the job's error all the same
        text = f"(its text cannot be had: {type(failure).__name__})"
    if len(text) > ERROR_MAX:
        text = f"{text[:ERROR_MAX]}… ({len(text)} characters)"
    # Half a pair of UTF-16 is a text to Python, and to no store; NUL is one to SQLite alone.
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
