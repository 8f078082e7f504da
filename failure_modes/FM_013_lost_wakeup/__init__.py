"""FM_013: lost wakeup."""
