"""FM_021: a handler waits for room in the queue that only it can make room in."""
