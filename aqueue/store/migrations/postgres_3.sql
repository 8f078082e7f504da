-- To version 3: a claim finds what it can have behind any number of jobs that it cannot.
DROP INDEX aq_task;
CREATE INDEX aq_task ON aq_job(
  task, state, ((order_key IS NOT NULL)::int), (least(failures,1)), priority DESC, run_at, id)
  WHERE state IN('pending','running');
UPDATE aq_meta SET value=3 WHERE key='schema';
