-- To version 2: a renewal changes no column that an index has, so it rewrites none; a sweep looks through what runs.
DROP INDEX IF EXISTS aq_leased;
UPDATE aq_meta SET value=2 WHERE key='schema';
