"""FM_008: three layers try three times each, and one job that cannot succeed makes twenty-seven calls.

broken     each layer retries, because each was written to be used alone
guarded    the outermost layer retries, and those below it are told

Each of the three is reasonable. Nobody has ever written the number 27 down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

import anyio

JOBS = 2
TRIES = 3
CALL_SECONDS = 1.0

is_retried_above: ContextVar[bool] = ContextVar("is_retried_above", default=False)


@dataclass(slots=True)
class Request:
    """A request that a service received. state: waiting, answered or dropped."""

    job: int
    state: str = "waiting"


@dataclass(slots=True)
class Service:
    """The service that the jobs call, one request after the other. requests: as they came."""

    requests: list[Request] = field(default_factory=list)


Tries = Callable[[], int]


def always() -> int:
    """Three times, whoever calls."""
    return TRIES


def unless_above() -> int:
    """Three times; once, if a layer above retries anyhow."""
    return 1 if is_retried_above.get() else TRIES


async def retried(call: Callable[[], Awaitable[None]], tries: Tries) -> None:
    """One layer: try again after a time-out. Raises TimeoutError."""
    left = tries()
    token = is_retried_above.set(True)
    try:
        while True:
            left -= 1
            try:
                return await call()
            except TimeoutError:
                if left == 0:
                    raise
    finally:
        is_retried_above.reset(token)


async def broken() -> None:
    """Every layer retries."""
    assert_holds(await damaged())


async def guarded() -> None:
    """One does."""
    assert_holds(await work(unless_above))


async def damaged() -> Service:
    """What every layer's retries leave behind."""
    return await work(always)


async def work(tries: Tries) -> Service:
    """Two jobs call a service: through an SDK, which a client uses, which the job uses."""
    service = Service()
    wire, inbox = anyio.create_memory_object_stream[tuple[Request, anyio.Event]](JOBS * TRIES**3)

    async def serve() -> None:
        while True:
            request, answered = await inbox.receive()
            await anyio.sleep(0.1)
            request.state = "answered"
            answered.set()

    async def call(job: int) -> None:
        request, answered = Request(job), anyio.Event()
        service.requests.append(request)
        wire.send_nowait((request, answered))
        with anyio.fail_after(CALL_SECONDS):
            await answered.wait()

    async def sdk(job: int) -> None:
        await retried(lambda: call(job), tries)

    async def client(job: int) -> None:
        await retried(lambda: sdk(job), tries)

    async def run(job: int) -> None:
        try:
            await retried(lambda: client(job), tries)
        except TimeoutError:
            return  # it is tried again tomorrow

    with wire, inbox:
        async with anyio.create_task_group() as services:
            services.start_soon(serve, name="service")
            async with anyio.create_task_group() as jobs:
                for job in range(JOBS):
                    jobs.start_soon(run, job, name=f"job-{job}")
            services.cancel_scope.cancel()
    return service


def assert_holds(service: Service) -> None:
    """The invariant, which is the detection as well: a job asks the service for no more than its tries."""
    asked = Counter(request.job for request in service.requests if request.state != "dropped")
    above = [f"job {job} makes {calls}" for job, calls in sorted(asked.items()) if calls > TRIES]
    assert not above, f"a job makes at most {TRIES} calls: {', '.join(above)}"


async def repair(service: Service) -> None:
    """Drop the requests for which nobody waits any more, so that the service comes back to work that is wanted."""
    for request in service.requests:
        if request.state == "waiting":
            await anyio.sleep(0.01)  # its deadline is compared with the clock
            request.state = "dropped"
