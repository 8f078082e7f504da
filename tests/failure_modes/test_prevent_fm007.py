"""The guardrail of FM_007 holds: what does not check is set aside, and all orders are charged."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_007_torn_record.scenario import ORDERS, Book, read, record, what_checks, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_007"), driver).objections == ()


@pytest.mark.parametrize("order", range(len(ORDERS)))
def test_every_order_is_charged_and_the_torn_one_is_kept(order: int):
    async def guarded_work() -> Book:
        return await work(what_checks)

    book = faultloop.run(guarded_work, faults=[f"cancel shop-1 @ append>sleep #{2 * order + 2} parked"]).value
    assert book.charged == ORDERS
    assert len(book.torn) == 1


def test_a_record_torn_at_any_character_of_its_amount_is_noticed():
    whole = record(41, 1500)
    for end in range(whole.index(":") + 2, len(whole)):
        book = Book(log=f"\n{whole[:end]}\n{record(42, 990)}")
        read(book, what_checks)
        assert (book.charged, book.torn) == ({42: 990}, [whole[:end]])
