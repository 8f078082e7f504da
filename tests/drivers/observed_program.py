"""A module to observe: every kind of plain state that there is, and programs whose results are easily compared."""

import asyncio
import heapq
import traceback
from collections import OrderedDict, defaultdict, deque
from typing import Any

total = 0
CACHE: dict[str, int] = {}


class Account:
    opened = 0

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.balance = 0
        self.log: list[str] = []
        Account.opened += 1

    @property
    def is_empty(self) -> bool:
        return self.balance == 0

    def pay(self, amount: int) -> "Account":
        self.balance += amount
        self.log.append(f"{self.owner} {amount:+}")
        return self


class Slotted:
    __slots__ = ("value",)


class Unhashable:
    __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.value = 0

    def __eq__(self, other: object) -> bool:
        raise AssertionError("nobody compares these")


class Proxy:
    """Pretends to be something else, and complains of being asked what."""

    def __init__(self) -> None:
        self.value = 1

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("asked for its class")


def bump(amount: int = 1) -> int:
    global total
    total += amount
    return total


def counter() -> Any:
    count = 0
    kept = [0]

    def add() -> int:
        nonlocal count
        count += 1
        kept.append(count)
        return count

    return add, lambda: (count, kept)


def containers() -> object:
    numbers, names, seen = [3, 1, 2], {"a": 1}, {1}
    numbers[0] += 1
    numbers[1:2] = [7, 8]
    numbers += [9]
    del numbers[-1]
    heapq.heapify(numbers)
    heapq.heappush(numbers, heapq.heappop(numbers) if numbers else 0)
    names["b"] = names.setdefault("a", 5) + names.get("x", 10) + names.pop("y", 100)
    names.update(c=3, d=4)
    del names["c"]
    seen |= {2}
    seen.add(len(numbers))
    made: list[int] = []

    def make() -> list[int]:
        made.append(1)
        return []

    grouped: defaultdict[str, list[int]] = defaultdict(make)
    grouped["even"].append(2)
    grouped["odd"] = [*grouped["even"], "x" in grouped]
    queue = deque([1, 2], maxlen=3)
    queue.appendleft(queue.pop())
    order = OrderedDict(x=1, y=2)
    order.move_to_end("x")
    text = "abc"[1:] + f"{numbers[0]!r:>4}"
    doubled = [n * 2 for n in numbers if n in seen or str(n) not in names]
    return (
        *(numbers, names, sorted(seen), dict(grouped), made, list(queue), list(order), text, doubled),
        *(max(*numbers), {**names}, any(numbers), sum(names.values()), tuple(numbers[::2])),
    )


def failures() -> list[str]:
    """Every way to fail, with the traceback that the program itself sees."""
    account, names, numbers = Account("x"), {"a": 1}, [1]
    told: list[str] = []

    def note(action: Any) -> None:
        try:
            action()
        except Exception:
            told.append(traceback.format_exc())

    def delete() -> None:
        del account.missing  # type: ignore[attr-defined]

    def store() -> None:
        account.is_empty = True  # type: ignore[misc]

    note(lambda: account.missing)  # type: ignore[attr-defined]
    note(lambda: account.log.missing(1))  # type: ignore[attr-defined]
    note(lambda: names["b"])
    note(lambda: numbers[5])
    note(lambda: numbers.append())  # type: ignore[call-arg]
    note(lambda: names.get(*[1, 2, 3]))  # type: ignore[call-overload]
    note(lambda: 3 in 4)  # type: ignore[operator]
    note(lambda: [x + 1 for x in account])  # type: ignore[attr-defined]
    note(delete)
    note(store)
    return told


async def transfer() -> object:
    first, second = Account("first"), Account("second")
    add, look = counter()
    results: list[int] = []
    entered = asyncio.Lock()

    async def move(amount: int) -> int:
        seen = first.balance
        await asyncio.sleep(0)
        first.balance = seen - amount
        async with entered:
            second.pay(amount)
        for line in second.log[:]:
            await asyncio.sleep(0)
            CACHE[line] = CACHE.get(line, 0) + add()
        bump(amount)
        return amount

    async def lines() -> Any:
        for line in second.log:
            yield line
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(move(amount)) for amount in (1, 2, 3)]
    for task in tasks:
        results.append(await task)
    collected = [line async for line in lines()]
    odd: tuple[Any, ...] = Slotted(), Unhashable(), Proxy()
    for each in odd:
        each.value = 2
    return first.balance, second.balance, look(), results, collected, [each.value for each in odd]


def state() -> object:
    """All results of what needs no loop."""
    add, look = counter()
    account = Account("y").pay(3).pay(-1)
    return add(), add(), look(), containers(), account.log, account.is_empty, bump(0) >= 0
