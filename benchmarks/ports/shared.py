"""What the ports share between their tasks, so that a tool may watch it: a namespace and a channel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

Watch = Callable[[tuple[str, str], bool], None]

_watch: Watch | None = None
_is_watching_attributes = False


def observe(watch: Watch | None, *, attributes: bool = True) -> None:
    """Report every touch of a channel, and of an attribute if wanted: (its name, whether it is written to)."""
    global _watch, _is_watching_attributes
    _watch, _is_watching_attributes = watch, attributes


class Shared:
    """A namespace whose reads and writes can be watched."""

    def __init__(self, name: str = "shared", /, **values: Any) -> None:
        self.__dict__["_name"] = name
        self.__dict__["_values"] = values

    def __getattr__(self, key: str) -> Any:
        if _watch is not None and _is_watching_attributes:
            _watch((self._name, key), False)
        return self._values[key]

    def __setattr__(self, key: str, value: Any) -> None:
        if _watch is not None and _is_watching_attributes:
            _watch((self._name, key), True)
        self._values[key] = value


Received = tuple[Any, bool]
"""A value, and whether the channel was open."""


class Channel:
    """A channel as in Go; with capacity 0 sender and receiver meet."""

    def __init__(self, name: str, capacity: int = 0) -> None:
        self.name = name
        self.capacity = capacity
        self.is_closed = False
        self._buffer: list[Any] = []
        self._receivers: list[tuple[asyncio.Future[Any], int | None]] = []
        self._senders: list[tuple[asyncio.Future[None], Any]] = []

    def touch(self) -> None:
        """Report that the running step used the channel."""
        if _watch is not None:
            _watch(("channel", self.name), True)

    def _hand_over(self, received: Received) -> bool:
        while self._receivers:
            future, index = self._receivers.pop(0)
            if not future.done():
                future.set_result(received if index is None else (index, received))
                return True
        return False

    def _release_sender(self) -> tuple[Any] | None:
        while self._senders:
            future, value = self._senders.pop(0)
            if not future.done():
                future.set_result(None)
                return (value,)
        return None

    def try_send(self, value: Any) -> bool:
        """Send if nobody has to wait."""
        self.touch()
        if self._hand_over((value, True)):
            return True
        if len(self._buffer) < self.capacity:
            self._buffer.append(value)
            return True
        return False

    async def send(self, value: Any = None) -> None:
        """Send, waiting for a receiver or for room."""
        if self.try_send(value):
            return
        future = asyncio.get_running_loop().create_future()
        self._senders.append((future, value))
        await future
        self.touch()

    def try_receive(self) -> Received | None:
        """Receive if nobody has to wait."""
        self.touch()
        if self._buffer:
            value = self._buffer.pop(0)
            sent = self._release_sender()
            if sent is not None:
                self._buffer.append(sent[0])
            return value, True
        sent = self._release_sender()
        if sent is not None:
            return sent[0], True
        return (None, False) if self.is_closed else None

    async def receive(self) -> Received:
        """Receive, waiting for a sender or for the end."""
        received = self.try_receive()
        if received is not None:
            return received
        future: asyncio.Future[Received] = asyncio.get_running_loop().create_future()
        self._receivers.append((future, None))
        received = await future
        self.touch()
        return received

    def expect(self, future: asyncio.Future[Any], index: int) -> None:
        """Hand the next value to this future, with this index beside it."""
        self._receivers.append((future, index))

    def close(self) -> None:
        """End the channel: all receivers go on."""
        self.touch()
        self.is_closed = True
        while self._hand_over((None, False)):
            pass


async def receive_first(*channels: Channel) -> tuple[int, Received]:
    """Receive from whichever channel can first; the lowest index wins a tie."""
    for index, channel in enumerate(channels):
        received = channel.try_receive()
        if received is not None:
            return index, received
    future: asyncio.Future[tuple[int, Received]] = asyncio.get_running_loop().create_future()
    for index, channel in enumerate(channels):
        channel.expect(future, index)
    index, received = await future
    channels[index].touch()
    return index, received
