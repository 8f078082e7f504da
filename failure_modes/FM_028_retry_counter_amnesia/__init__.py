"""FM_028: the counter of tries is forgotten before the next try."""
