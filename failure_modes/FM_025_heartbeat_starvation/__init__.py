"""FM_025: a handler that does not let go starves the heartbeat of its own worker."""
