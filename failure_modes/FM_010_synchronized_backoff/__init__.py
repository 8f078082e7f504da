"""FM_010: synchronized backoff."""
