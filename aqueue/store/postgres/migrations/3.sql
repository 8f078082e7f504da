-- To version 3: a claim finds what it can have behind any number of jobs that it cannot; a handler can say how far it is.
CREATE TABLE aq_progress(job_id bigint PRIMARY KEY, attempt integer NOT NULL, value bytea NOT NULL, at bigint NOT NULL);
DROP INDEX aq_task;
CREATE INDEX aq_task ON aq_job(
  task, state, ((order_key IS NOT NULL)::int), (least(failures,1)), priority DESC, run_at, id)
  WHERE state IN('pending','running');
UPDATE aq_meta SET value=3 WHERE key='schema';
