"""Several at once: gather, wait, as_completed, groups."""

from __future__ import annotations

import asyncio


async def gathers_tell_what_failed() -> None:
    """With errors returned everybody ends; with errors raised the first one comes, and the others are waited for."""

    async def one(number: int) -> int:
        await asyncio.sleep(0.1 * number)
        if number == 1:
            raise ValueError("one is not allowed")
        return number

    results = await asyncio.gather(*(one(number) for number in range(3)), return_exceptions=True)
    assert all(isinstance(result, int | ValueError | asyncio.CancelledError) for result in results)
    tasks = [asyncio.create_task(one(number)) for number in (2, 1, 1)]
    try:
        await asyncio.gather(*tasks)
        raise AssertionError("the error of two tasks was lost")
    except ValueError:
        pass
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.done() for task in tasks)


async def the_first_answer_wins() -> None:
    """Hedged requests: a second server is asked when the first is slow; who is not needed is cancelled and awaited."""
    busy = 0

    async def ask(server: int) -> int:
        nonlocal busy
        busy += 1
        try:
            await asyncio.sleep(0.3 if server == 0 else 0.1)
            return server
        finally:
            busy -= 1

    asked: list[asyncio.Task[int]] = []
    answer = None
    try:
        for server in range(3):
            asked.append(asyncio.create_task(ask(server)))
            await asyncio.wait(asked, timeout=0.15, return_when=asyncio.FIRST_COMPLETED)
            answers = [task.result() for task in asked if task.done() and not task.cancelled()]
            if answers:
                answer = answers[0]
                break
    finally:
        for task in asked:
            task.cancel()
        if asked:
            await asyncio.wait(asked)
            assert busy == 0
    assert answer is not None or all(task.cancelled() for task in asked)


async def answers_as_they_come() -> None:
    """Each is told once; the deadline of the whole tells how many there were in time."""

    async def one(number: int) -> int:
        await asyncio.sleep(0.1 * number)
        return number

    tasks = [asyncio.create_task(one(number)) for number in (3, 1, 2)]
    got: list[int] = []
    missing = 0
    try:
        for next_one in asyncio.as_completed(tasks, timeout=0.25):
            try:
                got.append(await next_one)
            except TimeoutError:
                missing += 1
            except asyncio.CancelledError:
                if not any(task.cancelled() for task in tasks):
                    raise
                missing += 1
                current = asyncio.current_task()
                assert current is not None
                if current.cancelling():
                    raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert len(set(got)) == len(got)
    assert len(got) + missing == 3


async def a_group_of_errors() -> None:
    """Of two that fail, both errors come out of the group, and the third task is cancelled and cleans up."""
    cleaned = 0

    async def fail(error: Exception) -> None:
        await asyncio.sleep(0.1)
        raise error

    async def wait() -> None:
        nonlocal cleaned
        try:
            await asyncio.sleep(10)
        finally:
            cleaned += 1

    caught: list[str] = []
    try:
        async with asyncio.TaskGroup() as group:
            for error in (OSError("disk"), KeyError("key")):
                group.create_task(fail(error))
            waiting = group.create_task(wait())
    except* OSError as disk:
        caught += [type(error).__name__ for error in disk.exceptions]
    except* KeyError as key:
        caught += [type(error).__name__ for error in key.exceptions]
    assert waiting.done()
    assert cleaned == 1
    assert set(caught) <= {"OSError", "KeyError"}


async def groups_nest() -> None:
    """An error inside the inner group ends only that one; the outer goes on."""
    steps: list[str] = []

    async def fail() -> None:
        await asyncio.sleep(0.1)
        raise LookupError("not there")

    async def inner() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                group.create_task(asyncio.sleep(1))
        except* LookupError:
            steps.append("caught")
        await asyncio.sleep(0.1)
        steps.append("went on")

    async def beside() -> None:
        await asyncio.sleep(0.5)
        steps.append("beside")

    async with asyncio.TaskGroup() as group:
        nested, other = group.create_task(inner()), group.create_task(beside())
    assert ("went on" in steps) is not nested.cancelled()
    assert ("beside" in steps) is not other.cancelled()


async def a_supervisor_starts_them_anew() -> None:
    """A worker that ends for whatever reason is replaced, at most so many times; the work is finished or given up."""
    done, starts = 0, 0

    async def worker() -> None:
        nonlocal done
        while done < 4:
            await asyncio.sleep(0.1)
            if starts == 1 and done == 2:
                raise RuntimeError("crashed")
            done += 1

    current: asyncio.Task[None] | None = None
    try:
        while done < 4 and starts < 6:
            starts += 1
            current = asyncio.create_task(worker())
            await asyncio.wait([current])
            if not current.cancelled() and current.exception() is not None:
                await asyncio.sleep(0.2)
    finally:
        if current is not None:
            current.cancel()
            await asyncio.gather(current, return_exceptions=True)  # looks at its error, too
    assert done == 4
