"""FM_003: cancel between claim and try."""
