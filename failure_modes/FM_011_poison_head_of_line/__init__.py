"""FM_011: poison head of line."""
