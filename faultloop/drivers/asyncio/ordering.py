"""What asyncio and anyio order by memory address, put in order.

Each fix is small, named, and only acts on objects of a run. They are installed when the first run of the process
begins and stay: taking them off and on again between runs would cost more than a run, and they are silent outside one.
The exception is the name `asyncio.Future`, which is lent for the length of a run.

Measured over 30 runs with allocation noise, distinct digests without and with the fix: sets of tasks 13 and 1, bare
`asyncio.Future()` 13 and 1, `asyncio.as_completed` 18-30 and 1, sets of primitives 30 and 1, anyio's child scopes 30
and 1.
Sets of the program's own objects cannot be fixed; the determinism check names them.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
import types
from asyncio import events, locks, queues, tasks
from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

from faultloop.drivers.asyncio.handles import CFuture, Future
from faultloop.drivers.boundary import declare
from faultloop.drivers.imports import when_imported

declare(
    "sets of tasks, futures, locks",
    "controlled",
    "in the order of their creation, not of their addresses",
    on="asyncio",
)
declare(
    "sets of other objects, hash() of strings", "through", "by address; strings by the hash seed, which a trace keeps"
)

_ANYIO_BACKEND = "anyio._backends._asyncio"
_PRIMITIVES = (locks.Lock, locks.Event, locks.Condition, locks.Semaphore, locks.Barrier, queues.Queue)


def on_anyio_backend(patch: Callable[[ModuleType], None]) -> None:
    """Apply a patch to anyio's asyncio backend, now if it is imported, else as soon as it is."""
    when_imported(_ANYIO_BACKEND, patch)


@functools.cache
def install() -> None:
    """Install the fixes, once per process."""
    _give_primitives_ordinals()
    _give_primitives_plain_futures()
    _give_sleepers_plain_futures()
    _order_as_completed()
    _give_gathers_ordinals()
    on_anyio_backend(_order_child_scopes)


class _NamedLikeFuture(type):
    """Makes `isinstance(x, asyncio.Future)` say what it says outside a run."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, CFuture)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, CFuture)


class BareFuture(Future, metaclass=_NamedLikeFuture):
    """What `asyncio.Future()` makes during a run."""

    __slots__ = ("faultloop_number",)

    __hash__ = Future.__hash__


_lending = threading.Lock()
_borrowers = 0
"""How many loops run in the process: in one another, and in threads beside one another."""


def lend_future_name() -> None:
    """Let the name `asyncio.Future` stand for a class whose hash is an ordinal."""
    global _borrowers
    with _lending:
        _borrowers += 1
        cast(Any, asyncio).Future = BareFuture


def return_future_name() -> None:
    """Let the name stand for what it stood for, once no loop of ours runs any more."""
    global _borrowers
    with _lending:
        _borrowers -= 1
        if not _borrowers:
            cast(Any, asyncio).Future = CFuture


def _give_primitives_ordinals() -> None:
    """A lock, event, condition, semaphore or queue made during a run hashes by its order of creation."""
    for primitive in _PRIMITIVES:
        _give_ordinal(primitive)


def _give_ordinal(primitive: Any) -> None:
    original = primitive.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        loop = events._get_running_loop()
        if (next_hash := getattr(loop, "_next_hash", None)) is not None:
            self._faultloop_ordinal = next_hash(self)
            if type(self) is locks.Lock and hasattr(loop, "tracer"):
                self.__class__ = OwnedLock
        original(self, *args, **kwargs)

    def __hash__(self: Any) -> int:
        try:
            return int(self._faultloop_ordinal)
        except AttributeError:
            return object.__hash__(self)

    primitive.__init__ = __init__
    primitive.__hash__ = __hash__


class OwnedLock(locks.Lock):
    """What an asyncio.Lock becomes in a traced run: it knows which task holds it, so that a deadlock can say so."""

    @property
    def _locked(self) -> bool:
        return bool(self.__dict__.get("_locked", False))

    @_locked.setter
    def _locked(self, value: bool) -> None:
        self.__dict__["_locked"] = value
        self.__dict__["faultloop_owner"] = tasks.current_task() if value else None


OwnedLock.__name__ = OwnedLock.__qualname__ = "Lock"


def _give_primitives_plain_futures() -> None:
    """The futures of asyncio's own locks and queues are plain C ones.

    They sit in deques and never reach the program, so they need no ordinal; and C tasks await the exact C class on a
    faster path than any subclass (queues: 1.2 times the steps per second).
    """
    mixin: Any = getattr(sys.modules.get("asyncio.mixins"), "_LoopBoundMixin", None)
    if mixin is None or not hasattr(mixin, "_get_loop"):
        return
    original = mixin._get_loop
    running: Any = events._get_running_loop

    def _get_loop(self: Any) -> Any:
        loop = running()
        if self._loop is loop:
            try:
                return loop._for_library
            except AttributeError:
                return loop
        return original(self)

    mixin._get_loop = _get_loop


def _give_sleepers_plain_futures() -> None:
    """The future that `asyncio.sleep` waits for is a plain C one too: it never leaves that function (1.1 times the runs
    per second where programs sleep).

    It is asyncio's own code over other globals, so nothing that looks at frames sees a difference; whoever took the
    name from asyncio before the first run keeps asyncio's own function, which does the same.
    """
    original: Any = tasks.sleep
    if asyncio.sleep is not original or "events" not in original.__code__.co_names:
        return
    running: Any = events.get_running_loop

    def get_running_loop() -> Any:
        loop = running()
        return getattr(loop, "_for_library", loop)

    own_events: Any = ModuleType(events.__name__)  # a module: the interpreter is quickest with its attributes
    own_events.get_running_loop = get_running_loop
    own_globals = {**vars(tasks), "events": own_events}
    sleep: Any = types.FunctionType(original.__code__, own_globals, original.__name__, original.__defaults__)
    functools.update_wrapper(sleep, original)
    del sleep.__wrapped__
    tasks.sleep = asyncio.sleep = sleep


def _order_as_completed() -> None:
    """`as_completed` makes its tasks in the order given, not in the order of a set of coroutines."""
    original: Any = tasks.as_completed

    @functools.wraps(original)
    def as_completed(fs: Any, *, timeout: float | None = None) -> Any:
        if (
            hasattr(events._get_running_loop(), "_next_hash")
            and not asyncio.isfuture(fs)
            and not asyncio.iscoroutine(fs)
        ):
            unique = dict.fromkeys(fs)  # the original makes a set of them: the same coroutine twice is one task
            fs = [tasks.ensure_future(awaitable) for awaitable in unique]
        return original(fs, timeout=timeout)

    tasks.as_completed = as_completed
    if asyncio.as_completed is original:
        asyncio.as_completed = as_completed


def _give_gathers_ordinals() -> None:
    """What `gather` returns is a future of a class of its own; several of them are often waited for as a set."""
    gathering: Any = getattr(tasks, "_GatheringFuture", None)
    if gathering is not None:
        gathering.__hash__ = Future.__hash__


class OrderedSet(dict[Any, None]):
    """As much of a set as anyio uses, in order of insertion."""

    __slots__ = ()

    def add(self, item: Any) -> None:
        """Add an item."""
        self[item] = None

    def remove(self, item: Any) -> None:
        """Remove an item that is there."""
        del self[item]

    def discard(self, item: Any) -> None:
        """Remove an item if it is there."""
        self.pop(item, None)


def _order_child_scopes(backend: ModuleType) -> None:
    """anyio cancels child scopes in the order of a set of them."""
    scope: Any = getattr(backend, "CancelScope", None)
    if scope is None:
        return
    original = scope.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if isinstance(getattr(self, "_child_scopes", None), set):
            self._child_scopes = OrderedSet()

    scope.__init__ = __init__
