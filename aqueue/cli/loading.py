"""From what the command line names to a queue, or to an open store."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from types import ModuleType
from typing import TYPE_CHECKING, Final, TypeGuard, TypeVar

import anyio

from aqueue.clock import SystemClock
from aqueue.errors import BadTarget, BadUrl
from aqueue.queue import Queue
from aqueue.store.base import Session, Store
from aqueue.store.memory.store import MemoryStore
from aqueue.store.sqlite.reading import SqliteReading
from aqueue.store.sqlite.store import SqliteStore
from aqueue.store.urls import store_at

if TYPE_CHECKING:
    from aqueue.store.postgres.store import PostgresStore

__all__ = ["load_queue", "on_store", "opened"]

R = TypeVar("R")
WAKING_SECONDS: Final = 0.1


def on_store(name: str, visit: Callable[[Session], Coroutine[object, object, R]], *, writes: bool) -> R:
    """Run `visit` on the store's session, on an event loop of its own. Raises what opening or visiting raises."""
    return anyio.run(partial(_visited, name, visit, writes))


async def _visited(name: str, visit: Callable[[Session], Coroutine[object, object, R]], writes: bool) -> R:
    replies: list[R] = []
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_keep_waking)
        try:
            async with opened(name, writes=writes) as session:
                replies.append(await visit(session))
        except Exception as error:  # raised again below, so that the task group does not wrap it in a group
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return replies[0]


async def _keep_waking() -> None:
    """Let Python look for signals: one that comes as the event loop falls asleep does not wake it."""
    while True:  # noqa: ASYNC110 - nothing is waited for
        await anyio.sleep(WAKING_SECONDS)


@asynccontextmanager
async def opened(name: str, *, writes: bool) -> AsyncGenerator[Session]:
    """Open the store of a URL, or of a queue (app:q), that is there already; none is made.

    writes: False for a session that cannot change anything.   Raises NoStore, SchemaMismatch, StoreUnavailable, BadUrl.
    """
    clock, random = SystemClock(), Random()
    store = _store_named(name)
    reading = _reading(store)
    if reading is not None:
        async with reading.open(clock=clock, random=random) as session:
            if not writes:
                yield session
                return
    async with store.open(clock=clock, random=random) as session:
        yield session


def _reading(store: Store) -> Store | None:
    """The same store, to be read alone; None if it is one that is opened in no other way."""
    if isinstance(store, SqliteStore):
        return SqliteReading(store.path)
    if _is_postgres(store):
        from aqueue.store.postgres.reading import PostgresReading

        return PostgresReading(store)
    return None


def _is_postgres(store: Store) -> TypeGuard[PostgresStore]:
    module = sys.modules.get("aqueue.store.postgres")  # there is no such store before it is imported, from an extra
    return module is not None and isinstance(store, module.PostgresStore)


def _store_named(name: str) -> Store:
    store = _named(name)
    if isinstance(store, MemoryStore):
        raise BadUrl(
            f"{name!r} is a store in memory",
            expected="a store that outlives its process",
            advice="ask the queue itself, in its process: q.counts(), q.dead(), q.check()",
        )
    return store


def _named(name: str) -> Store:
    is_url = ":/" in name or ":" not in name or name.startswith(("memory:", "sqlite:", "postgresql:", "postgres:"))
    return store_at(name, "power") if is_url else load_queue(name).store


def load_queue(target: str) -> Queue:
    """The Queue called `module:attribute` or `path/to/file.py:attribute`. Raises BadTarget."""
    source, _, attribute = target.rpartition(":")
    if not source or not all(part.isidentifier() for part in attribute.split(".")):
        raise _bad(f"{target!r} names no queue")
    found: object = _module(source, target)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise _bad(f"{source} has no {attribute!r}")
        found = getattr(found, part)
    if not isinstance(found, Queue):
        raise _bad(f"{target} is a {type(found).__name__}, no Queue")
    return found


def _module(source: str, target: str) -> ModuleType:
    is_file = source.endswith(".py") or os.sep in source
    folder = str(Path(source).resolve().parent if is_file else Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return _from_file(source) if is_file else importlib.import_module(source)
    except ModuleNotFoundError as error:
        if not is_file and error.name is not None and (source + ".").startswith(error.name + "."):
            raise _bad(f"there is no module {source!r} here or on the path") from error
        raise _failed(target, error) from error
    except BadTarget:
        raise
    except BaseException as error:  # whatever the user's module raises while it is imported, SystemExit too
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _failed(target, error) from error


def _from_file(source: str) -> ModuleType:
    path = Path(source).resolve()
    if not path.is_file():
        raise _bad(f"there is no file {source!r}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise _bad(f"{source!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _bad(happened: str) -> BadTarget:
    return BadTarget(happened, expected="module:attribute or path/to/file.py:attribute of a Queue", advice="correct it")


def _failed(target: str, error: BaseException) -> BadTarget:
    trace, where = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<frozen"):
            where = f", at {file}:{trace.tb_lineno}"
        trace = trace.tb_next
    what = f"{type(error).__name__}: {error}"[:300]
    return BadTarget(
        f"importing {target} raised {what}{where}",
        expected="a module that can be imported",
        advice="correct it; -v shows more",
    )
