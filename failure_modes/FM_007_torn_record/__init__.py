"""FM_007: torn record."""
