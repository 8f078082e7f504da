"""Many who ask, and few answers: caches, limits, retries, breakers, batches, mailboxes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(slots=True)
class SingleFlight:
    """One computation for all who ask for a key at a time. It is nobody's own: it ends when nobody waits any more."""

    compute: Callable[[str], Awaitable[int]]
    kept: dict[str, int] = field(default_factory=dict)
    _flights: dict[str, tuple[asyncio.Task[int], list[object]]] = field(default_factory=dict)

    async def get(self, key: str) -> int:
        """The value, computed at most once at a time."""
        while key not in self.kept:
            task, waiters = self._flights.get(key) or self._start(key)
            waiters.append(None)
            try:
                await asyncio.wait([task])
            finally:
                waiters.pop()
                if not waiters:
                    task.cancel()
            if not task.cancelled():
                return task.result()
            # Somebody cancelled the computation and not those who wait for it: the next one to come starts it anew.
        return self.kept[key]

    def _start(self, key: str) -> tuple[asyncio.Task[int], list[object]]:
        flight = self._flights[key] = (asyncio.create_task(self._fly(key)), [])
        flight[0].add_done_callback(lambda task: self._land(key, task))
        return flight

    async def _fly(self, key: str) -> int:
        self.kept[key] = value = await self.compute(key)
        return value

    def _land(self, key: str, task: asyncio.Task[int]) -> None:
        if self._flights[key][0] is task:
            del self._flights[key]


async def a_cache_computes_once_at_a_time() -> None:
    """Whoever is cancelled, those who are not have the value, and no two computations overlap."""
    running, calls, values = 0, 0, list[int]()

    async def compute(key: str) -> int:
        nonlocal running, calls
        running, calls = running + 1, calls + 1
        assert running == 1, "two computations at a time"
        try:
            await asyncio.sleep(0.1)
            return len(key)
        finally:
            running -= 1

    cache = SingleFlight(compute)

    async def ask(pause: float) -> None:
        await asyncio.sleep(pause)
        values.append(await cache.get("key"))

    try:
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(ask(pause)) for pause in (0, 0, 0.05, 0.3)]
    finally:
        assert set(values) <= {3}
    assert len(values) == sum(not task.cancelled() for task in asking)
    assert calls >= (len(values) > 0)


@dataclass(slots=True)
class RateLimiter:
    """At most one every `interval` seconds, in turn. Who gives up while waiting takes nothing from the others."""

    interval: float
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _next: float = float("-inf")

    async def acquire(self) -> None:
        """Wait until it is allowed."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            while (left := self._next - loop.time()) > 0:  # noqa: ASYNC110  the clock tells nobody when it is time
                await asyncio.sleep(left)
            self._next = loop.time() + self.interval


async def a_rate_is_kept() -> None:
    """However long each is held up, no two come closer than the interval; and nobody waits longer than his patience."""
    loop = asyncio.get_running_loop()
    limiter, passed, gave_up = RateLimiter(0.3), list[float](), 0

    async def caller(patience: float) -> None:
        nonlocal gave_up
        try:
            async with asyncio.timeout(patience):
                await limiter.acquire()
                passed.append(loop.time())
        except TimeoutError:
            gave_up += 1

    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(caller(patience)) for patience in (1, 1, 0.5, 2, 2)]
    assert all(later - sooner >= 0.3 - 1e-6 for sooner, later in pairwise(passed))
    assert len(passed) + gave_up == sum(not task.cancelled() for task in callers)


async def retries_back_off() -> None:
    """Each try under a deadline; the answer comes, or every try was used."""
    tries, pauses = 0, list[float]()

    async def call() -> str:
        nonlocal tries
        tries += 1
        await asyncio.sleep(2 if tries < 3 else 0.5)
        return "answer"

    async def persist() -> str | None:
        for attempt in range(5):
            try:
                async with asyncio.timeout(1):
                    return await call()
            except TimeoutError:
                pauses.append(0.1 * 2**attempt)
                await asyncio.sleep(pauses[-1])
        return None

    answer = await persist()
    assert answer == "answer" or tries == 5
    assert pauses == [0.1 * 2**attempt for attempt in range(len(pauses))]


class Refused(Exception):
    """The breaker is open."""


@dataclass(slots=True)
class Breaker:
    """Opens after two failures in a row; after a while lets one call through to try, and no second one beside it."""

    rest: float
    failures: int = 0
    probes: int = 0
    _opened: float = 0

    async def call(self, function: Callable[[], Awaitable[str]]) -> str:
        """Call it. Raises Refused when the breaker is open, and what the call raises."""
        is_probe = self.failures >= 2
        if is_probe and (self.probes or asyncio.get_running_loop().time() < self._opened + self.rest):
            raise Refused
        self.probes += is_probe
        try:
            answer = await function()
        except OSError:
            self.failures += 1
            self._opened = asyncio.get_running_loop().time()
            raise
        finally:
            self.probes -= is_probe  # a probe that was cancelled says nothing: the next one may try
        self.failures = 0
        return answer


async def a_breaker_lets_one_probe_through() -> None:
    """Callers fail, are refused, and succeed again when the service is back."""
    loop = asyncio.get_running_loop()
    breaker, heard, inside = Breaker(1), list[str](), 0

    async def service() -> str:
        nonlocal inside
        inside += 1
        try:
            is_probe = breaker.probes > 0
            assert not is_probe or breaker.probes == 1
            await asyncio.sleep(0.1)
            if loop.time() < 1:
                raise OSError("down")
            return "up"
        finally:
            inside -= 1

    async def caller(pause: float) -> None:
        for _ in range(4):
            await asyncio.sleep(pause)
            try:
                heard.append(await breaker.call(service))
            except Refused:
                heard.append("refused")
            except OSError:
                heard.append("down")

    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(caller(pause)) for pause in (0.3, 0.5, 0.7)]
    assert (inside, breaker.probes) == (0, 0)
    if not any(task.cancelled() for task in callers):
        assert len(heard) == 12
        assert heard[-1] == "up"


class Batcher:
    """Collects what comes within a moment and does it in one go. Each caller has his own answer, or an error."""

    def __init__(self, moment: float) -> None:
        """Nothing is collected yet."""
        self.batches: list[list[int]] = []
        self._moment = moment
        self._collected: list[tuple[int, asyncio.Future[int]]] = []
        self._flushes: set[asyncio.Task[None]] = set()

    async def ask(self, number: int) -> int:
        """The answer to this one. Raises ConnectionError when its batch was cut short."""
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._collected.append((number, answer))
        if len(self._collected) == 1:
            task = asyncio.create_task(self._flush_later(self._collected))
            self._flushes.add(task)
            task.add_done_callback(self._flushes.discard)
        return await answer

    async def aclose(self) -> None:
        """End what is under way."""
        flushes = list(self._flushes)
        for task in flushes:
            task.cancel()
        await asyncio.gather(*flushes, return_exceptions=True)

    async def _flush_later(self, mine: list[tuple[int, asyncio.Future[int]]]) -> None:
        try:
            await asyncio.sleep(self._moment)
            self._collected = []
            self.batches.append([number for number, answer in mine if not answer.done()])
            await asyncio.sleep(0.1)
            for number, answer in mine:
                if not answer.done():
                    answer.set_result(number + 1)
        finally:
            if self._collected is mine:
                self._collected = []
            for _, answer in mine:
                if not answer.done():
                    answer.set_exception(ConnectionError("the batch was cut short"))


async def batches_answer_everybody() -> None:
    """Everybody hears something, and it is the answer to what he asked."""
    batcher, heard = Batcher(0.1), dict[int, int]()

    async def caller(number: int) -> None:
        await asyncio.sleep(0.06 * number)
        try:
            heard[number] = await batcher.ask(number)
        except ConnectionError:
            heard[number] = -1

    try:
        async with asyncio.TaskGroup() as group:
            callers = [group.create_task(caller(number)) for number in range(4)]
    finally:
        await batcher.aclose()
    assert all(answer in (-1, number + 1) for number, answer in heard.items())
    assert len(heard) == sum(not task.cancelled() for task in callers)


class Actor:
    """Owns a number; others ask it to change by sending messages, and wait for the reply."""

    def __init__(self) -> None:
        """Not yet running."""
        self.total = 0
        self._mailbox: asyncio.Queue[tuple[int, asyncio.Future[int]]] = asyncio.Queue()
        self._is_gone = False

    async def run(self) -> None:
        """Answer until cancelled. Whoever still waits then is told."""
        try:
            while True:
                amount, reply = await self._mailbox.get()
                if not reply.done():  # who was cancelled meanwhile wants nothing any more
                    self.total += amount
                    reply.set_result(self.total)
        finally:
            self._is_gone = True
            while not self._mailbox.empty():
                _, reply = self._mailbox.get_nowait()
                if not reply.done():
                    reply.set_exception(ConnectionError("the actor is gone"))

    async def add(self, amount: int) -> int:
        """The new total. Raises ConnectionError when there is no actor any more."""
        if self._is_gone:
            raise ConnectionError("the actor is gone")
        reply: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._mailbox.put_nowait((amount, reply))
        return await reply


async def an_actor_replies() -> None:
    """Each reply is the total right after that message."""
    actor, replies = Actor(), list[int]()

    async def client() -> None:
        try:
            for _ in range(3):
                replies.append(await actor.add(1))
                await asyncio.sleep(0.1)
        except ConnectionError:
            pass

    async with asyncio.TaskGroup() as group:
        running = group.create_task(actor.run())
        await asyncio.sleep(0)
        clients = [group.create_task(client()) for _ in range(2)]
        await asyncio.wait(clients)
        running.cancel()
    assert len(set(replies)) == len(replies)
    assert actor.total >= len(replies)
