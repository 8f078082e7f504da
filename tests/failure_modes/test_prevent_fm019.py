"""The guardrail of FM_019 holds: both are written, or neither."""

import sqlite3
from pathlib import Path

import anyio
import pytest

import faultloop
from aqueue import Queue
from failure_modes.catalogue import find
from failure_modes.FM_019_enqueue_commit_gap.scenario import CUSTOMERS, Shop, sign_up_at_once, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_019"), driver).objections == ()


@pytest.mark.parametrize("dies", ["relay @ Shop.enqueue>sleep #2 parked", "request-anna @ Shop.commit>sleep #1 parked"])
def test_customers_and_jobs_are_the_same(dies: str):
    async def guarded_work() -> Shop:
        return await work(sign_up_at_once)

    shop = faultloop.run(guarded_work, faults=[f"cancel {dies}"]).value
    assert sorted({*shop.outbox, *shop.queue, *shop.greeted}) == sorted(shop.customers) != []


def test_who_died_while_carrying_a_job_on_left_it_in_the_outbox():
    async def guarded_work() -> list[str]:
        return sorted((await work(sign_up_at_once)).outbox)

    run = faultloop.run(guarded_work, faults=["cancel relay @ Shop.enqueue>sleep #1 parked"])
    assert run.value == sorted(CUSTOMERS)


def test_what_the_request_did_not_carry_on_the_relay_does():
    async def guarded_work() -> list[str]:
        return sorted((await work(sign_up_at_once)).greeted)

    run = faultloop.run(guarded_work, faults=["cancel request-anna @ Shop.enqueue>sleep #1 parked"])
    assert run.value == sorted(CUSTOMERS)


def test_to_enqueue_first_is_the_other_half_of_the_failure():
    async def enqueue_first(shop: Shop, customer: str) -> None:
        await shop.enqueue(customer)
        await shop.commit(customer)

    async def work_of_the_other_half() -> Shop:
        return await work(enqueue_first)

    gap = "cancel request-anna @ Shop.commit>sleep #1 parked"
    shop = faultloop.run(work_of_the_other_half, faults=[gap]).value
    assert ("anna" in shop.customers, "anna" in shop.greeted) == (False, True)


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_in_aqueue_there_are_as_many_jobs_as_rows_whatever_becomes_of_the_transaction(ending: str, tmp_path: Path):
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE customer(name TEXT)")
    q = Queue(f"sqlite:///{path}", durability="process")

    @q.task()
    async def greet(name: str) -> str:
        return f"hello {name}"

    async def main() -> dict[str, int]:
        async with q:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO customer VALUES('anna')")
            await greet.options(tx=connection).enqueue("anna")
            connection.execute(ending)
            return {str(state): count for state, count in (await q.counts()).items() if count}

    counts = anyio.run(main)
    (rows,) = connection.execute("SELECT count(*) FROM customer").fetchone()
    connection.close()
    assert (rows, counts) == ((1, {"pending": 1}) if ending == "COMMIT" else (0, {}))
