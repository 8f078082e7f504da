"""The invariants in words: what it means that one does not hold, and why no repair can restore it, where none can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["WORDS", "Meaning"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """violated: a sentence about the rows.   rows: what their first column names.

    remedy: what to do; where no repair can restore it, why not comes first.
    left: what to do where a repair could have restored it, and did not; None for the remedy itself.
    """

    violated: str
    rows: str
    is_repairable: bool
    remedy: str
    left: str | None = None


_LOG: Final = (
    "the log is the only witness of what happened; restore a backup, or look at the job and cancel or purge it"
)
_BY_ITS_LOG: Final = (
    True,
    "run `aqueue repair`",
    "the job's log does not say what it should be, or changed meanwhile; look at it with `aqueue show`",
)

WORDS: Final[Mapping[str, Meaning]] = {
    "S1_claims_match_attempt": Meaning("a job's attempt is not the number of its claims", "jobs", *_BY_ITS_LOG),
    "S2_one_settlement_per_token": Meaning("an attempt was settled twice", "jobs", False, _LOG),
    "S3_settle_needs_claim": Meaning("an attempt was settled that nobody had claimed", "events", False, _LOG),
    "S4_no_claim_while_unsettled": Meaning(
        "a job was claimed while its last attempt was not settled", "events", False, _LOG
    ),
    "S5_terminal_is_final": Meaning("something follows the end of a job", "jobs", False, _LOG),
    "S6_state_equals_last_event": Meaning("a job's state is not what its last event says", "jobs", *_BY_ITS_LOG),
    "S7_retries_bounded": Meaning("a job was tried or redriven more often than it may be", "jobs", *_BY_ITS_LOG),
    "S8_nothing_lost": Meaning(
        "a job that had not ended is gone", "jobs", False,
        "its arguments are gone with its row; restore a backup, or enqueue it anew from what called for it",
    ),
    "S9_exhausted_is_dead_lettered": Meaning("a job that failed for the last time is still live", "jobs", *_BY_ITS_LOG),
    "S10_order_per_key_one_running": Meaning(
        "two jobs of one order key run at once", "order keys", True,
        "each has its own claim; wait until they end, and look at what they wrote",
    ),
    "S11_order_per_key_no_overtake": Meaning(
        "a job was claimed while an older one of its order key had not ended", "events", False,
        "it has happened, and cannot be undone; look at what both jobs wrote",
    ),
    "S12_unique_live": Meaning(
        "two live jobs of a task have one unique key", "tasks", False,
        "which one is wanted, only you know; `aqueue cancel` the other",
    ),
    "S13_cron_fires_once": Meaning(
        "a time of a schedule has two jobs, or one that never was", "schedules", False,
        "which job stands for the time is not stored anywhere else; look at both, and cancel one if it is pending",
    ),
    "S14_success_has_its_effects": Meaning(
        "a job succeeded with more effects than the ledger knows", "jobs", False,
        "whether the effect happened, only its receiver knows; ask there by its idempotency key",
    ),
    "S15_effect_written_by_owner": Meaning(
        "an effect was written by an attempt that never was", "effects", False,
        "who wrote it is not known; ask the receiver, by the idempotency key, whether it happened",
    ),
    "S16_failures_have_events": Meaning("a job's failures are not those its log counts", "jobs", *_BY_ITS_LOG),
    "L1_no_lease_outlives_sweep": Meaning(
        "a lease ran out and no worker freed the job", "jobs", True, "start a worker, or run `aqueue repair`"
    ),
    "L2_ready_is_claimed": Meaning(
        "a due job is not taken although a worker is free", "jobs", False,
        "only a worker can run it; look at `aqueue stats` for what holds it back",
    ),
    "L3_cancel_is_heeded": Meaning(
        "a request to cancel is not heeded", "jobs", True,
        "the worker that holds it must stop it, or be restarted: then its lease runs out",
    ),
    "L4_schedule_advances": Meaning(
        "a schedule does not advance", "schedules", False,
        "only a worker whose code declares it can fire it; start one, or `aqueue cron remove` the schedule",
    ),
    "L5_intent_resolved": Meaning(
        "a job succeeded and left open whether an effect happened", "effects", False,
        "only the effect's receiver knows; ask there by the idempotency key",
    ),
}  # fmt: skip
