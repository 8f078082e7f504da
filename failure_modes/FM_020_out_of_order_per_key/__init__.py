"""FM_020: a job of a key overtakes an older one that is in back-off."""
