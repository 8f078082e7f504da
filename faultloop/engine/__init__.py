"""Who asks: the sans-I/O centre. It asks deciders, counts await points, matches plans, and records."""
