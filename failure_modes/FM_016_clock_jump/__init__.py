"""FM_016: clock jump."""
