"""FM_004: cancel during ack."""
