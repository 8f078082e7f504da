"""Where a run's chance and time come from."""

from __future__ import annotations

from typing import Literal

import msgspec


class Entropy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where `random`, `uuid`, `os.urandom`, `secrets` and the clocks come from while a run lasts.

    source: `seeded` draws chance from the seed and reads time from the loop; `real` leaves both to the machine.
    seed: of what is drawn; the order of tasks has answers of its own.
    spared: modules, and all below them, whose calls go to the machine all the same: `("myapp.tokens",)`.
    """

    source: Literal["seeded", "real"] = "seeded"
    seed: int = 0
    spared: tuple[str, ...] = ()
