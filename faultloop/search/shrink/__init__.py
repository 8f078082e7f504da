"""Shrinking: from a failing run to the fewest faults and departures that make the same failure."""

from faultloop.search.shrink.attempts import MakeAttempt
from faultloop.search.shrink.follow import FollowBlocks, FollowOrders, follow
from faultloop.search.shrink.necessity import Reason
from faultloop.search.shrink.script import (
    Attempt,
    Before,
    Cost,
    Departure,
    Listing,
    Moment,
    Orders,
    Script,
    blocks_of,
    steps_of,
)
from faultloop.search.shrink.shrinker import BUDGET, Shrunk, shrink

__all__ = [
    "BUDGET",
    "Attempt",
    "Before",
    "Cost",
    "Departure",
    "FollowBlocks",
    "FollowOrders",
    "Listing",
    "MakeAttempt",
    "Moment",
    "Orders",
    "Reason",
    "Script",
    "Shrunk",
    "blocks_of",
    "follow",
    "shrink",
    "steps_of",
]
