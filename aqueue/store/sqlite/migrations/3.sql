-- To version 3: two indexes of jobs are one, and three of the log. Every job paid for each of them, several times.
DROP INDEX aq_leased;
DROP INDEX aq_event_job;
DROP INDEX aq_event_claim;
DROP INDEX aq_event_settle;
CREATE UNIQUE INDEX aq_event_once ON aq_event(job_id, attempt, (CASE WHEN kind='claimed' THEN 1
  WHEN attempt>0 AND kind IN('succeeded','failed','released','rescued','buried') THEN 2 END));
UPDATE aq_meta SET value=3 WHERE key='schema';
