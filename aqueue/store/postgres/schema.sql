-- aqueue, PostgreSQL >= 14. The tables are those of sqlite/schema.sql, where each is explained.
-- Times are bigint milliseconds, written by one clock: that of the server.
CREATE TABLE aq_job(
  id bigint PRIMARY KEY,                             -- from aq_job_id, taken while the job's order_key is locked
  uid text NOT NULL UNIQUE,
  task text NOT NULL, payload bytea NOT NULL, payload_crc bigint NOT NULL,
  priority bigint NOT NULL DEFAULT 0, deadline bigint, order_key text, unique_key text,
  created_at bigint NOT NULL,
  state text NOT NULL DEFAULT 'pending' CHECK(state IN('pending','running','succeeded','dead','cancelled')),
  run_at bigint NOT NULL,
  attempt integer NOT NULL DEFAULT 0,
  failures integer NOT NULL DEFAULT 0,
  redrives integer NOT NULL DEFAULT 0,
  max_attempts integer NOT NULL CHECK(max_attempts>=1),
  max_claims integer NOT NULL,
  max_redrives integer NOT NULL,
  worker text, claim_nonce text, lease_until bigint, cancel_at bigint,
  finished_at bigint, dead_reason text, error text, result bytea,
  headers text NOT NULL DEFAULT '{}',
  crashes integer NOT NULL DEFAULT 0,
  CHECK((state='running')=(lease_until IS NOT NULL)), CHECK((state='running')=(worker IS NOT NULL)),
  CHECK((state='running')=(claim_nonce IS NOT NULL)),
  CHECK((state IN('succeeded','dead','cancelled'))=(finished_at IS NOT NULL)),
  CHECK((state='dead')=(dead_reason IS NOT NULL)),
  CHECK(failures<=max_attempts), CHECK(attempt<=max_claims), CHECK(redrives<=max_redrives)
-- Rows live short and change often: room beside them, and a vacuum that is not held back.
) WITH (fillfactor=70, autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_cost_delay=0);
CREATE SEQUENCE aq_job_id AS bigint OWNED BY aq_job.id;
CREATE INDEX aq_ready ON aq_job(priority DESC, run_at, id) WHERE state='pending';
CREATE INDEX aq_due ON aq_job(run_at) WHERE state='pending';
CREATE INDEX aq_nonce ON aq_job(claim_nonce) WHERE state='running';  -- and the few rows that a sweep looks through
CREATE INDEX aq_dead ON aq_job(finished_at, id) WHERE state='dead';
CREATE INDEX aq_order ON aq_job(order_key, id) WHERE order_key IS NOT NULL AND state IN('pending','running');
CREATE UNIQUE INDEX aq_order_one ON aq_job(order_key) WHERE order_key IS NOT NULL AND state='running';
CREATE UNIQUE INDEX aq_unique ON aq_job(task, unique_key)
  WHERE unique_key IS NOT NULL AND state IN('pending','running');
-- Heaps of jobs that a claim takes from, or passes over; of numbers, because a condition x=false becomes one of NOT x.
CREATE INDEX aq_task ON aq_job(
  task, state, ((order_key IS NOT NULL)::int), (least(failures,1)), priority DESC, run_at, id)
  WHERE state IN('pending','running');
CREATE INDEX aq_deadline ON aq_job(deadline) WHERE state='pending' AND deadline IS NOT NULL;
CREATE INDEX aq_crashed ON aq_job(run_at) WHERE state='pending' AND crashes>0;
CREATE TABLE aq_event(
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job_id bigint NOT NULL, at bigint NOT NULL,
  kind text NOT NULL CHECK(kind IN(
    'enqueued','claimed','succeeded','failed','released','rescued','buried','cancelled','redriven')),
  attempt integer NOT NULL, worker text, detail text);
CREATE INDEX aq_event_job ON aq_event(job_id, seq);
CREATE UNIQUE INDEX aq_event_claim ON aq_event(job_id, attempt) WHERE kind='claimed';
CREATE UNIQUE INDEX aq_event_settle ON aq_event(job_id, attempt)
  WHERE kind IN('succeeded','failed','released','rescued','buried') AND attempt>0;
CREATE TABLE aq_effect(
  key text PRIMARY KEY, job_id bigint NOT NULL, attempt integer NOT NULL, nonce text NOT NULL,
  state text NOT NULL CHECK(state IN('intent','applied')), result bytea, at bigint NOT NULL);
CREATE INDEX aq_effect_job ON aq_effect(job_id);
CREATE TABLE aq_progress(job_id bigint PRIMARY KEY, attempt integer NOT NULL, value bytea NOT NULL, at bigint NOT NULL);
CREATE TABLE aq_limit(
  scope text PRIMARY KEY, paused integer NOT NULL DEFAULT 0, max_running bigint, max_pending bigint, breaker text,
  gain bigint, cost bigint NOT NULL DEFAULT 1, burst bigint NOT NULL DEFAULT 0,
  level bigint NOT NULL DEFAULT 0, level_at bigint NOT NULL DEFAULT 0);
CREATE TABLE aq_breaker(
  name text PRIMARY KEY, state text NOT NULL CHECK(state IN('closed','open','half-open')),
  failures bigint NOT NULL, changed_at bigint NOT NULL);
CREATE TABLE aq_schedule(
  name text PRIMARY KEY, cron text NOT NULL, tz text NOT NULL,
  catchup text NOT NULL CHECK(catchup IN('last','all','none')),
  template bytea NOT NULL, next_at bigint NOT NULL);
CREATE TABLE aq_fire(
  name text NOT NULL, fire_at bigint NOT NULL, job_id bigint, PRIMARY KEY(name, fire_at));
CREATE INDEX aq_missed ON aq_fire(fire_at) WHERE job_id IS NULL;
CREATE TABLE aq_meta(key text PRIMARY KEY, value bigint NOT NULL);
-- store: a number by which a connection of the user is known to be one to these very tables
INSERT INTO aq_meta(key, value) VALUES('schema', 3), ('store', (random()*9e15)::bigint);
