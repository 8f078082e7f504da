"""What a crash leaves on a disk: what was synced, and of the rest what the run's answers say."""

import asyncio
import errno
from collections.abc import Callable
from typing import Any

import pytest

import faultloop
from faultloop import world
from faultloop.errors import UsageError
from faultloop.world import Disk
from tests.drivers.support import passed, value


def after_crash(write: Callable[[Disk], Any], **options: Any) -> Callable[[], Any]:
    """Write, crash the machine, and tell what is there then."""

    async def scenario() -> dict[str, bytes]:
        disk = world.disk("store", **options)
        await write(disk)
        world.node("store").crash()
        return {name: await disk.open(name, create=False).read() for name in disk.names}

    return scenario


async def one_synced_one_not(disk: Disk) -> None:
    log = disk.open("log")
    await log.append(b"first")
    await log.sync()
    await log.append(b"second")


def test_what_was_synced_outlives_a_crash_and_what_was_not_is_lost_calmly():
    assert value(after_crash(one_synced_one_not)) == {"log": b"first"}
    assert value(after_crash(one_synced_one_not, at_crash="kept")) == {"log": b"firstsecond"}


def test_a_file_that_was_never_synced_is_not_there():
    async def write(disk: Disk) -> None:
        await disk.open("log").append(b"first")

    assert value(after_crash(write)) == {}
    assert value(after_crash(write, at_crash="kept")) == {"log": b"first"}


def test_a_torn_write_ends_at_a_sector():
    async def write(disk: Disk) -> None:
        log = disk.open("log")
        await log.sync()
        await log.append(b"a" * 2000)

    assert value(after_crash(write, at_crash="torn")) == {"log": b"a" * 1024}
    assert value(after_crash(one_synced_one_not, at_crash="torn")) == {"log": b"first"}  # within one sector


async def three_writes(disk: Disk) -> None:
    log = disk.open("log")
    await log.sync()
    for letter in (b"a", b"b", b"c"):
        await log.append(letter * 600)


def test_drawn_crashes_lose_keep_and_tear_each_write_for_itself():
    seen = {value(after_crash(three_writes), seed=seed, order="batch")["log"] for seed in range(200)}
    assert b"" in seen
    assert b"a" * 600 + b"b" * 600 + b"c" * 600 in seen
    assert bytes(600) + b"b" * 600 in seen, "a later write is there and an earlier one is not"
    assert b"a" * 600 + b"b" * 512 in seen, "torn"
    assert len(seen) >= 20


def test_a_drawn_crash_is_a_question_that_replays():
    run = next(
        run
        for seed in range(100)
        if (run := passed(after_crash(three_writes), seed=seed, order="batch")).value["log"] not in (b"", b"a" * 600)
    )
    again = faultloop.replay(run.trace, after_crash(three_writes))
    assert again.same_digest
    assert again.run.value == run.value


def test_a_rename_is_durable_once_the_directory_is_synced():
    async def replace(disk: Disk, *, is_synced: bool) -> None:
        for name, text in (("current", b"old"), ("new", b"new")):
            file = disk.open(name)
            await file.append(text)
            await file.sync()
        disk.rename("new", "current")
        if is_synced:
            await disk.sync()

    assert value(after_crash(lambda disk: replace(disk, is_synced=True))) == {"current": b"new"}
    assert value(after_crash(lambda disk: replace(disk, is_synced=False))) == {"current": b"old", "new": b"new"}


def test_removing_and_cutting_are_durable_once_synced():
    async def write(disk: Disk) -> None:
        for name in ("gone", "here", "cut", "not cut"):
            file = disk.open(name)
            await file.append(b"text")
            await file.sync()
        disk.remove("gone")
        await disk.sync()
        disk.remove("here")
        cut = disk.open("cut")
        await cut.truncate(2)
        await cut.sync()
        await disk.open("not cut").truncate(2)

    assert value(after_crash(write)) == {"here": b"text", "cut": b"te", "not cut": b"text"}


def test_a_full_disk_takes_what_finds_room_and_then_says_so():
    async def scenario() -> list[Any]:
        file = world.disk("store", capacity=8).open("log")
        said: list[Any] = [await file.append(b"12345"), await file.append(b"6789AB")]
        try:
            await file.append(b"x")
        except OSError as error:
            said.append(error.errno)
        return [*said, await file.read()]

    assert value(scenario) == [5, 3, errno.ENOSPC, b"12345678"]


def test_a_slow_disk_takes_virtual_time():
    async def scenario() -> float:
        file = world.disk("store", latency=0.01, bandwidth=1000).open("log")
        await file.append(b"x" * 500)
        await file.sync()
        await file.read(100)
        return round(asyncio.get_running_loop().time(), 6)

    assert value(scenario) == pytest.approx(0.51 + 0.51 + 0.11)


def test_short_reads_are_drawn():
    async def scenario() -> bytes:
        file = world.disk("store", short_reads=True).open("log")
        await file.append(b"12345678")
        return await file.read()

    assert value(scenario) == b"12345678"
    assert {value(scenario, seed=seed, order="batch") for seed in range(20)} == {b"1234", b"12345678"}


def test_operations_fail_and_are_cancelled_at_their_awaits():
    async def scenario() -> list[Any]:
        disk = world.disk("store")
        file = disk.open("log")
        said: list[Any] = []

        async def save() -> None:
            await file.append(b"text")
            try:
                await file.sync()
            except OSError as error:
                said.append(str(error))

        task = asyncio.create_task(save(), name="saver")
        await asyncio.wait([task])
        world.node("store").crash()
        return [*said, disk.names]

    assert value(scenario) == [("log",)]
    assert value(scenario, faults=["fail:OSError saver @ File.sync #1 parked"]) == ["injected by faultloop", ()]
    assert value(scenario, faults=["cancel saver @ File.sync #1 parked"]) == [()]


def test_explore_finds_the_store_that_acknowledges_before_it_syncs():
    def storing(*, syncs_first: bool) -> Callable[[], Any]:
        async def scenario() -> None:
            acknowledged: list[bytes] = []
            disk = world.disk("store", latency=0.01)

            async def store() -> None:
                log = disk.open("log")
                for number in range(log.size, 3):
                    await log.append(b"%d" % number)
                    if syncs_first:
                        await log.sync()
                    acknowledged.append(b"%d" % number)
                    await log.sync()

            world.node("store").start(store)
            await asyncio.sleep(10)
            held = await disk.open("log").read()
            assert not [entry for entry in acknowledged if entry not in held], "acknowledged and not there"

        return scenario

    found = faultloop.explore(storing(syncs_first=False), faults=["crash"], runs=100, order="fifo")
    assert found.status == "violated"
    assert faultloop.explore(storing(syncs_first=True), faults=["crash"], runs=100, order="fifo").status == "passed"


def test_missing_files_and_disks_outside_of_runs_are_errors():
    async def scenario() -> None:
        disk = world.disk("store")
        assert world.disk("store") is disk
        with pytest.raises(FileNotFoundError):
            disk.open("nothing", create=False)
        with pytest.raises(FileNotFoundError):
            disk.remove("nothing")
        with pytest.raises(FileNotFoundError):
            disk.rename("nothing", "something")

    passed(scenario)
    with pytest.raises(UsageError, match="FL532"):
        world.disk("store")
