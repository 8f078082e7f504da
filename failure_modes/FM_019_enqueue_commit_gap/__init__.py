"""FM_019: a row is committed, and the job that belongs to it is not enqueued."""
