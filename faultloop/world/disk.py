"""A disk for scenarios that model storage: what is written is durable once it is synced, and not before.

    disk = world.disk("worker-1")            the disk of a node; it outlives the node's crashes
    log = disk.open("log")
    await log.write(record, at=log.size)     in the cache of the machine
    await log.sync()                         on the disk

At a crash of the node each write that was not synced is lost, kept or torn at the boundary of a sector, each for
itself: disks and kernels promise no order among them. These are questions of the run, like the order of tasks; the calm
answer is that it is lost. Names follow the journal of a file system: of the changes that were not synced, the first
ones stay.
"""

from __future__ import annotations

import asyncio
import errno
import os
from asyncio import events
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from faultloop.errors import UsageError
from faultloop.model.faults import NANOSECONDS
from faultloop.world import asked
from faultloop.world.nodes import machine_of, trio_host_here

SECTOR = 512
"""Bytes that reach a disk together or not at all."""
AtCrash = Literal["any", "lost", "kept", "torn"]


@dataclass(slots=True)
class _Contents:
    """What a file holds: on the disk, in the cache, and the writes that make the difference."""

    durable: bytearray = field(default_factory=bytearray)
    cached: bytearray = field(default_factory=bytearray)
    pending: list[_Write] = field(default_factory=list["_Write"])
    writes: int = 0

    def add(self, at: int, data: bytes) -> None:
        """Write into the cache."""
        self.writes += 1
        write = _Write(self.writes, at, data)
        write.carry_out(self.cached)
        self.pending.append(write)

    def settle(self, until: int) -> None:
        """Bring what is pending to the disk, up to a write's number."""
        while self.pending and self.pending[0].number <= until:
            self.pending.pop(0).carry_out(self.durable)


@dataclass(frozen=True, slots=True)
class _Write:
    """One write. data: nothing cuts the file at the offset."""

    number: int
    at: int
    data: bytes

    def carry_out(self, target: bytearray) -> None:
        """Change what a file holds."""
        if not self.data:
            del target[self.at :]
            return
        if len(target) < self.at:
            target.extend(bytes(self.at - len(target)))
        target[self.at : self.at + len(self.data)] = self.data


Change = tuple[Literal["create", "remove", "rename"], str, str, _Contents | None]


class Disk:
    """A disk with files by name.

    capacity: in bytes, None for no end.   latency: of each operation, in virtual seconds.   bandwidth: bytes a second,
    None for no bound.   short_reads: whether a read may give less than is there, which is a question of the run.
    at_crash: `any` asks about each write that was not synced; the others answer for all of them.
    Raises UsageError (FL533) for what no disk can have.
    """

    def __init__(
        self,
        *,
        capacity: int | None = None,
        latency: float = 0.0,
        bandwidth: float | None = None,
        short_reads: bool = False,
        sector: int = SECTOR,
        at_crash: AtCrash = "any",
    ) -> None:
        if at_crash not in get_args(AtCrash):
            raise UsageError(f"at_crash is {', '.join(get_args(AtCrash))}, not {at_crash!r}", code="FL533")
        asked.number("the latency of a disk, in seconds,", latency, least=0)
        if capacity is not None:
            asked.number("the capacity of a disk, in bytes,", capacity, least=0)
        if bandwidth is not None:
            asked.number("the bandwidth of a disk, in bytes a second,", bandwidth, above=0)
        self.capacity = capacity
        self.latency = latency
        self.bandwidth = bandwidth
        self.short_reads = short_reads
        self.sector = sector
        self.at_crash: AtCrash = at_crash
        self._durable: dict[str, _Contents] = {}
        self._names: dict[str, _Contents] = {}
        self._changes: list[Change] = []

    # Names

    @property
    def names(self) -> tuple[str, ...]:
        """The files that there are, sorted."""
        return tuple(sorted(self._names))

    def open(self, name: str, *, create: bool = True) -> File:
        """A file. Raises FileNotFoundError where there is none and none is to be made."""
        contents = self._names.get(name)
        if contents is None:
            if not create:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
            contents = self._names[name] = _Contents()
            self._changes.append(("create", name, "", contents))
        return File(self, name, contents)

    def rename(self, name: str, to: str) -> None:
        """Give a file another name, in the place of whatever has it. Durable after `sync`."""
        self._names[to] = contents = self._take(name)
        self._changes.append(("rename", name, to, contents))

    def remove(self, name: str) -> None:
        """Remove a file. Durable after `sync`."""
        self._take(name)
        self._changes.append(("remove", name, "", None))

    def _take(self, name: str) -> _Contents:
        try:
            return self._names.pop(name)
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name) from None

    async def sync(self) -> None:
        """Make the names durable: an fsync of the directory."""
        wanted = list(self._changes)
        await self.take_time(0)
        self._settle(sum(change in wanted for change in self._changes))

    def settle_name(self, contents: _Contents) -> None:
        """A file was synced: that it was made is durable as well, as on ext4, XFS and Btrfs; a new name is not."""
        for number, (what, _, _, of) in enumerate(self._changes):
            if what == "create" and of is contents:
                self._settle(number + 1)
                return

    def _settle(self, count: int) -> None:
        for what, name, to, contents in self._changes[:count]:
            if what == "create" and contents is not None:
                self._durable[name] = contents
            elif what == "remove":
                self._durable.pop(name, None)
            elif contents is not None:
                self._durable.pop(name, None)
                self._durable[to] = contents
        del self._changes[:count]

    # Space and time

    @property
    def used(self) -> int:
        """Bytes that all files hold."""
        return sum(len(contents.cached) for contents in self._names.values())

    def room(self, wanted: int) -> int:
        """How many of so many more bytes find room."""
        return wanted if self.capacity is None else max(0, min(wanted, self.capacity - self.used))

    async def take_time(self, size: int) -> None:
        """The time that an operation takes; even one that takes none is answered, and can fail, at an await."""
        seconds = self.latency + (size / self.bandwidth if self.bandwidth else 0)
        if (host := trio_host_here()) is not None:
            await host.answer_after(round(seconds * NANOSECONDS))
            return
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[None] = loop.create_future()
        handle = loop.call_later(seconds, _answer, answered) if seconds else loop.call_soon(_answer, answered)
        try:
            await answered
        finally:
            handle.cancel()

    # Crash

    def crash(self) -> None:
        """The machine is gone: what was not synced is lost, kept or torn, and the cache is what is on the disk."""
        changes = len(self._changes)
        self._settle({"any": lambda: ask(changes + 1), "kept": lambda: changes}.get(self.at_crash, lambda: 0)())
        self._changes.clear()
        for _, contents in sorted(self._durable.items()):
            for write in contents.pending:
                if (left := self._left_of(write)) is not None:
                    left.carry_out(contents.durable)
            contents.pending.clear()
            contents.cached[:] = contents.durable
        self._names = dict(self._durable)

    def _left_of(self, write: _Write) -> _Write | None:
        """What a crash leaves of a write: all, nothing, or the sectors before the one that it was torn at."""
        sectors = -(-len(write.data) // self.sector)
        fate: str = self.at_crash
        if fate == "any":
            fate = ("lost", "kept", "torn")[ask(3 if sectors > 1 else 2)]
        if fate == "kept":
            return write
        if fate == "lost" or sectors < 2:
            return None
        whole = sectors // 2 if self.at_crash == "torn" else 1 + ask(sectors - 1)
        return _Write(write.number, write.at, write.data[: whole * self.sector])


class File:
    """An open file of a disk. After a crash it shows what the crash has left."""

    def __init__(self, disk: Disk, name: str, contents: _Contents) -> None:
        self._disk = disk
        self._contents = contents
        self.name = name
        """What it was called when it was opened."""

    @property
    def size(self) -> int:
        """Its length in bytes, with what is not synced yet."""
        return len(self._contents.cached)

    async def read(self, size: int = -1, *, at: int = 0) -> bytes:
        """Read at an offset, up to the end of the file. size: at most so many bytes; -1 is all.

        On a disk with short reads it may be fewer, but not none, before the end. Raises OSError (EINVAL).
        """
        _require_place(at)
        end = self.size if size < 0 else min(at + size, self.size)
        data = bytes(self._contents.cached[at:end])
        await self._disk.take_time(len(data))
        if self._disk.short_reads and len(data) > 1 and ask(2):
            return data[: len(data) // 2]
        return data

    async def write(self, data: bytes, *, at: int) -> int:
        """Write at an offset, into the cache. Returns how many bytes found room: on a full disk fewer than given.

        Raises OSError: ENOSPC when none did, EINVAL for an offset below 0. Cancelled, it has written all the same.
        """
        _require_place(at)
        contents = self._contents
        grows = max(0, at + len(data) - self.size)
        count = len(data) - (grows - self._disk.room(grows))
        if count <= 0 and data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.name)
        if data:
            contents.add(at, bytes(data[:count]))
        await self._disk.take_time(count)
        return count

    async def append(self, data: bytes) -> int:
        """Write at the end."""
        return await self.write(data, at=self.size)

    async def truncate(self, size: int) -> None:
        """Cut the file, if it is longer. Raises OSError (EINVAL) for a size below 0."""
        _require_place(size)
        if size < self.size:
            self._contents.add(size, b"")
        await self._disk.take_time(0)

    async def sync(self) -> None:
        """Make what was written before this call durable. Cancelled, it may not be."""
        contents = self._contents
        until = contents.writes
        await self._disk.take_time(sum(len(write.data) for write in contents.pending))
        contents.settle(until)
        self._disk.settle_name(contents)


def _require_place(at: int) -> None:
    if at < 0:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def _answer(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def ask(options: int) -> int:
    """A question of the run that we are in: an index below `options`, 0 when it is calm."""
    if options < 2:
        return 0
    loop: Any = trio_host_here() or events._get_running_loop()
    if not hasattr(loop, "choose"):
        raise UsageError("a disk of a scenario is for scenarios: use it inside a run", code="FL532")
    return loop.choose(options) if loop.choose is not None else 0


def disk(
    node: str,
    *,
    capacity: int | None = None,
    latency: float = 0.0,
    bandwidth: float | None = None,
    short_reads: bool = False,
    at_crash: AtCrash = "any",
) -> Disk:
    """The disk of a node, made at the first call, with what is said then (see `Disk`). Crashes with its node.

    Raises UsageError (FL533) where a later call says something else.
    """
    machine = machine_of(node)
    said = Disk(capacity=capacity, latency=latency, bandwidth=bandwidth, short_reads=short_reads, at_crash=at_crash)
    if machine.disk is None:
        machine.disk = said
        machine.at_crash.append(said.crash)
    own: Disk = machine.disk
    for option, usual in _USUAL.items():
        if getattr(said, option) not in (usual, getattr(own, option)):
            raise UsageError(
                f"the disk of node {node} has {option}={getattr(own, option)!r}, from the first call of world.disk",
                code="FL533",
            )
    return own


_USUAL = {"capacity": None, "latency": 0.0, "bandwidth": None, "short_reads": False, "at_crash": "any"}
