"""The statements that read and lock rows in PostgreSQL. Those that write them are in writes.py.

Every one is a constant: no statement is built from values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aqueue.store.columns import INVARIANTS, JOB, KEY_IS_FREE, LIFE
from aqueue.store.postgres.deep import IS_DEEP

__all__ = [
    "BREAKERS",
    "BY_ID",
    "CHECKS",
    "CLAIMED",
    "COUNT_EFFECTS",
    "COUNT_EVENTS",
    "COUNT_PENDING",
    "COUNT_PENDING_OF",
    "COUNT_RUNNING",
    "COUNT_TASKS",
    "DEAD",
    "DELETE_JOB",
    "EFFECTS",
    "EVENTS",
    "EXPIRED",
    "FIRE",
    "FORGET",
    "FORGET_PROGRESS",
    "GLANCE",
    "IS_FREE",
    "JOBS_AFTER",
    "LIMITS",
    "LOCK_KEYS",
    "LOCK_LIMITS",
    "MISSED",
    "NEXT_RUN_AT",
    "NOW",
    "OUTLOOK",
    "PROGRESS",
    "REMOVE_ENDED",
    "SCHEDULES",
    "SELECT",
    "STILL_FREE",
    "TAKE_IDS",
    "TRY_KEYS",
    "TWINS",
    "UIDS",
]

SELECT: Final = f"SELECT {','.join(f'j.{name}' for name in (*JOB, *LIFE))} FROM aq_job j"
IS_FREE: Final = f"(j.order_key IS NULL OR {KEY_IS_FREE})"
LIMITS: Final = "SELECT scope,paused,max_running,max_pending,breaker,gain,cost,burst,level,level_at FROM aq_limit"
_TIME: Final = "WITH n AS (SELECT coalesce(%s::bigint,(extract(epoch FROM clock_timestamp())*1000)::bigint) AS now) "
NOW: Final = f"{_TIME}SELECT now FROM n"
# The time, and all that a claim looks at before it looks for jobs, in one answer.
OUTLOOK: Final = (
    f"{_TIME}SELECT now, EXISTS(SELECT 1 FROM aq_job WHERE state='pending' AND deadline<=n.now), "
    f"EXISTS(SELECT 1 FROM aq_job WHERE state='pending' AND crashes>0), {IS_DEEP}, "
    "EXISTS(SELECT 1 FROM aq_job WHERE state='running' AND claim_nonce=ANY(%s)), "
    "(SELECT coalesce(json_agg(json_build_array(scope,paused,max_running,max_pending,breaker,gain,cost,burst,level,"
    "level_at)),'[]') FROM aq_limit) FROM n"
)
UIDS: Final = "SELECT uid,id FROM aq_job WHERE uid=ANY(%s)"
TWINS: Final = (
    "SELECT j.task,j.unique_key,j.id FROM aq_job j JOIN unnest(%s::text[],%s::text[]) AS u(task,unique_key) "
    "ON j.task=u.task AND j.unique_key=u.unique_key WHERE j.state IN('pending','running')"
)
COUNT_EFFECTS: Final = "SELECT job_id,count(*) FROM aq_effect WHERE job_id=ANY(%s) AND state='applied' GROUP BY job_id"
EFFECTS: Final = (
    "SELECT key,job_id,attempt,nonce,state,result,at FROM aq_effect WHERE key=ANY(%s) ORDER BY key FOR UPDATE"
)
CLAIMED: Final = (
    f"{SELECT} WHERE j.state='running' AND j.claim_nonce=ANY(%s) ORDER BY j.priority DESC, j.run_at, j.id FOR UPDATE"
)
# Advisory locks, held until the transaction ends. «new»: of who adds to a key, so that its ids ascend as they are
# committed. «run»: of who claims or redrives in a key. «limits»: of who counts.
LOCK_KEYS: Final = (
    "SELECT pg_advisory_xact_lock(h) FROM (SELECT DISTINCT hashtextextended('aqueue new '||k,0) AS h "
    "FROM unnest(%s::text[]) AS k ORDER BY 1) AS hashed"
)
TRY_KEYS: Final = (
    "SELECT k,pg_try_advisory_xact_lock(hashtextextended('aqueue '||%s||' '||k,0)) FROM unnest(%s::text[]) AS k"
)
LOCK_LIMITS: Final = "SELECT pg_advisory_xact_lock(hashtextextended('aqueue limits',0))"
STILL_FREE: Final = f"SELECT j.id FROM aq_job j WHERE j.id=ANY(%s) AND {IS_FREE}"
GLANCE: Final = f"{SELECT} WHERE j.id=%s"
COUNT_RUNNING: Final = "SELECT count(*) FROM aq_job WHERE state='running' AND task=%s"
COUNT_PENDING: Final = "SELECT count(*) FROM (SELECT 1 FROM aq_job WHERE state='pending' LIMIT %s) AS counted"
COUNT_PENDING_OF: Final = (
    "SELECT count(*) FROM (SELECT 1 FROM aq_job WHERE task=%s AND state='pending' LIMIT %s) AS counted"
)
NEXT_RUN_AT: Final = "SELECT min(run_at) FROM aq_job WHERE state='pending' AND run_at>%s"
BY_ID: Final = f"{SELECT} WHERE j.id=ANY(%s) ORDER BY j.id FOR UPDATE"
TAKE_IDS: Final = "SELECT nextval('aq_job_id') FROM generate_series(1,%s)"
BREAKERS: Final = "SELECT name,state,failures,changed_at FROM aq_breaker"
SCHEDULES: Final = 'SELECT name,cron,tz,catchup,template,next_at FROM aq_schedule ORDER BY name COLLATE "C"'
FIRE: Final = "INSERT INTO aq_fire(name,fire_at,job_id) VALUES(%s,%s,%s) ON CONFLICT DO NOTHING RETURNING 1"
MISSED: Final = (
    'SELECT name,fire_at,job_id FROM aq_fire WHERE job_id IS NULL ORDER BY fire_at DESC, name COLLATE "C" LIMIT %s'
)
EVENTS: Final = "SELECT job_id,at,kind,attempt,worker,detail FROM aq_event WHERE job_id=%s ORDER BY seq"
EXPIRED: Final = (
    f"{SELECT} WHERE j.state='running' AND j.lease_until<%s ORDER BY j.lease_until, j.id LIMIT %s "
    "FOR UPDATE SKIP LOCKED"
)
JOBS_AFTER: Final = f"{SELECT} WHERE j.id>%s AND j.state=ANY(%s) ORDER BY j.id LIMIT %s"
FORGET_PROGRESS: Final = "DELETE FROM aq_progress WHERE job_id=%s RETURNING 1"
DELETE_JOB: Final = "DELETE FROM aq_job WHERE id=%s AND attempt=%s AND state=%s RETURNING id"
REMOVE_ENDED: Final = (
    "DELETE FROM aq_job WHERE id IN (SELECT j.id FROM aq_job j "
    "JOIN unnest(%s::bigint[],%s::int[]) AS u(id,attempt) ON j.id=u.id AND j.attempt=u.attempt "
    "WHERE j.state IN('succeeded','dead','cancelled') ORDER BY j.id FOR UPDATE OF j SKIP LOCKED) RETURNING id"
)
FORGET: Final = tuple(
    f"DELETE FROM {table} WHERE job_id=ANY(%s)" for table in ("aq_event", "aq_effect", "aq_progress", "aq_fire")
)
PROGRESS: Final = "SELECT job_id,attempt,value,at FROM aq_progress WHERE job_id=%s"
_DUE: Final = "FILTER (WHERE state='pending' AND run_at<=%s)"
COUNT_TASKS: Final = (
    f"SELECT task,state,count(*),count(*) {_DUE},min(run_at) {_DUE} FROM aq_job GROUP BY task,state ORDER BY task,state"
)
COUNT_EVENTS: Final = (
    "SELECT coalesce(j.task,''),e.kind,count(*) FROM aq_event e LEFT JOIN aq_job j ON j.id=e.job_id "
    "WHERE e.at>=%s GROUP BY 1,2 ORDER BY 1,2"
)
DEAD: Final = f"{SELECT} WHERE j.state='dead' ORDER BY j.finished_at, j.id LIMIT %s"


def _of_postgres(sql: str) -> str:
    """A query of invariants.sql in PostgreSQL's words."""
    sql = sql.replace("IS NOT (SELECT", "IS DISTINCT FROM (SELECT")
    return re.sub(r":(now|grace|free)\b", r"%(\1)s::bigint", sql)


CHECKS: Final[Mapping[str, str]] = {name: _of_postgres(sql) for name, sql in INVARIANTS.items()}
