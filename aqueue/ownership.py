"""Who retries: exactly one layer, so that three layers of three tries are not twenty-seven calls (FM_008).

The layer that retries says so for as long as it calls; every layer below asks before it tries again.
Within a process the word travels in a context variable, through awaits and into child tasks; between processes in a
header, `Retry-Owner`. Handlers of tasks with more than one attempt run under no_retry_below already: the queue retries.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from random import Random
from typing import Final, TypeVar

import anyio

from aqueue.policy import Retry

__all__ = ["RETRY_OWNER_HEADER", "heard", "may_retry", "no_retry_below", "retried", "retry_headers", "retry_owner"]

RETRY_OWNER_HEADER: Final = "Retry-Owner"

R = TypeVar("R")
_owner: ContextVar[str | None] = ContextVar("aqueue_retry_owner", default=None)


@contextmanager
def no_retry_below(owner: str) -> Generator[None]:
    """Have everything called inside try once: `owner` is who retries. The outermost owner stays the owner."""
    token = _owner.set(_owner.get() or owner)
    try:
        yield
    finally:
        _owner.reset(token)


def retry_owner() -> str | None:
    """Who above retries, None if nobody does."""
    return _owner.get()


def may_retry() -> bool:
    """Whether a client called here may try again by itself."""
    return _owner.get() is None


def retry_headers() -> dict[str, str]:
    """Headers that tell the other side of a call not to retry either; empty if nobody above does."""
    owner = _owner.get()
    return {} if owner is None else {RETRY_OWNER_HEADER: owner}


@contextmanager
def heard(headers: Mapping[str, str], *, or_else: str | None = None) -> Generator[None]:
    """Serve a call that came with these headers: whoever they name retries, or `or_else`, and nothing below does."""
    token = hear(headers, or_else=or_else)
    try:
        yield
    finally:
        _owner.reset(token)


def hear(headers: Mapping[str, str], *, or_else: str | None = None) -> Token[str | None]:
    """As `heard`, for what is left of this task's context."""
    if not headers:
        return _owner.set(_owner.get() or or_else)
    named = (value for name, value in headers.items() if name.lower() == RETRY_OWNER_HEADER.lower())
    return _owner.set(_owner.get() or next(named, or_else))


async def retried(call: Callable[[], Awaitable[R]], retry: Retry, *, random: Random) -> R:
    """Call, and call again as `retry` says, unless a layer above retries: then once. What it calls does not retry.

    Raises what the last call raised. Cancelled here: between two calls, or inside one.
    """
    attempts = retry.attempts if may_retry() else 1
    with no_retry_below("retried"):
        for failures in range(1, attempts):
            try:
                return await call()
            except Exception as error:
                if not retry.is_retryable(error):
                    raise
            await anyio.sleep(retry.delay_ms(failures, random) / 1000)
        return await call()
