"""FM_023: an attempt that lost its lease wakes up and writes."""
