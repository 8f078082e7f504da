"""What a handler knows of the job it runs for, and what it may say about it.

A Context belongs to one attempt. Everything it writes is fenced by that attempt.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final

import anyio
import msgspec
from msgspec.structs import replace

from aqueue.codec import encode_value
from aqueue.errors import AmbiguousEffect, BadArguments, EffectBusy, LeaseLost, StoreUnavailable
from aqueue.log import logger
from aqueue.policy import stored_text
from aqueue.store.base import Session, insist
from aqueue.store.ledger import BeginEffect, Begun, RecordEffect
from aqueue.store.progress import Report
from aqueue.store.rows import NewJob
from aqueue.transaction import Ending, Transaction, settling

if TYPE_CHECKING:
    from aqueue.task import Draft

__all__ = ["Context", "Effect"]

_UNDECIDED: Final = object()


@dataclass(frozen=True, slots=True)
class Context:
    """One attempt at one job.

    attempt: claims of this job so far, from 1: the fencing token. Hand it to whatever you write to, and have it
    refuse anything lower than it has seen.
    last_attempt: no further try follows if this one fails.
    deadline: when the handler is cancelled, in the time of anyio.current_time(); infinity if nothing limits it.
    lease_lost: set when somebody else owns the job; the handler is cancelled at that moment.
    headers: what the job was enqueued with, for whoever needs no argument of it: trace context, tenant, retry owner.
    """

    job_id: int
    task: str
    headers: Mapping[str, str]
    attempt: int
    last_attempt: bool
    deadline: float
    lease_lost: anyio.Event
    _session: Session
    _random: Random
    _settle_seconds: float
    _renew: Callable[[], Awaitable[None]]
    _ending: Ending

    def tx(self) -> AbstractAsyncContextManager[Transaction]:
        """Write rows of your own and settle the job, in one transaction of the queue's own database: exactly once.

        The last thing a handler does. Statements are gathered inside and run when the block is left:

            async with ctx.tx() as tx:
                tx.execute("INSERT INTO receipt(order_id, amount) VALUES(?, ?)", (order_id, 5))
                tx.result = "paid"

        The errors are those of aqueue.transaction.settling, and LeaseLost if the handler has ended.
        """
        self._ending.assert_goes_on()
        return settling(self._ending, self._session, self._random, self._settle_seconds)

    def follow_up(self, *drafts: Draft[Any]) -> None:
        """Have jobs enqueued in the transaction in which this one succeeds: they are there if, and only if, it did.

        max_pending does not bind them: they come in place of a job that ends. Raises BadArguments, LeaseLost.
        """
        self._ending.assert_goes_on()
        for draft in drafts:
            if not isinstance(getattr(draft, "new", None), NewJob):
                raise BadArguments(
                    f"follow_up() was given {draft!r:.200}",
                    expected="jobs that are described and not enqueued, as task.job(...) returns them",
                    advice="write ctx.follow_up(task.job(argument))",
                )
            uid = f"after:{self.job_id}:{self.attempt}:{len(self._ending.follow_ups)}"
            self._ending.follow_ups.append(replace(draft.new, uid=uid))

    async def heartbeat(self, *, progress: object = None) -> None:
        """Renew the lease now. Raises LeaseLost. The worker renews by itself: this is for checking, not for living.

        progress: how far the job is, for `job.info()` and `aqueue show`: anything that JSON can say; None says nothing.
        Raises BadArguments if it cannot. A store that does not answer is no reason to stop: then it is not noted.
        """
        self._ending.assert_goes_on()
        if progress is not None:
            await self._report(encode_value(progress, of="the progress"))
        await self._renew()
        if self.lease_lost.is_set():
            raise LeaseLost(
                f"attempt {self.attempt} of job {self.job_id} is over",
                expected="the attempt to be the job's current one",
                advice="let the handler end; nothing it does for this job counts any more",
            )

    async def _report(self, value: bytes) -> None:
        try:
            await insist(self._session, Report(self.job_id, self.attempt, value), random=self._random)
        except StoreUnavailable as error:
            logger().warning("progress.unanswered", job_id=self.job_id, error=error.happened)

    @asynccontextmanager
    async def once(self, key: str) -> AsyncGenerator[Effect]:
        """Perform an effect at most once per key, over all attempts and all jobs.

        Inside, look at the effect: if `fresh`, perform it and set its result; if `ambiguous`, find out whether it
        happened (or perform it again with `key` as idempotency key, if the receiver honours one) and set its result;
        else its result is there already. On leaving without an exception the effect is recorded; on leaving with
        one, the next attempt finds it ambiguous.

        key: a text that names the effect, and not the attempt: f"charge:{order_id}".
        Raises EffectBusy if another job is at it right now, BadOption if the key is no text, AmbiguousEffect if the
        effect was ambiguous and no result was set, LeaseLost if the attempt is over.
        """
        stored_text("key", key)
        self._ending.assert_goes_on()
        # Cancelled here: the intent may be written, and the next attempt finds it ambiguous.
        begun = await self._begin_effect(key)
        effect = Effect(key, begun)
        yield effect
        if begun.standing == "applied":
            return
        if effect.ambiguous and effect.is_undecided:
            raise AmbiguousEffect(
                f"attempt {self.attempt} of job {self.job_id} left the effect {key!r} undecided",
                expected="effect.result to be set, because an earlier attempt may have performed the effect",
                advice="ask the receiver whether it happened, or repeat it under the same idempotency key",
            )
        await self._record_effect(key, encode_value(effect.result, of=f"the result of effect {key!r}"))

    async def _begin_effect(self, key: str) -> Begun:
        nonce = f"{self._random.getrandbits(64):016x}"
        operation = BeginEffect(self.job_id, self.attempt, key, nonce)
        begun = await insist(self._session, operation, random=self._random)
        logger().debug("effect.begun", job=self.job_id, attempt=self.attempt, key=key, standing=begun.standing)
        if begun.standing == "busy":
            raise EffectBusy(
                f"another running job performs the effect {key!r}",
                expected="one job at a time per effect key",
                advice="let the job fail and be tried again; by then the effect is recorded",
            )
        return begun

    async def _record_effect(self, key: str, result: bytes) -> None:
        operation = RecordEffect(self.job_id, self.attempt, key, result)
        try:
            # The effect has happened: a cancel now must not make it a doubt.
            with anyio.move_on_after(self._settle_seconds, shield=True):
                await insist(self._session, operation, random=self._random)
                logger().debug("effect.applied", job=self.job_id, attempt=self.attempt, key=key)
                return
        except anyio.get_cancelled_exc_class():
            # Killed in spite of the shield (asyncio's Task.cancel): recording twice is harmless.
            self._session.post(operation)
            raise
        self._session.post(operation)


class Effect:
    """One effect, as the ledger knows it when a `once` block is entered."""

    def __init__(self, key: str, begun: Begun) -> None:
        """Present the ledger's answer."""
        self.key = key
        self.fresh = begun.standing == "fresh"
        self.ambiguous = begun.standing == "ambiguous"
        self._result: Any = _UNDECIDED
        if begun.standing == "applied":
            self._result = msgspec.json.decode(begun.result or b"null")

    @property
    def is_undecided(self) -> bool:
        """Whether no result is known or set."""
        return self._result is _UNDECIDED

    @property
    def result(self) -> Any:
        """What the effect returned, in plain JSON values if an earlier attempt performed it; None if not set."""
        return None if self._result is _UNDECIDED else self._result

    @result.setter
    def result(self, value: Any) -> None:
        self._result = value
