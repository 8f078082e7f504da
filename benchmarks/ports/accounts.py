"""Money that two tasks move at once."""

from __future__ import annotations

import asyncio
from asyncio import sleep

from benchmarks.ports.shared import Shared


async def account() -> None:
    """SCTBench CS/account: deposit and withdrawal race on the balance; a checker looks when both are done."""
    shared = Shared(balance=10, is_deposited=False, is_withdrawn=False)
    lock = asyncio.Lock()

    async def deposit() -> None:
        await sleep(0)
        async with lock:
            balance = shared.balance
        await sleep(0)
        async with lock:
            shared.balance = balance + 5
        await sleep(0)
        shared.is_deposited = True

    async def withdraw() -> None:
        await sleep(0)
        async with lock:
            balance = shared.balance
        await sleep(0)
        async with lock:
            shared.balance = balance - 3
        await sleep(0)
        shared.is_withdrawn = True

    async def check() -> None:
        await sleep(0)
        async with lock:
            if shared.is_deposited and shared.is_withdrawn:
                assert shared.balance == 12, shared.balance

    await asyncio.gather(deposit(), withdraw(), check())
    await check()


async def bank_transfer(payments: int) -> None:
    """Textbook: several check the balance, then pay; the account is overdrawn."""
    shared = Shared(balance=100, paid=0)

    async def pay(amount: int) -> None:
        await sleep(0)
        if shared.balance >= amount:
            await sleep(0)
            balance = shared.balance
            await sleep(0)
            shared.balance = balance - amount
            await sleep(0)
            shared.paid = shared.paid + amount

    await asyncio.gather(*[pay(100 // payments + 1) for _ in range(payments)])
    assert shared.balance >= 0
    assert shared.balance + shared.paid == 100
