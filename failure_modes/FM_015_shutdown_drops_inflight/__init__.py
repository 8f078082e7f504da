"""FM_015: shutdown drops inflight."""
