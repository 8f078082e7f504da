"""FM_002: lease expiry slow job."""
