-- Each query returns the VIOLATIONS (no rows = holds).
-- Parameters: :now = the store's clock in ms, :grace = lease + two sweeps + one poll in ms, :free = slots without a job.
-- S: safety, holds after every step and every crash.  L: liveness, holds once faults stop and :grace has gone by.
-- name: S1_claims_match_attempt
SELECT j.id FROM aq_job j WHERE j.attempt<>(SELECT count(*) FROM aq_event e WHERE e.job_id=j.id AND e.kind='claimed');
-- name: S2_one_settlement_per_token
SELECT job_id, attempt FROM aq_event WHERE kind IN('succeeded','failed','released','rescued','buried') AND attempt>0 GROUP BY job_id, attempt HAVING count(*)>1;
-- name: S3_settle_needs_claim
SELECT s.seq FROM aq_event s WHERE s.kind IN('succeeded','failed','released','rescued','buried') AND NOT EXISTS(SELECT 1 FROM aq_event c WHERE c.job_id=s.job_id AND c.kind='claimed' AND c.attempt=s.attempt AND c.seq<s.seq);
-- name: S4_no_claim_while_unsettled
SELECT c.seq FROM aq_event c WHERE c.kind='claimed' AND c.attempt>1 AND NOT EXISTS(SELECT 1 FROM aq_event s WHERE s.job_id=c.job_id AND s.attempt=c.attempt-1 AND s.kind IN('failed','released','rescued','buried') AND s.seq<c.seq);
-- name: S5_terminal_is_final
SELECT t.job_id FROM aq_event t WHERE t.kind IN('succeeded','cancelled') AND EXISTS(SELECT 1 FROM aq_event n WHERE n.job_id=t.job_id AND n.seq>t.seq);
-- name: S6_state_equals_last_event
SELECT j.id FROM aq_job j WHERE j.state IS NOT (SELECT CASE e.kind WHEN 'enqueued' THEN 'pending' WHEN 'claimed' THEN 'running' WHEN 'succeeded' THEN 'succeeded' WHEN 'failed' THEN 'pending' WHEN 'released' THEN 'pending' WHEN 'rescued' THEN 'pending' WHEN 'buried' THEN 'dead' WHEN 'cancelled' THEN 'cancelled' WHEN 'redriven' THEN 'pending' END FROM aq_event e WHERE e.job_id=j.id ORDER BY e.seq DESC LIMIT 1);
-- name: S7_retries_bounded
SELECT id FROM aq_job WHERE failures>max_attempts OR attempt>max_claims OR redrives>max_redrives;
-- name: S8_nothing_lost
SELECT e.job_id FROM aq_event e WHERE e.kind='enqueued' AND NOT EXISTS(SELECT 1 FROM aq_job j WHERE j.id=e.job_id) AND NOT EXISTS(SELECT 1 FROM aq_event t WHERE t.job_id=e.job_id AND t.kind IN('succeeded','cancelled','buried'));
-- name: S9_exhausted_is_dead_lettered
SELECT id FROM aq_job WHERE state IN('pending','running') AND failures>=max_attempts;
-- name: S10_order_per_key_one_running
SELECT order_key FROM aq_job WHERE state='running' AND order_key IS NOT NULL GROUP BY order_key HAVING count(*)>1;
-- name: S11_order_per_key_no_overtake
SELECT c.seq FROM aq_event c JOIN aq_job j ON j.id=c.job_id WHERE c.kind='claimed' AND j.order_key IS NOT NULL AND EXISTS(SELECT 1 FROM aq_job o WHERE o.order_key=j.order_key AND o.id<j.id AND (SELECT e.kind FROM aq_event e WHERE e.job_id=o.id AND e.seq<c.seq ORDER BY e.seq DESC LIMIT 1) NOT IN('succeeded','buried','cancelled'));
-- name: S12_unique_live
SELECT task, unique_key FROM aq_job WHERE unique_key IS NOT NULL AND state IN('pending','running') GROUP BY task, unique_key HAVING count(*)>1;
-- name: S13_cron_fires_once
-- a fire has the job it names, and no two fires have one job (that a time is fired once, the primary key of aq_fire says)
SELECT f.name, f.fire_at FROM aq_fire f WHERE f.job_id IS NOT NULL AND NOT EXISTS(SELECT 1 FROM aq_event e WHERE e.job_id=f.job_id AND e.kind='enqueued') UNION ALL SELECT min(name), job_id FROM aq_fire WHERE job_id IS NOT NULL GROUP BY job_id HAVING count(*)>1 UNION ALL SELECT name, fire_at FROM aq_fire GROUP BY name, fire_at HAVING count(*)>1;
-- name: S14_success_has_its_effects
-- the success event says how many effects the job had in the ledger when it succeeded («effects=N»); they stay there
SELECT e.job_id FROM aq_event e WHERE e.kind='succeeded' AND CAST(substr(e.detail,9) AS INTEGER)>(SELECT count(*) FROM aq_effect f WHERE f.job_id=e.job_id AND f.state='applied');
-- name: S15_effect_written_by_owner
SELECT f.key FROM aq_effect f WHERE NOT EXISTS(SELECT 1 FROM aq_event c WHERE c.job_id=f.job_id AND c.attempt=f.attempt AND c.kind='claimed');
-- name: S16_failures_have_events
-- failures since the last redrive = events that count one: recovery that counts twice shows here
SELECT j.id FROM aq_job j WHERE j.state IN('pending','running') AND j.failures<>(SELECT count(*) FROM aq_event e WHERE e.job_id=j.id AND e.kind IN('failed','rescued') AND e.seq>coalesce((SELECT max(r.seq) FROM aq_event r WHERE r.job_id=j.id AND r.kind='redriven'),0));
-- name: L1_no_lease_outlives_sweep
SELECT id FROM aq_job WHERE state='running' AND lease_until < :now - :grace;
-- name: L2_ready_is_claimed
-- unless a limit holds it back: a pause, a full concurrency, a bucket that is not full (so it is being drawn from), an
-- open breaker, or (for one that lost its lease) a worker that is not idle
SELECT j.id FROM aq_job j WHERE j.state='pending' AND j.run_at < :now - :grace AND :free>0 AND (j.order_key IS NULL OR NOT EXISTS(SELECT 1 FROM aq_job o WHERE o.order_key=j.order_key AND (o.state='running' OR (o.state='pending' AND o.id<j.id)))) AND NOT EXISTS(SELECT 1 FROM aq_limit l WHERE (l.scope IN('queue','task:'||j.task) OR (l.scope='retries' AND j.failures>0)) AND (l.paused<>0 OR l.max_running<=(SELECT count(*) FROM aq_job r WHERE r.state='running' AND r.task=j.task) OR l.level+(:now-l.level_at)*l.gain<l.burst*l.cost OR EXISTS(SELECT 1 FROM aq_breaker b WHERE b.name=l.breaker AND b.state<>'closed'))) AND (j.crashes=0 OR NOT EXISTS(SELECT 1 FROM aq_job r WHERE r.state='running'));
-- name: L3_cancel_is_heeded
SELECT id FROM aq_job WHERE state='running' AND cancel_at < :now - :grace;
-- name: L4_schedule_advances
SELECT name FROM aq_schedule WHERE next_at < :now - :grace;
-- name: L5_intent_resolved
-- a dead job may leave an intent behind: that is the open question its dead letter asks; a succeeded one may not
SELECT f.key FROM aq_effect f JOIN aq_job j ON j.id=f.job_id WHERE f.state='intent' AND j.state='succeeded';
