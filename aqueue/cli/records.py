"""Stored rows as machines read them: plain JSON values, times in milliseconds since 1970."""

from __future__ import annotations

from typing import Any

import msgspec

from aqueue.codec import decode_call
from aqueue.errors import UndecodablePayload
from aqueue.store.rows import Event, JobRow

__all__ = ["arguments_of", "event_record", "job_record", "json_or_text"]


def job_record(row: JobRow) -> dict[str, Any]:
    """One job without its payload."""
    life = row.life
    return {
        "id": row.id,
        "uid": row.uid,
        "task": row.task,
        "state": life.state,
        "attempt": life.attempt,
        "failures": life.failures,
        "redrives": life.redrives,
        "crashes": life.crashes,
        "max_attempts": life.max_attempts,
        "max_claims": life.max_claims,
        "max_redrives": life.max_redrives,
        "priority": row.priority,
        "order_key": row.order_key,
        "unique_key": row.unique_key,
        "created_at": row.created_at,
        "run_at": life.run_at,
        "deadline": row.deadline,
        "worker": life.worker,
        "lease_until": life.lease_until,
        "cancel_at": life.cancel_at,
        "finished_at": life.finished_at,
        "dead_reason": life.dead_reason,
        "error": row.error,
    }


def event_record(event: Event) -> dict[str, Any]:
    """One line of a job's log."""
    return {
        "at": event.at,
        "kind": event.kind,
        "attempt": event.attempt,
        "worker": event.worker,
        "detail": event.detail,
    }


def arguments_of(row: JobRow) -> dict[str, Any]:
    """What the job was called with, or its bytes and why they cannot be read."""
    try:
        args, kwargs = decode_call(row.payload, row.payload_crc)
    except UndecodablePayload as error:
        return {"undecodable": error.happened, "payload_hex": row.payload.hex()}
    return {"args": list(args), "kwargs": kwargs}


def json_or_text(raw: bytes | str | None) -> Any:
    """What the bytes say as JSON; as text if they are none."""
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return raw if isinstance(raw, str) else raw.decode("utf-8", "backslashreplace")
