"""Ready jobs in PostgreSQL behind many others, as in sqlite/deep.py: each heap of like jobs is asked for its first.

Rule 1: what is found here is not locked, so it is a hint: whoever takes a job locks it, and looks at it again.
"""

from __future__ import annotations

from typing import Final

from aqueue.store import looking
from aqueue.store.columns import EVERY_KEY, EVERY_TASK, KEY_IS_FREE, LIVE
from aqueue.store.looking import crashes_below
from aqueue.store.rows import Narrowing

__all__ = ["DEEP_IDS", "IS_DEEP", "deep_values"]

IS_DEEP: Final = f"EXISTS(SELECT 1 FROM aq_job WHERE state='pending' OFFSET {looking.NEAR})"

# Which index is used is not left to statistics here either (columns.py): that is why the state is a column of the heap,
# and not the word, by which others than aq_task could be chosen.
_HEAP: Final = (
    f"FROM aq_job j WHERE j.task={{0}}.task AND j.state={{0}}.state AND j.{LIVE} "
    "AND (j.order_key IS NOT NULL)::int={0}.keyed AND least(j.failures,1)={0}.failed"
)
_NEXT_PRIORITY: Final = f"SELECT max(j.priority) {_HEAP}"
_DUE: Final = "j.run_at<=%(now)s AND j.crashes<%(crashes)s"
_WANTED: Final = "{0}<>ALL(%(without)s::text[]) AND (%(only)s::text[] IS NULL OR {0}=ANY(%(only)s::text[]))"
DEEP_IDS: Final = f"""
WITH RECURSIVE {EVERY_TASK}, {EVERY_KEY},
k AS MATERIALIZED (SELECT name FROM every_key WHERE name IS NOT NULL LIMIT %(keys)s::bigint+1),
few AS MATERIALIZED (SELECT count(*)<=%(keys)s::bigint AS keys FROM k),
heap AS MATERIALIZED (
  SELECT t.name AS task,'pending' AS state,keyed,failed
  FROM every_task t,few,generate_series(0,1) keyed,generate_series(0,%(failed)s::int) failed
  WHERE t.name IS NOT NULL AND {_WANTED.format("t.name")} AND NOT (few.keys AND keyed=1)),
p(task,state,keyed,failed,priority) AS (
  SELECT task,state,keyed,failed,({_NEXT_PRIORITY.format("heap")}) FROM heap
  UNION ALL SELECT task,state,keyed,failed,({_NEXT_PRIORITY.format("p")} AND j.priority<p.priority) FROM p
  WHERE p.priority IS NOT NULL)
SELECT id FROM (
  SELECT found.* FROM p CROSS JOIN LATERAL (
    SELECT j.priority,j.run_at,j.id {_HEAP.format("p")} AND j.priority=p.priority AND {_DUE}
    AND (j.order_key IS NULL OR {KEY_IS_FREE}) ORDER BY j.run_at,j.id LIMIT %(limit)s) found
  UNION ALL
  SELECT j.priority,j.run_at,j.id FROM few,k CROSS JOIN LATERAL (
    SELECT * FROM aq_job o WHERE o.order_key=k.name AND o.{LIVE} ORDER BY o.id LIMIT 1) j
  WHERE few.keys AND j.state='pending' AND {_DUE} AND least(j.failures,1)<=%(failed)s::int
  AND {_WANTED.format("j.task")}) j
ORDER BY priority DESC,run_at,id LIMIT %(limit)s
"""


def deep_values(now: int, limit: int, narrowing: Narrowing) -> dict[str, object]:
    """The values of DEEP_IDS, which finds the first ready jobs, most urgent first. narrowing: not of overdue ones."""
    assert not narrowing.overdue, narrowing
    assert not narrowing.isolated, narrowing
    return {
        "now": now,
        "limit": limit,
        "crashes": crashes_below(narrowing),
        "failed": 0 if narrowing.fresh_only else 1,
        "without": sorted(narrowing.without),
        "only": None if narrowing.only is None else sorted(narrowing.only),
        "keys": looking.KEYS_MAX,
    }
