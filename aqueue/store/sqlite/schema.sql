-- aqueue, SQLite >= 3.38 (STRICT, RETURNING, partial indexes).
-- Times are INTEGER milliseconds, written by one clock: that of the queue whose transaction it is.
CREATE TABLE aq_job(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uid TEXT NOT NULL UNIQUE,                         -- given by the enqueuer, so that an enqueue may be repeated
  task TEXT NOT NULL, payload BLOB NOT NULL, payload_crc INTEGER NOT NULL,
  priority INTEGER NOT NULL DEFAULT 0, deadline INTEGER, order_key TEXT, unique_key TEXT,
  created_at INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending' CHECK(state IN('pending','running','succeeded','dead','cancelled')),
  run_at INTEGER NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0,               -- claims so far = FENCING TOKEN of the current claim; never reset
  failures INTEGER NOT NULL DEFAULT 0,              -- tries that count (error, timeout, lost lease); a release does not
  redrives INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL CHECK(max_attempts>=1),
  max_claims INTEGER NOT NULL,                      -- hard bound, over releases too: no job is claimed for ever
  max_redrives INTEGER NOT NULL,
  worker TEXT, claim_nonce TEXT, lease_until INTEGER, cancel_at INTEGER,
  finished_at INTEGER, dead_reason TEXT, error TEXT, result BLOB,
  headers TEXT NOT NULL DEFAULT '{}',               -- a JSON object of strings
  crashes INTEGER NOT NULL DEFAULT 0,               -- leases lost in a row
  CHECK((state='running')=(lease_until IS NOT NULL)), CHECK((state='running')=(worker IS NOT NULL)),
  CHECK((state='running')=(claim_nonce IS NOT NULL)),
  CHECK((state IN('succeeded','dead','cancelled'))=(finished_at IS NOT NULL)),
  CHECK((state='dead')=(dead_reason IS NOT NULL)),
  CHECK(failures<=max_attempts), CHECK(attempt<=max_claims), CHECK(redrives<=max_redrives)
) STRICT;
CREATE INDEX aq_ready ON aq_job(priority DESC, run_at, id) WHERE state='pending';
CREATE INDEX aq_due ON aq_job(run_at) WHERE state='pending';
CREATE INDEX aq_nonce ON aq_job(claim_nonce) WHERE state='running';  -- and the few rows that a sweep looks through
CREATE INDEX aq_dead ON aq_job(finished_at, id) WHERE state='dead';
CREATE INDEX aq_order ON aq_job(order_key, id) WHERE order_key IS NOT NULL AND state IN('pending','running');
CREATE UNIQUE INDEX aq_order_one ON aq_job(order_key) WHERE order_key IS NOT NULL AND state='running';
CREATE UNIQUE INDEX aq_unique ON aq_job(task, unique_key)
  WHERE unique_key IS NOT NULL AND state IN('pending','running');
CREATE TABLE aq_event(                               -- append only, same transaction as the transition
  seq INTEGER PRIMARY KEY AUTOINCREMENT, job_id INTEGER NOT NULL, at INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK(kind IN(
    'enqueued','claimed','succeeded','failed','released','rescued','buried','cancelled','redriven')),
  attempt INTEGER NOT NULL, worker TEXT, detail TEXT) STRICT;
-- The lines of a job; one claim and one settlement per token, and of all else (NULL is like no other NULL) any number.
CREATE UNIQUE INDEX aq_event_once ON aq_event(job_id, attempt, (CASE WHEN kind='claimed' THEN 1
  WHEN attempt>0 AND kind IN('succeeded','failed','released','rescued','buried') THEN 2 END));
CREATE TABLE aq_effect(                              -- the idempotency ledger
  key TEXT PRIMARY KEY, job_id INTEGER NOT NULL, attempt INTEGER NOT NULL, nonce TEXT NOT NULL,
  state TEXT NOT NULL CHECK(state IN('intent','applied')), result BLOB, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX aq_effect_job ON aq_effect(job_id);
CREATE TABLE aq_progress(                            -- what a handler said last of how far it is, as JSON
  job_id INTEGER PRIMARY KEY, attempt INTEGER NOT NULL, value BLOB NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE INDEX aq_task ON aq_job(task, state, (order_key IS NOT NULL), (failures>0), priority DESC, run_at)
  WHERE state IN('pending','running');              -- heaps of jobs that a claim takes from, or passes over
CREATE INDEX aq_deadline ON aq_job(deadline) WHERE state='pending' AND deadline IS NOT NULL;
CREATE INDEX aq_crashed ON aq_job(run_at) WHERE state='pending' AND crashes>0;
CREATE TABLE aq_limit(                               -- scope: 'queue', 'task:NAME', or 'retries'
  scope TEXT PRIMARY KEY, paused INTEGER NOT NULL DEFAULT 0, max_running INTEGER, max_pending INTEGER, breaker TEXT,
  gain INTEGER, cost INTEGER NOT NULL DEFAULT 1, burst INTEGER NOT NULL DEFAULT 0,  -- a token bucket, if gain is given
  level INTEGER NOT NULL DEFAULT 0, level_at INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE aq_breaker(
  name TEXT PRIMARY KEY, state TEXT NOT NULL CHECK(state IN('closed','open','half-open')),
  failures INTEGER NOT NULL, changed_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE aq_schedule(
  name TEXT PRIMARY KEY, cron TEXT NOT NULL, tz TEXT NOT NULL,
  catchup TEXT NOT NULL CHECK(catchup IN('last','all','none')),
  template BLOB NOT NULL, next_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE aq_fire(                                -- job_id: NULL if the nominal time was missed
  name TEXT NOT NULL, fire_at INTEGER NOT NULL, job_id INTEGER, PRIMARY KEY(name, fire_at)) STRICT, WITHOUT ROWID;
CREATE INDEX aq_missed ON aq_fire(fire_at) WHERE job_id IS NULL;
CREATE TABLE aq_meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO aq_meta(key, value) VALUES('schema', 5);
