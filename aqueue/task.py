"""A handler with its name and its policies, and how jobs are made of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, TypeVar

import msgspec
from anyio.lowlevel import checkpoint
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from aqueue.codec import checksum, encode_call
from aqueue.errors import BadOption
from aqueue.flow import Breaker, Rate, rate_of
from aqueue.hub import Hub
from aqueue.job import Job
from aqueue.policy import Retry, at_least, stored_seconds, stored_text, whole
from aqueue.signature import HandlerSignature, inspect_handler
from aqueue.store.limits import QUEUE, Pause, TaskRule, task_scope
from aqueue.store.operations import Enqueue, Enqueued
from aqueue.store.rows import NewJob

__all__ = ["Draft", "Options", "Task", "TaskPolicy", "enqueue_drafts"]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class TaskPolicy:
    """What holds for every job of a task.

    timeout: seconds one try may take, None for no limit.   lease: seconds a worker may be silent before the job is
    taken from it, None for the worker's own.   priority: higher runs first.
    concurrency: how many of its jobs may run at once, over all workers.   rate: how many may start per time, likewise.
    breaker: when to stop calling what it depends on.   max_pending: how many of its jobs may be pending.
    """

    retry: Retry = field(default_factory=Retry)
    timeout: float | None = None
    lease: float | None = None
    priority: int = 0
    concurrency: int | None = None
    rate: Rate | str | None = None
    breaker: Breaker | None = None
    max_pending: int | None = None

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        if self.timeout is not None:
            at_least("timeout", self.timeout, 0, above=True)
        if self.lease is not None:
            stored_seconds("lease", self.lease, 0.01)
        if self.concurrency is not None:
            whole("concurrency", self.concurrency, 1)
        if self.max_pending is not None:
            whole("max_pending", self.max_pending, 1)
        if self.rate is not None:
            rate_of(self.rate)

    def rule(self, task: str) -> TaskRule:
        """What the store is told of a task with this policy."""
        return TaskRule(
            max_running=self.concurrency,
            rate=None if self.rate is None else rate_of(self.rate).bucket,
            breaker=None if self.breaker is None else self.breaker.rule(task),
        )


@dataclass(frozen=True, slots=True)
class Options:
    """What holds for one job. delay and deadline: seconds from the moment it is enqueued."""

    delay: float = 0.0
    key: str | None = None
    unique: str | None = None
    deadline: float | None = None
    priority: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    tx: object = None

    def __post_init__(self) -> None:
        """Refuse numbers out of range, and headers that are no strings."""
        stored_seconds("delay", self.delay)
        _headers(self.headers)
        if self.deadline is not None:
            stored_seconds("deadline", self.deadline, above=True)
        if self.key is not None:
            stored_text("key", self.key)
        if self.unique is not None:
            stored_text("unique", self.unique)

    def with_headers(self, more: Mapping[str, str] | None) -> Mapping[str, str]:
        """These headers and more, which win; None drops them all. Raises BadOption."""
        return {} if more is None else {**self.headers, **_headers(more)}


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    try:
        headers = msgspec.convert(given, dict[str, str])
        msgspec.json.encode(headers)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise BadOption(f"headers: {error}", expected="a dict of str to str", advice="convert it first") from None
    return headers


@dataclass(frozen=True, slots=True)
class Draft(Generic[R]):
    """A job that is not enqueued yet, for Queue.enqueue_many."""

    task: Task[..., R]
    new: NewJob


class Task(Generic[P, R]):
    """A handler that jobs can be made of. Made by Queue.task, not by hand."""

    def __init__(
        self,
        hub: Hub,
        name: str,
        handler: Callable[..., Coroutine[Any, Any, R]],
        policy: TaskPolicy,
        *,
        options: Options | None = None,
        signature: HandlerSignature | None = None,
    ) -> None:
        """Inspect the handler. Raises BadHandler."""
        self._hub = hub
        self._options = options or Options()
        self.name = name
        self.handler = handler
        self.policy = policy
        self.signature = signature or inspect_handler(handler)
        self.rule = policy.rule(name)
        self.retry_owner = f"aqueue:{name}" if policy.retry.attempts > 1 else None

    def __repr__(self) -> str:
        """Show the name."""
        return f"<Task {self.name}>"

    def options(
        self,
        *,
        delay: float | UnsetType = UNSET,
        key: str | UnsetType | None = UNSET,
        unique: str | UnsetType | None = UNSET,
        deadline: float | UnsetType | None = UNSET,
        priority: int | UnsetType | None = UNSET,
        headers: Mapping[str, str] | UnsetType | None = UNSET,
        tx: object = UNSET,
    ) -> Task[P, R]:
        """Return the task with options for the jobs made of it, beside those it has: only what is named changes.

        delay: seconds before it may run.   key: jobs of one key run one at a time, in the order they were enqueued,
        also across retries.   unique: while a job of this task and key is pending or running, enqueueing another
        returns that one.   deadline: seconds from now after which running it is pointless: it goes to the dead letter
        as «expired».   priority: instead of the task's own.   headers: strings that the handler finds in its Context;
        they are added to those that the task has, and None drops these.
        tx: your own connection to the queue's database, inside a transaction: the job is stored in that transaction,
        and is there if you commit. Workers find it at their next look; wait for nothing of the queue before you commit.
        """
        named = {
            "delay": delay, "key": key, "unique": unique, "deadline": deadline, "priority": priority, "tx": tx,
            "headers": UNSET if isinstance(headers, UnsetType) else self._options.with_headers(headers),
        }  # fmt: skip
        changed: dict[str, Any] = {name: value for name, value in named.items() if value is not UNSET}
        options = dataclasses.replace(self._options, **changed)
        return Task(self._hub, self.name, self.handler, self.policy, options=options, signature=self.signature)

    def job(self, *args: P.args, **kwargs: P.kwargs) -> Draft[R]:
        """Describe a job without enqueueing it. Raises BadArguments, BadOption if it has a transaction already."""
        if self._options.tx is not None:
            raise BadOption(
                "options(tx=...) belongs to enqueue(), and this only describes a job",
                expected="the transaction to be named where the job is enqueued",
                advice="use q.enqueue_many(drafts, tx=connection)",
            )
        return self._draft(args, kwargs)

    def _draft(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Draft[R]:
        is_certain = self.signature.check(self.name, args, kwargs)
        payload = encode_call(args, kwargs, task=self.name)
        if not is_certain:
            self.signature.check_types(self.name, payload)
        retry, options = self.policy.retry, self._options
        new = NewJob(
            uid="",  # given when it is enqueued
            task=self.name,
            payload=payload,
            payload_crc=checksum(payload),
            delay_ms=round(options.delay * 1000),
            max_attempts=retry.attempts,
            max_claims=retry.claims_max,
            max_redrives=retry.redrives,
            priority=self.policy.priority if options.priority is None else options.priority,
            deadline_ms=None if options.deadline is None else round(options.deadline * 1000),
            order_key=options.key,
            unique_key=options.unique,
            headers=self._headers(),
        )
        return Draft(self, new)

    def _headers(self) -> str:
        headers: dict[str, str] = {}
        for source in self._hub.header_sources:
            headers.update(_headers(source()))
        headers.update(self._options.headers)
        return msgspec.json.encode(headers).decode() if headers else "{}"

    async def pause(self) -> None:
        """Have no worker take jobs of this task from now on; those that run go on. It lasts until resume()."""
        await self._hub.perform(Pause(task_scope(self.name), paused=True))

    async def resume(self) -> None:
        """Have workers take jobs of this task again."""
        await self._hub.perform(Pause(task_scope(self.name), paused=False))
        self._hub.wake_workers()

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Store a job; when this returns, it survives what the store's durability says.

        Raises BadArguments, QueueFull, QueueClosed, StoreUnavailable.
        Cancelled here: the job may be stored. Use options(unique=...) if you will enqueue it again.
        """
        (job,) = await enqueue_drafts(self._hub, (self._draft(args, kwargs),), tx=self._options.tx)
        return job

    def handle(self, enqueued: Enqueued) -> Job[R]:
        """Return the handle for a job of this task."""
        returns = self.signature.hints.get("return", Any)
        return Job(self._hub, enqueued.job_id, returns=returns, created=enqueued.created)


async def enqueue_drafts(hub: Hub, drafts: tuple[Draft[R], ...], *, tx: object = None) -> tuple[Job[R], ...]:
    """Store jobs in one transaction, all or none. tx: the connection whose transaction it is to be."""
    # A draft may be enqueued twice by its user: that is two jobs, so each enqueueing names itself anew.
    news = tuple(replace(draft.new, uid=hub.new_token()) for draft in drafts)
    bounds = {task_scope(draft.task.name): draft.task.policy.max_pending for draft in drafts}
    bounds[QUEUE] = hub.max_pending
    operation = Enqueue(news, {scope: bound for scope, bound in bounds.items() if bound is not None})
    if tx is None:
        # Woken before it is stored, a worker asks right behind it, and gets the jobs out of the same transaction;
        # woken again after, because it may have asked too early.
        hub.wake_workers()
        enqueued = await hub.perform(operation)
        hub.wake_workers()
    else:
        enqueued = hub.perform_in(tx, operation)
        await checkpoint()
    is_told = tx is None and hub.is_heard("enqueued")  # whether the user commits, nobody knows
    for draft, reply in zip(drafts, enqueued, strict=True):
        if is_told and reply.created:
            hub.tell("enqueued", job_id=reply.job_id, task=draft.task.name, state="pending")
    return tuple(draft.task.handle(reply) for draft, reply in zip(drafts, enqueued, strict=True))
