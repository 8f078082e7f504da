"""FM_005: timeout races completion."""
