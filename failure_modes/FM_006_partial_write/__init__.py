"""FM_006: partial write."""
