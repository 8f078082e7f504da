-- From version 1, which kept its number in user_version, to version 2, which keeps it in a table of its own: user_version
-- belongs to the application that shares the file. Version 1 refuses the 2 that is left there.
ALTER TABLE aq_job ADD COLUMN headers TEXT NOT NULL DEFAULT '{}';
ALTER TABLE aq_job ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;
CREATE INDEX aq_task ON aq_job(task, state) WHERE state IN('pending','running');
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
INSERT INTO aq_meta(key, value) VALUES('schema', 2);
PRAGMA user_version=2;
