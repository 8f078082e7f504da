"""SQLite files of a node that crashes: left as the crash of a process leaves them.

SQLite rolls back when a connection is closed, and then there is nothing to recover. A process that dies closes nothing:
a transaction that was under way is found in the journal or in the write-ahead log. So the files are read as they are,
the dead connections closed, which lets go of their locks, and the files put back. Where a connection that is alive has
the same database open, the dead ones are only closed: what it sees is what its own recovery would have come to.
"""

from __future__ import annotations

import functools
import os
import sqlite3
import weakref
from collections.abc import Iterator
from typing import Any

from faultloop.drivers.boundary import declare
from faultloop.drivers.nodes import LIFE, Life
from faultloop.world.patching import Patch
from faultloop.world.source import source_here

declare("sqlite3 files of a node that crashes", "controlled", "left as found: journal and log with what was under way")

_BESIDE = ("", "-journal", "-wal")
_SHARED_MEMORY = "-shm"
"""An index of the log, which the next one to open it makes anew."""
_FACTORY_PLACE = 5
"""Where `factory` stands among the arguments behind the first."""

_open: weakref.WeakKeyDictionary[Any, Life | None] = weakref.WeakKeyDictionary()
"""The connections made in runs, with the lives that made them."""


class _Opener:
    """What stands in the place of `sqlite3.connect`, as a bound method (see `clocks`)."""

    def __init__(self) -> None:
        self._connect: Any = sqlite3.connect

    def connect(self, database: Any, *args: Any, **kwargs: Any) -> Any:
        """Connect; the connection is known to the node that made it."""
        life = LIFE.get()
        source = source_here()
        is_among_nodes = source is not None and source.loop.nodes is not None
        if (life is None and not is_among_nodes) or len(args) >= _FACTORY_PLACE:
            return self._connect(database, *args, **kwargs)
        kwargs["factory"] = _referable(kwargs.get("factory", sqlite3.Connection))
        connection = self._connect(database, *args, **kwargs)
        if life is not None and not any(owner is life for owner in _open.values()):
            life.at_end.append(functools.partial(_leave_as_found, life))
        _open[connection] = life
        return connection


def patches() -> Iterator[Patch]:
    """The patch of `sqlite3`."""
    yield Patch(sqlite3, "connect", _Opener().connect)


@functools.cache
def _referable(factory: type[Any]) -> type[Any]:
    """A class of connections that can be referred to weakly: nothing here may keep one open."""
    if getattr(factory, "__weakrefoffset__", 0):
        return factory
    return type(factory.__name__, (factory,), {"__slots__": ("__weakref__",), "__module__": factory.__module__})


def _leave_as_found(life: Life) -> None:
    """Close the connections of a life that is over, and put their files back as they were."""
    dead = [connection for connection, owner in list(_open.items()) if owner is life]
    files = {connection: _file_of(connection) for connection in dead}
    alive = {_file_of(connection) for connection, owner in list(_open.items()) if owner is not life}
    found = {path: _image(path) for path in sorted({path for path in files.values() if path and path not in alive})}
    for connection in dead:
        _open.pop(connection, None)
        try:
            connection.close()
        except sqlite3.ProgrammingError:  # made in a thread, which alone may close it
            found.pop(files[connection], None)
    for path, image in found.items():
        for suffix, content in image.items():
            _put(path + suffix, content)
        _put(path + _SHARED_MEMORY, None)


def _file_of(connection: Any) -> str:
    """The path of the main database; empty for one in memory, and for a connection that is closed."""
    try:
        cursor = sqlite3.Cursor(connection)
        cursor.row_factory = None  # the program's own may make anything of a row
        rows = cursor.execute("PRAGMA database_list").fetchall()
    except sqlite3.Error:
        return ""
    return next((os.path.realpath(path) for _, name, path in rows if name == "main" and path), "")


def _image(path: str) -> dict[str, bytes | None]:
    return {suffix: _content(path + suffix) for suffix in _BESIDE}


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _put(path: str, content: bytes | None) -> None:
    if content is None:
        if os.path.exists(path):
            os.unlink(path)
        return
    with open(path, "wb") as file:
        file.write(content)
