-- To version 5: a handler can say how far it is.
CREATE TABLE aq_progress(                            -- what a handler said last of how far it is, as JSON
  job_id INTEGER PRIMARY KEY, attempt INTEGER NOT NULL, value BLOB NOT NULL, at INTEGER NOT NULL) STRICT;
UPDATE aq_meta SET value=5 WHERE key='schema';
