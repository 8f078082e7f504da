"""Executors by name, for work that is to be done on other machines. The library is imported when it is asked for."""

from __future__ import annotations

import socket
import urllib.parse
from collections.abc import Generator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from faultloop.errors import CrewError, UsageError

NAMES = ("dask",)
CONNECT_SECONDS = 10.0

NOT_INSTALLED = "FL403"
NO_CONNECTION = "FL404"
NO_SUCH_EXECUTOR = "FL407"


@contextmanager
def executor_by_name(name: str, address: str, *, connect_seconds: float = CONNECT_SECONDS) -> Generator[Executor]:
    """Connect to workers that are running, and let go of them at the end; they go on running.

    name: `dask`.   address: of its scheduler, `tcp://host:port`.
    Raises UsageError (FL407) for another name, CrewError: FL403 not installed, FL404 no address, or nobody there.
    """
    if name not in NAMES:
        raise UsageError(f'there is no executor "{name}"; there is {", ".join(NAMES)}', code=NO_SUCH_EXECUTOR)
    if not address:
        raise CrewError(
            "the executor dask needs the address of its scheduler: --address tcp://HOST:PORT", code=NO_CONNECTION
        )
    with _dask(address, connect_seconds) as executor:
        yield executor


@contextmanager
def _dask(address: str, connect_seconds: float) -> Generator[Executor]:
    try:
        from distributed import Client
    except ImportError as error:
        raise CrewError(
            "the executor dask is not installed here. Install it: pip install 'faultloop[dask]'", code=NOT_INSTALLED
        ) from error
    _require_speaker(address, connect_seconds)
    # Made before it connects: one that cannot connect has to be let go of as well.
    client: Any = Client.__new__(Client)
    try:
        client.__init__(address, timeout=connect_seconds, set_as_default=False)
    except Exception as error:
        # Its own close would wait for an answer, here and again at the end of the process.
        client.status = "closed"
        raise _no_scheduler(address, error) from error
    try:
        yield client.get_executor()
    finally:
        client.close()


def _require_speaker(address: str, seconds: float) -> None:
    """A scheduler greets whoever connects. For a greeting from something else (its own dashboard, say) the client would
    wait for ever: that is the one wait for which it has no limit."""
    try:
        parts = urllib.parse.urlsplit(address)
        if parts.scheme != "tcp":
            return  # tls: there the client speaks first
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=seconds) as probe:
            greeting = probe.recv(1)
    except (OSError, ValueError) as error:
        raise _no_scheduler(address, error) from error
    if not greeting:
        raise _no_scheduler(address, EOFError("it hangs up"))


def _no_scheduler(address: str, error: Exception) -> CrewError:
    reason = str(error).partition("\n")[0].removesuffix(".") or type(error).__name__
    return CrewError(
        f"no dask scheduler answers at {address}: {reason}. Start one, and name the address it prints: dask scheduler",
        code=NO_CONNECTION,
    )
