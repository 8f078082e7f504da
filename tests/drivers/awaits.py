"""Every kind of await, each with a task that ends it after one second of virtual time."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

import faultloop
from faultloop import Run, Status

Wake = Callable[[], object]


@dataclass
class Scene:
    """What a case shares with its waker. seen: what the victim got; at: when."""

    wake: Wake = lambda: None
    seen: Any = None
    error: BaseException | None = None
    cancelling: int = 0
    at: float = -1.0
    ready: asyncio.Event = field(default_factory=asyncio.Event)


def set_once(waiter: "asyncio.Future[str]") -> None:
    if not waiter.done():
        waiter.set_result("value")


async def future(scene: Scene) -> Any:
    waiter = asyncio.get_running_loop().create_future()
    scene.wake = lambda: set_once(waiter)
    return await waiter


async def bare_future(scene: Scene) -> Any:
    waiter: asyncio.Future[str] = asyncio.Future()
    scene.wake = lambda: set_once(waiter)
    return await waiter


async def queue_get(scene: Scene) -> Any:
    queue: asyncio.Queue[str] = asyncio.Queue()
    scene.wake = lambda: queue.put_nowait("value")
    return await queue.get()


async def queue_put(scene: Scene) -> Any:
    queue: asyncio.Queue[str] = asyncio.Queue(1)
    queue.put_nowait("value")
    scene.wake = queue.get_nowait
    await queue.put("another")
    return "value"


async def lock(scene: Scene) -> Any:
    held = asyncio.Lock()
    await held.acquire()
    scene.wake = held.release
    async with held:
        return "value"


async def semaphore(scene: Scene) -> Any:
    held = asyncio.Semaphore(0)
    scene.wake = held.release
    await held.acquire()
    return "value"


async def event(scene: Scene) -> Any:
    happened = asyncio.Event()
    scene.wake = happened.set
    await happened.wait()
    return "value"


async def sleep(scene: Scene) -> Any:
    return await asyncio.sleep(1, "value")


async def task(scene: Scene) -> Any:
    async def child():
        await asyncio.sleep(1)
        return "value"

    return await asyncio.create_task(child())


async def gather(scene: Scene) -> Any:
    waiter = asyncio.get_running_loop().create_future()
    scene.wake = lambda: set_once(waiter)
    (got,) = await asyncio.gather(waiter)
    return got


async def shield(scene: Scene) -> Any:
    waiter = asyncio.get_running_loop().create_future()
    scene.wake = lambda: set_once(waiter)
    return await asyncio.shield(waiter)


async def wait(scene: Scene) -> Any:
    waiter = asyncio.get_running_loop().create_future()
    scene.wake = lambda: set_once(waiter)
    done, _ = await asyncio.wait([waiter])
    return done.pop().result()


async def wait_for(scene: Scene) -> Any:
    waiter = asyncio.get_running_loop().create_future()
    scene.wake = lambda: set_once(waiter)
    return await asyncio.wait_for(waiter, 5)


async def timeout(scene: Scene) -> Any:
    waiter = asyncio.get_running_loop().create_future()
    scene.wake = lambda: set_once(waiter)
    async with asyncio.timeout(5):
        return await waiter


async def anyio_event(scene: Scene) -> Any:
    happened = anyio.Event()
    scene.wake = happened.set
    await happened.wait()
    return "value"


async def anyio_receive(scene: Scene) -> Any:
    sender, receiver = anyio.create_memory_object_stream[str]()

    def wake() -> None:
        with suppress(anyio.WouldBlock, anyio.BrokenResourceError, anyio.ClosedResourceError):
            sender.send_nowait("value")

    scene.wake = wake
    with sender, receiver:
        return await receiver.receive()


async def anyio_move_on(scene: Scene) -> Any:
    happened = anyio.Event()
    scene.wake = happened.set
    with anyio.move_on_after(5):
        await happened.wait()
        return "value"
    return "moved on"


async def anyio_group(scene: Scene) -> Any:
    async def child():
        await anyio.sleep(1)

    async with anyio.create_task_group() as group:
        group.start_soon(child)
    return "value"


ASYNCIO = (
    *(future, bare_future, queue_get, queue_put, lock, semaphore, event, sleep, task, gather, shield, wait, wait_for),
    timeout,
)
ANYIO = (anyio_event, anyio_receive, anyio_move_on)
CASES = (*ASYNCIO, *ANYIO, anyio_group)
PHASES = ("parked", "woken", "racing waker @ sleep #1")
CANNOT_RACE = {sleep, task, anyio_group}
"""Nobody else wakes these: their waker's step comes after their own."""


def scene_of(case: Callable[[Scene], Awaitable[Any]]) -> tuple[Scene, Callable[[], Awaitable[None]]]:
    scene = Scene()

    async def victim() -> None:
        me = asyncio.current_task()
        assert me is not None
        try:
            scene.seen = await case(scene)
        except BaseException as error:
            scene.error = error
            scene.cancelling = me.cancelling()
            raise
        finally:
            scene.at = asyncio.get_running_loop().time()

    async def waker() -> None:
        await asyncio.sleep(1)
        scene.wake()

    async def scenario() -> None:
        asyncio.get_running_loop()
        first = asyncio.create_task(waker(), name="waker")
        second = asyncio.create_task(victim(), name="victim")
        await asyncio.wait([first, second])
        if not second.cancelled():
            second.exception()

    return scene, scenario


def hit(case: Callable[[Scene], Awaitable[Any]], fault: str, phase: str) -> tuple[Scene, Run]:
    scene, scenario = scene_of(case)
    nth = 2 if case is anyio_receive else 1  # it begins with a checkpoint, a bare yield
    run = faultloop.run(scenario, faults=[f"{fault} victim @ {case.__name__} #{nth} {phase}"])
    assert not run.not_reached, (run.not_reached, run.history)
    assert run.status is Status.PASSED, (run.status, run.trace.outcome)
    assert run.trace.delivered[0].point.task == "scene_of.<locals>.scenario/victim".rpartition(".")[2]
    return scene, run


def raised_in(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def possible(cases: tuple[Any, ...], phases: tuple[str, ...] = PHASES) -> list[Any]:
    return [
        pytest.param(case, phase, id=f"{case.__name__}-{phase.split()[0]}")
        for case in cases
        for phase in phases
        if not (phase.startswith("racing") and case in CANNOT_RACE)
    ]
