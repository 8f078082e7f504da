"""The random walk: each answer uniform, each run a seed."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from itertools import chain
from random import Random

BITS = 16
CHUNK = 8192


class Uniform:
    """Answers uniformly at random, the same way for the same seed on every platform and version.

    Bits are drawn in bulk: a draw per question is the price of exploring, and this is its cheapest form. With 16 bits
    a draw and at most 1,024 options the bias of one answer stays below 1/64 of its probability.
    """

    def __init__(self, seed: int) -> None:
        draw = chain.from_iterable(_chunks(Random(seed))).__next__

        def choose(options: int, /) -> int:
            return draw() * options >> BITS

        # A closure, not a method: this is the innermost call of every exploration.
        self.choose: Callable[[int], int] = choose
        """A number in [0, options)."""


def _chunks(random: Random) -> Iterator[array[int]]:
    size = 512  # most runs are small: the first chunk is too, for drawing bytes nobody asks for costs as well
    while True:
        chunk = array("H", random.getrandbits(size * 8).to_bytes(size, "little"))
        yield chunk
        size = CHUNK
