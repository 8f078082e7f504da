"""The damage of FM_007 can be repaired: the log says by itself what is whole."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_007_torn_record.scenario import Book, record, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_007"), driver).objections == ()


def test_what_has_no_whole_record_is_taken_back():
    async def repaired() -> dict[int, int]:
        torn = record(41, 1500)[:-2]
        book = Book(log=f"\n{torn}\n{record(42, 990)}", charged={41: 15, 42: 990})
        await repair(book)
        return book.charged

    assert faultloop.run(repaired).value == {42: 990}
