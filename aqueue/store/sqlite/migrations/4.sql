-- To version 4: a claim finds what it can have behind any number of jobs that it cannot.
DROP INDEX aq_task;
CREATE INDEX aq_task ON aq_job(task, state, (order_key IS NOT NULL), (failures>0), priority DESC, run_at)
  WHERE state IN('pending','running');
UPDATE aq_meta SET value=4 WHERE key='schema';
