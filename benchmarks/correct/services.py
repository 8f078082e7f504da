"""Long-lived parts of a service: they fan out, beat, drain, and end when they are told to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress


class Subscription:
    """What one subscriber has not read yet; the oldest goes when there is no room."""

    def __init__(self, size: int) -> None:
        """Nothing yet."""
        self.dropped = 0
        self._size = size
        self._messages: deque[int] = deque()
        self._is_over = False
        self._news = asyncio.Event()

    def push(self, message: int | None) -> None:
        """A message; None is the end."""
        if message is None:
            self._is_over = True
        else:
            self._messages.append(message)
            if len(self._messages) > self._size:
                self._messages.popleft()
                self.dropped += 1
        self._news.set()

    async def read(self) -> int | None:
        """The next message, or None at the end."""
        while not self._messages:
            if self._is_over:
                return None
            self._news.clear()
            await self._news.wait()
        return self._messages.popleft()


class Topic:
    """Tells everybody who is subscribed, and waits for nobody."""

    def __init__(self) -> None:
        """Nobody listens."""
        self.subscriptions: list[Subscription] = []

    @contextmanager
    def subscribed(self, size: int) -> Iterator[Subscription]:
        """A subscription for the length of a block."""
        subscription = Subscription(size)
        self.subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self.subscriptions.remove(subscription)

    def publish(self, message: int | None) -> None:
        """Tell everybody."""
        for subscription in self.subscriptions:
            subscription.push(message)


async def messages_fan_out() -> None:
    """Each reader reads a rising sequence, with as many gaps as were dropped; a slow one holds up nobody."""
    topic, read = Topic(), dict[str, list[int]](fast=[], slow=[])

    async def reader(name: str, pause: float) -> int:
        mine = read[name]
        with topic.subscribed(2) as subscription:
            while (message := await subscription.read()) is not None:
                mine.append(message)
                await asyncio.sleep(pause)
            return subscription.dropped

    async def publisher() -> None:
        try:
            for message in range(6):
                await asyncio.sleep(0.1)
                topic.publish(message)
        finally:
            topic.publish(None)

    try:
        async with asyncio.TaskGroup() as group:
            readers = [group.create_task(reader(name, pause)) for name, pause in (("fast", 0.01), ("slow", 0.35))]
            publishing = group.create_task(publisher())
    finally:
        assert topic.subscriptions == []
        assert all(mine == sorted(set(mine)) for mine in read.values())
    if not publishing.cancelled():
        for task, mine in zip(readers, read.values(), strict=True):
            assert task.cancelled() or task.result() + len(mine) == 6


async def a_heart_beats_beside_the_work() -> None:
    """The lease is renewed while the work goes on; when the heart stops, the work is stopped before the lease ends."""
    loop = asyncio.get_running_loop()
    lease_end, worked_last = loop.time() + 0.5, loop.time()
    finished = False

    async def beat() -> None:
        nonlocal lease_end
        while True:
            await asyncio.sleep(0.2)
            lease_end = loop.time() + 0.5

    async def work() -> None:
        nonlocal worked_last, finished
        for _ in range(6):
            await asyncio.sleep(0.15)
            worked_last = loop.time()
            assert worked_last <= lease_end, "worked without a lease"
        finished = True

    beating, working = asyncio.create_task(beat()), asyncio.create_task(work())
    try:
        await asyncio.wait([beating, working], return_when=asyncio.FIRST_COMPLETED)
    finally:
        beating.cancel()
        working.cancel()
        await asyncio.gather(beating, working, return_exceptions=True)
    if not working.cancelled():
        working.result()
    assert finished is not working.cancelled()


class Service:
    """Takes requests until it is told to stop, then lets those under way end, for a while."""

    def __init__(self) -> None:
        """Not yet running."""
        self.stopping = asyncio.Event()
        self.taken = self.answered = self.cut_short = 0
        self._requests: set[asyncio.Task[None]] = set()

    def submit(self, seconds: float) -> bool:
        """Take a request, unless the service is stopping."""
        if self.stopping.is_set():
            return False
        self.taken += 1
        task = asyncio.create_task(self._answer(seconds))
        self._requests.add(task)
        task.add_done_callback(self._ended)
        return True

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The service, for the length of a block; on leaving it drains."""
        try:
            yield
        finally:
            self.stopping.set()
            try:
                if self._requests:
                    await asyncio.wait(self._requests, timeout=0.5)
            finally:
                left = list(self._requests)
                for task in left:
                    task.cancel()
                await asyncio.gather(*left, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._requests.discard(task)
        if task.cancelled():
            self.cut_short += 1
        else:
            self.answered += 1

    async def _answer(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def a_service_drains() -> None:
    """Each request it took is answered or cut short, and none is taken after the end."""
    service = Service()

    async def client(pause: float) -> None:
        while service.submit(pause):  # noqa: ASYNC110  a request, then a pause
            await asyncio.sleep(pause)

    clients = [asyncio.create_task(client(pause)) for pause in (0.2, 0.7)]
    try:
        async with service.running():
            await asyncio.sleep(1)
    finally:
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    await asyncio.sleep(0)  # the last callbacks
    assert service.taken == service.answered + service.cut_short
    assert not service.submit(0.1)


async def a_session_is_refreshed() -> None:
    """A token that runs out is fetched anew by one task for all; who fails to fetch it leaves that to the next."""
    lock, fetching, fetched, calls = asyncio.Lock(), 0, 0, list[bool]()
    loop = asyncio.get_running_loop()
    token_end = float("-inf")

    async def token() -> float:
        nonlocal fetching, fetched, token_end
        async with lock:
            if token_end <= loop.time():
                fetching += 1
                assert fetching == 1
                try:
                    await asyncio.sleep(0.1)
                    fetched += 1
                    token_end = loop.time() + 0.5
                finally:
                    fetching -= 1
            return token_end

    async def client() -> None:
        for _ in range(3):
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    end = await token()
                    calls.append(end > loop.time())
            await asyncio.sleep(0.3)

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(client())
    assert not lock.locked()
    assert all(calls)
    assert fetched <= 6
